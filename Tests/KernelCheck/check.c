// Checks every path of the kernels that this machine runs against the portable one, whose loops can be read, without
// Swift, OpenMP or OpenBLAS: how other processors are tested under emulation (Scripts/check-kernels). A reduced grid; the
// whole one is Tests/CPyramidKernelsTests. The last line counts; the one before is a digest of what int8 gave, which must
// be the same on all processors.
#include "check.h"

typedef struct {
  int rows, depth, columns;
} shape;

static const shape shapes[] = {{1, 1, 1},    {1, 64, 64},  {2, 33, 17},  {3, 128, 65},  {5, 7, 100},  {6, 20, 16},
                               {7, 129, 63}, {13, 64, 48}, {16, 96, 80}, {17, 384, 33}, {32, 70, 64}, {33, 31, 129},
                               {40, 16, 20}, {64, 130, 70}};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

static uint64_t digest = 1469598103934665603u;  // FNV-1a
static void add_to_digest(const float *x, size_t count) {
  for (size_t i = 0; i < 4 * count; i++) digest = (digest ^ ((const uint8_t *)x)[i]) * 1099511628211u;
}

/// Rows first ..< first + rows of a layer.
static float *layer(mp_isa isa, int threads, mp_precision precision, shape s, int first, int rows, const float *x,
                    const float *weight, const float *bias, mp_activation activation, const float *norm) {
  const size_t packed_count = mp_linear_packed_bytes(isa, precision, s.columns, s.depth) / 4;
  const size_t scratch_count = mp_linear_scratch_bytes(threads, rows, s.depth) / 4;
  const size_t count = (size_t)rows * (size_t)s.columns;
  float *packed = buffer(packed_count), *scratch = buffer(scratch_count), *y = buffer(count);
  mp_linear_pack(isa, precision, weight, s.columns, s.depth, packed);
  const mp_linear_call call = {.isa = isa, .threads = threads, .precision = precision, .rows = rows, .depth = s.depth,
                               .columns = s.columns, .x = x + (size_t)first * (size_t)s.depth, .weight = packed,
                               .bias = bias, .activation = activation, .y = y, .scratch = scratch,
                               .residual = norm ? norm + (size_t)first * (size_t)s.columns : NULL,
                               .gamma = norm ? bias : NULL, .beta = norm ? bias : NULL, .epsilon = 1e-5f};
  mp_linear(&call);
  drop(packed, packed_count);
  drop(scratch, scratch_count);
  return y;
}

static void check_layers(mp_isa isa) {
  static const float tolerances[] = {1e-5f, 2e-4f, 2e-4f};
  for (int i = 0; i < SHAPES; i++) {
    const shape s = shapes[i];
    const size_t count = (size_t)s.rows * (size_t)s.columns, inputs = (size_t)s.rows * (size_t)s.depth;
    state = (uint64_t)i;
    float *x = numbers(inputs, 1), *weight = numbers((size_t)s.columns * (size_t)s.depth, 1);
    float *bias = numbers((size_t)s.columns, 1), *residual = numbers(count, 1);
    for (mp_precision p = MP_PRECISION_F32; p <= MP_PRECISION_INT8; p++) {
      const mp_activation activation = (mp_activation)((i + (int)p) % 6);
      float *want = layer(MP_ISA_PORTABLE, 1, p, s, 0, s.rows, x, weight, bias, activation, NULL);
      float *have = layer(isa, 3, p, s, 0, s.rows, x, weight, bias, activation, NULL);
      expect(is_close(have, want, count, tolerances[p]), "a layer is the portable one's");
      for (int first = 0; isa != MP_ISA_PORTABLE && first < s.rows; first += 1 + s.rows / 3) {
        const int rows = s.rows - first < 7 ? s.rows - first : 7;
        float *part = layer(isa, 1, p, s, first, rows, x, weight, bias, activation, NULL);
        expect(is_same(part, have + (size_t)first * (size_t)s.columns, (size_t)rows * (size_t)s.columns),
               "rows have the same bits in other company");
        drop(part, (size_t)rows * (size_t)s.columns);
      }
      drop(want, count);
      drop(have, count);
      want = layer(MP_ISA_PORTABLE, 1, p, s, 0, s.rows, x, weight, bias, MP_ACTIVATION_NONE, residual);
      have = layer(isa, 2, p, s, 0, s.rows, x, weight, bias, MP_ACTIVATION_NONE, residual);
      if (s.columns > 1) expect(is_close(have, want, count, 1e-3f), "residual and norm are the portable one's");
      drop(want, count);
      drop(have, count);
    }
    drop(x, inputs), drop(weight, (size_t)s.columns * (size_t)s.depth), drop(bias, (size_t)s.columns);
    drop(residual, count);
  }
}

