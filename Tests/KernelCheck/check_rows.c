// Elementwise and row operations, and the entry's head, against plain loops.
#include "check.h"

/// The numbers of a check, all of them [rows][columns] or of two such halves.
typedef struct {
  mp_isa isa;
  int rows, columns;
  size_t count;
} sizes;

static void check_elementwise(const sizes *s) {
  const float *x = numbers(2 * s->count, 8), *other = numbers(s->count, 1);
  float *y = buffer(s->count);
  const size_t columns = (size_t)s->columns;
  for (mp_activation f = MP_ACTIVATION_NONE; f <= MP_ACTIVATION_SIGMOID; f++) {
    double *want = sums(s->count), *gated = sums(s->count);
    for (size_t i = 0; i < s->count; i++) {
      const size_t left = i / columns * 2 * columns + i % columns;
      want[i] = activated(x[i], f);
      gated[i] = activated(x[left], f) * x[left + columns];
    }
    mp_activate(s->isa, 2, x, s->rows, s->columns, f, y);
    expect(is_near(y, want, s->count, 1e-6), "activations");
    mp_gate(s->isa, 2, x, s->rows, s->columns, f, y);
    expect(is_near(y, gated, s->count, 8e-6), "gates");  // an activation's error, times up to 8
  }
  mp_add(s->isa, 2, x, other, s->rows, s->columns, y);
  double *want = sums(s->count);
  for (size_t i = 0; i < s->count; i++) want[i] = (double)(x[i] + other[i]);
  expect(is_near(y, want, s->count, 0), "sums");
}

static void check_softmax(const sizes *s) {
  const size_t columns = (size_t)s->columns;
  const float *x = numbers(s->count, 8);
  double *want = sums(s->count);
  for (size_t r = 0; r < (size_t)s->rows; r++) {
    const float *row = x + r * columns;
    double sum = 0;
    for (size_t c = 0; c < columns; c++) sum += exp(row[c]);
    for (size_t c = 0; c < columns; c++) want[r * columns + c] = exp(row[c]) / sum;
  }
  float *y = buffer(s->count);
  mp_softmax_rows(s->isa, x, s->rows, s->columns, y);
  expect(is_near(y, want, s->count, 1e-6), "softmax");
  // A score that is nearly minus infinity takes nothing, and all others take the way of rows with scores far apart.
  for (float span = 43.5f; span < 70; span += 20) {
    float *near = buffer(columns), *far = buffer(columns + 1);
    for (size_t c = 0; c < columns; c++) near[c] = far[c] = span * x[c] / 8;
    far[columns] = -200;
    float *of_near = buffer(columns), *of_far = buffer(columns + 1);
    mp_softmax_rows(s->isa, near, 1, s->columns, of_near);
    mp_softmax_rows(s->isa, far, 1, s->columns + 1, of_far);
    expect(is_same(of_near, of_far, columns), "softmax has the same bits whether scores are near or far");
    expect(of_far[columns] == 0, "softmax gives nothing to what is infinitely small");
  }
}

static void check_norms(const sizes *s) {
  const size_t columns = (size_t)s->columns, stride = columns + 9;
  const float *x = numbers((size_t)s->rows * stride, 3), *gamma = numbers(columns, 1), *beta = numbers(columns, 1);
  double *want = sums(s->count), *lengths = sums((size_t)s->rows);
  for (size_t r = 0; r < (size_t)s->rows; r++) {
    double mean = 0, variance = 0, squares = 0;
    for (size_t c = 0; c < columns; c++) mean += x[r * columns + c] / (double)columns;
    for (size_t c = 0; c < columns; c++) variance += pow(x[r * columns + c] - mean, 2) / (double)columns;
    for (size_t c = 0; c < columns; c++) {
      want[r * columns + c] = (x[r * columns + c] - mean) / sqrt(variance + 1e-3) * gamma[c] + beta[c];
      squares += pow(x[r * stride + 9 + c], 2);
    }
    lengths[r] = sqrt(squares);
  }
  float *y = buffer(s->count), *norms = buffer((size_t)s->rows);
  mp_layer_norm(s->isa, 2, x, s->rows, s->columns, gamma, beta, 1e-3f, y);
  expect(is_near(y, want, s->count, 1e-5), "layer norm");
  // Up to the last float of the last row.
  mp_row_norm(s->isa, x, s->rows, (int)stride, 9, s->columns, norms);
  expect(is_near(norms, lengths, (size_t)s->rows, 1e-6), "lengths of rows");
}

