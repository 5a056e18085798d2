// The highest rate of the instructions that the kernels are made of: how their loops are timed. The loops themselves are
// in peak_loops.c of each kind of processor.
#define _GNU_SOURCE
#include "pyramid_peak.h"

#include "operations/kernel_table.h"
#include "operations/peak_loop.h"

#include <time.h>

enum { RUNS = 50 };

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

typedef struct {
  const mp_peak_loop *loop;
  double *best;  // operations a second of the whole team; written by thread 0
} peak_job;

static void run_loop(const void *context, int thread, int threads) {
  const peak_job *job = context;
  for (int run = 0; run < RUNS; run++) {
    mp_barrier(threads);
    const double start = now();
    job->loop->loop(job->loop->iterations);
    mp_barrier(threads);
    if (thread != 0) continue;
    const double rate = job->loop->operations * (double)job->loop->iterations * threads / (now() - start);
    if (rate > *job->best) *job->best = rate;
  }
}

double mp_peak_rate(mp_isa feature, int threads) {
  double best = 0;
  const peak_job job = {mp_peak_loop_of(feature), &best};
  if (job.loop) mp_run_together(threads < 1 ? 1 : threads, run_loop, &job);
  return best;
}

const char *mp_peak_instruction(mp_isa feature) {
  const mp_peak_loop *loop = mp_peak_loop_of(feature);
  return loop ? loop->name : NULL;
}

#if !defined(__x86_64__) && !defined(__aarch64__)
const mp_peak_loop *mp_peak_loop_of(mp_isa feature) {
  (void)feature;
  return NULL;
}
#endif
