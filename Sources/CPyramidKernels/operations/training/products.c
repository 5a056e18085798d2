// The three products of a linear layer in training. Weights change with every step and lie row by row, so that the
// operand which the linear kernel wants in panels is packed into scratch first, by all threads; then the product is an
// ordinary linear layer. In bf16 the panels are rounded after that, and the other operand by the linear layer itself.
//
// dW is a sum over all rows of a batch: it is made of blocks of rows, each added to what is there, so that both
// operands stay in the cache and rounding errors do not grow with the batch.
#include "operations/training/training_table.h"

/// Below this many multiply-adds, microseconds of one thread, one thread does it alone: packing has its barrier, too.
static const size_t worth_a_team = 128 * 1024;

/// Most rows of a block of dW, a multiple of 8.
enum { BLOCK_DEPTH = 320 };

typedef struct {
  mp_linear_call layer;
  float *panels;        // where to pack
  const float *source;  // of the packed operand
  void (*pack)(const float *weight, int columns, int depth, int first, int end, float *packed);
} product_run;

static size_t packed_floats(mp_isa isa, mp_precision precision, int columns, int depth) {
  return mp_whole_lines(mp_linear_packed_bytes(isa, precision, columns, depth) / 4);
}

/// Floats of scratch of a product with `rows` rows: panels, in bf16 what they are rounded to, and the layer's own.
static size_t product_floats(const mp_training_layer *layer, int rows, int depth, int columns) {
  const size_t panels = packed_floats(layer->isa, MP_PRECISION_F32, columns, depth);
  if (layer->precision == MP_PRECISION_F32) return panels;
  return panels + packed_floats(layer->isa, layer->precision, columns, depth)
         + mp_linear_scratch_bytes(layer->threads, rows, depth) / 4;
}

/// Columns before which a thread's panels begin, of a matrix with `columns`.
static int first_column(mp_isa isa, int columns, int thread, int threads) {
  const int panel = mp_panel_width(isa), width = panel > 0 ? panel : 1;
  const int panels = (columns + width - 1) / width;
  const int column = (int)mp_share((size_t)panels, thread, threads) * width;
  return column < columns ? column : columns;
}

/// Two of consecutive depth as a word of a panel.
static inline mp_word rounded_word(float even, float odd) {
  return (mp_word)mp_rounded_bf16(even) | (mp_word)mp_rounded_bf16(odd) << 16;
}

/// The panel of columns first ..< end, or rows where there are no panels, as `mp_linear_pack` makes it in bf16.
static void round_panel(const product_run *run, int first, int end) {
  const size_t depth = (size_t)run->layer.depth, from = (size_t)first * depth;
  const int lanes = mp_layout_of(run->layer.isa).lanes;
  const float *row = run->panels + from;
  if (lanes == 0) {
    uint16_t *rounded = (uint16_t *)run->layer.weight + from;
    for (size_t i = 0; i < (size_t)end * depth - from; i++) rounded[i] = mp_rounded_bf16(row[i]);
    return;
  }
  const size_t width = (size_t)((end - first + lanes - 1) / lanes * lanes);
  mp_word *words = (mp_word *)run->layer.weight + (size_t)first * (size_t)mp_steps(MP_PRECISION_BF16, (int)depth);
  for (size_t k = 0; k + 1 < depth; k += 2, row += 2 * width, words += width) {
    for (size_t c = 0; c < width; c++) words[c] = rounded_word(row[c], row[width + c]);
  }
  for (size_t c = 0; c < width && depth % 2 == 1; c++) words[c] = rounded_word(row[c], 0);
}

/// Packs this share's panels; in bf16 rounds each while it is in the cache.
static void pack_panels(const product_run *run, int thread, int threads) {
  const mp_linear_call *layer = &run->layer;
  const int end = first_column(layer->isa, layer->columns, thread + 1, threads);
  const int panel = layer->precision == MP_PRECISION_F32 ? 0 : mp_panel_width(layer->isa);
  for (int column = first_column(layer->isa, layer->columns, thread, threads), next; column < end; column = next) {
    next = panel > 0 && panel < end - column ? column + panel : end;
    run->pack(run->source, layer->columns, layer->depth, column, next, run->panels);
    if (layer->precision != MP_PRECISION_F32) round_panel(run, column, next);
  }
}

/// In bf16 only packs: the linear layer does the rest.
static void run_product(const void *context, int thread, int threads) {
  const product_run *run = context;
  pack_panels(run, thread, threads);
  if (run->layer.precision != MP_PRECISION_F32) return;
  mp_barrier(threads);
  const mp_linear_job job = {.call = run->layer};
  mp_kernels_for(run->layer.isa)->linear(&job, thread, threads);
}

