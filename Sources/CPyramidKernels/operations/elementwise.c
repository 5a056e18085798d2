// Activation and sum over whole matrices. A matrix is one flat run here: every element is computed in the same way, so
// it may be cut anywhere.
#include "operations/kernel_table.h"

/// Elements, about a microsecond of one thread, from which a second thread pays off.
static const size_t activation_worth_a_team = 8 * 1024, sum_worth_a_team = 24 * 1024;

typedef struct {
  const mp_kernels *kernels;
  const float *a, *b;  // b NULL: activation
  size_t count;
  mp_activation activation;
  float *y;
} flat_call;

static void run_flat(const void *context, int thread, int threads) {
  const flat_call *call = context;
  const size_t first = mp_share(call->count, thread, threads);
  const size_t count = mp_share(call->count, thread + 1, threads) - first;
  if (call->b) {
    call->kernels->add(call->a + first, call->b + first, count, call->y + first);
  } else {
    call->kernels->activate(call->a + first, count, call->activation, call->y + first);
  }
}

void mp_activate(mp_isa isa, int threads, const float *x, int rows, int columns, mp_activation activation, float *y) {
  if (rows <= 0) return;
  const flat_call call = {mp_kernels_for(isa), x, NULL, (size_t)rows * (size_t)columns, activation, y};
  mp_run(mp_worthwhile(threads, call.count, activation_worth_a_team), run_flat, &call);
}

void mp_add(mp_isa isa, int threads, const float *a, const float *b, int rows, int columns, float *y) {
  if (rows <= 0) return;
  const flat_call call = {mp_kernels_for(isa), a, b, (size_t)rows * (size_t)columns, MP_ACTIVATION_NONE, y};
  mp_run(mp_worthwhile(threads, call.count, sum_worth_a_team), run_flat, &call);
}
