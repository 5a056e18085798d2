// Gradients whose unit is a row of a batch. Where a parameter's gradient is a sum over rows, either blocks of rows are
// summed apart and then in order (layer norm), or each thread takes some columns of all rows (embeddings).
#include "operations/training/training_table.h"

#include <string.h>

static const size_t norm_worth_a_team = 8 * 1024, copy_worth_a_team = 24 * 1024;

/// Rows whose contributions to gamma and beta are summed apart.
enum { NORM_ROWS = 32 };

typedef struct {
  const mp_training_kernels *kernels;
  const float *x, *dy, *gamma;
  int rows, columns;
  float epsilon;
  float *dx, *dgamma, *dbeta;
  float *sums;  // [blocks][2][columns]
} norm_run;

static void add_to(const float *x, size_t count, float *y) {
  for (size_t i = 0; i < count; i++) y[i] += x[i];
}

static void run_norm_gradient(const void *context, int thread, int threads) {
  const norm_run *run = context;
  const size_t columns = (size_t)run->columns, blocks = ((size_t)run->rows + NORM_ROWS - 1) / NORM_ROWS;
  const size_t end = mp_share(blocks, thread + 1, threads);
  for (size_t block = mp_share(blocks, thread, threads); block < end; block++) {
    const size_t row = block * NORM_ROWS, left = (size_t)run->rows - row, place = row * columns;
    float *sums = run->dgamma || run->dbeta ? run->sums + block * 2 * columns : NULL;
    run->kernels->layer_norm_gradient(run->x + place, run->dy + place, (int)(left < NORM_ROWS ? left : NORM_ROWS),
                                      run->columns, run->gamma, run->epsilon, run->dx ? run->dx + place : NULL, sums,
                                      sums ? sums + columns : NULL);
  }
  if (!run->dgamma && !run->dbeta) return;
  mp_barrier(threads);
  const size_t first = mp_share(columns, thread, threads), count = mp_share(columns, thread + 1, threads) - first;
  for (size_t block = 0; block < blocks; block++) {
    const float *sums = run->sums + block * 2 * columns + first;
    if (run->dgamma) add_to(sums, count, run->dgamma + first);
    if (run->dbeta) add_to(sums + columns, count, run->dbeta + first);
  }
}

size_t mp_layer_norm_gradient_scratch_count(int rows, int columns) {
  return ((size_t)rows + NORM_ROWS - 1) / NORM_ROWS * 2 * (size_t)columns;
}

void mp_layer_norm_gradient(mp_isa isa, int threads, const float *x, const float *dy, int rows, int columns,
                            const float *gamma, float epsilon, float *dx, float *dgamma, float *dbeta, float *scratch) {
  if (rows <= 0) return;
  const norm_run run = {mp_kernels_for(isa)->training, x, dy, gamma, rows, columns, epsilon, dx, dgamma, dbeta,
                        scratch};
  mp_run_together(mp_worthwhile(threads, (size_t)rows * (size_t)columns, norm_worth_a_team), run_norm_gradient, &run);
}

typedef struct {
  const int32_t *ids, *position, *type;
  const float *dy;
  int rows, columns;
  float *dwords, *dpositions, *dtypes;
} embed_run;

static void run_embed_gradient(const void *context, int thread, int threads) {
  const embed_run *run = context;
  const size_t columns = (size_t)run->columns, first = mp_share(columns, thread, threads);
  const size_t count = mp_share(columns, thread + 1, threads) - first;
  for (size_t r = 0; r < (size_t)run->rows; r++) {
    const float *row = run->dy + r * columns + first;
    if (run->dwords) add_to(row, count, run->dwords + (size_t)run->ids[r] * columns + first);
    if (run->dpositions) add_to(row, count, run->dpositions + (size_t)run->position[r] * columns + first);
    if (run->dtypes) add_to(row, count, run->dtypes + (size_t)run->type[r] * columns + first);
  }
}

