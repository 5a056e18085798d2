// The portable path: plain loops, and OpenBLAS for the matrix products. It is also the readable reference: each
// function here says in a few lines what its twin in *_simd.h computes.
//
// OpenBLAS runs single-threaded (blas.c) inside our team, each thread on its own range of columns.
#include "operations/training/training_table.h"

#include "portable/blas.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static float activated(float x, mp_activation activation) {
  switch (activation) {
  case MP_ACTIVATION_NONE: return x;
  case MP_ACTIVATION_GELU: return x < -14.0f ? 0.0f : 0.5f * x * (1.0f + erff(x * 0.707106781f));
  case MP_ACTIVATION_GELU_TANH:
    return x < -14.0f ? 0.0f : 0.5f * x * (1.0f + tanhf(0.797884561f * (x + 0.044715f * x * x * x)));
  case MP_ACTIVATION_RELU: return x < 0.0f ? 0.0f : x;  // NaN stays
  case MP_ACTIVATION_TANH: return tanhf(x);
  case MP_ACTIVATION_SIGMOID: return 1.0f / (1.0f + expf(-x));
  }
  return x;
}

static void activate_portable(const float *x, size_t count, mp_activation activation, float *y) {
  for (size_t i = 0; i < count; i++) y[i] = activated(x[i], activation);
}

static void gate_portable(const float *x, size_t columns, mp_activation activation, float *y) {
  for (size_t c = 0; c < columns; c++) y[c] = activated(x[c], activation) * x[columns + c];
}

static void rotate_portable(const float *x, size_t size, const float *turns, float *y) {
  const size_t half = size / 2;
  for (size_t k = 0; k < half; k++) {
    const float a = x[k], b = x[half + k];
    y[k] = a * turns[k] - b * turns[half + k];
    y[half + k] = b * turns[k] + a * turns[half + k];
  }
}

static void add_portable(const float *a, const float *b, size_t count, float *y) {
  for (size_t i = 0; i < count; i++) y[i] = a[i] + b[i];
}

/// Columns first ..< first + count: y starts as bias + residual, the product is added, then the activation applied.
static void linear_portable(const mp_linear_job *job, int thread, int threads) {
  const mp_linear_call *layer = &job->call;
  const mp_blas_functions *blas = mp_blas();
  const size_t columns = (size_t)layer->columns, first = mp_share(columns, thread, threads);
  const int count = (int)(mp_share(columns, thread + 1, threads) - first);
  if (count == 0) return;
  float *y = layer->y + first;
  for (size_t r = 0; r < (size_t)layer->rows; r++) {
    for (size_t c = 0; c < (size_t)count; c++) {
      const float bias = layer->bias ? layer->bias[first + c] : 0.0f;
      y[r * columns + c] = layer->residual ? layer->residual[r * columns + first + c] + bias : bias;
    }
  }
  const float *weight = (const float *)layer->weight + first * (size_t)layer->depth;
  if (layer->rows == 1) {
    blas->sgemv(CblasRowMajor, CblasNoTrans, count, layer->depth, 1.0f, weight, layer->depth, layer->x, 1, 1.0f, y, 1);
  } else {
    blas->sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, layer->rows, count, layer->depth, 1.0f, layer->x, layer->depth,
                weight, layer->depth, 1.0f, y, layer->columns);
  }
  if (layer->activation == MP_ACTIVATION_NONE) return;
  for (size_t r = 0; r < (size_t)layer->rows; r++) {
    activate_portable(y + r * columns, (size_t)count, layer->activation, y + r * columns);
  }
}

static float bf16_value(uint16_t bits) {
  const uint32_t wide = (uint32_t)bits << 16;
  float value;
  memcpy(&value, &wide, 4);
  return value;
}

static void reduce_bf16_portable(const float *x, int rows, int depth, size_t word_stride, mp_word *words,
                                 float *scales) {
  (void)scales;
  for (size_t r = 0; r < (size_t)rows; r++) {
    uint16_t *y = (uint16_t *)(words + r * word_stride);
    for (size_t k = 0; k < (size_t)depth; k++) y[k] = mp_rounded_bf16(x[r * (size_t)depth + k]);
  }
}

