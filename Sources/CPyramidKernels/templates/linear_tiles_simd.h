// Template: linear layers in bf16 and int8 in tiles, on inputs that were reduced as for vectors. Sums of int8 are whole
// numbers and finished as those of vectors: the bits are the same. Sums of bf16 have an order of their own, at every
// number of rows.
#ifndef MP_LINEAR_TILES_SIMD_H
#define MP_LINEAR_TILES_SIMD_H

#include "templates/tiles_simd.h"

/// Rows that a block covers: two tiles, or fewer when there are no more.
enum { TILE_BLOCK_ROWS = 2 * TILE };

/// Rows of every tile of a layer: those of the tallest block in one tile or shared by two. With one height for all
/// blocks tiles are configured once.
MP_INLINE int tile_height(int rows) {
  const int blocks = (rows + TILE_BLOCK_ROWS - 1) / TILE_BLOCK_ROWS, tallest = (rows + blocks - 1) / blocks;
  return tallest > TILE ? (tallest + 1) / 2 : tallest;
}

/// A block's rows in one tile, or in two of which the second begins `height` rows on. A tile always reads `height` rows;
/// where the layer ends before, it begins earlier, and rows of another block are computed and not used.
MP_INLINE void run_tiles(const mp_linear_job *job, linear_block block, tile_function *multiply,
                         mp_precision precision) {
  enum { TILE_STRIDE = PANEL_VECTORS * LANES };
  mp_word sums[TILE_BLOCK_ROWS * TILE_STRIDE] __attribute__((aligned(64)));
  const mp_linear_call *layer = &job->call;
  const int steps = mp_steps(precision, layer->depth), height = tile_height(layer->rows);
  const int last = layer->rows - height, first = block.first_row, second = first + height;
  const int low = first < last ? first : last, high = second < last ? second : last;
  const int is_tall = block.rows > height;
  const size_t columns = whole_vectors(layer->columns);
  const mp_word *end = (const mp_word *)layer->weight + columns * (size_t)steps;  // int8: scales, then starts
  const float *scales = precision == MP_PRECISION_INT8 ? (const float *)end : NULL;
  const mp_word *starts = scales ? end + columns + block.first_column : NULL;
  const panel_slice panel = panel_of(layer->weight, layer->columns, steps, block.first_column / LANES);
  multiply_tiles(multiply, job->words + (size_t)low * job->word_stride,
                 is_tall ? job->words + (size_t)high * job->word_stride : NULL, job->word_stride, steps, panel,
                 (int)whole_vectors(block.width), starts, sums, TILE_STRIDE);
  linear_block part = block;
  part.rows = is_tall ? height : block.rows;
  finish_block(job, part, sums + (first - low) * TILE_STRIDE, scales, v_activate_coarse);
  if (!is_tall) return;
  part.first_row = second;
  part.rows = block.rows - height;
  finish_block(job, part, sums + (TILE + second - high) * TILE_STRIDE, scales, v_activate_coarse);
}

static void run_tiles_bf16(const mp_linear_job *job, linear_block block) {
  run_tiles(job, block, tiles_bf16, MP_PRECISION_BF16);
}

static void run_tiles_int8(const mp_linear_job *job, linear_block block) {
  run_tiles(job, block, tiles_int8, MP_PRECISION_INT8);
}

static void MP_NAME(linear_tiles_bf16)(const mp_linear_job *job, int thread, int threads) {
  t_configure(tile_height(job->call.rows));
  run_blocks(job, thread, threads, TILE_BLOCK_ROWS, run_tiles_bf16);
  t_release();
}

static void MP_NAME(linear_tiles_int8)(const mp_linear_job *job, int thread, int threads) {
  t_configure(tile_height(job->call.rows));
  run_blocks(job, thread, threads, TILE_BLOCK_ROWS, run_tiles_int8);
  t_release();
}

#endif