/// A product of a layer, x [rows][depth] with `source` as a weight of `columns`, its parts placed in the scratch.
static product_run placed_product(float *scratch, const mp_training_layer *layer, int rows, int depth, int columns) {
  product_run run = {.panels = scratch,
                     .layer = {.isa = layer->isa, .threads = layer->threads, .precision = layer->precision, .rows = rows,
                               .depth = depth, .columns = columns, .weight = scratch}};
  if (layer->precision == MP_PRECISION_F32) return run;
  float *rounded = scratch + packed_floats(layer->isa, MP_PRECISION_F32, columns, depth);
  run.layer.weight = rounded;
  run.layer.scratch = rounded + packed_floats(layer->isa, layer->precision, columns, depth);
  return run;
}

size_t mp_training_linear_scratch_count(const mp_training_layer *layer) {
  const int rows = layer->rows, depth = layer->depth, columns = layer->columns;
  const size_t forward = product_floats(layer, rows, depth, columns);
  const size_t backward = product_floats(layer, rows, columns, depth);
  const size_t block = product_floats(layer, columns, BLOCK_DEPTH, depth) + (size_t)columns * BLOCK_DEPTH;
  const size_t products = forward > backward ? forward : backward;
  return (products > block ? products : block) + MP_LINE_FLOATS;
}

/// Threads that a layer is worth.
static int team(const mp_training_layer *layer) {
  const size_t work = ((size_t)layer->rows + 2) * (size_t)layer->depth * (size_t)layer->columns;
  return mp_worthwhile(layer->threads, work, worth_a_team);
}

static void multiply(const mp_training_layer *layer, const product_run *run) {
  mp_run_together(team(layer), run_product, run);
  if (layer->precision != MP_PRECISION_F32) mp_linear(&run->layer);
}

void mp_training_linear(const mp_training_layer *layer, const float *x, const float *weight, const float *bias,
                        float *y) {
  if (layer->rows <= 0) return;
  product_run run = placed_product(mp_first_line(layer->scratch), layer, layer->rows, layer->depth, layer->columns);
  run.layer.x = x, run.layer.bias = bias, run.layer.y = y;
  run.source = weight, run.pack = mp_kernels_for(layer->isa)->training->pack_columns;
  multiply(layer, &run);
}

void mp_linear_input_gradient(const mp_training_layer *layer, const float *dy, const float *weight, float *dx) {
  if (layer->rows <= 0) return;
  product_run run = placed_product(mp_first_line(layer->scratch), layer, layer->rows, layer->columns, layer->depth);
  run.layer.x = dy, run.layer.y = dx;
  run.source = weight, run.pack = mp_kernels_for(layer->isa)->training->pack_rows;
  multiply(layer, &run);
}

/// A block of rows of a layer's dW: the product of dy, once it is transposed, with x.
typedef struct {
  product_run product;
  const float *dy;
  float *transposed, *dbias;
} block_run;

static void run_block(const void *context, int thread, int threads) {
  const block_run *run = context;
  const mp_linear_call *layer = &run->product.layer;
  const int columns = layer->rows, rows = layer->depth;
  // Whole vectors of columns, so that the same sums are made in vectors whoever makes them.
  const int first = (int)mp_share(((size_t)columns + 15) / 16, thread, threads) * 16;
  const int after = (int)mp_share(((size_t)columns + 15) / 16, thread + 1, threads) * 16;
  const int end = after < columns ? after : columns;
  if (first < end) {
    mp_kernels_for(layer->isa)
      ->training->transpose(run->dy, rows, columns, first, end, run->transposed, (size_t)rows, run->dbias);
  }
  if (layer->y) run_product(&run->product, thread, threads);
}

void mp_linear_weight_gradient(const mp_training_layer *layer, const float *x, const float *dy, float *dweight,
                               float *dbias) {
  if (layer->rows <= 0 || (!dweight && !dbias)) return;
  const size_t columns = (size_t)layer->columns, depth = (size_t)layer->depth;
  float *transposed = mp_first_line(layer->scratch), *scratch = transposed + columns * BLOCK_DEPTH;
  const int blocks = (layer->rows + BLOCK_DEPTH - 1) / BLOCK_DEPTH;
  for (int block = 0; block < blocks; block++) {
    const size_t row = mp_share((size_t)layer->rows, block, blocks);
    const size_t rows = mp_share((size_t)layer->rows, block + 1, blocks) - row;
    block_run run = {placed_product(scratch, layer, layer->columns, (int)rows, layer->depth), dy + row * columns,
                     transposed, dbias};
    run.product.layer.x = transposed, run.product.layer.residual = dweight, run.product.layer.y = dweight;
    run.product.source = x + row * depth, run.product.pack = mp_kernels_for(layer->isa)->training->pack_rows;
    mp_run_together(team(layer), run_block, &run);
    if (dweight && layer->precision != MP_PRECISION_F32) mp_linear(&run.product.layer);
  }
}