static void reduce_int8_portable(const float *x, int rows, int depth, size_t word_stride, mp_word *words,
                                 float *scales) {
  for (size_t r = 0; r < (size_t)rows; r++) {
    const float *row = x + r * (size_t)depth;
    float largest = 0, poison = 0;
    for (size_t k = 0; k < (size_t)depth; k++) {
      largest = fabsf(row[k]) > largest ? fabsf(row[k]) : largest;
      poison += row[k] * 0.0f;  // NaN when the row holds a NaN or an infinity
    }
    scales[r] = largest / 127.0f + poison;
    const float inverse = largest > 1e-30f ? 127.0f / largest : 0.0f;
    uint8_t *y = (uint8_t *)(words + r * word_stride);
    for (size_t k = 0; k < (size_t)depth; k++) {
      y[k] = poison == 0 ? (uint8_t)(128 + (int)rintf(row[k] * inverse)) : 128;
    }
  }
}

/// Columns first ..< end of a reduced layer, each as dot(row, column).
static void linear_reduced_portable(const mp_linear_job *job, int thread, int threads,
                                    float (*dot)(const mp_linear_job *job, size_t row, size_t column)) {
  const mp_linear_call *layer = &job->call;
  const size_t columns = (size_t)layer->columns, end = mp_share(columns, thread + 1, threads);
  for (size_t r = 0; r < (size_t)layer->rows; r++) {
    for (size_t c = mp_share(columns, thread, threads); c < end; c++) {
      float sum = dot(job, r, c) + (layer->bias ? layer->bias[c] : 0.0f);
      if (layer->residual) sum += layer->residual[r * columns + c];
      layer->y[r * columns + c] = activated(sum, layer->activation);
    }
  }
}

static float dot_bf16(const mp_linear_job *job, size_t row, size_t column) {
  const size_t depth = (size_t)job->call.depth;
  const uint16_t *x = (const uint16_t *)(job->words + row * job->word_stride);
  const uint16_t *weight = (const uint16_t *)job->call.weight + column * depth;
  double sum = 0;
  for (size_t k = 0; k < depth; k++) sum += (double)bf16_value(x[k]) * (double)bf16_value(weight[k]);
  return (float)sum;
}

static float dot_int8(const mp_linear_job *job, size_t row, size_t column) {
  const size_t depth = (size_t)job->call.depth;
  const uint8_t *x = (const uint8_t *)(job->words + row * job->word_stride);
  const int8_t *weight = (const int8_t *)job->call.weight + column * depth;
  int32_t sum = 0;
  for (size_t k = 0; k < depth; k++) sum += ((int32_t)x[k] - 128) * weight[k];
  return (float)sum * (job->scales[row] * mp_row_scales(job->call.weight, job->call.columns, job->call.depth)[column]);
}

static void linear_bf16_portable(const mp_linear_job *job, int thread, int threads) {
  linear_reduced_portable(job, thread, threads, dot_bf16);
}

static void linear_int8_portable(const mp_linear_job *job, int thread, int threads) {
  linear_reduced_portable(job, thread, threads, dot_int8);
}

static void layer_norm_portable(const float *x, int rows, int columns, const float *gamma, const float *beta,
                                float epsilon, float *y) {
  for (int r = 0; r < rows; r++, x += columns, y += columns) {
    double sum = 0, squares = 0;
    for (int c = 0; c < columns; c++) sum += x[c];
    const double mean = sum / columns;
    for (int c = 0; c < columns; c++) squares += (x[c] - mean) * (x[c] - mean);
    const double scale = 1 / sqrt(squares / columns + epsilon);
    for (int c = 0; c < columns; c++) y[c] = (float)((x[c] - mean) * scale) * gamma[c] + beta[c];
  }
}

static void embed_portable(const float *word, const float *position, const float *type, int columns, float *y) {
  for (int c = 0; c < columns; c++) y[c] = word[c] + (position ? position[c] : 0.0f) + (type ? type[c] : 0.0f);
}

