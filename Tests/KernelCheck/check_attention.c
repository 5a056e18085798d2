// Attention in all its forms, and its gradient, against plain loops in double that know no path.
#include "check.h"

static const int32_t segments[] = {0, 1, 8, 24, 41, 41, 106};
enum { SAMPLES = 6, TOKENS = 106, HEADS = 5, DIM = 20, WIDTH = HEADS * DIM };

/// What an attention gives: out, and three scores of tokens after each other.
typedef struct {
  double *out, *scores;
} truth;

static double dot(const float *a, const float *b, size_t count) {
  double sum = 0;
  for (size_t i = 0; i < count; i++) sum += (double)a[i] * b[i];
  return sum;
}

/// The score of a key for a query, rows of all tokens.
static double score(const mp_attention_call *c, const float *q, int head, int query, int key) {
  const size_t dim = (size_t)c->head_dim, column = (size_t)head * dim, width = (size_t)c->heads * dim;
  const float *k = c->k + (size_t)key * (size_t)c->stride + column;
  const double count = c->sizes ? log(c->sizes[key]) : 0;
  const mp_relation *relation = c->relation;
  if (!relation) return dot(q, k, dim) / sqrt((double)dim) + count;
  const int distance = c->positions[key] - c->positions[query];
  if (relation->window >= 0 && abs(distance) > relation->window) return -INFINITY;
  double sum = dot(q, k, dim);
  const size_t row = relation->rows ? (size_t)relation->rows[relation->reach - 1 + distance] : 0;
  if (relation->queries) sum += dot(q, relation->queries + row * width + column, dim);
  if (relation->keys) sum += dot(k, relation->keys + row * width + column, dim);
  return sum * (double)relation->scale + count
         + (relation->bias ? (double)relation->bias[row * (size_t)c->heads + (size_t)head] : 0);
}

/// The attention of one query, in one head, to keys first ..< end.
static void shares(const mp_attention_call *c, const float *q, int head, int query, int first, int end, double *p) {
  double sum = 0;
  for (int key = first; key < end; key++) sum += p[key - first] = exp(score(c, q, head, query, key));
  for (int key = first; key < end; key++) p[key - first] /= sum;
}

/// What multiplies a probability under dropout.
static double kept(mp_dropout dropout, int heads, int head, int query, int key) {
  const uint32_t counter = (uint32_t)(query * heads + head) * 4096 + (uint32_t)key;
  return dropout.rate <= 0 ? 1 : is_kept(dropout, counter) ? 1 / (1 - (double)dropout.rate) : 0;
}

static truth truth_of(const mp_attention_call *c) {
  const size_t dim = (size_t)c->head_dim, width = (size_t)c->heads * dim;
  const int tokens = c->segments[c->samples];
  const truth all = {sums((size_t)tokens * width), sums(3 * (size_t)tokens)};
  double *p = sums((size_t)tokens);
  for (int s = 0; s < c->samples; s++) {
    const int first = c->segments[s], end = c->segments[s + 1];
    for (int h = 0; h < c->heads; h++) {
      for (int query = first; query < (c->is_of_first && first < end ? first + 1 : end); query++) {
        const size_t row = (size_t)(c->is_of_first ? s : query), column = (size_t)h * dim;
        const float *q = c->q + row * (size_t)(c->is_of_first ? c->q_stride : c->stride) + column;
        shares(c, q, h, query, first, end, p);
        for (int key = first; key < end; key++) {
          const double share = p[key - first], of_heads = share / c->heads;
          all.scores[key] += of_heads;
          if (query == first) all.scores[tokens + key] += of_heads * (end - first);
          if (query != key) all.scores[2 * tokens + key] += of_heads;
          const float *v = c->v + (size_t)key * (size_t)c->stride + column;
          const double times = share * kept(c->dropout, c->heads, h, query, key - first);
          for (size_t d = 0; d < dim; d++) all.out[row * width + column + d] += times * v[d];
        }
      }
    }
  }
  return all;
}

