// The kernels of training against plain loops; the gradient of attention is beside attention.
#include "check.h"

/// C [m][n] += the sum over k of a(i, k) b(j, k), of matrices with a step between rows and one between columns.
static double *product(int m, int n, int depth, const float *a, const int a_steps[2], const float *b,
                       const int b_steps[2]) {
  double *c = sums((size_t)m * (size_t)n);
  for (int i = 0; i < m; i++) {
    for (int j = 0; j < n; j++) {
      for (int k = 0; k < depth; k++) {
        c[i * n + j] += (double)a[i * a_steps[0] + k * a_steps[1]] * b[j * b_steps[0] + k * b_steps[1]];
      }
    }
  }
  return c;
}

/// What a product reads of numbers.
static const float *factors(const float *x, size_t count, mp_precision precision) {
  float *y = buffer(count);
  for (size_t i = 0; i < count; i++) y[i] = precision == MP_PRECISION_BF16 ? (float)in_bf16(x[i]) : x[i];
  return y;
}

static void check_products(mp_isa isa, mp_precision precision, int rows, int depth, int columns) {
  const size_t inputs = (size_t)(rows * depth), outputs = (size_t)(rows * columns), weights = (size_t)(columns * depth);
  const float *x = numbers(inputs, 1), *dy = numbers(outputs, 1), *weight = numbers(weights, 1);
  const float *bias = numbers((size_t)columns, 1);
  float *y = buffer(outputs), *dx = buffer(inputs), *dw = numbers(weights, 0), *db = numbers((size_t)columns, 0);
  mp_training_layer layer = {.isa = isa, .threads = 2, .precision = precision, .rows = rows, .depth = depth,
                             .columns = columns};
  layer.scratch = buffer(mp_training_linear_scratch_count(&layer));
  const float *xs = factors(x, inputs, precision), *dys = factors(dy, outputs, precision);
  const float *ws = factors(weight, weights, precision);
  double *want_y = product(rows, columns, depth, xs, (int[]){depth, 1}, ws, (int[]){depth, 1});
  const double *want_dx = product(rows, depth, columns, dys, (int[]){columns, 1}, ws, (int[]){1, depth});
  const double *want_dw = product(columns, depth, rows, dys, (int[]){1, columns}, xs, (int[]){1, depth});
  const double *want_db = product(columns, 1, rows, dy, (int[]){1, columns}, (float[]){1}, (int[]){0, 0});
  mp_training_linear(&layer, x, weight, NULL, y);
  expect(is_near(y, want_y, outputs, 2e-5), "a layer of training");
  for (size_t i = 0; i < outputs; i++) want_y[i] += bias[i % (size_t)columns];
  mp_training_linear(&layer, x, weight, bias, y);
  expect(is_near(y, want_y, outputs, 2e-5), "a layer of training with a bias");
  mp_linear_input_gradient(&layer, dy, weight, dx);
  expect(is_near(dx, want_dx, inputs, 2e-5), "the gradient of a layer's input");
  // Each is added to what was there, and either may be left out.
  for (size_t i = 0; i < weights; i++) dw[i] = (float)-want_dw[i];
  mp_linear_weight_gradient(&layer, x, dy, dw, NULL);
  mp_linear_weight_gradient(&layer, x, dy, NULL, db);
  expect(is_near(db, want_db, (size_t)columns, 2e-5), "the gradient of a layer's bias");
  mp_linear_weight_gradient(&layer, x, dy, dw, db);
  for (size_t i = 0; i < (size_t)columns; i++) db[i] -= (float)want_db[i];
  expect(is_near(dw, want_dw, weights, 2e-5) && is_near(db, want_db, (size_t)columns, 4e-5),
         "gradients of weights are added to what is there");
}

