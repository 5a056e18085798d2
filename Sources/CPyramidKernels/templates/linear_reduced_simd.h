// Template: linear layers in bf16 and int8, and the reduction of their inputs.
//
// int8: weights are signed with one scale per column, inputs have one scale per row and lie 128 above zero, because the
// instruction multiplies unsigned with signed bytes. The sums are whole numbers, hence exact and the same on every
// path; what 128 adds to each column was summed when the weight was packed and is where its sum starts.
// bf16: two products are added to an f32 sum in each step, rounded as the processor's instruction does.
#ifndef MP_LINEAR_REDUCED_SIMD_H
#define MP_LINEAR_REDUCED_SIMD_H

#include "templates/linear_units_simd.h"

/// What the sums of a vector of columns begin with, unless the path takes 128 off its inputs.
#ifndef MP_INT8_START
#define MP_INT8_START(p) v_words(v_load_words(p))
#endif

#define MP_MULTIPLY(name) multiply_bf16_##name
#define MP_BLOCK_ROWS MP_ROWS_BF16
#define MP_SUM vec
#define MP_SUM_START(p) v_zero()
#define MP_SUM_STORE(p, sum) v_store_words(p, sum)
#define MP_SUM_STEP(sum, a, b) v_dot_bf16(sum, a, b)
#include "templates/multiply_simd.h"

#define MP_MULTIPLY(name) multiply_int8_##name
#define MP_BLOCK_ROWS MP_ROWS_INT8
#define MP_SUM ivec
#define MP_SUM_START(p) MP_INT8_START(p)
#define MP_SUM_STORE(p, sum) v_store_words(p, v_from_words(sum))
#define MP_SUM_STEP(sum, a, b) v_dot_int8(sum, v_words(a), v_words(b))
#include "templates/multiply_simd.h"

static void run_block_bf16(const mp_linear_job *job, linear_block block) {
  mp_word tile[MP_ROWS_BF16 * PANEL_VECTORS * LANES] __attribute__((aligned(64)));
  const int steps = mp_steps(MP_PRECISION_BF16, job->call.depth);
  const panel_slice panel = panel_of(job->call.weight, job->call.columns, steps, block.first_column / LANES);
  multiply_bf16_blocks[(block.width + LANES - 1) / LANES - 1][block.rows - 1](
    job->words + (size_t)block.first_row * job->word_stride, job->word_stride, steps, panel.start, panel.stride,
    next_fetch(block, panel, steps), NULL, tile, PANEL_VECTORS * LANES);
  finish_block(job, block, tile, NULL, v_activate_coarse);
}

static void run_block_int8(const mp_linear_job *job, linear_block block) {
  mp_word tile[MP_ROWS_INT8 * PANEL_VECTORS * LANES] __attribute__((aligned(64)));
  const int steps = mp_steps(MP_PRECISION_INT8, job->call.depth);
  const size_t columns = ((size_t)job->call.columns + LANES - 1) / LANES * LANES;
  const mp_word *end = (const mp_word *)job->call.weight + columns * (size_t)steps;
  const float *scales = (const float *)end;
  const panel_slice panel = panel_of(job->call.weight, job->call.columns, steps, block.first_column / LANES);
  multiply_int8_blocks[(block.width + LANES - 1) / LANES - 1][block.rows - 1](
    job->words + (size_t)block.first_row * job->word_stride, job->word_stride, steps, panel.start, panel.stride,
    next_fetch(block, panel, steps), end + columns + block.first_column, tile, PANEL_VECTORS * LANES);
  finish_block(job, block, tile, scales, v_activate_coarse);
}

static void MP_NAME(linear_bf16)(const mp_linear_job *job, int thread, int threads) {
  run_blocks(job, thread, threads, MP_ROWS_BF16, run_block_bf16);
}

static void MP_NAME(linear_int8)(const mp_linear_job *job, int thread, int threads) {
  run_blocks(job, thread, threads, MP_ROWS_INT8, run_block_int8);
}

/// Rows of x rounded to bf16, two per word; what is left of a row's words is zero.
static void MP_NAME(reduce_bf16)(const float *x, int rows, int depth, size_t word_stride, mp_word *words,
                                 float *scales) {
  (void)scales;
  const size_t count = (size_t)depth;
  for (size_t r = 0; r < (size_t)rows; r++) {
    const float *row = x + r * count;
    uint16_t *y = (uint16_t *)(words + r * word_stride);
    for (size_t i = 0; i < count; i += LANES) v_store_bf16(y + i, v_load_some(row + i, count - i));
  }
}

/// Rows of x as 128 + round(x / scale) with scale = max |x| / 127; a row that holds a NaN or an infinity gets the scale
/// NaN, so that its results are NaN. A row below 1e-30 is zero: its inverse would not be finite. What is left of a
/// row's words stands for zero.
static void MP_NAME(reduce_int8)(const float *x, int rows, int depth, size_t word_stride, mp_word *words,
                                 float *scales) {
  const size_t count = (size_t)depth;
  for (size_t r = 0; r < (size_t)rows; r++) {
    const float *row = x + r * count;
    vec largest = v_zero(), poison = v_zero();
    for (size_t i = 0; i < count; i += LANES) {
      const vec value = v_load_some(row + i, count - i);
      largest = v_max(largest, v_abs(value));
      poison = v_fma(value, v_zero(), poison);
    }
    const float size = v_greatest(largest), scale = size / 127.0f + v_sum(poison);
    scales[r] = scale;
    const vec inverse = v_set(size > 1e-30f ? 127.0f / size : 0.0f);
    uint8_t *y = (uint8_t *)(words + r * word_stride);
    for (size_t i = 0; i < count; i += LANES) v_store_int8(y + i, v_mul(v_load_some(row + i, count - i), inverse));
  }
}

#endif
