// Sessions of the kernels' team under ThreadSanitizer (Scripts/sanitize team): kernels one after another whose shares
// read what other shares of the one before wrote, barriers within, the real kernels, sessions in sessions, after each
// other, and of two callers at once, by teams larger than the machine. Ends with status 1 where a number is wrong.
#include "operations/kernel_table.h"
#include "pyramid_training.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern int mp_stand_in_most;

enum { CELLS = 48, STEPS = 200, ROUNDS = 6, MOST = 8, REPEATS = 10 };

/// What one calling thread does and counts.
typedef struct {
  int threads;
  float *expected;  // of the real kernels, by one thread
  long sessions, kernels, barriers, right, wrong;
} caller;

static void judge(caller *self, int is_right) {
  if (is_right) {
    self->right++;
  } else {
    self->wrong++;
  }
}

/// Cells of this share, each from two of the kernel before.
typedef struct {
  const unsigned *from;
  unsigned *to;
} step;

static void run_step(const void *job, int share, int shares) {
  const step *s = job;
  const size_t end = mp_share(CELLS, share + 1, shares);
  for (size_t c = mp_share(CELLS, share, shares); c < end; c++) s->to[c] = 3 * s->from[c] + s->from[(c + 19) % CELLS];
}

/// One kernel after another, and what comes of them.
static unsigned sum_of_steps(int threads, int pauses) {
  unsigned cells[2][CELLS], sum = 0;
  for (unsigned c = 0; c < CELLS; c++) cells[0][c] = c;
  step job;  // the same place for all: shares must read what it holds now
  for (int k = 0; k < STEPS; k++) {
    job = (step){cells[k % 2], cells[(k + 1) % 2]};
    mp_run(threads, run_step, &job);
    if (pauses && k % 50 == 49) usleep(3000);  // until the others sleep, too
  }
  for (unsigned c = 0; c < CELLS; c++) sum = 31 * sum + cells[STEPS % 2][c];
  return sum;
}

/// Numbers of shares that all shares read between two barriers, round after round.
typedef struct {
  int numbers[MOST];
  int *is_wrong;  // by share
} meeting;

static void meet(const void *job, int share, int shares) {
  meeting *m = (meeting *)job;
  for (int round = 0; round < ROUNDS; round++) {
    m->numbers[share] = round * MOST + share;
    mp_barrier(shares);
    for (int other = 0; other < shares; other++) {
      if (m->numbers[other] != round * MOST + other) m->is_wrong[share] = 1;
    }
    mp_barrier(shares);
  }
}

static int is_met(int threads) {
  int wrong[MOST] = {0}, all = 0;
  meeting m = {.is_wrong = wrong};
  mp_run_together(threads, meet, &m);
  for (int share = 0; share < MOST; share++) all += wrong[share];
  return all == 0;
}

// MARK: The real kernels

enum { ROWS = 340, DEPTH = 40, COLUMNS = 48, HEADS = 3, DIM = 16, TOKENS = 67, INPUTS = 32 * 1024 };
enum { RESULTS = 3 * ROWS * COLUMNS + 2 * TOKENS * HEADS * DIM + ROWS * DEPTH + COLUMNS * (DEPTH + 3) };

static float inputs[INPUTS];

