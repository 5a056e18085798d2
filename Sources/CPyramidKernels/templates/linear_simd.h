// Template: the linear layer in f32, and the micro-kernel that attention shares.
#ifndef MP_LINEAR_SIMD_H
#define MP_LINEAR_SIMD_H

#include "templates/linear_units_simd.h"

#define MP_MULTIPLY(name) multiply_##name
#define MP_BLOCK_ROWS 6
#define MP_SUM vec
#define MP_SUM_START(p) v_zero()
#define MP_SUM_STORE(p, sum) v_store_words(p, sum)
#define MP_SUM_STEP(sum, a, b) v_fma(a, b, sum)
#include "templates/multiply_simd.h"

static void run_block_f32(const mp_linear_job *job, linear_block block) {
  mp_word tile[BLOCK_ROWS * PANEL_VECTORS * LANES] __attribute__((aligned(64)));
  const mp_linear_call *layer = &job->call;
  const panel_slice panel = panel_of(layer->weight, layer->columns, layer->depth, block.first_column / LANES);
  multiply_blocks[(block.width + LANES - 1) / LANES - 1][block.rows - 1](
    (const mp_word *)layer->x + (size_t)block.first_row * (size_t)layer->depth, (size_t)layer->depth, layer->depth,
    panel.start, panel.stride, next_fetch(block, panel, layer->depth), NULL, tile, PANEL_VECTORS * LANES);
  finish_block(job, block, tile, NULL, v_activate);
}

static void MP_NAME(linear)(const mp_linear_job *job, int thread, int threads) {
  run_blocks(job, thread, threads, BLOCK_ROWS, run_block_f32);
}

#endif
