// Template: gradients of the activations and of layer norm.
#ifndef MP_GRADIENTS_SIMD_H
#define MP_GRADIENTS_SIMD_H

#include "operations/training/training_table.h"
#include "templates/vector_math.h"

/// Phi(x) + x phi(x), with Phi as v_gelu has it.
MP_INLINE vec v_gelu_slope(vec x) {
  const vec square = v_mul(x, x);
  const vec inside = v_fma(x, v_normal_polynomial(square), v_set(0.5f));
  const vec outside = v_select_greater(x, v_zero(), v_set(1.0f), v_zero());
  const vec phi = v_select_greater(square, v_set(5.2f * 5.2f), outside, inside);
  const vec density = v_mul(v_exp(v_mul(square, v_set(-0.5f))), v_set(0.398942280f));
  // Far outside the density is 0, and an infinite x would make it no number.
  return v_select_greater(square, v_set(200.0f), outside, v_fma(x, density, phi));
}

/// s + x s (1 - s) (2 z)', s = 1 / (1 + e^-2z), z as in v_gelu_tanh.
MP_INLINE vec v_gelu_tanh_slope(vec x) {
  const vec square = v_mul(x, x);
  const vec twice = v_mul(x, v_fma(square, v_set(-0.0713548163f), v_set(-1.59576912f)));
  const vec s = v_div(v_set(1.0f), v_add(v_set(1.0f), v_exp(twice)));
  const vec slope = v_fma(square, v_set(0.214064449f), v_set(1.59576912f));
  const vec inside = v_fma(v_mul(v_mul(x, s), v_sub(v_set(1.0f), s)), slope, s);
  const vec outside = v_select_greater(x, v_zero(), v_set(1.0f), v_zero());
  return v_select_greater(square, v_set(100.0f), outside, inside);
}

MP_INLINE vec v_slope(vec x, mp_activation activation) {
  switch (activation) {
  case MP_ACTIVATION_NONE: return v_set(1.0f);
  case MP_ACTIVATION_GELU: return v_gelu_slope(x);
  case MP_ACTIVATION_GELU_TANH: return v_gelu_tanh_slope(x);
  case MP_ACTIVATION_RELU: return v_select_greater(x, v_zero(), v_set(1.0f), v_zero());
  case MP_ACTIVATION_TANH: {
    const vec y = v_tanh(x);
    return v_sub(v_set(1.0f), v_mul(y, y));
  }
  case MP_ACTIVATION_SIGMOID: {
    const vec y = v_sigmoid(x);
    return v_mul(y, v_sub(v_set(1.0f), y));
  }
  }
  return x;
}

static void MP_NAME(activation_gradient)(const float *x, const float *dy, size_t count, mp_activation activation,
                                         float *dx) {
  for (size_t i = 0; i < count; i += LANES) {
    const size_t left = count - i;
    v_store_some(dx + i, left, v_mul(v_load_some(dy + i, left), v_slope(v_load_some(x + i, left), activation)));
  }
}

/// Mean and 1 / deviation of a row, as layer_norm_row has them.
MP_INLINE void row_moments(const float *x, size_t count, float epsilon, vec *mean, vec *scale) {
  vec sum = v_zero(), squares = v_zero();
  for (size_t i = 0; i < count; i += LANES) sum = v_add(sum, v_load_some(x + i, count - i));
  *mean = v_set(v_sum(sum) / (float)count);
  for (size_t i = 0; i < count; i += LANES) {
    const vec centred = v_keep_some(count - i, v_sub(v_load_some(x + i, count - i), *mean));
    squares = v_fma(centred, centred, squares);
  }
  *scale = v_set(1.0f / __builtin_sqrtf(v_sum(squares) / (float)count + epsilon));
}

/// With n the normal values and g = dy gamma: dx = scale (g - mean(g) - n mean(g n)).
static void MP_NAME(layer_norm_gradient)(const float *x, const float *dy, int rows, int columns, const float *gamma,
                                         float epsilon, float *dx, float *dgamma, float *dbeta) {
  const size_t count = (size_t)columns;
  for (size_t i = 0; i < count && dgamma; i++) dgamma[i] = dbeta[i] = 0.0f;
  for (int r = 0; r < rows; r++, x += count, dy += count) {
    vec mean, scale, sum = v_zero(), product = v_zero();
    row_moments(x, count, epsilon, &mean, &scale);
    for (size_t i = 0; i < count; i += LANES) {
      const size_t left = count - i;
      const vec normal = v_mul(v_sub(v_load_some(x + i, left), mean), scale), d = v_load_some(dy + i, left);
      const vec g = v_mul(d, v_load_some(gamma + i, left));
      sum = v_add(sum, g);
      product = v_fma(g, normal, product);
      if (!dgamma) continue;
      v_store_some(dgamma + i, left, v_fma(d, normal, v_load_some(dgamma + i, left)));
      v_store_some(dbeta + i, left, v_add(d, v_load_some(dbeta + i, left)));
    }
    if (!dx) continue;
    const vec shift = v_set(v_sum(sum) / (float)count), slope = v_set(v_sum(product) / (float)count);
    for (size_t i = 0; i < count; i += LANES) {
      const size_t left = count - i;
      const vec normal = v_mul(v_sub(v_load_some(x + i, left), mean), scale);
      const vec g = v_sub(v_mul(v_load_some(dy + i, left), v_load_some(gamma + i, left)), shift);
      v_store_some(dx + i, left, v_mul(scale, v_sub(g, v_mul(normal, slope))));
    }
    dx += count;
  }
}

#endif
