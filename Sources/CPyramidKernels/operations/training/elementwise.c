// Dropout and the gradient of activations over whole matrices, each one flat run that may be cut anywhere.
#include "operations/training/training_table.h"

/// Elements, about a microsecond of one thread, from which a second thread pays off.
static const size_t worth_a_team = 8 * 1024;

typedef struct {
  const mp_training_kernels *kernels;
  const float *x, *dy;  // dy NULL: dropout
  size_t count;
  mp_activation activation;
  mp_dropout dropout;
  float *y;
} flat_run;

static void run_flat(const void *context, int thread, int threads) {
  const flat_run *run = context;
  const size_t first = mp_share(run->count, thread, threads);
  const size_t count = mp_share(run->count, thread + 1, threads) - first;
  if (run->dy) {
    run->kernels->activation_gradient(run->x + first, run->dy + first, count, run->activation, run->y + first);
  } else {
    run->kernels->dropout(run->x + first, count, (uint32_t)first, run->dropout, run->y + first);
  }
}

void mp_apply_dropout(mp_isa isa, int threads, const float *x, int rows, int columns, mp_dropout dropout, float *y) {
  if (rows <= 0) return;
  const flat_run run = {.kernels = mp_kernels_for(isa)->training, .x = x, .count = (size_t)rows * (size_t)columns,
                        .dropout = dropout, .y = y};
  mp_run(mp_worthwhile(threads, run.count, worth_a_team), run_flat, &run);
}

void mp_activation_gradient(mp_isa isa, int threads, const float *x, const float *dy, int rows, int columns,
                            mp_activation activation, float *dx) {
  if (rows <= 0) return;
  const flat_run run = {.kernels = mp_kernels_for(isa)->training, .x = x, .dy = dy,
                        .count = (size_t)rows * (size_t)columns, .activation = activation, .y = dx};
  mp_run(mp_worthwhile(threads, run.count, worth_a_team), run_flat, &run);
}
