// Linear layers with what is fused into them: bias, residual, and an activation or a layer norm.
//
// The layers are where the time goes. This file decides on threads and order; the products themselves are in
// linear_simd.h and linear_reduced_simd.h (own kernels on packed panels) and kernels_portable.c (OpenBLAS on the
// weights as they are).
#include "operations/kernel_table.h"

/// Below this many steps of multiply-adds, half a microsecond of one thread, one thread is done sooner than a team
/// has started (measured). Two rows are added because with few of them the bandwidth of the weights decides.
static const size_t worth_a_team = 64 * 1024;

/// Inputs of so few rows, and so small, are reduced by every thread for itself: that takes less time than a barrier.
enum { OWN_ROWS = 16, OWN_ELEMENTS = 6144 };

static int reduces_alone(int rows, int depth) { return rows <= OWN_ROWS && rows * depth <= OWN_ELEMENTS; }

/// Words from one reduced row to the next: whole cache lines.
static size_t word_stride(mp_precision precision, int depth) {
  return mp_whole_lines((size_t)mp_steps(precision, depth));
}

/// Floats that reduced rows take: their words, then their scales.
static size_t reduced_floats(mp_precision precision, int rows, int depth) {
  return mp_whole_lines((size_t)rows * (word_stride(precision, depth) + 1));
}

size_t mp_linear_scratch_bytes(int threads, int rows, int depth) {
  // bf16 takes the most. A copy for each thread is made of few rows only.
  const size_t own = mp_whole_lines(OWN_ELEMENTS / 2 + OWN_ROWS * (2 * MP_LINE_FLOATS));
  const size_t shared = reduced_floats(MP_PRECISION_BF16, rows, depth);
  return 4 * (shared + (size_t)(threads < 1 ? 1 : threads) * own + MP_LINE_FLOATS);
}

typedef struct {
  const mp_kernels *kernels;
  mp_reduced_kernels reduced;
  const mp_linear_call *layer;
  float *scratch;  // of reduced inputs
} linear_run;

/// Where the reduced input of a share is: its own copy of it, or all shares'.
static mp_linear_job reduced_job(const linear_run *run, int thread) {
  const mp_linear_call *layer = run->layer;
  const size_t own = reduced_floats(layer->precision, layer->rows, layer->depth);
  const size_t stride = word_stride(layer->precision, layer->depth);
  float *area = run->scratch + (reduces_alone(layer->rows, layer->depth) ? (size_t)thread * own : 0);
  return (mp_linear_job){.call = *layer, .words = (const mp_word *)area,
                         .scales = area + (size_t)layer->rows * stride, .word_stride = stride};
}

/// Rows first ..< end of the input as words.
static void reduce_rows(const linear_run *run, const mp_linear_job *job, size_t first, size_t end) {
  const mp_linear_call *layer = run->layer;
  const size_t stride = job->word_stride, steps = (size_t)mp_steps(layer->precision, layer->depth);
  mp_word *words = (mp_word *)job->words;
  // Tiles read whole cache lines: what is after a row's last word must be a number, whatever it is multiplied with.
  for (size_t r = first; r < end && steps < stride; r++) {
    for (size_t word = steps; word < stride; word++) words[r * stride + word] = 0;
  }
  run->reduced.reduce[layer->precision - 1](layer->x + first * (size_t)layer->depth, (int)(end - first), layer->depth,
                                            stride, words + first * stride, (float *)job->scales + first);
}

/// A layer is up to three kernels, each in shares: the input's reduction, unless every share does it for itself, the
/// product, and the norm.
static void run_reduction(const void *context, int thread, int threads) {
  const linear_run *run = context;
  const size_t rows = (size_t)run->layer->rows;
  const mp_linear_job job = reduced_job(run, thread);
  reduce_rows(run, &job, mp_share(rows, thread, threads), mp_share(rows, thread + 1, threads));
}

static void run_product(const void *context, int thread, int threads) {
  const linear_run *run = context;
  const mp_linear_call *layer = run->layer;
  if (layer->precision == MP_PRECISION_F32) {
    const mp_linear_job job = {.call = *layer};
    run->kernels->linear(&job, thread, threads);
    return;
  }
  const mp_linear_job job = reduced_job(run, thread);
  if (reduces_alone(layer->rows, layer->depth)) reduce_rows(run, &job, 0, (size_t)layer->rows);
  const int in_tiles = layer->precision == MP_PRECISION_INT8 && run->reduced.tiled_int8 && layer->rows >= MP_TILE_ROWS;
  (in_tiles ? run->reduced.tiled_int8 : run->reduced.linear[layer->precision - 1])(&job, thread, threads);
}

static void run_norm(const void *context, int thread, int threads) {
  const linear_run *run = context;
  const mp_linear_call *layer = run->layer;
  const size_t first = mp_share((size_t)layer->rows, thread, threads);
  const size_t end = mp_share((size_t)layer->rows, thread + 1, threads);
  float *rows = layer->y + first * (size_t)layer->columns;
  run->kernels->layer_norm(rows, (int)(end - first), layer->columns, layer->gamma, layer->beta, layer->epsilon, rows);
}

void mp_linear(const mp_linear_call *call) {
  if (call->rows <= 0) return;
  const linear_run run = {mp_kernels_for(call->isa), mp_reduced_for(call->isa), call,
                          call->scratch ? mp_first_line(call->scratch) : NULL};
  const size_t work = ((size_t)call->rows + 2) * (size_t)mp_steps(call->precision, call->depth)
                      * (size_t)call->columns;
  const int team = mp_worthwhile(call->threads, work, worth_a_team);
  if (call->precision != MP_PRECISION_F32 && !reduces_alone(call->rows, call->depth)) mp_run(team, run_reduction, &run);
  mp_run(team, run_product, &run);
  if (call->gamma) mp_run(team, run_norm, &run);
}
