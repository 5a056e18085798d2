// The three products of a linear layer in training. Weights change with every step and lie row by row, so that the
// operand which the linear kernel wants in panels is packed into scratch first, by all threads; then the product is an
// ordinary linear layer.
//
// dW is a sum over all rows of a batch: it is made of blocks of rows, each added to what is there, so that both
// operands stay in the cache and rounding errors do not grow with the batch.
#include "operations/training/training_table.h"

/// Below this many multiply-adds, microseconds of one thread, one thread does it alone: packing has its barrier, too.
static const size_t worth_a_team = 128 * 1024;

/// Most rows of a block of dW, a multiple of 8.
enum { BLOCK_DEPTH = 320 };

typedef struct {
  const mp_kernels *kernels;
  mp_linear_call layer;  // of which `weight` is where to pack
  const float *source;   // of the packed operand
  void (*pack)(const float *weight, int columns, int depth, int first, int end, float *packed);
} product_run;

/// Columns before which a thread's panels begin, of a matrix with `columns`.
static int first_column(mp_isa isa, int columns, int thread, int threads) {
  const int panel = mp_panel_width(isa), width = panel > 0 ? panel : 1;
  const int panels = (columns + width - 1) / width;
  const int column = (int)mp_share((size_t)panels, thread, threads) * width;
  return column < columns ? column : columns;
}

static void run_product(const void *context, int thread, int threads) {
  const product_run *run = context;
  const int columns = run->layer.columns;
  run->pack(run->source, columns, run->layer.depth, first_column(run->layer.isa, columns, thread, threads),
            first_column(run->layer.isa, columns, thread + 1, threads), (float *)run->layer.weight);
  mp_barrier(threads);
  const mp_linear_job job = {.call = run->layer};
  run->kernels->linear(&job, thread, threads);
}

static size_t packed_floats(mp_isa isa, int columns, int depth) {
  return mp_whole_lines(mp_linear_packed_bytes(isa, MP_PRECISION_F32, columns, depth) / 4);
}

size_t mp_training_linear_scratch_count(mp_isa isa, int depth, int columns) {
  const size_t forward = packed_floats(isa, columns, depth), backward = packed_floats(isa, depth, columns);
  const size_t block = packed_floats(isa, depth, BLOCK_DEPTH) + (size_t)columns * BLOCK_DEPTH;
  const size_t products = forward > backward ? forward : backward;
  return (products > block ? products : block) + MP_LINE_FLOATS;
}

static int team(int threads, int rows, int depth, int columns) {
  return mp_worthwhile(threads, ((size_t)rows + 2) * (size_t)depth * (size_t)columns, worth_a_team);
}

void mp_training_linear(mp_isa isa, int threads, const float *x, int rows, int depth, const float *weight, int columns,
                        const float *bias, float *y, float *scratch) {
  if (rows <= 0) return;
  const mp_kernels *kernels = mp_kernels_for(isa);
  const mp_linear_call layer = {.isa = isa, .rows = rows, .depth = depth, .columns = columns, .x = x,
                                .weight = mp_first_line(scratch), .bias = bias, .y = y};
  const product_run run = {kernels, layer, weight, kernels->training->pack_columns};
  mp_run_together(team(threads, rows, depth, columns), run_product, &run);
}

void mp_linear_input_gradient(mp_isa isa, int threads, const float *dy, int rows, int columns, const float *weight,
                              int depth, float *dx, float *scratch) {
  if (rows <= 0) return;
  const mp_kernels *kernels = mp_kernels_for(isa);
  const mp_linear_call layer = {.isa = isa, .rows = rows, .depth = columns, .columns = depth, .x = dy,
                                .weight = mp_first_line(scratch), .y = dx};
  const product_run run = {kernels, layer, weight, kernels->training->pack_rows};
  mp_run_together(team(threads, rows, depth, columns), run_product, &run);
}

typedef struct {
  const mp_kernels *kernels;
  mp_isa isa;
  const float *x, *dy;
  int rows, depth, columns;
  float *dweight, *dbias;
  float *packed, *transposed;
} weight_run;

static void run_weight_gradient(const void *context, int thread, int threads) {
  const weight_run *run = context;
  const int blocks = (run->rows + BLOCK_DEPTH - 1) / BLOCK_DEPTH;
  // Whole vectors of columns, so that the same sums are made in vectors whoever makes them.
  const int first = (int)mp_share(((size_t)run->columns + 15) / 16, thread, threads) * 16;
  const int after = (int)mp_share(((size_t)run->columns + 15) / 16, thread + 1, threads) * 16;
  const int end = after < run->columns ? after : run->columns;
  for (int block = 0; block < blocks; block++) {
    const int row = (int)mp_share((size_t)run->rows, block, blocks);
    const int rows = (int)mp_share((size_t)run->rows, block + 1, blocks) - row;
    if (first < end) {
      run->kernels->training->transpose(run->dy + (size_t)row * (size_t)run->columns, rows, run->columns, first, end,
                                        run->transposed, (size_t)rows, run->dbias);
    }
    if (!run->dweight) continue;
    run->kernels->training->pack_rows(run->x + (size_t)row * (size_t)run->depth, run->depth, rows,
                                      first_column(run->isa, run->depth, thread, threads),
                                      first_column(run->isa, run->depth, thread + 1, threads), run->packed);
    mp_barrier(threads);
    const mp_linear_job job = {
      .call = {.isa = run->isa, .rows = run->columns, .depth = rows, .columns = run->depth, .x = run->transposed,
               .weight = run->packed, .residual = run->dweight, .y = run->dweight}};
    run->kernels->linear(&job, thread, threads);
    mp_barrier(threads);
  }
}

void mp_linear_weight_gradient(mp_isa isa, int threads, const float *x, const float *dy, int rows, int depth,
                               int columns, float *dweight, float *dbias, float *scratch) {
  if (rows <= 0 || (!dweight && !dbias)) return;
  weight_run run = {.kernels = mp_kernels_for(isa), .isa = isa, .x = x, .dy = dy, .rows = rows, .depth = depth,
                    .columns = columns, .dweight = dweight, .dbias = dbias, .packed = mp_first_line(scratch)};
  run.transposed = run.packed + packed_floats(isa, depth, BLOCK_DEPTH);
  mp_run_together(team(threads, rows, depth, columns), run_weight_gradient, &run);
}