/// int8 with the activation that follows it in models: the same bits everywhere but on the portable path.
static void digest_layers(mp_isa isa) {
  digest = 1469598103934665603u;
  for (int i = 0; i < SHAPES; i++) {
    const shape s = shapes[i];
    const size_t count = (size_t)s.rows * (size_t)s.columns;
    state = (uint64_t)i + 100;
    float *x = numbers((size_t)s.rows * (size_t)s.depth, 1), *weight = numbers((size_t)s.columns * (size_t)s.depth, 1);
    float *bias = numbers((size_t)s.columns, 1);
    float *y = layer(isa, 2, MP_PRECISION_INT8, s, 0, s.rows, x, weight, bias,
                     i % 2 ? MP_ACTIVATION_GELU : MP_ACTIVATION_NONE, NULL);
    add_to_digest(y, count);
    drop(y, count), drop(x, (size_t)s.rows * (size_t)s.depth), drop(weight, (size_t)s.columns * (size_t)s.depth);
    drop(bias, (size_t)s.columns);
  }
}

static void check_rows(mp_isa isa) {
  static const int widths[] = {1, 3, 4, 7, 16, 17, 33, 129};
  for (int i = 0; i < 8; i++) {
    const int columns = widths[i], rows = 5;
    const size_t count = (size_t)(rows * columns);
    state = 200 + (uint64_t)i;
    float *x = numbers(2 * count, 8), *other = numbers(count, 1), *gamma = numbers((size_t)columns, 1);
    float *want = buffer(count), *have = buffer(count);
#define COMPARE(tolerance, call)                                       \
  for (int side = 0; side < 2; side++) {                               \
    const mp_isa path = side ? isa : MP_ISA_PORTABLE;                  \
    float *y = side ? have : want;                                     \
    call;                                                              \
  }                                                                    \
  expect(is_close(have, want, count, tolerance), #call)
    for (mp_activation f = MP_ACTIVATION_NONE; f <= MP_ACTIVATION_SIGMOID; f++) {
      COMPARE(1e-5f, mp_activate(path, 2, x, rows, columns, f, y));
      COMPARE(1e-5f, mp_gate(path, 2, x, rows, columns, f, y));
      COMPARE(1e-5f, mp_activation_gradient(path, 2, x, other, rows, columns, f, y));
    }
    COMPARE(0, mp_add(path, 2, x, other, rows, columns, y));
    COMPARE(1e-5f, mp_softmax_rows(path, x, rows, columns, y));
    if (columns > 3) COMPARE(1e-4f, mp_layer_norm(path, 2, x, rows, columns, gamma, gamma, 1e-5f, y));
    COMPARE(0, mp_apply_dropout(path, 2, x, rows, columns, ((mp_dropout){0.3f, 77}), y));
    drop(x, 2 * count), drop(other, count), drop(gamma, (size_t)columns), drop(want, count), drop(have, count);
  }
}

static const int32_t segments[] = {0, 1, 8, 24, 41, 41, 106};
enum { SAMPLES = 6, TOKENS = 106, HEADS = 5, DIM = 20, WIDTH = HEADS * DIM };

static float *attention(mp_isa isa, mp_precision precision, int samples, const float *qkv, const float *sizes,
                        const mp_relation *relation, const int32_t *positions, float *scores) {
  const size_t room = relation ? mp_relative_attention_scratch_count(isa, 2, TOKENS, 65, HEADS, DIM, relation->table_rows)
                               : mp_attention_scratch_count(isa, 2, precision, TOKENS, 65, HEADS, DIM);
  float *out = buffer(TOKENS * WIDTH), *scratch = buffer(room);
  const mp_attention_call call = {
    .isa = isa, .threads = 2, .precision = precision, .q = qkv, .k = qkv + WIDTH, .v = qkv + 2 * WIDTH,
    .stride = 3 * WIDTH, .segments = segments, .samples = samples, .heads = HEADS, .head_dim = DIM, .out = out,
    .received = scores, .from_first = scores + TOKENS, .sizes = sizes, .from_others = scores + 2 * TOKENS,
    .scratch = scratch, .relation = relation, .positions = positions};
  mp_attention(&call);
  drop(scratch, room);
  return out;
}

static void check_attention(mp_isa isa) {
  enum { REACH = 70, ROWS = 9 };
  state = 300;
  int32_t rows[2 * REACH - 1 + MP_ROWS_SLACK], positions[TOKENS];
  for (int i = 0; i < 2 * REACH - 1 + MP_ROWS_SLACK; i++) {
    const int distance = i - (REACH - 1), row = (ROWS - 1) / 2 - distance / 9;
    rows[i] = row < 0 ? 0 : row >= ROWS ? ROWS - 1 : row;
  }
  for (int s = 0; s < SAMPLES; s++) {
    for (int t = segments[s]; t < segments[s + 1]; t++) positions[t] = t - segments[s];
  }
  float *qkv = numbers(TOKENS * 3 * WIDTH, 2), *sizes = numbers(TOKENS, 1), *tables = numbers(ROWS * WIDTH * 2, 1);
  float *bias = numbers(ROWS * HEADS, 1);
  for (int i = 0; i < TOKENS; i++) sizes[i] = fabsf(sizes[i]) + 1;
  const mp_relation relations[] = {
    {.window = 10, .scale = 0.3f},
    {.window = -1, .scale = 0.2f, .rows = rows, .reach = REACH, .table_rows = ROWS, .bias = bias},
    {.window = -1, .scale = 0.1f, .rows = rows, .reach = REACH, .table_rows = ROWS, .queries = tables,
     .keys = tables + ROWS * WIDTH}};
  for (int kind = 0; kind < 6; kind++) {
    const mp_relation *relation = kind > 2 ? &relations[kind - 3] : NULL;
    const mp_precision precision = kind == 2 ? MP_PRECISION_BF16 : MP_PRECISION_F32;
    const float *counts = kind == 1 ? sizes : NULL, tolerance = kind == 2 ? 0.05f : 2e-5f;
    float *want_scores = buffer(3 * TOKENS), *have_scores = buffer(3 * TOKENS);
    float *want = attention(MP_ISA_PORTABLE, precision, SAMPLES, qkv, counts, relation, positions, want_scores);
    float *have = attention(isa, precision, SAMPLES, qkv, counts, relation, positions, have_scores);
    expect(is_close(have, want, TOKENS * WIDTH, tolerance), "attention is the portable one's");
    expect(is_close(have_scores, want_scores, 3 * TOKENS, 2 * tolerance), "scores of tokens are the portable one's");
    float *alone = attention(isa, precision, 4, qkv, counts, relation, positions, want_scores);
    if (isa != MP_ISA_PORTABLE) expect(is_same(alone, have, 41 * WIDTH), "samples have the same bits in other company");
    drop(alone, TOKENS * WIDTH), drop(want, TOKENS * WIDTH), drop(have, TOKENS * WIDTH);
    drop(want_scores, 3 * TOKENS), drop(have_scores, 3 * TOKENS);
  }
  drop(qkv, TOKENS * 3 * WIDTH), drop(sizes, TOKENS), drop(tables, ROWS * WIDTH * 2), drop(bias, ROWS * HEADS);
}

static float *first_attention(mp_isa isa, mp_precision precision, const float *q, const float *x, const float *weights,
                              float *from_first) {
  enum { DEPTH = 37 };
  static const int32_t filled[] = {0, 1, 8, 24, 41, 106};
  const size_t bytes = mp_rows_packed_bytes(precision, WIDTH, DEPTH) / 4;
  const size_t room = mp_first_attention_scratch_count(2, TOKENS, 65, HEADS, DEPTH);
  float *wk = buffer(bytes), *wv = buffer(bytes), *out = buffer(5 * WIDTH), *scratch = buffer(room);
  mp_rows_pack(precision, weights, WIDTH, DEPTH, wk);
  mp_rows_pack(precision, weights + WIDTH * DEPTH, WIDTH, DEPTH, wv);
  const mp_first_attention_call call = {.isa = isa, .threads = 2, .precision = precision, .q = q, .x = x, .depth = DEPTH,
                                        .segments = filled, .samples = 5, .heads = HEADS, .head_dim = DIM, .wk = wk,
                                        .wv = wv, .bv = q, .out = out, .from_first = from_first, .scratch = scratch};
  mp_first_attention(&call);
  drop(wk, bytes), drop(wv, bytes), drop(scratch, room);
  return out;
}

static void check_first_attention(mp_isa isa) {
  state = 400;
  float *q = numbers(5 * WIDTH, 1), *x = numbers(TOKENS * 37, 1), *weights = numbers(2 * WIDTH * 37, 0.3f);
  for (mp_precision p = MP_PRECISION_F32; p <= MP_PRECISION_INT8; p++) {
    float *want_scores = buffer(TOKENS), *have_scores = buffer(TOKENS);
    float *want = first_attention(MP_ISA_PORTABLE, p, q, x, weights, want_scores);
    float *have = first_attention(isa, p, q, x, weights, have_scores);
    expect(is_close(have, want, 5 * WIDTH, 2e-5f), "attention of first tokens is the portable one's");
    expect(is_close(have_scores, want_scores, TOKENS, 5e-5f), "its scores are the portable one's");
    drop(want, 5 * WIDTH), drop(have, 5 * WIDTH), drop(want_scores, TOKENS), drop(have_scores, TOKENS);
  }
  drop(q, 5 * WIDTH), drop(x, TOKENS * 37), drop(weights, 2 * WIDTH * 37);
}

static void check_training(mp_isa isa) {
  const int rows = 45, depth = 21, columns = 37;
  const size_t room = mp_training_linear_scratch_count(isa, depth, columns) +
                      mp_training_linear_scratch_count(MP_ISA_PORTABLE, depth, columns);
  state = 500;
  float *x = numbers((size_t)(rows * depth), 1), *dy = numbers((size_t)(rows * columns), 1);
  float *weight = numbers((size_t)(columns * depth), 1), *scratch = buffer(room);
  float *results[2][3];
  for (int side = 0; side < 2; side++) {
    const mp_isa path = side ? isa : MP_ISA_PORTABLE;
    float *y = results[side][0] = buffer((size_t)(rows * columns)), *dx = results[side][1] = buffer((size_t)(rows * depth));
    float *dw = results[side][2] = buffer((size_t)(columns * (depth + 1)));
    for (int i = 0; i < columns * (depth + 1); i++) dw[i] = 0.5f;
    mp_training_linear(path, 2, x, rows, depth, weight, columns, NULL, y, scratch);
    mp_linear_input_gradient(path, 2, dy, rows, columns, weight, depth, dx, scratch);
    mp_linear_weight_gradient(path, 2, x, dy, rows, depth, columns, dw, dw + columns * depth, scratch);
  }
  const size_t counts[] = {(size_t)(rows * columns), (size_t)(rows * depth), (size_t)(columns * (depth + 1))};
  for (int i = 0; i < 3; i++) {
    expect(is_close(results[1][i], results[0][i], counts[i], 2e-5f), "products of training are the portable ones'");
    drop(results[0][i], counts[i]), drop(results[1][i], counts[i]);
  }
  drop(x, (size_t)(rows * depth)), drop(dy, (size_t)(rows * columns)), drop(weight, (size_t)(columns * depth));
  drop(scratch, room);
}

/// Every path, its digest beside the others'.
static void check_paths(void *result) {
  static const struct {
    const char *name;
    unsigned isa;
  } paths[] = {
    {"portable", MP_ISA_PORTABLE},
    {"avx2", MP_ISA_AVX2},
    {"avx2 with AVX-VNNI", MP_ISA_AVX2 | MP_FEATURE_AVX_VNNI},
    {"avx2 with AVX-VNNI, stood in for", MP_ISA_AVX2 | MP_FEATURE_AVX_VNNI | MP_STAND_IN},
    {"avx512", MP_ISA_AVX512},
    {"avx512 with VNNI", MP_ISA_AVX512 | MP_FEATURE_VNNI},
    {"avx512 with BF16", MP_ISA_AVX512 | MP_FEATURE_AVX512_BF16},
    {"avx512 with AMX", MP_ISA_AVX512 | MP_FEATURE_AMX_INT8 | MP_FEATURE_AMX_BF16},
    {"avx512, stood in for", MP_ISA_AVX512 | MP_STAND_IN},
    {"avx512 with AMX, stood in for", MP_ISA_AVX512 | MP_FEATURE_AMX_INT8 | MP_FEATURE_AMX_BF16 | MP_STAND_IN},
    {"neon", MP_ISA_NEON},
    {"neon with DOTPROD", MP_ISA_NEON | MP_FEATURE_DOTPROD},
    {"neon with I8MM", MP_ISA_NEON | MP_FEATURE_I8MM},
    {"neon with BF16", MP_ISA_NEON | MP_FEATURE_BF16},
  };
  uint64_t common = 0;
  for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
    const mp_isa isa = (mp_isa)paths[i].isa;
    if (!mp_isa_supported(isa)) continue;
    subject = paths[i].name;
    check_layers(isa);
    check_rows(isa);
    check_attention(isa);
    check_first_attention(isa);
    check_training(isa);
    if (isa == MP_ISA_PORTABLE) continue;
    digest_layers(isa);
    if (common == 0) common = digest;
    expect(digest == common, "int8 has the bits of the other paths");
    printf("checked: %s\n", subject);
  }
  *(uint64_t *)result = common;
}

int main(void) {
  uint64_t common = 0;
  mp_set_team(3);
  mp_with_team(3, check_paths, &common);  // where there are threads, in a session
  printf("int8: %016llx\n%d passed, %d failed\n", (unsigned long long)common, passed, failed);
  return failed > 0;
}
