// Operations whose unit is a row: layer norm, embedding, gather and concat, split over threads by rows; the mean of a
// sample's rows, split by samples; softmax and length, which the exit heads and policies use on a few rows and which run
// on the caller.
#include "operations/kernel_table.h"

#include <string.h>

/// Elements, about a microsecond of one thread, from which a second thread pays off: of norms, and of copies and sums.
static const size_t norm_worth_a_team = 8 * 1024, copy_worth_a_team = 24 * 1024;

typedef struct {
  const mp_kernels *kernels;
  const float *x, *gamma, *beta;
  int rows, columns;
  float epsilon;
  float *y;
} norm_call;

static void run_norm(const void *context, int thread, int threads) {
  const norm_call *call = context;
  const size_t first = mp_share((size_t)call->rows, thread, threads), columns = (size_t)call->columns;
  const size_t count = mp_share((size_t)call->rows, thread + 1, threads) - first;
  call->kernels->layer_norm(call->x + first * columns, (int)count, call->columns, call->gamma, call->beta,
                            call->epsilon, call->y + first * columns);
}

void mp_layer_norm(mp_isa isa, int threads, const float *x, int rows, int columns, const float *gamma,
                   const float *beta, float epsilon, float *y) {
  if (rows <= 0) return;
  const norm_call call = {mp_kernels_for(isa), x, gamma, beta, rows, columns, epsilon, y};
  mp_run(mp_worthwhile(threads, (size_t)rows * (size_t)columns, norm_worth_a_team), run_norm, &call);
}

typedef struct {
  const mp_kernels *kernels;
  const int32_t *ids, *position, *type;
  int rows, columns;
  const float *words, *positions, *types;
  float *y;
} embed_call;

static void run_embed(const void *context, int thread, int threads) {
  const embed_call *call = context;
  const size_t columns = (size_t)call->columns, end = mp_share((size_t)call->rows, thread + 1, threads);
  for (size_t r = mp_share((size_t)call->rows, thread, threads); r < end; r++) {
    const float *type = call->types ? call->types + (size_t)call->type[r] * columns : NULL;
    const float *position = call->positions ? call->positions + (size_t)call->position[r] * columns : NULL;
    call->kernels->embed(call->words + (size_t)call->ids[r] * columns,
                         position, type, call->columns,
                         call->y + r * columns);
  }
}

void mp_embed(mp_isa isa, int threads, const int32_t *ids, const int32_t *position, const int32_t *type, int rows,
              int columns, const float *words, const float *positions, const float *types, float *y) {
  if (rows <= 0) return;
  const embed_call call = {mp_kernels_for(isa), ids, position, type, rows, columns, words, positions, types, y};
  mp_run(mp_worthwhile(threads, (size_t)rows * (size_t)columns, copy_worth_a_team), run_embed, &call);
}

typedef struct {
  const mp_kernels *kernels;
  const float *x;
  int rows, columns, turned, size;  // size 0: a gate
  mp_activation activation;
  const int32_t *position;
  const float *turns;
  float *y;
} row_call;

static void run_rows(const void *context, int thread, int threads) {
  const row_call *call = context;
  const size_t columns = (size_t)call->columns, turned = (size_t)call->turned, size = (size_t)call->size;
  const size_t end = mp_share((size_t)call->rows, thread + 1, threads);
  for (size_t r = mp_share((size_t)call->rows, thread, threads); r < end; r++) {
    float *y = call->y + r * columns;
    if (size == 0) {
      call->kernels->gate(call->x + r * 2 * columns, columns, call->activation, y);
      continue;
    }
    const float *x = call->x + r * columns, *turns = call->turns + (size_t)call->position[r] * size;
    for (size_t c = 0; c < turned; c += size) call->kernels->rotate(x + c, size, turns, y + c);
    if (x != y) memcpy(y + turned, x + turned, (columns - turned) * sizeof(float));
  }
}

void mp_gate(mp_isa isa, int threads, const float *x, int rows, int columns, mp_activation activation, float *y) {
  if (rows <= 0) return;
  const row_call call = {mp_kernels_for(isa), x, rows, columns, 0, 0, activation, NULL, NULL, y};
  mp_run(mp_worthwhile(threads, (size_t)rows * (size_t)columns, norm_worth_a_team), run_rows, &call);
}