/// All of them large enough for a team; what they give is written one after the other.
static void compute(int threads, float *y) {
  const mp_isa isa = mp_isa_best();
  const int32_t segments[] = {0, 40, 41, 58, TOKENS};
  const float *weight = inputs, *bias = inputs + 4096, *x = inputs + 5000, *dy = inputs + 7000;
  float *packed = calloc(65536, sizeof(float)), *scratch = calloc(1 << 20, sizeof(float));
  for (mp_precision p = MP_PRECISION_F32; p <= MP_PRECISION_INT8; p++, y += ROWS * COLUMNS) {
    mp_linear_pack(isa, p, weight, COLUMNS, DEPTH, packed);
    const mp_linear_call call = {.isa = isa, .threads = threads, .precision = p, .rows = ROWS, .depth = DEPTH,
                                 .columns = COLUMNS, .x = x, .weight = packed, .bias = bias, .residual = dy,
                                 .gamma = bias, .beta = bias, .epsilon = 1e-5f, .y = y, .scratch = scratch};
    mp_linear(&call);
  }
  const mp_attention_call attention = {
    .isa = isa, .threads = threads, .q = x, .k = x + HEADS * DIM, .v = x + 2 * HEADS * DIM, .stride = 3 * HEADS * DIM,
    .segments = segments, .samples = 4, .heads = HEADS, .head_dim = DIM, .out = y, .received = y + TOKENS * HEADS * DIM,
    .from_first = y + TOKENS * (HEADS * DIM + 1), .from_others = y + TOKENS * (HEADS * DIM + 2), .scratch = scratch};
  mp_attention(&attention);
  y += 2 * TOKENS * HEADS * DIM;
  mp_linear_input_gradient(isa, threads, dy, ROWS, COLUMNS, weight, DEPTH, y, scratch);
  y += ROWS * DEPTH;
  mp_linear_weight_gradient(isa, threads, x, dy, ROWS, DEPTH, COLUMNS, y, y + DEPTH * COLUMNS, scratch);
  y += COLUMNS * (DEPTH + 1);
  mp_layer_norm_gradient(isa, threads, x, dy, ROWS, COLUMNS, bias, 1e-3f, NULL, y, y + COLUMNS, scratch);
  free(packed);
  free(scratch);
}

static void compare(caller *self, int threads) {
  float *y = calloc(RESULTS, sizeof(float));
  compute(threads, y);
  judge(self, memcmp(y, self->expected, RESULTS * sizeof(float)) == 0);
  free(y);
}

// MARK: Sessions

static void do_some(void *argument) {
  caller *self = argument;
  judge(self, sum_of_steps(self->threads, 0) == sum_of_steps(1, 0));
  self->kernels += STEPS;
}

/// A request: everything once, some by fewer threads than the team has, and a session within.
static void do_all(void *argument) {
  caller *self = argument;
  do_some(self);
  judge(self, sum_of_steps(2, 1) == sum_of_steps(1, 0));
  for (int k = 0; k < STEPS / 10; k++) judge(self, is_met(k % 2 ? self->threads : 2));
  compare(self, self->threads);
  mp_with_team(self->threads, do_some, self);
  self->kernels += STEPS + STEPS / 10;
  self->barriers += STEPS / 10 * 2 * ROUNDS;
}

static void *call(void *argument) {
  caller *self = argument;
  mp_set_team(self->threads);
  for (int repeat = 0; repeat < REPEATS; repeat++, self->sessions++) mp_with_team(self->threads, do_all, self);
  do_all(self);  // in regions of their own
  return NULL;
}

int main(void) {
  static const int sizes[] = {2, 3, 4, MOST};
  static const int count = sizeof sizes / sizeof sizes[0];
  caller sum = {0};
  for (unsigned i = 0; i < INPUTS; i++) inputs[i] = (float)(i * 2654435761u >> 8) / 8388608.0f - 1;
  float *expected = calloc(RESULTS, sizeof(float));
  compute(1, expected);
  for (int i = 0; i <= count; i++) {
    // Two callers with teams of different sizes; the last time there are fewer threads than they ask for.
    if (i == count) mp_stand_in_most = 2;
    caller callers[2] = {{.threads = sizes[i % count], .expected = expected},
                         {.threads = sizes[(i + 1) % count], .expected = expected}};
    pthread_t threads[2];
    for (int c = 0; c < 2; c++) pthread_create(&threads[c], NULL, call, &callers[c]);
    for (int c = 0; c < 2; c++) {
      pthread_join(threads[c], NULL);
      sum.sessions += callers[c].sessions, sum.kernels += callers[c].kernels, sum.barriers += callers[c].barriers;
      sum.right += callers[c].right, sum.wrong += callers[c].wrong;
    }
  }
  free(expected);
  printf("%ld sessions of 2, 3, 4 and 8 threads, %ld kernels, %ld barriers; %ld results right, %ld wrong\n",
         sum.sessions, sum.kernels, sum.barriers, sum.right, sum.wrong);
  return sum.wrong > 0;
}