static void softmax_portable(const float *x, int columns, float *y) {
  float greatest = x[0], sum = 0;
  for (int c = 1; c < columns; c++) greatest = x[c] > greatest ? x[c] : greatest;
  for (int c = 0; c < columns; c++) sum += y[c] = expf(x[c] - greatest);
  for (int c = 0; c < columns; c++) y[c] /= sum;
}

/// The softmax of scores whose elements count `sizes` times, if given: in place.
static void weighted_softmax(float *row, int columns, const float *sizes) {
  softmax_portable(row, columns, row);
  if (!sizes) return;
  float sum = 0;
  for (int c = 0; c < columns; c++) sum += row[c] *= sizes[c];
  for (int c = 0; c < columns; c++) row[c] /= sum;
}

static float norm_portable(const float *x, int count) {
  double squares = 0;
  for (int c = 0; c < count; c++) squares += (double)x[c] * x[c];
  return (float)sqrt(squares);
}

enum { QUERY_ROWS = 32 };  // queries in flight, so that their scores stay in cache

static size_t attention_scratch_portable(int tokens, int head_dim) {
  (void)head_dim;
  return QUERY_ROWS * (size_t)tokens;
}

static void attention_portable(const mp_attention_job *job) {
  const size_t tokens = (size_t)job->tokens;
  const int stride = (int)job->stride, out_stride = (int)job->out_stride, end = job->first_query + job->queries;
  const float scale = 1.0f / sqrtf((float)job->head_dim);
  const mp_blas_functions *blas = mp_blas();
  float *scores = job->scratch;
  if (job->received) memset(job->received, 0, tokens * sizeof(float));
  for (int query = job->first_query; query < end; query += QUERY_ROWS) {
    const int rows = end - query < QUERY_ROWS ? end - query : QUERY_ROWS;
    const float *q = job->q + (size_t)query * job->stride;
    blas->sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, job->tokens, job->head_dim, scale, q, stride, job->k,
                stride, 0.0f, scores, job->tokens);
    for (size_t i = 0; i < (size_t)rows; i++) {
      float *row = scores + i * tokens;
      weighted_softmax(row, job->tokens, job->sizes);
      for (size_t j = 0; job->received && j < tokens; j++) job->received[j] += row[j];
      if (job->own) job->own[(size_t)query + i] = row[(size_t)query + i];
    }
    if (query == 0 && job->from_first) memcpy(job->from_first, scores, tokens * sizeof(float));
    for (size_t i = 0; i < (size_t)rows && job->dropout.rate > 0; i++) {
      mp_training_portable.dropout(scores + i * tokens, tokens,
                                   job->counter + (uint32_t)(query + (int)i) * job->row_counters, job->dropout,
                                   scores + i * tokens);
    }
    blas->sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, job->head_dim, job->tokens, 1.0f, scores, job->tokens,
                job->v, stride, 0.0f, job->out + (size_t)query * job->out_stride, out_stride);
  }
}

static size_t relative_scratch_portable(int tokens, int head_dim, int table_rows) {
  (void)head_dim;
  return (size_t)tokens + (size_t)table_rows;
}

/// Adds the terms of a query and every key to the query's scores; `products` [table_rows] is scratch.
static void add_terms(const mp_attention_job *job, int query, float *scores, float *products) {
  const mp_relation *relation = job->relation;
  const mp_blas_functions *blas = mp_blas();
  const size_t column = (size_t)job->head * (size_t)job->head_dim, width = (size_t)job->width;
  for (int r = 0; relation->queries && r < relation->table_rows; r++) {
    products[r] = blas->sdot(job->head_dim, job->q + (size_t)query * job->stride, 1,
                             relation->queries + (size_t)r * width + column, 1);
  }
  for (int j = 0; j < job->tokens; j++) {
    const int row = relation->rows[relation->reach - 1 + job->positions[j] - job->positions[query]];
    if (relation->bias) scores[j] += relation->bias[row * (job->width / job->head_dim) + job->head];
    if (relation->queries) scores[j] += products[row] * relation->scale;
    if (relation->keys) {
      scores[j] += relation->scale * blas->sdot(job->head_dim, job->k + (size_t)j * job->stride, 1,
                                                relation->keys + (size_t)row * width + column, 1);
    }
  }
}