/// Heads of 2 * columns; three columns after them stay.
static void check_rotation(const sizes *s) {
  enum { PLACES = 5, HEADS = 2, REST = 3 };
  const size_t half = (size_t)s->columns, size = 2 * half, turned = HEADS * size, width = turned + REST;
  const size_t count = (size_t)s->rows * width;
  float *x = numbers(count, 2), *y = buffer(count);
  const float *turns = numbers(PLACES * size, 1);
  const int32_t *position = indices((size_t)s->rows, PLACES);
  double *want = sums(count);
  for (size_t r = 0; r < (size_t)s->rows; r++) {
    const float *t = turns + (size_t)position[r] * size;
    for (size_t c = 0; c < turned; c++) {
      const size_t k = c % half, first = r * width + c / size * size + k;
      const double a = x[first], b = x[first + half];
      want[r * width + c] = c % size < half ? a * t[k] - b * t[k + half] : b * t[k] + a * t[k + half];
    }
    for (size_t c = turned; c < width; c++) want[r * width + c] = x[r * width + c];
  }
  mp_rotate(s->isa, 2, x, s->rows, (int)width, (int)turned, (int)size, position, turns, y);
  expect(is_near(y, want, count, 1e-6), "rotary positions");
  mp_rotate(s->isa, 2, x, s->rows, (int)width, (int)turned, (int)size, position, turns, x);
  expect(is_same(x, y, count), "rotary positions in place");
}

static void check_embeddings(const sizes *s) {
  enum { WORDS = 20, PLACES = 10, KINDS = 2 };
  const size_t columns = (size_t)s->columns, rows = (size_t)s->rows;
  const float *words = numbers(WORDS * columns, 1), *places = numbers(PLACES * columns, 1);
  const float *kinds = numbers(KINDS * columns, 1);
  const int32_t *ids = indices(rows, WORDS), *position = indices(rows, PLACES), *type = indices(rows, KINDS);
  float *y = buffer(s->count);
  for (int tables = 0; tables < 4; tables++) {
    const int has_places = tables & 1, has_kinds = tables & 2;
    double *want = sums(s->count);
    for (size_t i = 0; i < s->count; i++) {
      const size_t r = i / columns, c = i % columns;
      want[i] = words[(size_t)ids[r] * columns + c];
      if (has_places) want[i] += places[(size_t)position[r] * columns + c];
      if (has_kinds) want[i] += kinds[(size_t)type[r] * columns + c];
    }
    mp_embed(s->isa, 2, ids, has_places ? position : NULL, has_kinds ? type : NULL, s->rows, s->columns, words,
             has_places ? places : NULL, has_kinds ? kinds : NULL, y);
    expect(is_near(y, want, s->count, 5e-7), "embeddings");
  }
}

static void check_pooling(const sizes *s) {
  enum { HEADS = 3, BEFORE = 2 };
  const size_t columns = (size_t)s->columns, rows = (size_t)s->rows, pooled = rows / 2 + 1;
  const size_t stride = BEFORE + HEADS * columns;
  const float *x = numbers(rows * stride, 1), *share = numbers(rows, 1);
  const int32_t *into = indices(rows, (int)pooled), segments[] = {0, (s->rows + 1) / 2, s->rows};
  const int samples = s->rows > 1 ? 2 : 1;
  double *heads = sums(s->count), *pools = sums(pooled * columns), *means = sums(2 * columns);
  for (size_t i = 0; i < s->count; i++) {
    const size_t r = i / columns, c = i % columns;
    for (size_t h = 0; h < HEADS; h++) heads[i] += x[r * stride + BEFORE + h * columns + c] / (double)HEADS;
    pools[(size_t)into[r] * columns + c] += (double)share[r] * x[i];
  }
  for (size_t i = 0; i < (size_t)samples * columns; i++) {
    const int32_t first = segments[i / columns], end = segments[i / columns + 1];
    float sum = x[(size_t)first * columns + i % columns];
    for (int32_t r = first + 1; r < end; r++) sum += x[(size_t)r * columns + i % columns];
    means[i] = (double)(sum / (float)(end - first));
  }
  float *y = buffer(s->count), *in_pools = buffer(pooled * columns), *in_samples = buffer((size_t)samples * columns);
  mp_head_mean(2, x, s->rows, (int)stride, BEFORE, HEADS, s->columns, y);
  expect(is_near(y, heads, s->count, 1e-6), "means over heads");
  mp_pool_rows(2, x, s->columns, into, share, s->rows, (int)pooled, in_pools);
  expect(is_near(in_pools, pools, pooled * columns, 2e-6), "pooled rows");
  mp_segment_mean(s->isa, 2, x, s->columns, segments, samples, in_samples);
  expect(is_near(in_samples, means, (size_t)samples * columns, 0), "means of samples, to the bit");
}