void mp_embed_gradient(int threads, const int32_t *ids, const int32_t *position, const int32_t *type, const float *dy,
                       int rows, int columns, float *dwords, float *dpositions, float *dtypes) {
  const embed_run run = {ids, position, type, dy, rows, columns, dwords, dpositions, dtypes};
  mp_run(mp_worthwhile(threads, (size_t)rows * (size_t)columns, copy_worth_a_team), run_embed_gradient, &run);
}

/// One of the operations that compute each row for itself.
typedef struct rows_run {
  void (*row)(const struct rows_run *run, size_t r);
  const float *x, *b;
  size_t rows, columns, stride;
  float *y;
} rows_run;

static void run_rows(const void *context, int thread, int threads) {
  const rows_run *run = context;
  const size_t end = mp_share(run->rows, thread + 1, threads);
  for (size_t r = mp_share(run->rows, thread, threads); r < end; r++) run->row(run, r);
}

static void share_rows(int threads, const rows_run *run) {
  mp_run(mp_worthwhile(threads, run->rows * run->columns, copy_worth_a_team), run_rows, run);
}

static void scale_row(const rows_run *run, size_t r) {
  const float *x = run->x + r * run->columns;
  const float factor = run->b[r];
  for (size_t c = 0; c < run->columns; c++) run->y[r * run->columns + c] = x[c] * factor;
}

void mp_scale_rows(int threads, const float *x, const float *factor, int rows, int columns, float *y) {
  const rows_run run = {scale_row, x, factor, (size_t)rows, (size_t)columns, 0, y};
  if (rows > 0) share_rows(threads, &run);
}

/// Eight sums side by side, which the compiler makes vectors of.
static void dot_row(const rows_run *run, size_t r) {
  const float *a = run->x + r * run->columns, *b = run->b + r * run->columns;
  float sums[8] = {0}, rest = 0;
  size_t c = 0;
  for (; c + 8 <= run->columns; c += 8) {
    for (size_t i = 0; i < 8; i++) sums[i] += a[c + i] * b[c + i];
  }
  for (; c < run->columns; c++) rest += a[c] * b[c];
  for (size_t i = 0; i < 8; i++) rest += sums[i];
  run->y[r] = rest;
}

void mp_row_dot(int threads, const float *a, const float *b, int rows, int columns, float *y) {
  const rows_run run = {dot_row, a, b, (size_t)rows, (size_t)columns, 0, y};
  if (rows > 0) share_rows(threads, &run);
}

static void copy_row(const rows_run *run, size_t r) {
  memcpy(run->y + r * run->columns, run->x + r * run->stride, run->columns * sizeof(float));
}

void mp_copy_columns(int threads, const float *x, int rows, int stride, int first, int columns, float *y) {
  const rows_run run = {copy_row, x + first, NULL, (size_t)rows, (size_t)columns, (size_t)stride, y};
  if (rows > 0) share_rows(threads, &run);
}

void mp_scatter_rows(int threads, const float *x, const int32_t *index, int count, int rows, int columns, float *y) {
  const size_t width = (size_t)columns;
  mp_zero(threads, y, (size_t)rows * width);
  for (size_t r = 0; r < (size_t)count; r++) {
    memcpy(y + (size_t)index[r] * width, x + r * width, width * sizeof(float));
  }
}

void mp_segment_mean_gradient(int threads, const float *dy, const int32_t *segments, int samples, int columns,
                              float *dx) {
  (void)threads;
  const size_t width = (size_t)columns;
  for (int s = 0; s < samples; s++) {
    const float factor = 1.0f / (float)(segments[s + 1] - segments[s]), *row = dy + (size_t)s * width;
    for (int32_t r = segments[s]; r < segments[s + 1]; r++) {
      for (size_t c = 0; c < width; c++) dx[(size_t)r * width + c] = row[c] * factor;
    }
  }
}