static void check_norm_gradient(mp_isa isa, int rows, int columns) {
  const size_t count = (size_t)(rows * columns), n = (size_t)columns;
  const float *x = numbers(count, 2), *dy = numbers(count, 1), *gamma = numbers(n, 1);
  float *dx = buffer(count), *dgamma = numbers(n, 0), *dbeta = numbers(n, 0);
  float *scratch = buffer(mp_layer_norm_gradient_scratch_count(rows, columns));
  double *want_dx = sums(count), *want_dgamma = sums(n), *want_dbeta = sums(n);
  for (size_t r = 0; r < count; r += n) {
    double mean = 0, variance = 0, all = 0, along = 0;
    for (size_t c = 0; c < n; c++) mean += x[r + c] / (double)n;
    for (size_t c = 0; c < n; c++) variance += pow(x[r + c] - mean, 2) / (double)n;
    const double scale = 1 / sqrt(variance + 1e-3);
    for (size_t c = 0; c < n; c++) {
      const double normal = (x[r + c] - mean) * scale, g = (double)dy[r + c] * gamma[c];
      all += g / (double)n, along += g * normal / (double)n;
      want_dgamma[c] += dy[r + c] * normal, want_dbeta[c] += dy[r + c];
    }
    for (size_t c = 0; c < n; c++) {
      const double normal = (x[r + c] - mean) * scale;
      want_dx[r + c] = scale * ((double)dy[r + c] * gamma[c] - all - normal * along);
    }
  }
  mp_layer_norm_gradient(isa, 2, x, dy, rows, columns, gamma, 1e-3f, NULL, dgamma, NULL, scratch);
  mp_layer_norm_gradient(isa, 2, x, dy, rows, columns, gamma, 1e-3f, dx, NULL, dbeta, scratch);
  expect(is_near(dx, want_dx, count, 1e-4), "the gradient of layer norm");
  expect(is_near(dgamma, want_dgamma, n, 2e-5) && is_near(dbeta, want_dbeta, n, 2e-5), "those of its gamma and beta");
  mp_layer_norm_gradient(isa, 2, x, dy, rows, columns, gamma, 1e-3f, NULL, dgamma, dbeta, scratch);
  for (size_t c = 0; c < n; c++) want_dgamma[c] *= 2, want_dbeta[c] *= 2;
  expect(is_near(dgamma, want_dgamma, n, 2e-5) && is_near(dbeta, want_dbeta, n, 2e-5), "they are added up");
}

/// Slopes by differences, and dropout to the bit.
static void check_elementwise(mp_isa isa, int rows, int columns) {
  const size_t count = (size_t)(rows * columns);
  const float *x = numbers(count, 6), *dy = numbers(count, 1);
  float *y = buffer(count);
  for (mp_activation f = MP_ACTIVATION_NONE; f <= MP_ACTIVATION_SIGMOID; f++) {
    double *want = sums(count);
    for (size_t i = 0; i < count; i++) {
      want[i] = dy[i] * (activated(x[i] + 1e-5, f) - activated(x[i] - 1e-5, f)) / 2e-5;
    }
    mp_activation_gradient(isa, 2, x, dy, rows, columns, f, y);
    expect(is_near(y, want, count, 3e-6), "slopes of activations");
  }
  const mp_dropout dropout = {0.3f, 0x0123456789abcdef};
  double *want = sums(count);
  const float scale = 1 / (1 - dropout.rate);
  for (size_t i = 0; i < count; i++) want[i] = is_kept(dropout, (uint32_t)i) ? (double)(x[i] * scale) : 0;
  mp_apply_dropout(isa, 2, x, rows, columns, dropout, y);
  expect(is_near(y, want, count, 0), "dropout");
}

static void check_embedding_gradient(int rows, int columns) {
  enum { TABLES = 3 };
  static const int lengths[TABLES] = {7, 5, 2};
  const size_t count = (size_t)(rows * columns);
  const float *dy = numbers(count, 1);
  const int32_t *index[TABLES];
  float *tables[TABLES];
  for (int table = 0; table < TABLES; table++) {
    index[table] = indices((size_t)rows, lengths[table]);
    tables[table] = numbers((size_t)(lengths[table] * columns), 0);
  }
  mp_embed_gradient(2, index[0], index[1], index[2], dy, rows, columns, tables[0], NULL, tables[2]);
  mp_embed_gradient(2, index[0], index[1], index[2], dy, rows, columns, NULL, tables[1], NULL);
  mp_embed_gradient(2, index[0], index[1], index[2], dy, rows, columns, tables[0], tables[1], tables[2]);
  for (int table = 0; table < TABLES; table++) {
    double *want = sums((size_t)(lengths[table] * columns));
    for (int i = 0; i < rows * columns; i++) want[index[table][i / columns] * columns + i % columns] += 2.0 * dy[i];
    expect(is_near(tables[table], want, (size_t)(lengths[table] * columns), 5e-6), "gradients of embeddings");
  }
}

