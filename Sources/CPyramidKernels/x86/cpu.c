// What this x86 processor has: CPUID for the instructions, XGETBV for the register state that the operating system saves,
// and Linux for leave to use tiles. Separate because it is the only file that looks at the processor.
#define _GNU_SOURCE
#include "operations/kernel_table.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef struct {
  unsigned a, b, c, d;
} registers;

static registers cpuid(unsigned leaf, unsigned subleaf) {
  registers r = {0, 0, 0, 0};
  __get_cpuid_count(leaf, subleaf, &r.a, &r.b, &r.c, &r.d);  // leaves zeros when the leaf does not exist
  return r;
}

static unsigned saved_state(void) {
  unsigned low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

static int has_all(unsigned flags, unsigned wanted) { return (flags & wanted) == wanted; }

/// Linux saves 8 KiB of tiles on the stack of a signal's handler, and refuses them while a thread has an alternative
/// stack that is too small for that. The calling thread's, which is the only one that can be mended, is replaced then.
static void enlarge_signal_stack(void) {
  stack_t stack;
  const size_t wanted = (size_t)getauxval(51 /* AT_MINSIGSTKSZ, with tiles included */) + 64 * 1024;
  if (sigaltstack(NULL, &stack) != 0 || stack.ss_flags & (SS_DISABLE | SS_ONSTACK) || stack.ss_size >= wanted) return;
  void *place = mmap(NULL, wanted, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (place == MAP_FAILED) return;
  const stack_t larger = {.ss_sp = place, .ss_size = wanted};
  if (sigaltstack(&larger, NULL) != 0) munmap(place, wanted);
}

/// Leave to use tiles, for all threads of the process. A refusal means that there are none.
static int may_use_tiles(void) {
  const long request_permission = 0x1023, tile_data = 18;
  enlarge_signal_stack();
  return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
}

/// The features beside AVX-512 and AVX2.
static unsigned features(registers extended, registers more, unsigned state) {
  unsigned found = 0;
  if (more.a & 1u << 4) found |= MP_FEATURE_AVX_VNNI;
  if (!has_all(state, 0xe0)) return found;
  if (extended.c & 1u << 11) found |= MP_FEATURE_VNNI;
  if (more.a & 1u << 5) found |= MP_FEATURE_AVX512_BF16;
  if (extended.d & 1u << 23) found |= MP_FEATURE_AVX512_FP16;
  const unsigned tile = 1u << 24, tile_int8 = 1u << 25, tile_bf16 = 1u << 22, tile_state = 0x60000;
  if (!(extended.d & tile) || !(extended.d & (tile_int8 | tile_bf16)) || !has_all(state, tile_state)) return found;
  if (!may_use_tiles()) return found;
  if (extended.d & tile_int8) found |= MP_FEATURE_AMX_INT8;
  if (extended.d & tile_bf16) found |= MP_FEATURE_AMX_BF16;
  return found;
}

/// What loses time. vdpbf16ps does two multiply-adds a lane. On Intel's 4th and 5th generation it has half the rate of
/// f32 multiply-adds (measured with mp-bench peak on the 5th: 144 against 314 GFLOP/s on two cores), on AMD's Zen 4 twice
/// (measured). Other Intels with it share those cores; so widened words and f32 sums are taken wherever Intel made it.
static unsigned slow_features(void) {
  const registers vendor = cpuid(0, 0);
  const int is_intel = vendor.b == signature_INTEL_ebx && vendor.c == signature_INTEL_ecx;
  return is_intel ? MP_FEATURE_AVX512_BF16 : 0;
}

mp_processor mp_ask_processor(void) {
  mp_processor found = {.slow = slow_features()};
  const registers basic = cpuid(1, 0), extended = cpuid(7, 0);
  const unsigned fma = 1u << 12, osxsave = 1u << 27, avx = 1u << 28, avx2 = 1u << 5, xmm_ymm = 0x06;
  if (!has_all(basic.c, fma | osxsave | avx) || !(extended.b & avx2)) return found;
  const unsigned state = saved_state();
  if (!has_all(state, xmm_ymm)) return found;
  found.bases |= 1u << MP_ISA_AVX2;
  const unsigned f = 1u << 16, dq = 1u << 17, bw = 1u << 30, vl = 1u << 31, opmask_zmm = 0xe0;
  const int is_wide = has_all(extended.b, f | dq | bw | vl) && has_all(state, opmask_zmm);
  if (is_wide) found.bases |= 1u << MP_ISA_AVX512;
  found.features = features(extended, cpuid(7, 1), is_wide ? state : state & xmm_ymm);
  return found;
}

#elif !defined(__aarch64__)
mp_processor mp_ask_processor(void) { return (mp_processor){0}; }
#endif
