// Linear layers: packing of weights, and the two fused forms (bias and activation; bias, residual and layer norm).
//
// The layers are where the time goes. This file decides on threads and order; the products themselves are in
// linear_simd.h (own kernels on packed panels) and kernels_portable.c (OpenBLAS on the weights as they are).
#include "kernel_table.h"

#include <string.h>

/// Below this many multiply-adds, about a microsecond of one thread, a layer is done sooner than the team has met
/// (measured). Two rows are added because with few of them the bandwidth of the weights decides.
static const size_t worth_a_team = 192 * 1024;

size_t mp_linear_packed_count(mp_isa isa, int columns, int depth) {
  const mp_kernels *kernels = mp_kernels_for(isa);
  const size_t lanes = kernels->lanes > 0 ? (size_t)kernels->lanes : 1;
  return ((size_t)columns + lanes - 1) / lanes * lanes * (size_t)depth;
}

/// weight rows first ..< first + count, transposed to [depth][width].
static void pack_panel(const float *weight, size_t first, size_t count, size_t depth, size_t width, float *panel) {
  for (size_t k = 0; k < depth; k++) {
    for (size_t j = 0; j < width; j++) panel[k * width + j] = j < count ? weight[(first + j) * depth + k] : 0.0f;
  }
}

void mp_linear_pack(mp_isa isa, const float *weight, int columns, int depth, float *packed) {
  const mp_kernels *kernels = mp_kernels_for(isa);
  const size_t lanes = (size_t)kernels->lanes, panel = lanes * (size_t)kernels->panel_vectors;
  const size_t all = (size_t)columns, deep = (size_t)depth;
  if (panel == 0) {
    memcpy(packed, weight, all * deep * sizeof(float));
    return;
  }
  for (size_t first = 0; first < all; first += panel) {
    const size_t count = all - first < panel ? all - first : panel;
    pack_panel(weight, first, count, deep, (count + lanes - 1) / lanes * lanes, packed + first * deep);
  }
}

typedef struct {
  const mp_kernels *kernels;
  mp_linear_job layer;
} linear_call;

/// One thread's part: its share of the product; then, once all are done, its share of the rows to normalise.
static void run_linear(const void *context, int thread, int threads) {
  const linear_call *call = context;
  const mp_linear_job *layer = &call->layer;
  call->kernels->linear(layer, thread, threads);
  if (!layer->gamma) return;
  mp_barrier(threads);
  const size_t first = mp_share((size_t)layer->rows, thread, threads);
  const size_t end = mp_share((size_t)layer->rows, thread + 1, threads);
  float *rows = layer->y + first * (size_t)layer->columns;
  call->kernels->layer_norm(rows, (int)(end - first), layer->columns, layer->gamma, layer->beta, layer->epsilon, rows);
}

static void start_linear(mp_isa isa, int threads, const mp_linear_job *layer) {
  if (layer->rows <= 0) return;
  const linear_call call = {mp_kernels_for(isa), *layer};
  const size_t work = ((size_t)layer->rows + 2) * (size_t)layer->depth * (size_t)layer->columns;
  mp_run(mp_worthwhile(threads, work, worth_a_team), run_linear, &call);
}

void mp_linear(mp_isa isa, int threads, const float *x, int rows, int depth, const float *packed, const float *bias,
               int columns, mp_activation activation, float *y) {
  const mp_linear_job layer = {.x = x, .rows = rows, .depth = depth, .columns = columns, .packed = packed,
                               .bias = bias, .activation = activation, .y = y};
  start_linear(isa, threads, &layer);
}

void mp_linear_add_norm(mp_isa isa, int threads, const float *x, int rows, int depth, const float *packed,
                        const float *bias, int columns, const float *residual, const float *gamma, const float *beta,
                        float epsilon, float *y) {
  const mp_linear_job layer = {.x = x, .rows = rows, .depth = depth, .columns = columns, .packed = packed,
                               .bias = bias, .activation = MP_ACTIVATION_NONE, .y = y, .residual = residual,
                               .gamma = gamma, .beta = beta, .epsilon = epsilon};
  start_linear(isa, threads, &layer);
}