/// Rows are moved, scaled, multiplied and spread.
static void check_row_operations(int rows, int columns) {
  const size_t count = (size_t)(rows * columns), n = (size_t)columns, r = (size_t)rows;
  const int first = columns / 3, rest = columns - first, samples = rows > 1 ? 2 : 1;
  const float *a = numbers(count, 1), *b = numbers(count, 1), *factor = numbers(r, 1);
  const int32_t segments[] = {0, (rows + 1) / 2, rows};
  int32_t *index = indices(r, 1);
  for (int row = 0; row < rows; row++) index[row] = 2 * (rows - 1 - row);
  double *scaled = sums(count), *dots = sums(r), *copied = sums(r * (size_t)rest), *moved = sums(2 * count);
  double *spread = sums(count);
  for (size_t i = 0; i < count; i++) {
    const size_t sample = i / n < (size_t)segments[1] ? 0 : 1;
    scaled[i] = (double)(a[i] * factor[i / n]);
    dots[i / n] += (double)a[i] * b[i];
    if (i % n >= (size_t)first) copied[i / n * (size_t)rest + i % n - (size_t)first] = a[i];
    moved[(size_t)index[i / n] * n + i % n] = a[i];
    spread[i] = (double)b[sample * n + i % n] / (segments[sample + 1] - segments[sample]);
  }
  float *y = buffer(count), *sum = buffer(r), *part = buffer(r * (size_t)rest), *scattered = buffer(2 * count);
  mp_scale_rows(2, a, factor, rows, columns, y);
  expect(is_near(y, scaled, count, 0), "scaled rows");
  mp_row_dot(2, a, b, rows, columns, sum);
  expect(is_near(sum, dots, r, 1e-5), "products of rows");
  mp_copy_columns(2, a, rows, columns, first, rest, part);
  expect(is_near(part, copied, r * (size_t)rest, 0), "copied columns");
  mp_scatter_rows(2, a, index, rows, 2 * rows, columns, scattered);
  expect(is_near(scattered, moved, 2 * count, 0), "scattered rows");
  mp_segment_mean_gradient(2, b, segments, samples, columns, y);
  expect(is_near(y, spread, count, 1e-6), "gradients of means");
}

/// Classes are columns.
static void check_losses(int rows, int columns) {
  const size_t count = (size_t)(rows * columns), n = (size_t)columns;
  const float *logits = numbers(count, 30);
  float *target = numbers(count, 1), *loss = buffer((size_t)rows), *slope = buffer(count);
  double *want_loss = sums((size_t)rows), *want_slope = sums(count);
  for (size_t r = 0; r < (size_t)rows; r++) {
    double all = 0, targets = 0;
    for (size_t k = r * n; k < r * n + n; k++) {
      target[k] = fabsf(target[k]);
      all += exp(logits[k]), targets += target[k];
    }
    for (size_t k = r * n; k < r * n + n; k++) {
      want_loss[r] -= 0.7 * target[k] * (logits[k] - log(all));
      want_slope[k] = 0.7 * (exp(logits[k]) / all * targets - target[k]);
    }
  }
  mp_cross_entropy(logits, target, rows, columns, 0.7f, loss);
  mp_cross_entropy_gradient(logits, target, rows, columns, 0.7f, slope);
  expect(is_near(loss, want_loss, (size_t)rows, 1e-6), "cross entropy");
  expect(is_near(slope, want_slope, count, 1e-6), "its gradient");
}

