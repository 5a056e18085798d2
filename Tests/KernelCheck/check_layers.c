// Linear layers in every precision, with what follows them, and the same rows in other company.
#include "check.h"

typedef struct {
  int rows, depth, columns;
} shape;

static const shape shapes[] = {{1, 1, 1},    {1, 64, 64},  {2, 33, 17},  {3, 128, 65},  {5, 7, 100},  {6, 20, 16},
                               {7, 129, 63}, {13, 64, 48}, {16, 96, 80}, {17, 384, 33}, {32, 70, 64}, {33, 31, 129},
                               {40, 16, 20}, {64, 130, 70}};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

typedef struct {
  shape s;
  const float *x, *weight, *bias, *residual;
} operands;

static operands operands_of(int index, uint64_t seed) {
  const shape s = shapes[index];
  state = seed;
  const float *x = numbers((size_t)s.rows * (size_t)s.depth, 1);
  const float *weight = numbers((size_t)s.columns * (size_t)s.depth, 1), *bias = numbers((size_t)s.columns, 1);
  return (operands){s, x, weight, bias, numbers((size_t)s.rows * (size_t)s.columns, 1)};
}

/// Rows first ..< first + rows of a layer; with residual and norm, or an activation.
static float *layer(mp_isa isa, int threads, mp_precision precision, const operands *all, int first, int rows,
                    mp_activation activation, int is_normed) {
  const shape s = all->s;
  float *packed = buffer(mp_linear_packed_bytes(isa, precision, s.columns, s.depth) / 4);
  float *scratch = buffer(mp_linear_scratch_bytes(threads, rows, s.depth) / 4);
  float *y = buffer((size_t)rows * (size_t)s.columns);
  mp_linear_pack(isa, precision, all->weight, s.columns, s.depth, packed);
  const mp_linear_call call = {
    .isa = isa, .threads = threads, .precision = precision, .rows = rows, .depth = s.depth, .columns = s.columns,
    .x = all->x + (size_t)first * (size_t)s.depth, .weight = packed, .bias = all->bias,
    .activation = is_normed ? MP_ACTIVATION_NONE : activation,
    .residual = is_normed ? all->residual + (size_t)first * (size_t)s.columns : NULL,
    .gamma = is_normed ? all->bias : NULL, .beta = is_normed ? all->bias : NULL, .epsilon = 1e-5f, .y = y,
    .scratch = scratch};
  mp_linear(&call);
  return y;
}

static void norm_row(double *y, size_t columns, const float *gamma, const float *beta) {
  double mean = 0, variance = 0;
  for (size_t c = 0; c < columns; c++) mean += y[c] / (double)columns;
  for (size_t c = 0; c < columns; c++) variance += (y[c] - mean) * (y[c] - mean) / (double)columns;
  for (size_t c = 0; c < columns; c++) y[c] = (y[c] - mean) / sqrt(variance + 1e-5) * gamma[c] + beta[c];
}

/// The layer in double; of int8's operands, as they were.
static double *truth_of(mp_precision precision, const operands *all, mp_activation activation, int is_normed) {
  const size_t depth = (size_t)all->s.depth, columns = (size_t)all->s.columns;
  double *y = sums((size_t)all->s.rows * columns);
  for (size_t r = 0; r < (size_t)all->s.rows; r++) {
    for (size_t c = 0; c < columns; c++) {
      double sum = all->bias[c];
      for (size_t k = 0; k < depth; k++) {
        const float a = all->x[r * depth + k], b = all->weight[c * depth + k];
        sum += precision == MP_PRECISION_BF16 ? in_bf16(a) * in_bf16(b) : (double)a * b;
      }
      y[r * columns + c] = is_normed ? sum + all->residual[r * columns + c] : activated(sum, activation);
    }
    if (is_normed) norm_row(y + r * columns, columns, all->bias, all->bias);
  }
  return y;
}

static void check_layer(mp_isa isa, mp_precision p, const operands *all, mp_activation activation) {
  const shape s = all->s;
  const size_t columns = (size_t)s.columns, count = (size_t)s.rows * columns;
  // int8 has one digit in a hundred of each operand, and their errors add up as a walk does.
  const double tolerances[] = {1e-5, 2e-4, 0.02 * sqrt(s.depth)};
  const float *have = layer(isa, 3, p, all, 0, s.rows, activation, 0);
  expect(is_near(have, truth_of(p, all, activation, 0), count, tolerances[p]), "a layer is what loops give");
  if (p == MP_PRECISION_INT8) {
    const float *want = layer(MP_ISA_PORTABLE, 1, p, all, 0, s.rows, activation, 0);
    expect(is_close(have, want, count, 2e-4f), "a layer in int8 is the portable one's");
  }
  for (int first = 0; isa != MP_ISA_PORTABLE && first < s.rows; first += 1 + s.rows / 3) {
    const int rows = s.rows - first < 7 ? s.rows - first : 7;
    const float *part = layer(isa, 1, p, all, first, rows, activation, 0);
    expect(is_same(part, have + (size_t)first * columns, (size_t)rows * columns),
           "rows have the same bits in other company");
  }
  if (s.columns == 1) return;  // of which the norm is a division of two roundings
  const float *normed = layer(isa, 2, p, all, 0, s.rows, activation, 1);
  if (p == MP_PRECISION_INT8) {
    const float *want = layer(MP_ISA_PORTABLE, 1, p, all, 0, s.rows, activation, 1);
    expect(is_close(normed, want, count, 1e-3f), "residual and norm in int8 are the portable ones'");
  } else {
    expect(is_near(normed, truth_of(p, all, activation, 1), count, p == MP_PRECISION_F32 ? 2e-5 : 1e-3),
           "residual and norm are what loops give");
  }
}

void check_layers(mp_isa isa) {
  for (int i = 0; i < SHAPES; i++) {
    for (mp_precision p = MP_PRECISION_F32; p <= MP_PRECISION_INT8; p++) {
      const operands all = operands_of(i, (uint64_t)i);
      check_layer(isa, p, &all, (mp_activation)((i + (int)p) % 6));
      drop_all();
    }
  }
}

/// With the activation that follows layers in models.
uint64_t digest_layers(mp_isa isa, mp_precision precision) {
  uint64_t digest = DIGEST_START;
  for (int i = 0; i < SHAPES; i++) {
    const operands all = operands_of(i, (uint64_t)i + 100);
    const float *y =
      layer(isa, 2, precision, &all, 0, all.s.rows, i % 2 ? MP_ACTIVATION_GELU : MP_ACTIVATION_NONE, 0);
    digest = add_digest(digest, y, (size_t)all.s.rows * (size_t)all.s.columns);
    drop_all();
  }
  return digest;
}
