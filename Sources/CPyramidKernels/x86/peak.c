// The highest rate of the instructions that the kernels are made of. The loops are assembly, because a compiler would
// fold a sum of constants; twelve independent sums hide the latency of every x86 that has these instructions.
#define _GNU_SOURCE
#include "pyramid_peak.h"

#include "operations/kernel_table.h"

#include <time.h>

#if defined(__x86_64__)

enum { SUMS = 12, RUNS = 50 };
static const long ITERATIONS = 400000;

typedef struct {
  const char *name;
  double operations;  // of one instruction
  void (*loop)(long iterations);
} peak_loop;

// Sums live in registers 0 to 11, the factors in 12 and 13. All are zero: the time of these instructions does not
// depend on the data, and zeros never become denormal.
#define LOOP(function, name, width)                                                                          \
  static void function(long iterations) {                                                                    \
    __asm__ volatile(                                                                                        \
      ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13\n\tvpxor %%xmm\\n, %%xmm\\n, %%xmm\\n\n\t.endr\n"              \
      "1:\n\t.irp n,0,1,2,3,4,5,6,7,8,9,10,11\n\t" name " %%" width "13, %%" width "12, %%" width "\\n\n\t"   \
      ".endr\n\tdec %0\n\tjnz 1b\n\tvzeroupper"                                                             \
      : "+r"(iterations)                                                                                     \
      :                                                                                                      \
      : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",       \
        "xmm11", "xmm12", "xmm13");                                                                          \
  }

LOOP(fma_512, "vfmadd231ps", "zmm")
LOOP(fma_256, "vfmadd231ps", "ymm")
LOOP(bf16_512, "vdpbf16ps", "zmm")
LOOP(int8_512, "vpdpbusd", "zmm")

/// The loop for this machine; NULL when it has none.
static const peak_loop *choose(mp_peak_kind kind) {
  static const peak_loop fma_wide = {"vfmadd231ps, 512 bits", 32, fma_512};
  static const peak_loop fma_narrow = {"vfmadd231ps, 256 bits", 16, fma_256};
  static const peak_loop bf16_wide = {"vdpbf16ps, 512 bits", 64, bf16_512};
  static const peak_loop int8_wide = {"vpdpbusd, 512 bits", 128, int8_512};
  // mp_isa_supported has asked the operating system, too, whether it saves the registers.
  const int wide = mp_isa_supported(MP_ISA_AVX512);
  __builtin_cpu_init();
  switch (kind) {
    case MP_PEAK_F32_FMA: return wide ? &fma_wide : mp_isa_supported(MP_ISA_AVX2) ? &fma_narrow : NULL;
    case MP_PEAK_BF16_DOT: return wide && __builtin_cpu_supports("avx512bf16") ? &bf16_wide : NULL;
    case MP_PEAK_INT8_DOT: return wide && __builtin_cpu_supports("avx512vnni") ? &int8_wide : NULL;
  }
  return NULL;
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

typedef struct {
  const peak_loop *loop;
  double *best;  // operations a second of the whole team; written by thread 0
} peak_job;

static void run_loop(const void *context, int thread, int threads) {
  const peak_job *job = context;
  for (int run = 0; run < RUNS; run++) {
    mp_barrier(threads);
    const double start = now();
    job->loop->loop(ITERATIONS);
    mp_barrier(threads);
    if (thread != 0) continue;
    const double rate = job->loop->operations * SUMS * (double)ITERATIONS * threads / (now() - start);
    if (rate > *job->best) *job->best = rate;
  }
}

double mp_peak_rate(mp_peak_kind kind, int threads) {
  double best = 0;
  const peak_job job = {choose(kind), &best};
  if (job.loop) mp_run(threads < 1 ? 1 : threads, run_loop, &job);
  return best;
}

const char *mp_peak_instruction(mp_peak_kind kind) {
  const peak_loop *loop = choose(kind);
  return loop ? loop->name : NULL;
}

#else

double mp_peak_rate(mp_peak_kind kind, int threads) {
  (void)kind;
  (void)threads;
  return 0;
}

const char *mp_peak_instruction(mp_peak_kind kind) {
  (void)kind;
  return NULL;
}

#endif
