// Template: attention of a range of queries of one sample and head with both products in bf16, for models of reduced
// precision on processors that multiply bf16.
//
// As attention_simd.h, with words of two bf16 in place of floats: queries and keys in pairs of dimensions,
// probabilities and values in pairs of tokens. Scores, softmax and what a token receives are f32; probabilities are
// rounded after it. The products are vectors', or with MP_TILES those of tiles, whose steps are filled up with zeros.
#ifndef MP_ATTENTION_BF16_SIMD_H
#define MP_ATTENTION_BF16_SIMD_H

#include "templates/attention_products_simd.h"
#include "templates/rows_simd.h"

#ifdef MP_TILES
#define MP_PAIR_PRODUCTS tiles_bf16
MP_INLINE size_t pair_words(int count) { return (size_t)tile_steps((count + 1) / 2); }
#else
#include "templates/linear_reduced_simd.h"
#define MP_PAIR_PRODUCTS multiply_bf16_blocks
MP_INLINE size_t pair_words(int count) { return ((size_t)count + 1) / 2; }
#endif

/// Words from one row of `count` numbers to the next: whole cache lines, so that vectors can be stored whole.
MP_INLINE size_t pair_stride(int count) { return mp_whole_lines(pair_words(count)); }

/// Keys beyond the dimensions of the last panel are written, too.
enum { KEY_SLACK = 8 * PANEL_VECTORS * LANES };

static size_t MP_NAME(attention_bf16_scratch)(int tokens, int head_dim) {
  const size_t keys = whole_vectors(tokens) * pair_words(head_dim) + KEY_SLACK;
  const size_t values = pair_words(tokens) * whole_vectors(head_dim);
  const size_t rows = whole_vectors(tokens) + pair_stride(head_dim) + pair_stride(tokens);
  return keys + values + QUERY_ROWS * rows + 8 * pair_stride(head_dim);
}

/// `count` numbers times `scale` as words, and zeros to the end of their vector and of their words.
MP_INLINE void store_pairs(const float *x, size_t count, float scale, mp_word *words) {
  uint16_t *y = (uint16_t *)words;
  for (size_t i = 0; i < count; i += LANES) {
    v_store_bf16(y + i, v_mul(v_load_some(x + i, count - i), v_set(scale)));
  }
  for (size_t word = whole_vectors((int)count) / 2; word < pair_words((int)count); word++) words[word] = 0;
}

/// Keys into panels of words [dimension pairs][width]; columns after the last key are zero. A panel's last rows may
/// reach into the next one, which is written later.
static void pack_key_words(const mp_attention_job *job, mp_word *packed, mp_word *rows) {
  const int panel = PANEL_VECTORS * LANES, steps = (int)pair_words(job->head_dim);
  const size_t stride = pair_stride(job->head_dim);
  for (int first = 0; first < job->tokens; first += panel) {
    const int count = job->tokens - first < panel ? job->tokens - first : panel;
    const size_t width = whole_vectors(count);
    mp_word *start = packed + (size_t)first * (size_t)steps;
    for (size_t key = 0; key < width; key += 8) {
      memset(rows, 0, 8 * stride * sizeof(mp_word));
      for (size_t i = 0; i < 8 && key + i < (size_t)count; i++) {
        const float *x = job->k + ((size_t)first + key + i) * job->stride;
        store_pairs(x, (size_t)job->head_dim, 1.0f, rows + i * stride);
      }
      for (size_t step = 0; step < (size_t)steps; step += 8) {
        octet row[8];
        for (size_t i = 0; i < 8; i++) row[i] = o_load((const float *)(rows + i * stride + step));
        store_transposed(row, (float *)(start + step * width + key), width);
      }
    }
  }
}

/// Values as words [token pairs][width].
static void pack_value_words(const mp_attention_job *job, mp_word *values) {
  const size_t dims = (size_t)job->head_dim, width = whole_vectors(job->head_dim), tokens = (size_t)job->tokens;
  for (size_t token = 0; token < 2 * pair_words(job->tokens); token += 2) {
    const float *low = job->v + token * job->stride, *high = low + job->stride;
    for (size_t d = 0; d < dims; d += LANES) {
      const vec lower = token < tokens ? v_load_some(low + d, dims - d) : v_zero();
      const vec upper = token + 1 < tokens ? v_load_some(high + d, dims - d) : v_zero();
      v_store_words(values + token / 2 * width + d, v_pair_bf16(lower, upper));
    }
  }
}

static void MP_NAME(attention_bf16)(const mp_attention_job *job) {
  const size_t tokens = (size_t)job->tokens, stride = whole_vectors(job->tokens);
  const size_t query_stride = pair_stride(job->head_dim), share_stride = pair_stride(job->tokens);
  const int steps = (int)pair_words(job->head_dim);
  const float scale = 1.0f / __builtin_sqrtf((float)job->head_dim);
  mp_word *keys = (mp_word *)job->scratch, *values = keys + stride * (size_t)steps + KEY_SLACK;
  mp_word *queries = values + pair_words(job->tokens) * whole_vectors(job->head_dim);
  mp_word *shares = queries + QUERY_ROWS * query_stride, *key_rows = shares + QUERY_ROWS * share_stride;
  float *scores = (float *)(key_rows + 8 * query_stride);
  if (!job->is_packed) {
    pack_key_words(job, keys, key_rows);
    pack_value_words(job, values);
  }
  if (job->received) memset(job->received, 0, tokens * sizeof(float));
  const int end = job->first_query + job->queries;
  for (int query = job->first_query; query < end; query += QUERY_ROWS) {
    const int rows = end - query < QUERY_ROWS ? end - query : QUERY_ROWS;
    for (int i = 0; i < rows; i++) {
      const float *q = job->q + (size_t)(query + i) * job->stride;
      store_pairs(q, (size_t)job->head_dim, scale, queries + (size_t)i * query_stride);
    }
    score_queries(MP_PAIR_PRODUCTS, job, queries, query_stride, steps, keys, rows, scores);
    for (int i = 0; i < rows; i++) {
      float *row = scores + (size_t)i * stride;
      softmax_row(row, tokens, row, job->received, job->sizes);
      if (job->own) job->own[query + i] = row[query + i];
      store_pairs(row, tokens, 1.0f, shares + (size_t)i * share_stride);
    }
    if (query == 0 && job->from_first) memcpy(job->from_first, scores, tokens * sizeof(float));
    mix_values(MP_PAIR_PRODUCTS, job, shares, share_stride, (int)pair_words(job->tokens), values, query, rows);
  }
}

#endif