/// Runs a call of so many samples, and gives `out`; `scores` of tokens as in `truth`.
static float *run(mp_attention_call call, float *scores) {
  const int rows = call.relation ? call.relation->table_rows : 0;
  const size_t room =
    call.relation ? mp_relative_attention_scratch_count(call.isa, call.threads, TOKENS, 65, HEADS, DIM, rows)
                  : mp_attention_scratch_count(call.isa, call.threads, call.precision, TOKENS, 65, HEADS, DIM);
  call.out = buffer((size_t)(call.is_of_first ? call.samples : TOKENS) * WIDTH);
  call.from_first = scores + TOKENS;
  if (!call.is_of_first) {
    call.received = scores;
    call.from_others = scores + 2 * TOKENS;
  }
  call.scratch = buffer(room);
  mp_attention(&call);
  return call.out;
}

static void check_call(const mp_attention_call *call) {
  const double tolerance = call->precision == MP_PRECISION_BF16 ? 0.05 : 2e-5;
  // Of the empty sample no row is written.
  const size_t rows = call->is_of_first ? 4 : TOKENS;
  float *scores = buffer(3 * TOKENS), *fewer_scores = buffer(3 * TOKENS);
  const truth want = truth_of(call);
  const float *have = run(*call, scores);
  expect(is_near(have, want.out, rows * WIDTH, tolerance), "attention is what loops give");
  if (call->is_of_first) {
    expect(is_near(have + 5 * WIDTH, want.out + 5 * WIDTH, WIDTH, tolerance), "attention of the last first token");
    expect(is_near(scores + TOKENS, want.scores + TOKENS, TOKENS, 2 * tolerance), "scores by first tokens");
  } else {
    expect(is_near(scores, want.scores, 3 * TOKENS, 2 * tolerance), "scores of tokens are what loops give");
  }
  mp_attention_call fewer = *call;
  fewer.samples = 4;
  fewer.threads = 1;
  const float *part = run(fewer, fewer_scores);
  if (call->isa == MP_ISA_PORTABLE) return;
  expect(is_same(part, have, (call->is_of_first ? 4 : 41) * WIDTH), "samples have the same bits in other company");
}

void check_attention(mp_isa isa) {
  enum { REACH = 70, ROWS = 9 };
  state = 300;
  int32_t *rows = indices(2 * REACH - 1 + MP_ROWS_SLACK, 1), *positions = indices(TOKENS, 1);
  for (int i = 0; i < 2 * REACH - 1; i++) {
    const int row = (ROWS - 1) / 2 - (i - (REACH - 1)) / 9;
    rows[i] = row < 0 ? 0 : row >= ROWS ? ROWS - 1 : row;
  }
  for (int s = 0; s < SAMPLES; s++) {
    for (int t = segments[s]; t < segments[s + 1]; t++) positions[t] = t - segments[s];
  }
  float *qkv = numbers(TOKENS * 3 * WIDTH, 2), *sizes = numbers(TOKENS, 1), *tables = numbers(ROWS * WIDTH * 2, 1);
  const float *bias = numbers(ROWS * HEADS, 1), *firsts = numbers(SAMPLES * WIDTH, 2);
  for (int i = 0; i < TOKENS; i++) sizes[i] = fabsf(sizes[i]) + 1;
  const mp_relation relations[] = {
    {.window = 10, .scale = 0.3f},
    {.window = -1, .scale = 0.2f, .rows = rows, .reach = REACH, .table_rows = ROWS, .bias = bias},
    {.window = -1, .scale = 0.1f, .rows = rows, .reach = REACH, .table_rows = ROWS, .queries = tables,
     .keys = tables + ROWS * WIDTH}};
  const mp_attention_call plain = {.isa = isa, .threads = 2, .q = qkv, .k = qkv + WIDTH, .v = qkv + 2 * WIDTH,
                                   .stride = 3 * WIDTH, .segments = segments, .samples = SAMPLES, .heads = HEADS,
                                   .head_dim = DIM, .positions = positions};
  mp_attention_call calls[10] = {plain, plain, plain, plain};
  calls[1].sizes = sizes;
  calls[2].precision = MP_PRECISION_BF16;
  calls[3].dropout = (mp_dropout){0.2f, 0xfeedbeef12345678};
  for (int kind = 0; kind < 6; kind++) {
    mp_attention_call *call = &calls[4 + kind];
    *call = plain;
    call->relation = &relations[kind % 3];
    if (kind < 3) continue;
    call->is_of_first = 1;
    call->q = firsts;
    call->q_stride = WIDTH;
    call->sizes = sizes;
  }
  // In f32 features change nothing.
  for (int i = 0; i < 10; i++) {
    if (i == 2 || !(isa & MP_FEATURES)) check_call(&calls[i]);
  }
  drop_all();
}