static void relative_attention_portable(const mp_attention_job *job) {
  const mp_blas_functions *blas = mp_blas();
  const mp_relation *relation = job->relation;
  const size_t tokens = (size_t)job->tokens;
  const int stride = (int)job->stride, end = job->first_query + job->queries;
  float *scores = job->scratch, *products = scores + tokens;
  if (job->received) memset(job->received, 0, tokens * sizeof(float));
  for (int query = job->first_query; query < end; query++) {
    blas->sgemv(CblasRowMajor, CblasNoTrans, job->tokens, job->head_dim, relation->scale, job->k, stride,
                job->q + (size_t)query * job->stride, 1, 0.0f, scores, 1);
    if (relation->rows) add_terms(job, query, scores, products);
    for (int j = 0; relation->window >= 0 && j < job->tokens; j++) {
      if (abs(job->positions[j] - job->positions[query]) > relation->window) scores[j] = -INFINITY;
    }
    weighted_softmax(scores, job->tokens, job->sizes);
    for (size_t j = 0; job->received && j < tokens; j++) job->received[j] += scores[j];
    if (job->own) job->own[query] = scores[query];
    if (query == 0 && job->from_first) memcpy(job->from_first, scores, tokens * sizeof(float));
    blas->sgemv(CblasRowMajor, CblasTrans, job->tokens, job->head_dim, 1.0f, job->v, stride, scores, 1, 0.0f,
                job->out + (size_t)query * job->out_stride, 1);
  }
}

/// Element `index` of weights row by row; int8 without its scale.
static float element(mp_precision precision, const void *weight, size_t index) {
  switch (precision) {
  case MP_PRECISION_F32: return ((const float *)weight)[index];
  case MP_PRECISION_BF16: return bf16_value(((const uint16_t *)weight)[index]);
  case MP_PRECISION_INT8: return ((const int8_t *)weight)[index];
  }
  return 0;
}

static void first_attention_portable(const mp_first_attention_job *job) {
  const mp_blas_functions *blas = mp_blas();
  const size_t depth = (size_t)job->depth, tokens = (size_t)job->tokens, dims = (size_t)job->head_dim;
  const float scale = 1.0f / sqrtf((float)job->head_dim);
  const int is_int8 = job->precision == MP_PRECISION_INT8;
  for (size_t h = 0; h < (size_t)job->heads; h++) {
    float *u = job->u, *z = job->z, *shares = job->shares + h * tokens, *out = job->out + h * dims;
    memset(u, 0, depth * sizeof(float));
    memset(z, 0, depth * sizeof(float));
    for (size_t row = h * dims; row < (h + 1) * dims; row++) {
      const float factor = job->q[row] * scale * (is_int8 ? job->k_scales[row] : 1.0f);
      for (size_t k = 0; k < depth; k++) u[k] += factor * element(job->precision, job->wk, row * depth + k);
    }
    for (size_t j = 0; j < tokens; j++) shares[j] = blas->sdot(job->depth, job->x + j * depth, 1, u, 1);
    weighted_softmax(shares, job->tokens, job->sizes);
    for (size_t j = 0; j < tokens; j++) blas->saxpy(job->depth, shares[j], job->x + j * depth, 1, z, 1);
    for (size_t row = h * dims; row < (h + 1) * dims; row++) {
      float sum = 0;
      for (size_t k = 0; k < depth; k++) sum += z[k] * element(job->precision, job->wv, row * depth + k);
      out[row - h * dims] = sum * (is_int8 ? job->v_scales[row] : 1.0f) + job->bv[row];
    }
  }
}

const mp_kernels mp_kernels_portable = MP_KERNELS(portable);
