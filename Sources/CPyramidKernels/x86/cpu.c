// Which code paths this machine can run, asked once: CPUID for the instructions, XGETBV for the register state that the
// operating system saves. Separate because it is the only file that looks at the processor.
#include "portable/blas.h"
#include "operations/kernel_table.h"

#if defined(__x86_64__)
#include <cpuid.h>

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

static mp_isa detect(void) {
  const registers basic = cpuid(1, 0), extended = cpuid(7, 0);
  const unsigned fma = 1u << 12, osxsave = 1u << 27, avx = 1u << 28, avx2 = 1u << 5;
  const unsigned f = 1u << 16, dq = 1u << 17, bw = 1u << 30, vl = 1u << 31;
  const unsigned needed = fma | osxsave | avx;
  if ((basic.c & needed) != needed || !(extended.b & avx2)) return MP_ISA_PORTABLE;
  const unsigned xmm_ymm = 0x06, opmask_zmm = 0xe0, state = saved_state();
  if ((state & xmm_ymm) != xmm_ymm) return MP_ISA_PORTABLE;
  const unsigned wide = f | dq | bw | vl;
  if ((extended.b & wide) != wide || (state & opmask_zmm) != opmask_zmm) return MP_ISA_AVX2;
  const unsigned vnni = 1u << 11, bf16 = 1u << 5;
  if (!(extended.c & vnni)) return MP_ISA_AVX512;
  return cpuid(7, 1).a & bf16 ? MP_ISA_AVX512_BF16 : MP_ISA_AVX512_VNNI;
}
#else
static mp_isa detect(void) { return MP_ISA_PORTABLE; }
#endif

static mp_isa best = MP_ISA_PORTABLE;

#if defined(__x86_64__)
/// AVX-512's kernels with the reduced ones of its variants.
static mp_kernels vnni_kernels, bf16_kernels;
#endif

__attribute__((constructor)) static void remember_best(void) {
  best = detect();
#if defined(__x86_64__)
  vnni_kernels = bf16_kernels = mp_kernels_avx512;
  vnni_kernels.reduced = mp_reduced_avx512_vnni;
  bf16_kernels.reduced = mp_reduced_avx512_bf16;
#endif
}

mp_isa mp_isa_best(void) { return best; }

int mp_isa_supported(mp_isa isa) { return (int)isa >= 0 && (int)isa <= (int)best; }

const char *mp_openblas_core(void) { return mp_blas()->get_corename(); }

const mp_kernels *mp_kernels_for(mp_isa isa) {
#if defined(__x86_64__)
  if (isa == MP_ISA_AVX512_BF16) return &bf16_kernels;
  if (isa == MP_ISA_AVX512_VNNI) return &vnni_kernels;
  if (isa == MP_ISA_AVX512) return &mp_kernels_avx512;
  if (isa == MP_ISA_AVX2) return &mp_kernels_avx2;
#endif
  (void)isa;
  return &mp_kernels_portable;
}

int mp_panel_width(mp_isa isa) {
  const mp_kernels *kernels = mp_kernels_for(isa);
  return kernels->lanes * kernels->panel_vectors;
}
