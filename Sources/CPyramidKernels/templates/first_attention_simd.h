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

/// y = sum over `rows` of factor[row] * scale[row] * row of x, added to y unless these are the first; scales NULL for 1.
MP_INLINE void add_rows(const int rows, const mp_precision precision, const float *factors, float scale,
                        const float *scales, const void *x, size_t first, size_t columns, float *y) {
  vec factor[8];
  for (size_t r = 0; r < (size_t)rows; r++) {
    factor[r] = v_set(factors[first + r] * scale * (scales ? scales[first + r] : 1.0f));
  }
  size_t c = 0;
  for (; c + LANES <= columns; c += LANES) {
    vec sum = first == 0 ? v_zero() : v_load(y + c);
    for (size_t r = 0; r < (size_t)rows; r++) {
      sum = v_fma(factor[r], v_load_weight(precision, x, (first + r) * columns + c, LANES), sum);
    }
    v_store(y + c, sum);
  }
  if (c < columns) {
    const size_t left = columns - c;
    vec sum = first == 0 ? v_zero() : v_load_some(y + c, left);
    for (size_t r = 0; r < (size_t)rows; r++) {
      sum = v_fma(factor[r], v_load_weight(precision, x, (first + r) * columns + c, left), sum);
    }
    v_store_some(y + c, left, sum);
  }
}

/// y = sum over `rows` of factor[row] * scale[row] * row of x [rows][columns]. Eight rows at a time, from one end to the
/// other: memory is read in order, which at one row decides how long it takes.
MP_INLINE void weigh_rows_of(const mp_precision precision, const float *factors, float scale, const float *scales,
                             const void *x, int rows, size_t columns, float *y) {
  size_t r = 0;
  for (; r + 8 <= (size_t)rows; r += 8) add_rows(8, precision, factors, scale, scales, x, r, columns, y);
  for (; r < (size_t)rows; r++) add_rows(1, precision, factors, scale, scales, x, r, columns, y);
}

static void weigh_rows(mp_precision precision, const float *factors, float scale, const float *scales, const void *x,
                       int rows, size_t columns, float *y) {
  switch (precision) {
  case MP_PRECISION_F32: weigh_rows_of(MP_PRECISION_F32, factors, scale, NULL, x, rows, columns, y); break;
  case MP_PRECISION_BF16: weigh_rows_of(MP_PRECISION_BF16, factors, scale, NULL, x, rows, columns, y); break;
  case MP_PRECISION_INT8: weigh_rows_of(MP_PRECISION_INT8, factors, scale, scales, x, rows, columns, y); break;
  }
}

/// Some columns of what `mix_tokens` computes: 4 vectors or 1, the last of `left` floats.
MP_INLINE void mix_columns(const int vectors, const mp_first_attention_job *job, size_t c, size_t left) {
  const size_t depth = (size_t)job->depth, tokens = (size_t)job->tokens;
  vec sum[MP_FIRST_HEADS][4];
  for (int h = 0; h < MP_FIRST_HEADS; h++) {
    for (int v = 0; v < vectors; v++) sum[h][v] = v_zero();
  }
  for (size_t j = 0; j < tokens; j++) {
    const vec share[MP_FIRST_HEADS] = {v_set(job->shares[j]), v_set(job->shares[tokens + j])};
    for (size_t v = 0; v < (size_t)vectors; v++) {
      const vec x = v_load_some(job->x + j * depth + c + v * LANES, left);
      for (int h = 0; h < MP_FIRST_HEADS; h++) sum[h][v] = v_fma(share[h], x, sum[h][v]);
    }
  }
  for (size_t h = 0; h < MP_FIRST_HEADS; h++) {
    for (size_t v = 0; v < (size_t)vectors; v++) v_store_some(job->z + h * depth + c + v * LANES, left, sum[h][v]);
  }
}

/// z[h] = sum over tokens of shares[h][token] * x[token], for two heads: hidden states are loaded once for both.
static void mix_tokens(const mp_first_attention_job *job) {
  const size_t depth = (size_t)job->depth;
  size_t c = 0;
  for (; c + 4 * LANES <= depth; c += 4 * LANES) mix_columns(4, job, c, LANES);
  for (; c + LANES <= depth; c += LANES) mix_columns(1, job, c, LANES);
  if (c < depth) mix_columns(1, job, c, depth - c);
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

/// Adds to the sums of one or four tokens with two heads, from column c on: hidden states and the heads' vectors are
/// loaded once for all.
MP_INLINE void add_scores(const int tokens, const mp_first_attention_job *job, const float *x, size_t c, size_t left,
                          vec sum[MP_FIRST_HEADS][4]) {
  const size_t depth = (size_t)job->depth;
  const vec factor[MP_FIRST_HEADS] = {v_load_some(job->u + c, left), v_load_some(job->u + depth + c, left)};
  for (size_t t = 0; t < (size_t)tokens; t++) {
    const vec row = v_load_some(x + t * depth + c, left);
    for (int h = 0; h < MP_FIRST_HEADS; h++) sum[h][t] = v_fma(row, factor[h], sum[h][t]);
  }
}

MP_INLINE void score_some(const int tokens, const mp_first_attention_job *job, size_t token) {
  const size_t depth = (size_t)job->depth;
  const float *x = job->x + token * depth;
  vec sum[MP_FIRST_HEADS][4];
  for (int h = 0; h < MP_FIRST_HEADS; h++) {
    for (int t = 0; t < 4; t++) sum[h][t] = v_zero();
  }
  size_t c = 0;
  for (; c + LANES <= depth; c += LANES) add_scores(tokens, job, x, c, LANES, sum);
  if (c < depth) add_scores(tokens, job, x, c, depth - c, sum);
  for (int h = 0; h < MP_FIRST_HEADS; h++) {
    float *scores = job->shares + (size_t)h * (size_t)job->tokens + token, four[4];
    v_store_sums(tokens == 4 ? scores : four, sum[h][0], sum[h][1], sum[h][2], sum[h][3]);
    if (tokens == 1) scores[0] = four[0];
  }
}

static void score_tokens(const mp_first_attention_job *job) {
  size_t token = 0;
  for (; token + 4 <= (size_t)job->tokens; token += 4) score_some(4, job, token);
  for (; token < (size_t)job->tokens; token++) score_some(1, job, token);
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
