// Template: attention of a sample's first token, a few heads at once.
//
// What differs from the plain loops of kernels_portable.c: columns and tokens are taken in blocks, so that a vector of
// weights or hidden states is loaded once for several sums. Each sum keeps one order whatever block its terms come in.
#ifndef MP_FIRST_ATTENTION_SIMD_H
#define MP_FIRST_ATTENTION_SIMD_H

#include "templates/rows_simd.h"

/// Weights of a row from element `index` on as floats, `left` of them; int8 without its scale. Short ones are loaded
/// whole: `mp_rows_pack` leaves room after the last.
MP_INLINE vec v_load_weight(mp_precision precision, const void *row, size_t index, size_t left) {
  switch (precision) {
  case MP_PRECISION_F32: return v_load_some((const float *)row + index, left);
  case MP_PRECISION_BF16: return v_keep_some(left, v_load_bf16((const uint16_t *)row + index));
  case MP_PRECISION_INT8: return v_keep_some(left, v_load_int8((const int8_t *)row + index));
  }
  return v_zero();
}

/// y = sum over `rows` of factor[row] * scale[row] * row of x; x [rows][columns] of a precision; scales NULL for 1.
MP_INLINE void weigh_rows_of(const mp_precision precision, const float *factors, float scale, const float *scales,
                             const void *x, int rows, size_t columns, float *y) {
  size_t c = 0;
  for (; c + 4 * LANES <= columns; c += 4 * LANES) {
    vec sum[4] = {v_zero(), v_zero(), v_zero(), v_zero()};
    for (size_t r = 0; r < (size_t)rows; r++) {
      const vec factor = v_set(factors[r] * scale * (scales ? scales[r] : 1.0f));
      for (size_t v = 0; v < 4; v++) {
        sum[v] = v_fma(factor, v_load_weight(precision, x, r * columns + c + v * LANES, LANES), sum[v]);
      }
    }
    for (size_t v = 0; v < 4; v++) v_store(y + c + v * LANES, sum[v]);
  }
  for (; c < columns; c += LANES) {
    vec sum = v_zero();
    for (size_t r = 0; r < (size_t)rows; r++) {
      const vec factor = v_set(factors[r] * scale * (scales ? scales[r] : 1.0f));
      sum = v_fma(factor, v_load_weight(precision, x, r * columns + c, columns - c), sum);
    }
    v_store_some(y + c, columns - c, sum);
  }
}

static void weigh_rows(mp_precision precision, const float *factors, float scale, const float *scales, const void *x,
                       int rows, size_t columns, float *y) {
  switch (precision) {
  case MP_PRECISION_F32: weigh_rows_of(MP_PRECISION_F32, factors, scale, NULL, x, rows, columns, y); break;
  case MP_PRECISION_BF16: weigh_rows_of(MP_PRECISION_BF16, factors, scale, NULL, x, rows, columns, y); break;
  case MP_PRECISION_INT8: weigh_rows_of(MP_PRECISION_INT8, factors, scale, scales, x, rows, columns, y); break;
  }
}

/// z[h] = sum over tokens of shares[h][token] * x[token], for four heads: hidden states are loaded once for all.
static void mix_tokens(const mp_first_attention_job *job) {
  const size_t depth = (size_t)job->depth, tokens = (size_t)job->tokens;
  for (size_t c = 0; c < depth; c += 2 * LANES) {
    const size_t left = depth - c, second = left > LANES ? left - LANES : 0;
    vec sum[MP_FIRST_HEADS][2];
    for (int h = 0; h < MP_FIRST_HEADS; h++) sum[h][0] = sum[h][1] = v_zero();
    for (size_t j = 0; j < tokens; j++) {
      const float *row = job->x + j * depth + c;
      const vec a = v_load_some(row, left), b = second ? v_load_some(row + LANES, second) : v_zero();
      for (int h = 0; h < MP_FIRST_HEADS; h++) {
        const vec share = v_set(job->shares[(size_t)h * tokens + j]);
        sum[h][0] = v_fma(share, a, sum[h][0]);
        sum[h][1] = v_fma(share, b, sum[h][1]);
      }
    }
    for (int h = 0; h < MP_FIRST_HEADS; h++) {
      float *z = job->z + (size_t)h * depth + c;
      v_store_some(z, left, sum[h][0]);
      if (second) v_store_some(z + LANES, second, sum[h][1]);
    }
  }
}

/// y[i] = a[i] . b for `rows` rows (1 or 4) at a distance of `stride` elements: b is loaded once for all.
MP_INLINE void dot_some(const int rows, const mp_precision precision, const void *a, size_t first, size_t stride,
                        const float *b, size_t count, float *y) {
  vec sum[4] = {v_zero(), v_zero(), v_zero(), v_zero()};
  size_t c = 0;
  for (; c + LANES <= count; c += LANES) {
    const vec right = v_load(b + c);
    for (size_t i = 0; i < (size_t)rows; i++) {
      sum[i] = v_fma(v_load_weight(precision, a, first + i * stride + c, LANES), right, sum[i]);
    }
  }
  if (c < count) {
    const vec right = v_load_some(b + c, count - c);
    for (size_t i = 0; i < (size_t)rows; i++) {
      sum[i] = v_fma(v_load_weight(precision, a, first + i * stride + c, count - c), right, sum[i]);
    }
  }
  if (rows == 4) {
    v_store_sums(y, sum[0], sum[1], sum[2], sum[3]);
  } else {
    for (size_t i = 0; i < (size_t)rows; i++) y[i] = v_sum(sum[i]);
  }
}