void mp_rotate(mp_isa isa, int threads, const float *x, int rows, int columns, int turned, int size,
               const int32_t *position, const float *turns, float *y) {
  if (rows <= 0) return;
  const row_call call = {mp_kernels_for(isa), x, rows, columns, turned, size, MP_ACTIVATION_NONE, position, turns, y};
  mp_run(mp_worthwhile(threads, (size_t)rows * (size_t)turned, norm_worth_a_team), run_rows, &call);
}

typedef struct {
  const char *x;
  size_t bytes;  // of a row
  const int32_t *index;
  int rows;
  char *y;
} gather_call;

static void run_gather(const void *context, int thread, int threads) {
  const gather_call *call = context;
  const size_t end = mp_share((size_t)call->rows, thread + 1, threads);
  for (size_t r = mp_share((size_t)call->rows, thread, threads); r < end; r++) {
    char *row = call->y + r * call->bytes;
    // Of a row that stands for many, -1: so is every byte.
    if (call->index[r] < 0) memset(row, 0xFF, call->bytes);
    else memcpy(row, call->x + (size_t)call->index[r] * call->bytes, call->bytes);
  }
}

void mp_gather_rows(int threads, const void *x, int words, const int32_t *index, int rows, void *y) {
  if (rows <= 0) return;
  const gather_call call = {x, (size_t)words * 4, index, rows, y};
  mp_run(mp_worthwhile(threads, (size_t)rows * (size_t)words, copy_worth_a_team), run_gather, &call);
}

typedef struct {
  const char *a, *b;
  size_t a_bytes, b_bytes;  // of a row
  int rows;
  char *y;
} concat_call;

static void run_concat(const void *context, int thread, int threads) {
  const concat_call *call = context;
  const size_t end = mp_share((size_t)call->rows, thread + 1, threads), bytes = call->a_bytes + call->b_bytes;
  for (size_t r = mp_share((size_t)call->rows, thread, threads); r < end; r++) {
    memcpy(call->y + r * bytes, call->a + r * call->a_bytes, call->a_bytes);
    memcpy(call->y + r * bytes + call->a_bytes, call->b + r * call->b_bytes, call->b_bytes);
  }
}

void mp_concat_rows(int threads, const void *a, int a_words, const void *b, int b_words, int rows, void *y) {
  if (rows <= 0) return;
  const concat_call call = {a, b, (size_t)a_words * 4, (size_t)b_words * 4, rows, y};
  const size_t words = (size_t)rows * ((size_t)a_words + (size_t)b_words);
  mp_run(mp_worthwhile(threads, words, copy_worth_a_team), run_concat, &call);
}

typedef struct {
  const mp_kernels *kernels;
  const float *x;
  size_t columns;
  const int32_t *segments;
  int samples;
  float *y;
} mean_call;

/// Sums row after row: one order for each element, whatever the path, the batch or the team.
static void run_mean(const void *context, int thread, int threads) {
  const mean_call *call = context;
  const size_t columns = call->columns, end = mp_share((size_t)call->samples, thread + 1, threads);
  for (size_t s = mp_share((size_t)call->samples, thread, threads); s < end; s++) {
    const int32_t first = call->segments[s], last = call->segments[s + 1];
    float *sum = call->y + s * columns;
    memcpy(sum, call->x + (size_t)first * columns, columns * sizeof(float));
    for (int32_t r = first + 1; r < last; r++) {
      call->kernels->add(sum, call->x + (size_t)r * columns, columns, sum);
    }
    const float count = (float)(last - first);
    for (size_t c = 0; c < columns; c++) sum[c] /= count;
  }
}

void mp_segment_mean(mp_isa isa, int threads, const float *x, int columns, const int32_t *segments, int samples,
                     float *y) {
  if (samples <= 0) return;
  const mean_call call = {mp_kernels_for(isa), x, (size_t)columns, segments, samples, y};
  const size_t elements = (size_t)segments[samples] * (size_t)columns;
  mp_run(mp_worthwhile(threads, elements, copy_worth_a_team), run_mean, &call);
}

void mp_softmax_rows(mp_isa isa, const float *x, int rows, int columns, float *y) {
  const mp_kernels *kernels = mp_kernels_for(isa);
  for (int r = 0; r < rows; r++) {
    kernels->softmax(x + (size_t)r * (size_t)columns, columns, y + (size_t)r * (size_t)columns);
  }
}

void mp_row_norm(mp_isa isa, const float *x, int rows, int stride, int first, int count, float *y) {
  const mp_kernels *kernels = mp_kernels_for(isa);
  for (int r = 0; r < rows; r++) y[r] = kernels->norm(x + (size_t)r * (size_t)stride + (size_t)first, count);
}
