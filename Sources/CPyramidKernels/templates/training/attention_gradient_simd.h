// Template: the gradient of one sample's attention in one head.
//
// Blocks of queries go through scores, probabilities and their gradients as in attention_simd.h, all products by the
// same micro-kernel. What a block gives to keys and values are products with its transposed probabilities and score
// gradients, added block after block: no matrix of tokens times tokens is kept.
#ifndef MP_ATTENTION_GRADIENT_SIMD_H
#define MP_ATTENTION_GRADIENT_SIMD_H

#include "templates/attention_simd.h"
#include "templates/training/dropout_simd.h"

/// Queries of a block: a multiple of QUERY_ROWS and of 8.
enum { GRADIENT_QUERIES = 96 };

/// Scratch of a task. Widths are whole vectors: `columns` of tokens, `width` of dimensions.
typedef struct {
  size_t columns, width;
  float *key_panels, *value_panels;             // [head_dim][tokens] in panels; keys scaled
  float *keys, *queries, *dout;                 // [tokens][width]
  float *dkeys, *dvalues;                       // [tokens][width], summed
  float *received;                              // [columns], of each probability
  float *shares, *kept, *slopes;                // [QUERY_ROWS][columns]: p, p after dropout, gradient of scores
  float *kept_columns, *slope_columns;          // [columns, to 8][GRADIENT_QUERIES], of the block, transposed
} gradient_scratch;

static size_t lay_out_gradient(int tokens, int head_dim, float *start, gradient_scratch *s) {
  const size_t columns = whole_vectors(tokens), width = whole_vectors(head_dim), dims = (size_t)head_dim;
  const size_t dense = (size_t)tokens * width, rows = QUERY_ROWS * columns;
  // Squares of 8 are transposed: of vectors of four, the last may have four columns more than there are.
  const size_t block = GRADIENT_QUERIES * ((columns + 7) / 8 * 8);
  float **const places[] = {&s->key_panels, &s->value_panels, &s->keys, &s->queries, &s->dout, &s->dkeys, &s->dvalues,
                            &s->received, &s->shares, &s->kept, &s->slopes, &s->kept_columns, &s->slope_columns};
  const size_t counts[] = {columns * dims, columns * dims, dense, dense, dense, dense, dense,
                           columns, rows, rows, rows, block, block};
  size_t total = 0;
  for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
    if (start) *places[i] = start + total;
    total += mp_whole_lines(counts[i]);
  }
  s->columns = columns;
  s->width = width;
  return total;
}

static size_t MP_NAME(attention_gradient_scratch)(int tokens, int head_dim) {
  gradient_scratch unused;
  return lay_out_gradient(tokens, head_dim, NULL, &unused);
}

/// Of one query: its probabilities in `shares`, the gradient of those that multiplied values in `slopes`. Leaves the
/// dropped-out probabilities in `kept` and the gradient of the scores p (dp - sum p dp) in `slopes`.
MP_INLINE void differentiate_row(const mp_attention_gradient_job *job, const gradient_scratch *s, int query,
                                 size_t row) {
  const size_t count = (size_t)job->tokens;
  const float *shares = s->shares + row * s->columns;
  float *kept = s->kept + row * s->columns, *slopes = s->slopes + row * s->columns;
  const int drops = job->dropout.rate > 0;
  const uint32_t counter = job->counter + (uint32_t)query * job->row_counters;
  const vector_dropout dropout = v_dropout(job->dropout);
  vec sum = v_zero();
  for (size_t j = 0; j < count; j += LANES) {
    const vec p = v_keep_some(count - j, v_load(shares + j));
    const vec factor = drops ? v_drop(dropout, counter + (uint32_t)j, v_set(1.0f)) : v_set(1.0f);
    const vec dp = v_fma(v_load(slopes + j), factor, v_load(s->received + j));
    v_store(kept + j, v_mul(p, factor));
    v_store(slopes + j, dp);
    sum = v_fma(p, dp, sum);
  }
  const vec mean = v_set(v_sum(sum));
  for (size_t j = 0; j < count; j += LANES) {
    v_store(slopes + j, v_mul(v_load(shares + j), v_sub(v_load(slopes + j), mean)));
  }
}

