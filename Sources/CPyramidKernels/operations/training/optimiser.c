// What happens to parameters and gradients as flat vectors. Memory is what these loops wait for, so plain C serves
// every path, and with the same bits.
#include "operations/training/training_table.h"

#include <math.h>
#include <string.h>

#pragma STDC FP_CONTRACT OFF

static const size_t worth_a_team = 16 * 1024;

typedef struct {
  mp_adamw settings;
  float *parameters, *gradients, *first, *second;
  size_t count;
} adamw_run;

static void run_adamw(const void *context, int thread, int threads) {
  const adamw_run run = *(const adamw_run *)context;
  const mp_adamw s = run.settings;
  const float mix1 = 1.0f - s.beta1, mix2 = 1.0f - s.beta2;
  float *restrict p = run.parameters, *restrict g = run.gradients;
  float *restrict m = run.first, *restrict v = run.second;
  const size_t end = mp_share(run.count, thread + 1, threads);
  for (size_t i = mp_share(run.count, thread, threads); i < end; i++) {
    const float gradient = g[i] * s.gradient_scale;
    const float first = m[i] + (gradient - m[i]) * mix1;
    const float second = v[i] * s.beta2 + gradient * gradient * mix2;
    p[i] = p[i] * s.keep - s.step_size * (first / (sqrtf(second * s.second_scale) + s.epsilon));
    g[i] = 0;
    m[i] = first;
    v[i] = second;
  }
}

void mp_adamw_step(int threads, mp_adamw settings, float *parameters, float *gradients, float *first, float *second,
                   size_t count) {
  const adamw_run run = {settings, parameters, gradients, first, second, count};
  mp_run(mp_worthwhile(threads, count, worth_a_team), run_adamw, &run);
}

/// Parts of a sum of squares: they depend on the count alone.
enum { PARTS = 256 };

typedef struct {
  const float *x;
  size_t count;
  double *parts;
} squares_run;

static double sum_part(const float *x, size_t count) {
  double sums[8] = {0}, rest = 0;
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    for (size_t k = 0; k < 8; k++) sums[k] += (double)x[i + k] * (double)x[i + k];
  }
  for (; i < count; i++) rest += (double)x[i] * (double)x[i];
  for (size_t k = 0; k < 8; k++) rest += sums[k];
  return rest;
}

static void run_squares(const void *context, int thread, int threads) {
  const squares_run *run = context;
  const int end = (int)mp_share(PARTS, thread + 1, threads);
  for (int part = (int)mp_share(PARTS, thread, threads); part < end; part++) {
    const size_t first = mp_share(run->count, part, PARTS);
    run->parts[part] = sum_part(run->x + first, mp_share(run->count, part + 1, PARTS) - first);
  }
}

double mp_sum_of_squares(int threads, const float *x, size_t count) {
  double parts[PARTS], sum = 0;
  const squares_run run = {x, count, parts};
  mp_run(mp_worthwhile(threads, count, worth_a_team), run_squares, &run);
  for (int part = 0; part < PARTS; part++) sum += parts[part];
  return sum;
}

typedef struct {
  float *x;
  size_t count;
  float factor;
} scale_run;

static void run_scale(const void *context, int thread, int threads) {
  const scale_run *run = context;
  const size_t end = mp_share(run->count, thread + 1, threads);
  for (size_t i = mp_share(run->count, thread, threads); i < end; i++) run->x[i] *= run->factor;
}

void mp_scale(int threads, float *x, size_t count, float factor) {
  const scale_run run = {x, count, factor};
  mp_run(mp_worthwhile(threads, count, worth_a_team), run_scale, &run);
}

static void run_zero(const void *context, int thread, int threads) {
  const scale_run *run = context;
  const size_t first = mp_share(run->count, thread, threads);
  memset(run->x + first, 0, (mp_share(run->count, thread + 1, threads) - first) * sizeof(float));
}

void mp_zero(int threads, float *x, size_t count) {
  const scale_run run = {x, count, 0};
  mp_run(mp_worthwhile(threads, count, worth_a_team), run_zero, &run);
}
