// Template: products in tiles of 16 rows x 16 columns over the panels that the vector kernels read: a panel's words
// [step][64 columns] load as tiles of 16 steps x 16 columns as they are. MP_TILES is the vocabulary of the tile
// instructions; t_configure was called.
//
// Two by two tiles of sums share two tiles of input rows and two of weight columns. The order of a sum is that of its
// tiles of 16 steps, whatever rows it is computed with: that is where batch invariance comes from. A last tile of fewer
// steps is filled with zeros: the weight's in a copy, the input's by whoever made its words.
#ifndef MP_TILES_SIMD_H
#define MP_TILES_SIMD_H

#include "templates/linear_units_simd.h"
#include MP_TILES

enum { TILE = 16 };  // rows, columns and steps of a tile

/// `steps` filled up to whole tiles.
MP_INLINE int tile_steps(int steps) { return (steps + TILE - 1) / TILE * TILE; }

/// The last steps of one or two tiles of columns, filled with zeros.
static void copy_last_steps(const mp_word *panel, size_t panel_stride, int steps, int columns,
                            mp_word copy[TILE * 2 * TILE]) {
  memset(copy, 0, TILE * 2 * TILE * sizeof(mp_word));
  for (size_t step = 0; step < (size_t)steps; step++) {
    memcpy(copy + step * 2 * TILE, panel + step * panel_stride, (size_t)columns * sizeof(mp_word));
  }
}

// y [2 * TILE][y_stride] = start + x times one or two tiles of columns of a panel. Rows of the second tile of inputs
// begin at `high`, and their sums at row TILE of y; NULL when there is no second one. `start` [columns]: what sums of
// int8 begin with. These two are the whole of the work; everything else is layout.
#define MP_TILE_STEP(dot)                       \
  t_load(6, w, w_stride);                       \
  if (two_columns) t_load(7, w + TILE, w_stride); \
  t_load(4, low + k, x_stride);                 \
  dot(0, 4, 6);                                 \
  if (two_columns) dot(1, 4, 7);                \
  if (high) {                                   \
    t_load(5, high + k, x_stride);              \
    dot(2, 5, 6);                               \
    if (two_columns) dot(3, 5, 7);              \
  }

#define MP_TILE_PRODUCT(dot)                                                          \
  int k = 0;                                                                          \
  const mp_word *w = panel;                                                           \
  size_t w_stride = panel_stride;                                                     \
  for (; k + TILE <= steps; k += TILE, w += (size_t)TILE * w_stride) { MP_TILE_STEP(dot) } \
  if (k < steps) {                                                                    \
    mp_word last[TILE * 2 * TILE] __attribute__((aligned(64)));                       \
    copy_last_steps(w, w_stride, steps - k, two_columns ? 2 * TILE : TILE, last);     \
    w = last;                                                                         \
    w_stride = 2 * TILE;                                                              \
    MP_TILE_STEP(dot)                                                                 \
  }                                                                                   \
  t_store(0, y, y_stride);                                                            \
  if (two_columns) t_store(1, y + TILE, y_stride);                                    \
  if (high) {                                                                         \
    t_store(2, y + (size_t)TILE * y_stride, y_stride);                                \
    if (two_columns) t_store(3, y + (size_t)TILE * y_stride + TILE, y_stride);        \
  }

typedef void tile_function(const mp_word *low, const mp_word *high, size_t x_stride, int steps, const mp_word *panel,
                           size_t panel_stride, int two_columns, const mp_word *start, mp_word *y, size_t y_stride);

static void tiles_bf16(const mp_word *low, const mp_word *high, size_t x_stride, int steps, const mp_word *panel,
                       size_t panel_stride, int two_columns, const mp_word *start, mp_word *y, size_t y_stride) {
  (void)start;
  t_zero(0);
  t_zero(1);
  t_zero(2);
  t_zero(3);
  MP_TILE_PRODUCT(t_dot_bf16)
}

static void tiles_int8(const mp_word *low, const mp_word *high, size_t x_stride, int steps, const mp_word *panel,
                       size_t panel_stride, int two_columns, const mp_word *start, mp_word *y, size_t y_stride) {
  t_load(0, start, 0);  // the same row again and again
  t_load(2, start, 0);
  if (two_columns) {
    t_load(1, start + TILE, 0);
    t_load(3, start + TILE, 0);
  }
  MP_TILE_PRODUCT(t_dot_int8)
}

/// Any whole vectors of columns, two tiles at a time.
MP_INLINE void multiply_tiles(tile_function *multiply, const mp_word *low, const mp_word *high, size_t x_stride,
                              int steps, panel_slice panel, int width, const mp_word *start, mp_word *y,
                              size_t y_stride) {
  for (int column = 0; column < width; column += 2 * TILE) {
    multiply(low, high, x_stride, steps, panel.start + column, panel.stride, width - column > TILE,
             start ? start + column : NULL, y + column, y_stride);
  }
}

#endif
