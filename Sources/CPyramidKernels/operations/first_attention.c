// Attention of each sample's first token alone: how it is cut into tasks.
//
// A task is (sample, up to MP_FIRST_HEADS heads). Tasks of one group of heads follow each other, so that a thread
// reads the group's weights once for all its samples. A task's sums depend on its sample alone. The attention of
// [CLS] to a token is kept for each head and summed over heads after all tasks: one order on any threads.
#include "operations/kernel_table.h"

#include <string.h>

typedef struct {
  const mp_first_attention_call *call;
  const mp_kernels *kernels;
  int longest;     // sample
  float *scratch;
  float *weights;  // [heads][all tokens], attention of [CLS]; NULL when it is not wanted
} first_run;

static size_t thread_floats(int longest, int depth) {
  return mp_whole_lines(MP_FIRST_HEADS * (2 * (size_t)depth + (size_t)longest));
}

static int groups_of(int heads) { return (heads + MP_FIRST_HEADS - 1) / MP_FIRST_HEADS; }

/// Row `row` of a weight of `depth` columns.
static const void *row_of(mp_precision precision, const void *weight, size_t row, size_t depth) {
  const size_t bytes = precision == MP_PRECISION_F32 ? 4 : precision == MP_PRECISION_BF16 ? 2 : 1;
  return (const char *)weight + row * depth * bytes;
}

/// Keeps the attention of [CLS] by the heads of a group.
static void keep_shares(const mp_first_attention_job *job, float *weights, size_t all) {
  const size_t tokens = (size_t)job->tokens;
  for (size_t h = 0; h < (size_t)job->heads; h++) {
    memcpy(weights + h * all, job->shares + h * tokens, tokens * sizeof(float));
  }
}

static void run_group(const first_run *run, int group, int sample, float *scratch) {
  const mp_first_attention_call *call = run->call;
  const int head = group * MP_FIRST_HEADS, left = call->heads - head;
  const size_t depth = (size_t)call->depth, column = (size_t)head * (size_t)call->head_dim;
  const size_t width = (size_t)call->heads * (size_t)call->head_dim, place = (size_t)sample * width + column;
  const int first = call->segments[sample], is_int8 = call->precision == MP_PRECISION_INT8;
  const mp_first_attention_job job = {
    .q = call->q + place, .x = call->x + (size_t)first * depth,
    .tokens = call->segments[sample + 1] - first, .depth = call->depth,
    .heads = left < MP_FIRST_HEADS ? left : MP_FIRST_HEADS, .head_dim = call->head_dim,
    .precision = call->precision,
    .wk = row_of(call->precision, call->wk, column, depth), .wv = row_of(call->precision, call->wv, column, depth),
    .k_scales = is_int8 ? mp_row_scales(call->wk, (int)width, call->depth) + column : NULL,
    .v_scales = is_int8 ? mp_row_scales(call->wv, (int)width, call->depth) + column : NULL,
    .bv = call->bv + column,
    .sizes = call->sizes ? call->sizes + first : NULL,
    .out = call->out + place,
    .u = scratch, .z = scratch + MP_FIRST_HEADS * depth, .shares = scratch + 2 * MP_FIRST_HEADS * depth,
  };
  if (job.tokens <= 0) return;
  run->kernels->first_attention(&job);
  if (run->weights) {
    const size_t all = (size_t)call->segments[call->samples];
    keep_shares(&job, run->weights + (size_t)head * all + (size_t)first, all);
  }
}

static void run_first(const void *context, int thread, int threads) {
  const first_run *run = context;
  const mp_first_attention_call *call = run->call;
  const size_t tasks = (size_t)groups_of(call->heads) * (size_t)call->samples;
  const size_t end = mp_share(tasks, thread + 1, threads);
  float *scratch = run->scratch + (size_t)thread * thread_floats(run->longest, call->depth);
  for (size_t task = mp_share(tasks, thread, threads); task < end; task++) {
    run_group(run, (int)(task / (size_t)call->samples), (int)(task % (size_t)call->samples), scratch);
  }
}

/// The mean over heads, summed by fours, times the sample's length.
static void finish_shares(const first_run *run) {
  const mp_first_attention_call *call = run->call;
  const size_t all = (size_t)call->segments[call->samples], heads = (size_t)call->heads;
  for (int sample = 0; sample < call->samples; sample++) {
    const size_t first = (size_t)call->segments[sample], end = (size_t)call->segments[sample + 1];
    const float scale = (float)(end - first) / (float)call->heads;
    for (size_t j = first; j < end; j++) {
      float sum = 0;
      for (size_t h = 0; h < heads; h += 4) {
        float four = run->weights[h * all + j];
        for (size_t i = h + 1; i < h + 4 && i < heads; i++) four += run->weights[i * all + j];
        sum = h == 0 ? four : sum + four;
      }
      call->from_first[j] = sum * scale;
    }
  }
}

size_t mp_first_attention_scratch_count(int threads, int tokens, int longest_sample, int heads, int depth) {
  const size_t weights = mp_whole_lines((size_t)heads * (size_t)tokens);
  return (size_t)(threads < 1 ? 1 : threads) * thread_floats(longest_sample, depth) + weights + MP_LINE_FLOATS;
}

void mp_first_attention(const mp_first_attention_call *call) {
  if (call->samples <= 0) return;
  first_run run = {.call = call, .kernels = mp_kernels_for(call->isa), .scratch = mp_first_line(call->scratch)};
  for (int sample = 0; sample < call->samples; sample++) {
    const int tokens = call->segments[sample + 1] - call->segments[sample];
    run.longest = tokens > run.longest ? tokens : run.longest;
  }
  const int threads = call->threads < 1 ? 1 : call->threads;
  if (call->from_first) run.weights = run.scratch + (size_t)threads * thread_floats(run.longest, call->depth);
  const size_t heads = (size_t)call->heads, samples = (size_t)call->samples, worth_a_team = 48 * 1024;  // multiply-adds
  const size_t tokens = (size_t)call->segments[samples];
  const size_t work = 2 * (size_t)call->depth * heads * ((size_t)call->head_dim * samples + tokens);
  mp_run(mp_worthwhile(threads, work, worth_a_team), run_first, &run);
  if (call->from_first) finish_shares(&run);
}
