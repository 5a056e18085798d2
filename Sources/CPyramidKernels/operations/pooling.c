// Rows that go into others, and what such decisions read: few rows or few columns, and each element of the result is one
// sum in one order. Pooling is split by columns: a row's parts may come from anywhere in its sample.
#include "operations/kernel_table.h"

#include <string.h>

/// Elements from which a second thread pays off, as for copies.
static const size_t worth_a_team = 24 * 1024;

typedef struct {
  const float *x;
  size_t columns;
  const int32_t *into;
  const float *share;
  size_t rows, pooled;
  float *y;
} pool_call;

static void run_pool(const void *context, int thread, int threads) {
  const pool_call *call = context;
  const size_t columns = call->columns, first = mp_share(columns, thread, threads);
  const size_t count = mp_share(columns, thread + 1, threads) - first;
  for (size_t r = 0; r < call->pooled; r++) memset(call->y + r * columns + first, 0, count * sizeof(float));
  for (size_t r = 0; r < call->rows; r++) {
    const float *x = call->x + r * columns + first, share = call->share[r];
    float *y = call->y + (size_t)call->into[r] * columns + first;
    for (size_t c = 0; c < count; c++) y[c] += share * x[c];
  }
}

void mp_pool_rows(int threads, const float *x, int columns, const int32_t *into, const float *share, int rows,
                  int pooled, float *y) {
  if (rows <= 0) return;
  const pool_call call = {x, (size_t)columns, into, share, (size_t)rows, (size_t)pooled, y};
  mp_run(mp_worthwhile(threads, (size_t)rows * (size_t)columns, worth_a_team), run_pool, &call);
}

typedef struct {
  const float *x;
  size_t rows, stride, first, heads, head_dim;
  float *y;
} mean_call;

static void run_mean(const void *context, int thread, int threads) {
  const mean_call *call = context;
  const size_t dims = call->head_dim, end = mp_share(call->rows, thread + 1, threads);
  const float mean = 1.0f / (float)call->heads;
  for (size_t r = mp_share(call->rows, thread, threads); r < end; r++) {
    const float *x = call->x + r * call->stride + call->first;
    float *y = call->y + r * dims;
    for (size_t d = 0; d < dims; d++) y[d] = x[d];
    for (size_t h = 1; h < call->heads; h++) {
      for (size_t d = 0; d < dims; d++) y[d] += x[h * dims + d];
    }
    for (size_t d = 0; d < dims; d++) y[d] *= mean;
  }
}

void mp_head_mean(int threads, const float *x, int rows, int stride, int first, int heads, int head_dim, float *y) {
  if (rows <= 0) return;
  const mean_call call = {x, (size_t)rows, (size_t)stride, (size_t)first, (size_t)heads, (size_t)head_dim, y};
  mp_run(mp_worthwhile(threads, call.rows * call.heads * call.head_dim, worth_a_team), run_mean, &call);
}