/// Scores of one or two tokens with four heads: hidden states and the heads' vectors are each loaded once for all.
MP_INLINE void score_some(const int tokens, const mp_first_attention_job *job, size_t token) {
  const size_t depth = (size_t)job->depth;
  const float *x = job->x + token * depth;
  vec sum[2][MP_FIRST_HEADS];
  for (int t = 0; t < tokens; t++) {
    for (int h = 0; h < MP_FIRST_HEADS; h++) sum[t][h] = v_zero();
  }
  for (size_t c = 0; c < depth; c += LANES) {
    const size_t left = depth - c;
    vec row[2];
    for (int t = 0; t < tokens; t++) row[t] = v_load_some(x + (size_t)t * depth + c, left);
    for (int h = 0; h < MP_FIRST_HEADS; h++) {
      const vec factor = v_load_some(job->u + (size_t)h * depth + c, left);
      for (int t = 0; t < tokens; t++) sum[t][h] = v_fma(row[t], factor, sum[t][h]);
    }
  }
  for (int t = 0; t < tokens; t++) {
    float scores[MP_FIRST_HEADS];
    v_store_sums(scores, sum[t][0], sum[t][1], sum[t][2], sum[t][3]);
    for (int h = 0; h < MP_FIRST_HEADS; h++) {
      job->shares[(size_t)h * (size_t)job->tokens + token + (size_t)t] = scores[h];
    }
  }
}

static void score_tokens(const mp_first_attention_job *job) {
  size_t token = 0;
  for (; token + 2 <= (size_t)job->tokens; token += 2) score_some(2, job, token);
  if (token < (size_t)job->tokens) score_some(1, job, token);
}

MP_INLINE void dot_rows_of(const mp_precision precision, const void *a, int rows, const float *b, size_t count,
                           float *y) {
  size_t r = 0;
  for (; r + 4 <= (size_t)rows; r += 4) dot_some(4, precision, a, r * count, count, b, count, y + r);
  for (; r < (size_t)rows; r++) dot_some(1, precision, a, r * count, count, b, count, y + r);
}

/// y[r] = a[r] . b, a [rows][count] of a precision, int8 without its scales.
static void dot_rows(mp_precision precision, const void *a, int rows, const float *b, size_t count, float *y) {
  switch (precision) {
  case MP_PRECISION_F32: dot_rows_of(MP_PRECISION_F32, a, rows, b, count, y); break;
  case MP_PRECISION_BF16: dot_rows_of(MP_PRECISION_BF16, a, rows, b, count, y); break;
  case MP_PRECISION_INT8: dot_rows_of(MP_PRECISION_INT8, a, rows, b, count, y); break;
  }
}

/// The weights of head h, `elements` after those of head 0.
MP_INLINE const void *head_weights(mp_precision precision, const void *weight, size_t elements) {
  switch (precision) {
  case MP_PRECISION_F32: return (const float *)weight + elements;
  case MP_PRECISION_BF16: return (const uint16_t *)weight + elements;
  case MP_PRECISION_INT8: return (const int8_t *)weight + elements;
  }
  return weight;
}

static void MP_NAME(first_attention)(const mp_first_attention_job *job) {
  const size_t depth = (size_t)job->depth, tokens = (size_t)job->tokens, dims = (size_t)job->head_dim;
  const float scale = 1.0f / __builtin_sqrtf((float)job->head_dim);
  const int is_int8 = job->precision == MP_PRECISION_INT8;
  const int is_whole = job->heads == MP_FIRST_HEADS;
  for (size_t h = 0; h < (size_t)job->heads; h++) {
    float *u = job->u + h * depth, *shares = job->shares + h * tokens;
    weigh_rows(job->precision, job->q + h * dims, scale, is_int8 ? job->k_scales + h * dims : NULL,
               head_weights(job->precision, job->wk, h * dims * depth), job->head_dim, depth, u);
    if (!is_whole) dot_rows(MP_PRECISION_F32, job->x, job->tokens, u, depth, shares);
  }
  if (is_whole) score_tokens(job);
  for (size_t h = 0; h < (size_t)job->heads; h++) {
    softmax_row(job->shares + h * tokens, tokens, job->shares + h * tokens, NULL, job->sizes);
  }
  if (is_whole) {
    mix_tokens(job);
  } else {
    for (size_t h = 0; h < (size_t)job->heads; h++) {
      weigh_rows(MP_PRECISION_F32, job->shares + h * tokens, 1.0f, NULL, job->x, job->tokens, depth,
                 job->z + h * depth);
    }
  }
  for (size_t h = 0; h < (size_t)job->heads; h++) {
    float *out = job->out + h * dims;
    dot_rows(job->precision, head_weights(job->precision, job->wv, h * dims * depth), job->head_dim,
             job->z + h * depth, depth, out);
    for (size_t i = 0; i < dims; i++) {
      out[i] = out[i] * (is_int8 ? job->v_scales[h * dims + i] : 1.0f) + job->bv[h * dims + i];
    }
  }
}

#endif
