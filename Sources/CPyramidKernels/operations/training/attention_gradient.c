// The gradient of attention over packed ragged samples. A task is (sample, head), whole: keys and values get sums over
// all queries, and results of tasks are disjoint, so that threads do not show in a bit of them.
#include "operations/training/training_table.h"

typedef struct {
  const mp_attention_gradient_call *call;
  const mp_training_kernels *kernels;
  size_t thread_floats;
  float *areas;
  uint64_t cost;  // of all tasks
} gradient_run;

static int length_of(const mp_attention_gradient_call *call, int sample) {
  return call->segments[sample + 1] - call->segments[sample];
}

static uint64_t task_cost(int tokens) { return (uint64_t)tokens * ((uint64_t)tokens + 32); }

static void run_task(const gradient_run *run, int sample, int head, float *scratch) {
  const mp_attention_gradient_call *call = run->call;
  const size_t first = (size_t)call->segments[sample], column = (size_t)head * (size_t)call->head_dim;
  const size_t width = (size_t)call->heads * (size_t)call->head_dim;
  const size_t stride = (size_t)call->stride, place = first * stride + column, own = first * width + column;
  const mp_attention_gradient_job job = {
    .q = call->q + place, .k = call->k + place, .v = call->v + place, .stride = stride,
    .tokens = length_of(call, sample), .head_dim = call->head_dim,
    .dropout = call->dropout,
    .counter = (uint32_t)(first * (size_t)call->heads + (size_t)head) * MP_KEY_COUNTERS,
    .row_counters = (uint32_t)call->heads * MP_KEY_COUNTERS,
    .dout = call->dout + own, .width = width,
    .dreceived = call->dreceived ? call->dreceived + first : NULL, .share = 1.0f / (float)call->heads,
    .dq = call->dq + own, .dk = call->dk + own, .dv = call->dv + own,
    .scratch = scratch,
  };
  run->kernels->attention_gradient(&job);
}

/// The tasks of this thread: those whose cost begins in its share of the whole cost.
static void run_tasks(const void *context, int thread, int threads) {
  const gradient_run *run = context;
  float *scratch = run->areas + (size_t)thread * run->thread_floats;
  const uint64_t begin = mp_share(run->cost, thread, threads), end = mp_share(run->cost, thread + 1, threads);
  uint64_t cost = 0;
  for (int sample = 0; sample < run->call->samples && cost < end; sample++) {
    const int tokens = length_of(run->call, sample);
    for (int head = 0; head < run->call->heads && tokens > 0; head++) {
      if (cost >= begin && cost < end) run_task(run, sample, head, scratch);
      cost += task_cost(tokens);
    }
  }
}

size_t mp_attention_gradient_scratch_count(mp_isa isa, int threads, int longest_sample, int head_dim) {
  const size_t area = mp_whole_lines(mp_kernels_for(isa)->training->attention_scratch(longest_sample, head_dim));
  return (size_t)(threads < 1 ? 1 : threads) * area + MP_LINE_FLOATS;
}

void mp_attention_gradient(const mp_attention_gradient_call *call) {
  gradient_run run = {.call = call, .kernels = mp_kernels_for(call->isa)->training};
  int longest = 0;
  for (int sample = 0; sample < call->samples; sample++) {
    const int tokens = length_of(call, sample);
    longest = tokens > longest ? tokens : longest;
    run.cost += (uint64_t)call->heads * task_cost(tokens);
  }
  if (longest <= 0) return;
  run.thread_floats = mp_whole_lines(run.kernels->attention_scratch(longest, call->head_dim));
  run.areas = mp_first_line(call->scratch);
  const size_t worth_a_team = 4 * 1024;  // multiply-adds of each of five products
  mp_run(mp_worthwhile(call->threads, run.cost * (size_t)call->head_dim, worth_a_team), run_tasks, &run);
}