uint64_t digest_attention(mp_isa isa) {
  state = 301;
  const float *qkv = numbers(TOKENS * 3 * WIDTH, 2);
  const mp_attention_call call = {.isa = isa, .threads = 2, .q = qkv, .k = qkv + WIDTH, .v = qkv + 2 * WIDTH,
                                  .stride = 3 * WIDTH, .segments = segments, .samples = SAMPLES, .heads = HEADS,
                                  .head_dim = DIM};
  float *scores = buffer(3 * TOKENS);
  const uint64_t digest = add_digest(DIGEST_START, run(call, scores), TOKENS * WIDTH);
  const uint64_t with_scores = add_digest(digest, scores, 2 * TOKENS);
  drop_all();
  return with_scores;
}

/// Of samples of which none is empty.
static const int32_t filled[] = {0, 1, 8, 24, 41, 106};
enum { DEPTH = 37, FIRSTS = 5 };

static float *first_attention(mp_isa isa, int threads, mp_precision precision, const float *q, const float *x,
                              const float *weights, const float *sizes, float *from_first) {
  const size_t floats = mp_rows_packed_bytes(precision, WIDTH, DEPTH) / 4;
  float *wk = buffer(floats), *wv = buffer(floats), *out = buffer(FIRSTS * WIDTH);
  float *scratch = buffer(mp_first_attention_scratch_count(threads, TOKENS, 65, HEADS, DEPTH));
  mp_rows_pack(precision, weights, WIDTH, DEPTH, wk);
  mp_rows_pack(precision, weights + WIDTH * DEPTH, WIDTH, DEPTH, wv);
  const mp_first_attention_call call = {
    .isa = isa, .threads = threads, .precision = precision, .q = q, .x = x, .depth = DEPTH, .segments = filled,
    .samples = FIRSTS, .heads = HEADS, .head_dim = DIM, .wk = wk, .wv = wv, .bv = q, .out = out,
    .from_first = from_first, .sizes = sizes, .scratch = scratch};
  mp_first_attention(&call);
  return out;
}

/// Rows of x times weights [WIDTH][DEPTH] transposed.
static float *projected(const float *x, const float *weights) {
  float *y = buffer(TOKENS * WIDTH);
  for (size_t i = 0; i < TOKENS * WIDTH; i++) {
    y[i] = (float)dot(x + i / WIDTH * DEPTH, weights + i % WIDTH * DEPTH, DEPTH);
  }
  return y;
}

/// In f32 against keys and values that are formed, as attention is usually written; else against the portable path,
/// which has the weights as they were rounded.
void check_first_attention(mp_isa isa) {
  state = 400;
  const float *q = numbers(FIRSTS * WIDTH, 1), *x = numbers(TOKENS * DEPTH, 1);
  const float *weights = numbers(2 * WIDTH * DEPTH, 0.3f);
  float *sizes = numbers(TOKENS, 1);
  for (int i = 0; i < TOKENS; i++) sizes[i] = fabsf(sizes[i]) + 1;
  const mp_attention_call formed = {.q = q, .k = projected(x, weights), .v = projected(x, weights + WIDTH * DEPTH),
                                    .stride = WIDTH, .segments = filled, .samples = FIRSTS, .heads = HEADS,
                                    .head_dim = DIM, .sizes = sizes, .is_of_first = 1, .q_stride = WIDTH};
  const truth want = truth_of(&formed);
  for (int i = 0; i < FIRSTS * WIDTH; i++) want.out[i] += q[i % WIDTH];
  for (mp_precision p = MP_PRECISION_F32; p <= MP_PRECISION_INT8; p++) {
    float *scores = buffer(TOKENS), *portable_scores = buffer(TOKENS);
    const float *have = first_attention(isa, p == MP_PRECISION_F32 ? 1 : 2, p, q, x, weights, sizes, scores);
    if (p == MP_PRECISION_F32) {
      expect(is_near(have, want.out, FIRSTS * WIDTH, 2e-5), "attention of first tokens is what loops give");
      expect(is_near(scores, want.scores + TOKENS, TOKENS, 5e-5), "its scores are what loops give");
      continue;
    }
    expect(is_near(have, want.out, FIRSTS * WIDTH, 0.05), "attention of first tokens in few bytes is near to loops'");
    const float *portable = first_attention(MP_ISA_PORTABLE, 1, p, q, x, weights, sizes, portable_scores);
    expect(is_close(have, portable, FIRSTS * WIDTH, 2e-5f), "attention of first tokens is the portable one's");
    expect(is_close(scores, portable_scores, TOKENS, 5e-5f), "its scores are the portable one's");
  }
  drop_all();
}

