// Template: operations on rows and flat arrays: activation, sum, layer norm, embedding, softmax, length.
//
// All of them walk a row in whole vectors and end with a masked one, so that memory after a row is never touched and
// a row's bits depend on the row alone.
#ifndef MP_ROWS_SIMD_H
#define MP_ROWS_SIMD_H

#include "templates/vector_math.h"

static void MP_NAME(activate)(const float *x, size_t count, mp_activation activation, float *y) {
  for (size_t i = 0; i < count; i += LANES) {
    v_store_some(y + i, count - i, v_activate(v_load_some(x + i, count - i), activation));
  }
}

static void MP_NAME(gate)(const float *x, size_t columns, mp_activation activation, float *y) {
  for (size_t i = 0; i < columns; i += LANES) {
    const size_t left = columns - i;
    const vec active = v_activate(v_load_some(x + i, left), activation);
    v_store_some(y + i, left, v_mul(active, v_load_some(x + columns + i, left)));
  }
}

static void MP_NAME(rotate)(const float *x, size_t size, const float *turns, float *y) {
  const size_t half = size / 2;
  for (size_t i = 0; i < half; i += LANES) {
    const size_t left = half - i;
    const vec a = v_load_some(x + i, left), b = v_load_some(x + half + i, left);
    const vec cosine = v_load_some(turns + i, left), sine = v_load_some(turns + half + i, left);
    v_store_some(y + i, left, v_sub(v_mul(a, cosine), v_mul(b, sine)));
    v_store_some(y + half + i, left, v_add(v_mul(b, cosine), v_mul(a, sine)));
  }
}

static void MP_NAME(add)(const float *a, const float *b, size_t count, float *y) {
  for (size_t i = 0; i < count; i += LANES) {
    v_store_some(y + i, count - i, v_add(v_load_some(a + i, count - i), v_load_some(b + i, count - i)));
  }
}

static void MP_NAME(embed)(const float *word, const float *position, const float *type, int columns, float *y) {
  const size_t count = (size_t)columns;
  for (size_t i = 0; i < count; i += LANES) {
    vec sum = v_load_some(word + i, count - i);
    if (position) sum = v_add(sum, v_load_some(position + i, count - i));
    if (type) sum = v_add(sum, v_load_some(type + i, count - i));
    v_store_some(y + i, count - i, sum);
  }
}

/// Two passes for the moments: the variance of centred values loses no digits when the mean is large.
static void layer_norm_row(const float *x, size_t count, const float *gamma, const float *beta, float epsilon,
                           float *y) {
  vec sum = v_zero(), squares = v_zero();
  for (size_t i = 0; i < count; i += LANES) sum = v_add(sum, v_load_some(x + i, count - i));
  const vec mean = v_set(v_sum(sum) / (float)count);
  for (size_t i = 0; i < count; i += LANES) {
    const vec centred = v_keep_some(count - i, v_sub(v_load_some(x + i, count - i), mean));
    squares = v_fma(centred, centred, squares);
  }
  const vec scale = v_set(1.0f / __builtin_sqrtf(v_sum(squares) / (float)count + epsilon));
  for (size_t i = 0; i < count; i += LANES) {
    const size_t left = count - i;
    const vec normal = v_mul(v_sub(v_load_some(x + i, left), mean), scale);
    v_store_some(y + i, left, v_fma(normal, v_load_some(gamma + i, left), v_load_some(beta + i, left)));
  }
}

static void MP_NAME(layer_norm)(const float *x, int rows, int columns, const float *gamma, const float *beta,
                                float epsilon, float *y) {
  for (size_t r = 0; r < (size_t)rows; r++) {
    const size_t place = r * (size_t)columns;
    layer_norm_row(x + place, (size_t)columns, gamma, beta, epsilon, y + place);
  }
}

/// y[i] = sizes[i] (1 if NULL) times e^(x[i] - shift), of [count]; returns the sums of y by lane.
MP_INLINE vec softmax_powers(const float *x, size_t count, vec shift, vec (*exponential)(vec), const float *sizes,
                             float *y) {
  vec sum = v_zero();
  for (size_t i = 0; i < count; i += LANES) {
    vec power = v_keep_some(count - i, exponential(v_sub(v_load_some(x + i, count - i), shift)));
    if (sizes) power = v_mul(power, v_load_some(sizes + i, count - i));
    sum = v_add(sum, power);
    v_store_some(y + i, count - i, power);
  }
  return sum;
}

/// y may be x, which attention uses; `received` (nullable, [count]) gets the probabilities added; element i counts
/// sizes[i] times (nullable, [count]).
/// A NaN may or may not win the maximum, but it survives e^(x - maximum), then the sum, then every quotient.
MP_INLINE void softmax_row(const float *x, size_t count, float *y, float *received, const float *sizes) {
  vec greatest = v_set(x[0]), least = greatest;
  for (size_t i = 0; i < count; i += i + LANES <= count ? LANES : 1) {
    const vec score = i + LANES <= count ? v_load(x + i) : v_set(x[i]);
    greatest = v_max(score, greatest);
    least = v_min(score, least);
  }
  const vec shift = v_set(v_greatest(greatest));
  // Not so where scores are infinitely far apart, or the first is NaN; another NaN stays one either way.
  const int is_near = v_greatest(v_sub(shift, least)) <= 87.0f;
  const vec sum = is_near ? softmax_powers(x, count, shift, v_exp_within, sizes, y)
                          : softmax_powers(x, count, shift, v_exp, sizes, y);
  const vec factor = v_set(1.0f / v_sum(sum));
  for (size_t i = 0; i < count; i += LANES) {
    const vec share = v_mul(v_load_some(y + i, count - i), factor);
    v_store_some(y + i, count - i, share);
    if (received) v_store_some(received + i, count - i, v_add(v_load_some(received + i, count - i), share));
  }
}

static void MP_NAME(softmax)(const float *x, int columns, float *y) { softmax_row(x, (size_t)columns, y, NULL, NULL); }

static float MP_NAME(norm)(const float *x, int columns) {
  const size_t count = (size_t)columns;
  vec squares = v_zero();
  for (size_t i = 0; i < count; i += LANES) {
    const vec value = v_load_some(x + i, count - i);
    squares = v_fma(value, value, squares);
  }
  return __builtin_sqrtf(v_sum(squares));
}

#endif
