// Which tables a path is made of: its base's, and in it what its features do better. The one place where the two are put
// together; what the processor has is asked once, when it is first needed.
#include "portable/blas.h"
#include "operations/kernel_table.h"

#include <pthread.h>

static mp_processor processor;
static pthread_once_t asked = PTHREAD_ONCE_INIT;

static void ask(void) { processor = mp_ask_processor(); }

static const mp_processor *the_processor(void) {
  pthread_once(&asked, ask);
  return &processor;
}

mp_isa mp_features_present(void) { return (mp_isa)the_processor()->features; }

mp_isa mp_features_chosen(void) { return (mp_isa)(the_processor()->features & ~the_processor()->slow); }

int mp_isa_supported(mp_isa isa) {
  const unsigned base = isa & MP_ISA_BASES, features = (unsigned)isa & ~(unsigned)MP_ISA_BASES;
  if (base != MP_ISA_PORTABLE && (base > 31 || !(the_processor()->bases & 1u << base))) return 0;
  return !(features & ~the_processor()->features);
}

mp_isa mp_isa_best(void) {
  unsigned base = 31;
  while (base > MP_ISA_PORTABLE && !(the_processor()->bases & 1u << base)) base--;
  return (mp_isa)(base | mp_features_chosen());
}

const char *mp_openblas_core(void) { return mp_blas()->get_corename(); }

const mp_kernels *mp_kernels_for(mp_isa isa) {
  switch (isa & MP_ISA_BASES) {
#if defined(__x86_64__)
  case MP_ISA_AVX2: return &mp_kernels_avx2;
  case MP_ISA_AVX512: return &mp_kernels_avx512;
#endif
  default: return &mp_kernels_portable;
  }
}

#if defined(__x86_64__)
/// Layers of one precision from another table.
static void take_layers(mp_reduced_kernels *all, mp_precision precision, const mp_reduced_kernels *from) {
  all->linear[precision - 1] = from->linear[precision - 1];
  all->reduce[precision - 1] = from->reduce[precision - 1];
}
#endif

mp_reduced_kernels mp_reduced_for(mp_isa isa) {
  mp_reduced_kernels all = mp_kernels_for(isa)->reduced;
#if defined(__x86_64__)
  if ((isa & MP_ISA_BASES) == MP_ISA_AVX512) {
    if (isa & MP_FEATURE_VNNI) take_layers(&all, MP_PRECISION_INT8, &mp_reduced_avx512_vnni);
    if (isa & MP_FEATURE_AVX512_BF16) {
      take_layers(&all, MP_PRECISION_BF16, &mp_reduced_avx512_bf16);
      all.attention = mp_reduced_avx512_bf16.attention;
      all.attention_scratch = mp_reduced_avx512_bf16.attention_scratch;
    }
  }
#endif
  return all;
}
