// Template: attention of a range of queries of one sample and head.
//
// What differs from the plain loops of kernels_portable.c: keys are transposed and scaled into panels and values copied
// into a dense matrix, so that both products are the micro-kernel of the linear layers; a few query rows pass through
// scores, softmax and values while they are in cache.
#ifndef MP_ATTENTION_SIMD_H
#define MP_ATTENTION_SIMD_H

#include "templates/attention_products_simd.h"
#include "templates/linear_simd.h"
#include "templates/rows_simd.h"

static size_t MP_NAME(attention_scratch)(int tokens, int head_dim) {
  const size_t keys = whole_vectors(tokens) * (size_t)head_dim, values = (size_t)tokens * whole_vectors(head_dim);
  return keys + values + QUERY_ROWS * whole_vectors(tokens);
}

/// 8 keys x 8 dimensions, scaled: y[d][key] = x[key][d] * scale.
MP_INLINE void transpose_8x8(const float *x, size_t x_stride, __m256 scale, float *y, size_t y_stride) {
  __m256 row[8];
  for (int i = 0; i < 8; i++) row[i] = _mm256_mul_ps(_mm256_loadu_ps(x + (size_t)i * x_stride), scale);
  store_transposed(row, y, y_stride);
}

/// `count` keys into one panel [head_dim][width], scaled by 1/sqrt(head_dim); columns after the last key are zero.
static void pack_keys(const mp_attention_job *job, int first, int count, size_t width, float *panel) {
  const float scale = 1.0f / __builtin_sqrtf((float)job->head_dim);
  const int keys = count / 8 * 8, dims = job->head_dim / 8 * 8;
  const float *x = job->k + (size_t)first * job->stride;
  for (int key = 0; key < keys; key += 8) {
    for (int d = 0; d < dims; d += 8) {
      transpose_8x8(x + (size_t)key * job->stride + d, job->stride, _mm256_set1_ps(scale),
                    panel + (size_t)d * width + key, width);
    }
  }
  for (int d = 0; d < job->head_dim; d++) {
    for (int key = d < dims ? keys : 0; key < count; key++) {
      panel[(size_t)d * width + (size_t)key] = x[(size_t)key * job->stride + (size_t)d] * scale;
    }
    for (size_t key = (size_t)count; key < width; key++) panel[(size_t)d * width + key] = 0.0f;
  }
}

static void pack_all_keys(const mp_attention_job *job, float *packed) {
  const int panel = PANEL_VECTORS * LANES;
  for (int first = 0; first < job->tokens; first += panel) {
    const int count = job->tokens - first < panel ? job->tokens - first : panel;
    pack_keys(job, first, count, whole_vectors(count), packed + (size_t)first * (size_t)job->head_dim);
  }
}

static void pack_all_values(const mp_attention_job *job, float *values) {
  const size_t dims = (size_t)job->head_dim, width = whole_vectors(job->head_dim);
  for (size_t token = 0; token < (size_t)job->tokens; token++) {
    const float *value = job->v + token * job->stride;
    for (size_t d = 0; d < dims; d += LANES) v_store(values + token * width + d, v_load_some(value + d, dims - d));
  }
}

static void MP_NAME(attention)(const mp_attention_job *job) {
  const size_t stride = whole_vectors(job->tokens);
  float *keys = job->scratch, *values = keys + stride * (size_t)job->head_dim;
  float *scores = values + (size_t)job->tokens * whole_vectors(job->head_dim);
  pack_all_keys(job, keys);
  pack_all_values(job, values);
  if (job->received) memset(job->received, 0, (size_t)job->tokens * sizeof(float));
  const int end = job->first_query + job->queries;
  for (int query = job->first_query; query < end; query += QUERY_ROWS) {
    const int rows = end - query < QUERY_ROWS ? end - query : QUERY_ROWS;
    score_queries(multiply_blocks, job, (const mp_word *)job->q + (size_t)query * job->stride, job->stride,
                  job->head_dim, (const mp_word *)keys, rows, scores);
    for (int i = 0; i < rows; i++) {
      float *row = scores + (size_t)i * stride;
      softmax_row(row, (size_t)job->tokens, row, job->received);
    }
    if (query == 0 && job->from_first) memcpy(job->from_first, scores, (size_t)job->tokens * sizeof(float));
    mix_values(multiply_blocks, job, (const mp_word *)scores, stride, job->tokens, (const mp_word *)values, query,
               rows);
  }
}

#endif
