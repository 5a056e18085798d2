// Attention over packed ragged samples: how it is cut into tasks, and how the tasks' column sums become one score per
// token.
//
// A task is (sample, range of queries, head). The ranges follow from the sample's length alone, and the sums of ranges
// and heads are added in one order, so neither threads nor batch mates show in a bit of the result. A thread packs
// a head's keys and values once, for its first range of them, and no thread waits for another.
#include "operations/kernel_table.h"

#include <math.h>

enum {
  RANGE_QUERIES = 128,  // the shortest range worth its own packing
  MOST_RANGES = 8       // bounds the scratch for column sums
};

static int ranges_of(int tokens) {
  const int ranges = (tokens + RANGE_QUERIES - 1) / RANGE_QUERIES;
  return ranges < MOST_RANGES ? ranges : MOST_RANGES;
}

typedef struct {
  const mp_attention_call *call;
  mp_attention_task *task;
  void (*enter)(void), (*leave)(void);  // before and after a thread's tasks; or NULL
  size_t thread_floats;  // scratch: first one area per thread,
  float *areas;
  float *sums;    // then, [range][head][token], what each token receives,
  float *firsts;  // and, [head][token], the first token's attention to each,
  float *owns;    // and of each to itself
  uint64_t cost;  // of all tasks
} attention_run;

/// Of one task, in multiply-adds a dimension: the products grow with queries * tokens, packing with tokens.
static uint64_t task_cost(int tokens, int queries) { return (uint64_t)tokens * ((uint64_t)queries + 16); }

static int length_of(const mp_attention_call *call, int sample) {
  return call->segments[sample + 1] - call->segments[sample];
}

static int ranges_in(const mp_attention_call *call, int tokens) {
  return call->is_of_first ? tokens > 0 : ranges_of(tokens);
}

/// Queries of a sample before a range of it.
static int queries_before(const mp_attention_call *call, int tokens, int range) {
  if (tokens <= 0) return 0;
  if (call->is_of_first) return range > 0;
  return (int)mp_share((size_t)tokens, range, ranges_of(tokens));
}

static void run_task(const attention_run *run, int sample, int range, int head, int is_packed, float *scratch) {
  const mp_attention_call *call = run->call;
  const size_t first = (size_t)call->segments[sample], all = (size_t)call->segments[call->samples];
  const size_t column = (size_t)head * (size_t)call->head_dim, width = (size_t)call->heads * (size_t)call->head_dim;
  const size_t stride = (size_t)call->stride, place = first * stride + column;
  const size_t row = call->is_of_first ? (size_t)sample : first;
  const int tokens = length_of(call, sample), query = queries_before(call, tokens, range);
  const size_t plane = (size_t)range * (size_t)call->heads + (size_t)head;
  const mp_attention_job job = {
    .q = call->q + (call->is_of_first ? row * (size_t)call->q_stride + column : place),
    .k = call->k + place, .v = call->v + place, .stride = stride,
    .tokens = tokens, .head_dim = call->head_dim,
    .first_query = query, .queries = queries_before(call, tokens, range + 1) - query,
    .out = call->out + row * width + column, .out_stride = width,
    .received = call->received || call->from_others ? run->sums + plane * all + first : NULL,
    .from_first = call->from_first && range == 0 ? run->firsts + (size_t)head * all + first : NULL,
    .own = call->from_others ? run->owns + (size_t)head * all + first : NULL,
    .sizes = call->sizes ? call->sizes + first : NULL,
    .scratch = scratch, .is_packed = is_packed,
    .relation = call->relation,
    .positions = call->relation ? call->positions + first : NULL,
    .head = head, .width = (int)width,
    .dropout = call->dropout,
    .counter = (uint32_t)(first * (size_t)call->heads + (size_t)head) * MP_KEY_COUNTERS,
    .row_counters = (uint32_t)call->heads * MP_KEY_COUNTERS,
  };
  run->task(&job);
}

/// The tasks of this thread: those whose cost begins in its share of the whole cost.
static void run_tasks(const void *context, int thread, int threads) {
  const attention_run *run = context;
  const mp_attention_call *call = run->call;
  float *scratch = run->areas + (size_t)thread * run->thread_floats;
  const uint64_t begin = mp_share(run->cost, thread, threads), end = mp_share(run->cost, thread + 1, threads);
  uint64_t cost = 0;
  if (run->enter) run->enter();
  for (int sample = 0; sample < call->samples && cost < end; sample++) {
    const int tokens = length_of(call, sample), ranges = ranges_in(call, tokens);
    for (int head = 0; head < call->heads; head++) {
      int is_packed = 0;
      for (int range = 0; range < ranges; range++) {
        const int queries = queries_before(call, tokens, range + 1) - queries_before(call, tokens, range);
        if (cost >= begin && cost < end) {
          run_task(run, sample, range, head, is_packed, scratch);
          is_packed = call->relation == NULL;
        }
        cost += task_cost(tokens, queries);
      }
    }
  }
  if (run->leave) run->leave();
}