static void check_copies(const sizes *s) {
  enum { AFTER = 5 };
  const size_t columns = (size_t)s->columns, rows = (size_t)s->rows, width = columns + AFTER;
  const float *a = numbers(s->count, 1), *b = numbers(rows * AFTER, 1);
  float *y = buffer(rows * width), *gathered = buffer(2 * s->count);
  mp_concat_rows(2, a, s->columns, b, AFTER, s->rows, y);
  int32_t *index = indices(2 * rows, s->rows + 1);
  for (size_t r = 0; r < 2 * rows; r++) index[r]--;  // some are -1
  mp_gather_rows(2, a, s->columns, index, 2 * s->rows, gathered);
  int is_joined = 1, is_gathered = 1;
  for (size_t r = 0; r < rows; r++) {
    is_joined = is_joined && is_same(y + r * width, a + r * columns, columns)
                && is_same(y + r * width + columns, b + r * AFTER, AFTER);
  }
  for (size_t i = 0; i < 2 * s->count; i++) {
    const int32_t from = index[i / columns], nothing = -1;
    const void *want = from < 0 ? (const void *)&nothing : a + (size_t)from * columns + i % columns;
    is_gathered = is_gathered && is_same(gathered + i, want, 1);
  }
  expect(is_joined, "concatenated rows");
  expect(is_gathered, "gathered rows");
}

/// Ids 0 to 2 are no words, 2 ends a text; columns are classes.
static void check_bag(const sizes *s) {
  enum { WORDS = 30, PAIRS = 16, SAMPLES = 5, SKIPS = 3, SEPARATOR = 2 };
  static const int32_t segments[] = {0, 0, 2, 3, 12, 45}, skip[SKIPS] = {0, 1, SEPARATOR};
  const size_t classes = (size_t)s->columns;
  const float *table = numbers(WORDS * classes, 1), *pairs = numbers(PAIRS * classes, 1), *bias = numbers(classes, 1);
  const int32_t *ids = indices(45, WORDS);
  float *logits = buffer(SAMPLES * classes);
  for (int has_pairs = 0; has_pairs < 2; has_pairs++) {
    double *want = sums(SAMPLES * classes);
    for (size_t i = 0; i < SAMPLES * classes; i++) {
      int words = 0;
      for (int32_t t = segments[i / classes]; t < segments[i / classes + 1]; t++) {
        if (ids[t] < SKIPS) continue;
        words++;
        want[i] += table[(size_t)ids[t] * classes + i % classes];
        int32_t next = t + 1;  // the next word, unless the text ends before it
        while (next < segments[i / classes + 1] && ids[next] < SEPARATOR) next++;
        if (!has_pairs || next == segments[i / classes + 1] || ids[next] == SEPARATOR) continue;
        const uint64_t pair = ((uint64_t)ids[t] * 1000003 + (uint64_t)ids[next]) % PAIRS;
        want[i] += pairs[pair * classes + i % classes];
      }
      want[i] = want[i] / (words > 0 ? words : 1) + bias[i % classes];
    }
    const mp_bag_call call = {.threads = 2, .ids = ids, .segments = segments, .samples = SAMPLES, .skip = skip,
                              .skips = SKIPS, .separator = SEPARATOR, .table = table,
                              .bigrams = has_pairs ? pairs : NULL, .pairs = PAIRS, .bias = bias,
                              .classes = s->columns, .logits = logits};
    mp_bag_logits(&call);
    expect(is_near(logits, want, SAMPLES * classes, 1e-6), "the entry's logits");
  }
}

void check_rows(mp_isa isa) {
  static const int widths[] = {1, 3, 4, 7, 16, 17, 33, 64, 129};
  static void (*const checks[])(const sizes *) = {check_elementwise, check_softmax, check_norms,   check_rotation,
                                                  check_embeddings,  check_pooling, check_copies, check_bag};
  for (int i = 0; i < 9; i++) {
    const sizes s = {isa, 9 - i, widths[i], (size_t)(9 - i) * (size_t)widths[i]};
    for (size_t check = 0; check < sizeof checks / sizeof checks[0]; check++) {
      state = 200 + (uint64_t)i;
      checks[check](&s);
      drop_all();
    }
  }
}
