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

/// Whether a path is one of those that plain C stands in for.
static int is_stood_in(mp_isa isa) {
#if defined(MP_STAND_INS)
  const unsigned without = (unsigned)isa & ~(unsigned)MP_STAND_IN;
  const unsigned tiles = MP_ISA_AVX512 | MP_FEATURE_AMX_INT8 | MP_FEATURE_AMX_BF16;
  if (!(isa & MP_STAND_IN)) return 0;
#if defined(__x86_64__)
  if (!(the_processor()->bases & 1u << MP_ISA_AVX2)) return 0;
  if (without == (MP_ISA_AVX2 | MP_FEATURE_AVX_VNNI)) return 1;
#endif
  return (isa & MP_ISA_BASES) == MP_ISA_AVX512 && !(without & ~tiles);
#else
  (void)isa;
  return 0;
#endif
}

int mp_isa_supported(mp_isa isa) {
  const unsigned base = isa & MP_ISA_BASES, features = (unsigned)isa & ~(unsigned)MP_ISA_BASES;
  if (isa & MP_STAND_IN) return is_stood_in(isa);
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
#if defined(MP_STAND_INS)
  if ((isa & (MP_STAND_IN | MP_ISA_BASES)) == (MP_STAND_IN | MP_ISA_AVX512)) return &mp_kernels_stand_in;
#endif
  switch (isa & MP_ISA_BASES) {
#if defined(__x86_64__)
  case MP_ISA_AVX2: return &mp_kernels_avx2;
  case MP_ISA_AVX512: return &mp_kernels_avx512;
#elif defined(__aarch64__)
  case MP_ISA_NEON: return &mp_kernels_neon;
#endif
  default: return &mp_kernels_portable;
  }
}

/// Layers of one precision from another table.
static void take_layers(mp_reduced_kernels *all, mp_precision precision, const mp_reduced_kernels *from) {
  all->linear[precision - 1] = from->linear[precision - 1];
  if (from->reduce[precision - 1]) all->reduce[precision - 1] = from->reduce[precision - 1];
}

static void take_attention(mp_reduced_kernels *all, const mp_reduced_kernels *from) {
  all->attention = from->attention;
  all->attention_scratch = from->attention_scratch;
  all->enter = from->enter;
  all->leave = from->leave;
}

/// What tiles do better than what is there. Of bf16 all layers, whatever their rows: a sum has one order.
static void take_tiles(mp_reduced_kernels *all, mp_isa isa, const mp_reduced_kernels *tiles) {
  if (isa & MP_FEATURE_AMX_INT8) all->tiled_int8 = tiles->linear[MP_PRECISION_INT8 - 1];
  if (!(isa & MP_FEATURE_AMX_BF16)) return;
  take_layers(all, MP_PRECISION_BF16, tiles);
  take_attention(all, tiles);
}

mp_reduced_kernels mp_reduced_for(mp_isa isa) {
  mp_reduced_kernels all = mp_kernels_for(isa)->reduced;
#if defined(MP_STAND_INS)
  if (isa & MP_STAND_IN && (isa & MP_ISA_BASES) == MP_ISA_AVX512) {
    take_tiles(&all, isa, &mp_reduced_stand_in_amx);
    return all;
  }
#endif
#if defined(__x86_64__)
  if ((isa & MP_ISA_BASES) == MP_ISA_AVX2 && isa & MP_FEATURE_AVX_VNNI) {
    const mp_reduced_kernels *vnni = &mp_reduced_avx2_vnni;
#if defined(MP_STAND_INS)
    if (isa & MP_STAND_IN) vnni = &mp_reduced_stand_in_vnni;
#endif
    take_layers(&all, MP_PRECISION_INT8, vnni);
  }
  if ((isa & MP_ISA_BASES) == MP_ISA_AVX512) {
    if (isa & MP_FEATURE_VNNI) take_layers(&all, MP_PRECISION_INT8, &mp_reduced_avx512_vnni);
    if (isa & MP_FEATURE_AVX512_BF16) {
      take_layers(&all, MP_PRECISION_BF16, &mp_reduced_avx512_bf16);
      take_attention(&all, &mp_reduced_avx512_bf16);
    }
    take_tiles(&all, isa, &mp_reduced_avx512_amx);
  }
#elif defined(__aarch64__)
  if ((isa & MP_ISA_BASES) == MP_ISA_NEON) {
    if (isa & MP_FEATURE_DOTPROD) take_layers(&all, MP_PRECISION_INT8, &mp_reduced_neon_dotprod);
    if (isa & MP_FEATURE_I8MM) take_layers(&all, MP_PRECISION_INT8, &mp_reduced_neon_i8mm);
    if (isa & MP_FEATURE_BF16) take_layers(&all, MP_PRECISION_BF16, &mp_reduced_neon_bf16);
  }
#endif
  return all;
}