/// `rows` queries from `query` on: dq, and their columns of the block, which begins at `first`.
static void differentiate_queries(const mp_attention_gradient_job *job, const gradient_scratch *s, int first, int query,
                                  int rows) {
  const mp_attention_job products = {.tokens = job->tokens, .head_dim = job->head_dim, .out = job->dq,
                                     .out_stride = job->width};
  score_queries(multiply_blocks, &products, (const mp_word *)job->q + (size_t)query * job->stride, job->stride,
                job->head_dim, (const mp_word *)s->key_panels, rows, s->shares);
  score_queries(multiply_blocks, &products, (const mp_word *)job->dout + (size_t)query * job->width, job->width,
                job->head_dim, (const mp_word *)s->value_panels, rows, s->slopes);
  for (int i = 0; i < rows; i++) {
    float *row = s->shares + (size_t)i * s->columns;
    softmax_row(row, (size_t)job->tokens, row, NULL, NULL);
    differentiate_row(job, s, query + i, (size_t)i);
  }
  mix_values(multiply_blocks, &products, (const mp_word *)s->slopes, s->columns, job->tokens, (const mp_word *)s->keys,
             query, rows);
  // Rows up to the next multiple of 8 are there, and their columns are never read.
  for (int i = 0; i < rows; i += 8) {
    const size_t column = (size_t)(query - first + i);
    for (size_t j = 0; j < s->columns; j += 8) {
      const size_t from = (size_t)i * s->columns + j, to = j * GRADIENT_QUERIES + column;
      transpose_8x8(s->kept + from, s->columns, 1.0f, s->kept_columns + to, GRADIENT_QUERIES);
      transpose_8x8(s->slopes + from, s->columns, 1.0f, s->slope_columns + to, GRADIENT_QUERIES);
    }
  }
}

/// y [tokens][width] += columns [tokens][GRADIENT_QUERIES] times the rows [queries][width] of a block.
static void add_block(const float *columns, int tokens, int queries, const float *rows, size_t width, float *y) {
  float tile[QUERY_ROWS * PANEL_VECTORS * LANES] __attribute__((aligned(64)));
  const int all = (int)width, panel = PANEL_VECTORS * LANES;
  for (int first = 0; first < all; first += panel) {
    const int count = all - first < panel ? all - first : panel;
    const panel_slice slice = {(const mp_word *)rows + first, width};
    for (int token = 0; token < tokens; token += QUERY_ROWS) {
      const int height = tokens - token < QUERY_ROWS ? tokens - token : QUERY_ROWS;
      multiply_rows(multiply_blocks, (const mp_word *)columns + (size_t)token * GRADIENT_QUERIES, GRADIENT_QUERIES,
                    height, queries, slice, count, tile, (size_t)count);
      for (int i = 0; i < height; i++) {
        float *place = y + (size_t)(token + i) * width + first;
        for (int d = 0; d < count; d += LANES) {
          v_store(place + d, v_add(v_load(place + d), v_load(tile + i * count + d)));
        }
      }
    }
  }
}

/// The rows of a head scaled, to where they belong.
static void store_head(const float *x, size_t width, float scale, const mp_attention_gradient_job *job, float *y) {
  const size_t dims = (size_t)job->head_dim;
  for (size_t row = 0; row < (size_t)job->tokens; row++) {
    for (size_t d = 0; d < dims; d += LANES) {
      v_store_some(y + row * job->width + d, dims - d, v_mul(v_load(x + row * width + d), v_set(scale)));
    }
  }
}

static void MP_NAME(attention_gradient)(const mp_attention_gradient_job *job) {
  gradient_scratch s;
  lay_out_gradient(job->tokens, job->head_dim, job->scratch, &s);
  const float scale = score_scale(job->head_dim);
  const size_t dense = (size_t)job->tokens * s.width;
  pack_head((head_rows){job->k, job->stride, job->tokens, job->head_dim}, scale, s.key_panels);
  pack_head((head_rows){job->v, job->stride, job->tokens, job->head_dim}, 1.0f, s.value_panels);
  copy_head((head_rows){job->k, job->stride, job->tokens, job->head_dim}, s.keys);
  copy_head((head_rows){job->q, job->stride, job->tokens, job->head_dim}, s.queries);
  copy_head((head_rows){job->dout, job->width, job->tokens, job->head_dim}, s.dout);
  for (size_t i = 0; i < dense; i++) s.keys[i] *= scale;
  memset(s.dkeys, 0, dense * sizeof(float));
  memset(s.dvalues, 0, dense * sizeof(float));
  memset(s.received, 0, s.columns * sizeof(float));
  for (size_t j = 0; job->dreceived && j < (size_t)job->tokens; j++) s.received[j] = job->dreceived[j] * job->share;
  // Columns after the last token are transposed, too.
  memset(s.kept, 0, QUERY_ROWS * s.columns * sizeof(float));
  memset(s.slopes, 0, QUERY_ROWS * s.columns * sizeof(float));
  for (int first = 0; first < job->tokens; first += GRADIENT_QUERIES) {
    const int left = job->tokens - first, queries = left < GRADIENT_QUERIES ? left : GRADIENT_QUERIES;
    for (int done = 0; done < queries; done += QUERY_ROWS) {
      const int rows = queries - done < QUERY_ROWS ? queries - done : QUERY_ROWS;
      differentiate_queries(job, &s, first, first + done, rows);
    }
    add_block(s.kept_columns, job->tokens, queries, s.dout + (size_t)first * s.width, s.width, s.dvalues);
    add_block(s.slope_columns, job->tokens, queries, s.queries + (size_t)first * s.width, s.width, s.dkeys);
  }
  store_head(s.dkeys, s.width, scale, job, job->dk);
  store_head(s.dvalues, s.width, 1.0f, job, job->dv);
}

#endif
