// Template: the two products of attention, for words of f32 and of bf16: a few query rows times packed keys, and their
// probabilities times packed values.
#ifndef MP_ATTENTION_PRODUCTS_SIMD_H
#define MP_ATTENTION_PRODUCTS_SIMD_H

#include "templates/linear_units_simd.h"

#ifdef MP_TILES
#include "templates/tiles_simd.h"

/// What multiplies in tiles.
typedef tile_function multiply_table;

/// As below, where rows of x and y after the last one are there, up to whole tiles of 16 rows: two at most.
MP_INLINE void multiply_rows(multiply_table *multiply, const mp_word *x, size_t x_stride, int rows, int steps,
                             panel_slice panel, int width, float *y, size_t y_stride) {
  multiply_tiles(multiply, x, rows > TILE ? x + TILE * x_stride : NULL, x_stride, steps, panel, width, NULL,
                 (mp_word *)y, y_stride);
}
#else
/// Micro-kernels by width - 1 and height - 1.
typedef multiply_function *const multiply_table[BLOCK_ROWS];

/// y [rows][y_stride] = x [rows][x_stride] times `width` columns (whole vectors, at most a panel) of a panel.
MP_INLINE void multiply_rows(multiply_table *blocks, const mp_word *x, size_t x_stride, int rows, int steps,
                             panel_slice panel, int width, float *y, size_t y_stride) {
  const int count = (rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
  for (int block = 0; block < count; block++) {
    const int row = rows * block / count, height = rows * (block + 1) / count - row;
    blocks[width / LANES - 1][height - 1](x + (size_t)row * x_stride, x_stride, steps, panel.start, panel.stride,
                                          (panel_fetch){NULL, 0}, NULL, (mp_word *)y + (size_t)row * y_stride, y_stride);
  }
}
#endif

/// Scores [rows][whole vectors of tokens] of `rows` queries at q before the softmax.
MP_INLINE void score_queries(multiply_table *blocks, const mp_attention_job *job, const mp_word *q, size_t q_stride,
                             int steps, const mp_word *keys, int rows, float *scores) {
  const size_t stride = whole_vectors(job->tokens);
  for (int vector = 0; vector < (int)(stride / LANES); vector += PANEL_VECTORS) {
    const panel_slice panel = panel_of(keys, job->tokens, steps, vector);
    multiply_rows(blocks, q, q_stride, rows, steps, panel, (int)panel.stride, scores + (size_t)vector * LANES, stride);
  }
}

/// out of `rows` queries: probabilities times values, through a tile since a head need not end on a vector.
MP_INLINE void mix_values(multiply_table *blocks, const mp_attention_job *job, const mp_word *shares,
                          size_t share_stride, int steps, const mp_word *values, int query, int rows) {
  const int all = (int)whole_vectors(job->head_dim), panel = PANEL_VECTORS * LANES;
  float tile[QUERY_ROWS * PANEL_VECTORS * LANES] __attribute__((aligned(64)));
  for (int first = 0; first < all; first += panel) {
    const int width = all - first < panel ? all - first : panel;
    const size_t dims = (size_t)(job->head_dim - first < width ? job->head_dim - first : width);
    const panel_slice slice = {values + first, (size_t)all};
    multiply_rows(blocks, shares, share_stride, rows, steps, slice, width, tile, (size_t)width);
    for (int i = 0; i < rows; i++) {
      float *out = job->out + (size_t)(query + i) * job->out_stride + first;
      for (size_t d = 0; d < dims; d += LANES) v_store_some(out + d, dims - d, v_load(tile + (size_t)(i * width) + d));
    }
  }
}

#endif