/// Gradients by q, k and v: [3][tokens][width].
static double *gradient(const mp_attention_call *c, const float *dout, const float *dreceived) {
  const size_t dim = (size_t)c->head_dim, width = (size_t)c->heads * dim, all = (size_t)c->segments[c->samples] * width;
  double *result = sums(3 * all), *p = sums((size_t)c->segments[c->samples]), *dp = sums(all);
  for (int s = 0; s < c->samples; s++) {
    const int first = c->segments[s], end = c->segments[s + 1];
    for (int i = first; i < end * c->heads - first * (c->heads - 1); i++) {
      const int h = (i - first) / (end - first), query = first + (i - first) % (end - first);
      const size_t column = (size_t)h * dim, at = (size_t)query * width + column;
      const float *q = c->q + (size_t)query * (size_t)c->stride + column;
      shares(c, q, h, query, first, end, p);
      double mean = 0;
      for (int key = first; key < end; key++) {
        const float *v = c->v + (size_t)key * (size_t)c->stride + column;
        const double times = kept(c->dropout, c->heads, h, query, key - first);
        dp[key - first] = dot(dout + at, v, dim) * times + (dreceived ? (double)dreceived[key] / c->heads : 0);
        mean += p[key - first] * dp[key - first];
        for (size_t d = 0; d < dim; d++) {
          result[2 * all + (size_t)key * width + column + d] += p[key - first] * times * dout[at + d];
        }
      }
      for (int key = first; key < end; key++) {
        const double ds = p[key - first] * (dp[key - first] - mean) / sqrt((double)dim);
        const float *k = c->k + (size_t)key * (size_t)c->stride + column;
        for (size_t d = 0; d < dim; d++) {
          result[at + d] += ds * k[d];
          result[all + (size_t)key * width + column + d] += ds * q[d];
        }
      }
    }
  }
  return result;
}

void check_attention_gradient(mp_isa isa) {
  static const struct {
    int32_t segments[4];
    int samples, heads, dim;
  } cases[] = {{{0, 1}, 1, 1, 1}, {{0, 5, 6, 15}, 3, 2, 3}, {{0, 16, 16, 49}, 3, 3, 7}, {{0, 33}, 1, 2, 33}};
  for (int i = 0; i < 8; i++) {
    const int32_t *ends = cases[i / 2].segments;
    const int samples = cases[i / 2].samples, heads = cases[i / 2].heads, dim = cases[i / 2].dim;
    int longest = 0;
    for (int s = 0; s < samples; s++) longest = ends[s + 1] - ends[s] > longest ? ends[s + 1] - ends[s] : longest;
    const size_t width = (size_t)(heads * dim), tokens = (size_t)ends[samples], count = tokens * width;
    state = 500 + (uint64_t)i;
    const float *qkv = numbers(3 * count, 1), *dout = numbers(count, 1), *received = i % 2 ? numbers(tokens, 1) : NULL;
    const mp_dropout dropout = {i % 2 ? 0.2f : 0, 0xfeedbeef12345678};
    float *results[] = {buffer(count), buffer(count), buffer(count)};
    const int threads = 1 + i % 2;
    float *scratch = buffer(mp_attention_gradient_scratch_count(isa, threads, longest, dim));
    const mp_attention_call forward = {.q = qkv, .k = qkv + width, .v = qkv + 2 * width, .stride = 3 * (int)width,
                                       .segments = ends, .samples = samples, .heads = heads, .head_dim = dim,
                                       .dropout = dropout};
    const mp_attention_gradient_call call = {
      .isa = isa, .threads = threads, .q = forward.q, .k = forward.k, .v = forward.v, .stride = forward.stride,
      .segments = ends, .samples = samples, .heads = heads, .head_dim = dim, .dropout = dropout, .dout = dout,
      .dreceived = received, .dq = results[0], .dk = results[1], .dv = results[2], .scratch = scratch};
    mp_attention_gradient(&call);
    const double *want = gradient(&forward, dout, received);
    for (size_t part = 0; part < 3; part++) {
      expect(is_near(results[part], want + part * count, count, 1e-5), "gradients of attention");
    }
    drop_all();
  }
}