/// Tokens of two samples are rows times columns.
static void check_soft_pruning(int rows, int columns) {
  const int tokens = rows * columns + 1, segments[] = {0, tokens / 3 + 1, tokens};
  const size_t count = (size_t)tokens;
  const float *score = numbers(count, 1), *dmask = numbers(count, 1);
  float *mask = buffer(count), *dscore = buffer(count), *dthreshold = numbers(1, 0), *penalty = buffer(2);
  float *dpenalty = buffer(count);
  double *kept = sums(count), *flows = sums(count), *means = sums(2), *shares = sums(count), threshold = 0;
  for (size_t t = 0; t < count; t++) {
    const size_t sample = (int)t < segments[1] ? 0 : 1;
    const double length = segments[sample + 1] - segments[sample];
    const int is_first = (int)t == segments[sample];
    kept[t] = is_first ? 1 : 1 / (1 + exp((0.2 - score[t]) / 0.5));
    flows[t] = is_first ? 0 : dmask[t] * kept[t] * (1 - kept[t]) / 0.5;
    threshold -= flows[t];
    means[sample] += 3 * kept[t] / length;
    shares[t] = 3 / length;
  }
  mp_soft_keep(score, segments, 2, 0.2f, 0.5f, mask);
  expect(is_near(mask, kept, count, 1e-6), "soft masks");
  mp_soft_keep_gradient(mask, dmask, segments, 2, 0.5f, dscore, NULL);
  mp_soft_keep_gradient(mask, dmask, segments, 2, 0.5f, dscore, dthreshold);
  expect(is_near(dscore, flows, count, 1e-6) && is_near(dthreshold, &threshold, 1, 1e-5), "their gradients");
  mp_mean_rows_penalty(mask, segments, 2, 3, penalty);
  mp_mean_rows_penalty_gradient(segments, 2, 3, dpenalty);
  expect(is_near(penalty, means, 2, 1e-6) && is_near(dpenalty, shares, count, 1e-6), "penalties on rows");
}

static void check_optimiser(size_t count) {
  const mp_adamw settings = {.gradient_scale = 0.5f, .step_size = 0.02f, .second_scale = 40, .keep = 0.999f,
                             .beta1 = 0.9f, .beta2 = 0.98f, .epsilon = 1e-6f};
  float *p = numbers(count, 1), *g = numbers(count, 1), *m = numbers(count, 0.1f), *v = numbers(count, 0.1f);
  double *want_p = sums(count), *want_m = sums(count), *want_v = sums(count), *zeros = sums(count), squares = 0;
  for (size_t i = 0; i < count; i++) {
    const double step = g[i] * 0.5;
    squares += (double)g[i] * g[i];
    v[i] = fabsf(v[i]) + 0.01f;
    want_m[i] = 0.9 * m[i] + 0.1 * step;
    want_v[i] = 0.98 * v[i] + 0.02 * step * step;
    want_p[i] = 0.999 * p[i] - 0.02 * want_m[i] / (sqrt(40 * want_v[i]) + 1e-6);
  }
  expect(fabs(mp_sum_of_squares(2, g, count) - squares) <= 1e-12 * squares, "sums of squares");
  mp_adamw_step(2, settings, p, g, m, v, count);
  expect(is_near(p, want_p, count, 2e-6) && is_near(m, want_m, count, 2e-6) && is_near(v, want_v, count, 2e-6),
         "AdamW follows its equations");
  expect(is_near(g, zeros, count, 0), "and leaves no gradient");
  for (size_t i = 0; i < count; i++) want_p[i] = (double)(p[i] * 0.3f);
  mp_scale(2, p, count, 0.3f);
  expect(is_near(p, want_p, count, 0), "scaled vectors");
  mp_zero(2, p, count);
  expect(is_near(p, zeros, count, 0), "zeroed vectors");
}

void check_training_layers(mp_isa isa) {
  // The longest has two blocks of rows in the gradient of its weight.
  static const int layers[][3] = {{1, 1, 1}, {3, 5, 7}, {9, 16, 17}, {2, 33, 1}, {45, 21, 37}, {7, 70, 64},
                                  {331, 9, 7}};
  state = 500;
  for (size_t i = 0; i < sizeof layers / sizeof layers[0]; i++) {
    for (mp_precision p = MP_PRECISION_F32; p <= MP_PRECISION_BF16; p++) {
      check_products(isa, p, layers[i][0], layers[i][1], layers[i][2]);
      drop_all();
    }
  }
}

void check_training(mp_isa isa) {
  static const int matrices[][2] = {{1, 1}, {2, 7}, {3, 16}, {4, 33}, {5, 3}, {6, 64}, {7, 17}, {8, 4}, {9, 129},
                                    {33, 5}};
  state = 600;
  for (size_t i = 0; i < sizeof matrices / sizeof matrices[0]; i++) {
    const int rows = matrices[i][0], columns = matrices[i][1];
    check_norm_gradient(isa, rows, columns);
    check_elementwise(isa, rows, columns);
    check_embedding_gradient(rows, columns);
    check_row_operations(rows, columns);
    check_losses(rows, columns);
    check_soft_pruning(rows, columns);
    check_optimiser((size_t)(rows * columns));
    drop_all();
  }
}