/// y = scale * the sum of `planes` vectors of `count`, in ascending order.
static void add_planes(const float *x, size_t plane, int planes, size_t count, float scale, float *y) {
  for (size_t i = 0; i < count; i++) y[i] = x[i];
  for (size_t p = 1; p < (size_t)planes; p++) {
    for (size_t i = 0; i < count; i++) y[i] += x[p * plane + i];
  }
  for (size_t i = 0; i < count; i++) y[i] *= scale;
}

/// Once all tasks are done: the scores of a share of the samples.
static void run_scores(const void *context, int thread, int threads) {
  const attention_run *run = context;
  const mp_attention_call *call = run->call;
  const size_t all = (size_t)call->segments[call->samples];
  const float mean = 1.0f / (float)call->heads;
  for (int sample = thread; sample < call->samples; sample += threads) {
    const size_t first = (size_t)call->segments[sample];
    const int tokens = length_of(call, sample), planes = ranges_in(call, tokens) * call->heads;
    if (tokens <= 0) continue;
    const size_t count = (size_t)tokens;
    if (call->received) add_planes(run->sums + first, all, planes, count, mean, call->received + first);
    if (call->from_first) {
      add_planes(run->firsts + first, all, call->heads, count, mean * (float)tokens, call->from_first + first);
    }
    if (call->from_others) {
      float *others = call->from_others + first;
      add_planes(run->sums + first, all, planes, count, mean, others);
      for (size_t h = 0; h < (size_t)call->heads; h++) {
        for (size_t i = 0; i < count; i++) others[i] -= mean * run->owns[h * all + first + i];
      }
    }
  }
}

/// Whether a model of this precision has its attention in bf16 on a path; never in training, which is f32.
static int uses_bf16(const mp_reduced_kernels *reduced, mp_precision precision) {
  return precision != MP_PRECISION_F32 && reduced->attention != NULL;
}

/// Floats of a thread's area.
static size_t area_floats(mp_isa isa, mp_precision precision, int tokens, int head_dim) {
  const mp_reduced_kernels reduced = mp_reduced_for(isa);
  mp_attention_scratch *scratch =
    uses_bf16(&reduced, precision) ? reduced.attention_scratch : mp_kernels_for(isa)->attention_scratch;
  return mp_whole_lines(scratch(tokens, head_dim));
}

size_t mp_attention_scratch_count(mp_isa isa, int threads, mp_precision precision, int tokens, int longest_sample,
                                  int heads, int head_dim) {
  const size_t area = area_floats(isa, precision, longest_sample, head_dim);
  const size_t planes = ((size_t)ranges_of(longest_sample) + 2) * (size_t)heads;
  return (size_t)(threads < 1 ? 1 : threads) * area + planes * (size_t)tokens + MP_LINE_FLOATS;
}

size_t mp_relative_attention_scratch_count(mp_isa isa, int threads, int tokens, int longest_sample, int heads,
                                           int head_dim, int table_rows) {
  const size_t area = mp_whole_lines(mp_kernels_for(isa)->relative_scratch(longest_sample, head_dim, table_rows));
  const size_t planes = ((size_t)ranges_of(longest_sample) + 2) * (size_t)heads;
  return (size_t)(threads < 1 ? 1 : threads) * area + planes * (size_t)tokens + MP_LINE_FLOATS;
}

/// A run of a call, with its task.
static attention_run run_of(const mp_attention_call *call) {
  const mp_reduced_kernels reduced = mp_reduced_for(call->isa);
  attention_run run = {.call = call, .task = mp_kernels_for(call->isa)->attention};
  if (call->relation) {
    run.task = mp_kernels_for(call->isa)->relative_attention;
  } else if (uses_bf16(&reduced, call->precision)) {
    run.task = reduced.attention;
    run.enter = reduced.enter;
    run.leave = reduced.leave;
  }
  return run;
}

void mp_attention(const mp_attention_call *call) {
  if (call->samples <= 0) return;
  attention_run run = run_of(call);
  int longest = 0;
  for (int sample = 0; sample < call->samples; sample++) {
    const int tokens = length_of(call, sample), ranges = ranges_in(call, tokens);
    const int queries = queries_before(call, tokens, ranges);
    longest = tokens > longest ? tokens : longest;
    run.cost += (uint64_t)call->heads * (task_cost(tokens, queries) + (uint64_t)(ranges - 1) * task_cost(tokens, 0));
  }
  if (longest <= 0) return;
  const int threads = call->threads < 1 ? 1 : call->threads;
  run.thread_floats =
    call->relation
      ? mp_whole_lines(mp_kernels_for(call->isa)->relative_scratch(longest, call->head_dim, call->relation->table_rows))
      : area_floats(call->isa, call->precision, longest, call->head_dim);
  run.areas = mp_first_line(call->scratch);
  run.sums = run.areas + (size_t)threads * run.thread_floats;
  run.firsts = run.sums + (size_t)ranges_of(longest) * (size_t)call->heads * (size_t)call->segments[call->samples];
  run.owns = run.firsts + (size_t)call->heads * (size_t)call->segments[call->samples];
  const size_t worth_a_team = 8 * 1024;  // multiply-adds; each task has its fixed costs too
  const int team = mp_worthwhile(threads, run.cost * (size_t)call->head_dim, worth_a_team);
  mp_run(team, run_tasks, &run);
  if (call->received || call->from_first || call->from_others) mp_run(team, run_scores, &run);
}
