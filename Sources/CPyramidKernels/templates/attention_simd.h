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
#include "templates/training/dropout_simd.h"

static size_t MP_NAME(attention_scratch)(int tokens, int head_dim) {
  const size_t keys = whole_vectors(tokens) * (size_t)head_dim, values = (size_t)tokens * whole_vectors(head_dim);
  return keys + values + QUERY_ROWS * whole_vectors(tokens);
}

/// 8 keys x 8 dimensions, scaled: y[d][key] = x[key][d] * scale.
MP_INLINE void transpose_8x8(const float *x, size_t x_stride, float scale, float *y, size_t y_stride) {
  octet row[8];
  for (int i = 0; i < 8; i++) row[i] = o_scale(o_load(x + (size_t)i * x_stride), scale);
  store_transposed(row, y, y_stride);
}

/// Rows of one head: of `head_dim` columns, `stride` apart.
typedef struct {
  const float *x;
  size_t stride;
  int rows, head_dim;
} head_rows;

/// `count` rows into one panel [head_dim][width], scaled; columns after the last row are zero.
static void pack_panel(head_rows head, float scale, int first, int count, size_t width, float *panel) {
  const int whole = count / 8 * 8, dims = head.head_dim / 8 * 8;
  const float *x = head.x + (size_t)first * head.stride;
  for (int row = 0; row < whole; row += 8) {
    for (int d = 0; d < dims; d += 8) {
      transpose_8x8(x + (size_t)row * head.stride + d, head.stride, scale,
                    panel + (size_t)d * width + row, width);
    }
  }
  for (int d = 0; d < head.head_dim; d++) {
    for (int row = d < dims ? whole : 0; row < count; row++) {
      panel[(size_t)d * width + (size_t)row] = x[(size_t)row * head.stride + (size_t)d] * scale;
    }
    for (size_t row = (size_t)count; row < width; row++) panel[(size_t)d * width + row] = 0.0f;
  }
}

/// All rows as panels of columns: keys, so that scores are a product.
static void pack_head(head_rows head, float scale, float *packed) {
  const int panel = PANEL_VECTORS * LANES;
  for (int first = 0; first < head.rows; first += panel) {
    const int count = head.rows - first < panel ? head.rows - first : panel;
    pack_panel(head, scale, first, count, whole_vectors(count), packed + (size_t)first * (size_t)head.head_dim);
  }
}

/// All rows one after the other, each filled with zeros to whole vectors.
static void copy_head(head_rows head, float *y) {
  const size_t dims = (size_t)head.head_dim, width = whole_vectors(head.head_dim);
  for (size_t row = 0; row < (size_t)head.rows; row++) {
    const float *x = head.x + row * head.stride;
    for (size_t d = 0; d < dims; d += LANES) v_store(y + row * width + d, v_load_some(x + d, dims - d));
  }
}

/// What scores are divided by, inverted.
MP_INLINE float score_scale(int head_dim) { return 1.0f / __builtin_sqrtf((float)head_dim); }

static void MP_NAME(attention)(const mp_attention_job *job) {
  const size_t stride = whole_vectors(job->tokens);
  float *keys = job->scratch, *values = keys + stride * (size_t)job->head_dim;
  float *scores = values + (size_t)job->tokens * whole_vectors(job->head_dim);
  if (!job->is_packed) {
    pack_head((head_rows){job->k, job->stride, job->tokens, job->head_dim}, score_scale(job->head_dim), keys);
    copy_head((head_rows){job->v, job->stride, job->tokens, job->head_dim}, values);
  }
  if (job->received) memset(job->received, 0, (size_t)job->tokens * sizeof(float));
  const int end = job->first_query + job->queries;
  for (int query = job->first_query; query < end; query += QUERY_ROWS) {
    const int rows = end - query < QUERY_ROWS ? end - query : QUERY_ROWS;
    score_queries(multiply_blocks, job, (const mp_word *)job->q + (size_t)query * job->stride, job->stride,
                  job->head_dim, (const mp_word *)keys, rows, scores);
    for (int i = 0; i < rows; i++) {
      float *row = scores + (size_t)i * stride;
      softmax_row(row, (size_t)job->tokens, row, job->received, job->sizes);
      if (job->own) job->own[query + i] = row[query + i];
    }
    if (query == 0 && job->from_first) memcpy(job->from_first, scores, (size_t)job->tokens * sizeof(float));
    for (int i = 0; i < rows && job->dropout.rate > 0; i++) {
      float *row = scores + (size_t)i * stride;
      MP_NAME(dropout)(row, (size_t)job->tokens, job->counter + (uint32_t)(query + i) * job->row_counters,
                       job->dropout, row);
    }
    mix_values(multiply_blocks, job, (const mp_word *)scores, stride, job->tokens, (const mp_word *)values, query,
               rows);
  }
}

#endif
