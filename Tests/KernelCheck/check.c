// Checks every public kernel on every path that this machine runs, without Swift, OpenMP or OpenBLAS: how other
// processors are tested under emulation, and all under sanitizers (Scripts/check-kernels). Against plain loops in
// double, or for bits that the header promises; weights in few bytes also against the portable path, which rounds as
// they do. A reduced grid; the whole one is Tests/CPyramidKernelsTests. The last line counts; the one before is a
// digest of what int8 gave, which must be the same on all processors. Of f32 the digests stand below: layers have the same
// bits at any width of vectors, in attention sums over lanes differ. Who changes them says so in CHANGELOG.md.
#include "check.h"

#include "operations/peak_loop.h"
#include "pyramid_peak.h"

enum { THREADS = 3 };

/// What the machine says of itself, and the loops that time it: each runs, and briefly, as emulated rates say nothing.
static void check_machine(void) {
  const unsigned present = mp_features_present(), best = mp_isa_best();
  subject = "this machine";
  expect(mp_isa_supported(MP_ISA_PORTABLE) && mp_isa_supported((mp_isa)best), "the best path is supported");
  expect(!mp_isa_supported((mp_isa)7), "an unknown base is not supported");
  expect(!(present & ~(unsigned)MP_FEATURES) && !(mp_features_chosen() & ~present), "features are of those present");
  expect(mp_blas_available() && strlen(mp_openblas_core()) > 0, "there are products for the portable path");
#if defined(_OPENMP)
  expect(mp_team_size() == THREADS, "the team is as wide as it was set");
#else
  expect(mp_team_size() == 1, "without OpenMP a team is one thread");
#endif
  for (unsigned feature = 0; feature <= MP_FEATURE_BF16; feature = feature ? feature << 1 : MP_FEATURE_VNNI) {
    const int is_there = feature ? (present & feature) != 0 : (best & MP_ISA_BASES) != MP_ISA_PORTABLE;
    const mp_peak_loop *peak = mp_peak_loop_of((mp_isa)feature);
    expect((mp_peak_instruction((mp_isa)feature) != NULL) == is_there, "an instruction has a name where it is");
    if (peak) peak->loop(100);
    if (!is_there) expect(mp_peak_rate((mp_isa)feature, 2) <= 0, "an instruction that is absent has no rate");
  }
#if defined(__x86_64__)
  if (best & MP_ISA_BASES) expect(mp_peak_rate((mp_isa)0, 2) > 0, "multiply-adds have a rate");
#endif
}

/// How a path's weights lie.
static void check_layout(mp_isa isa) {
  const int base = isa & MP_ISA_BASES;
  const int width = base == MP_ISA_PORTABLE ? 0 : base == MP_ISA_AVX512 ? 64 : 16;
  expect(mp_panel_width(isa) == width, "a panel has the columns that the header says");
  for (mp_precision p = MP_PRECISION_F32; p <= MP_PRECISION_INT8; p++) {
    const size_t bytes = mp_linear_packed_bytes(isa, p, 33, 7), elements = 33 * 7;
    expect(bytes % 4 == 0 && bytes >= elements * (p == MP_PRECISION_F32 ? 4 : p == MP_PRECISION_BF16 ? 2 : 1),
           "packed weights have room for all");
    if (width == 0) expect(bytes == mp_rows_packed_bytes(p, 33, 7), "the portable path's weights are rows");
  }
}

/// Every path, its digest beside the others'.
static void check_paths(void *result) {
  static const struct {
    const char *name;
    unsigned isa;
  } paths[] = {
    {"portable", MP_ISA_PORTABLE},
    {"avx2", MP_ISA_AVX2},
    {"avx2 with AVX-VNNI", MP_ISA_AVX2 | MP_FEATURE_AVX_VNNI},
    {"avx2 with AVX-VNNI, stood in for", MP_ISA_AVX2 | MP_FEATURE_AVX_VNNI | MP_STAND_IN},
    {"avx512", MP_ISA_AVX512},
    {"avx512 with VNNI", MP_ISA_AVX512 | MP_FEATURE_VNNI},
    {"avx512 with BF16", MP_ISA_AVX512 | MP_FEATURE_AVX512_BF16},
    {"avx512 with AMX", MP_ISA_AVX512 | MP_FEATURE_AMX_INT8 | MP_FEATURE_AMX_BF16},
    {"avx512, stood in for", MP_ISA_AVX512 | MP_STAND_IN},
    {"avx512 with AMX, stood in for", MP_ISA_AVX512 | MP_FEATURE_AMX_INT8 | MP_FEATURE_AMX_BF16 | MP_STAND_IN},
    {"neon", MP_ISA_NEON},
    {"neon with DOTPROD", MP_ISA_NEON | MP_FEATURE_DOTPROD},
    {"neon with I8MM", MP_ISA_NEON | MP_FEATURE_I8MM},
    {"neon with BF16", MP_ISA_NEON | MP_FEATURE_BF16},
  };
  uint64_t common = 0;
  for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
    const mp_isa isa = (mp_isa)paths[i].isa;
    const unsigned base = isa & MP_ISA_BASES;
    if (!mp_isa_supported(isa)) continue;
    subject = paths[i].name;
    check_layout(isa);
    check_layers(isa);
    check_attention(isa);
    check_first_attention(isa);
    check_training_layers(isa);
    // Features change layers and attention, and nothing else.
    if (!(isa & MP_FEATURES)) {
      check_rows(isa);
      check_attention_gradient(isa);
      check_training(isa);
    }
    if (isa != MP_ISA_PORTABLE) {
      const uint64_t digest = digest_layers(isa, MP_PRECISION_INT8);
      if (common == 0) common = digest;
      expect(digest == common, "int8 has the bits of the other paths");
      const uint64_t floats = base == MP_ISA_AVX512 ? 0x0bcecab24399b8a0 : base == MP_ISA_AVX2 ? 0xba17f85296967ca5
                                                                                               : 0xd1036d432b9446c4;
      expect(digest_layers(isa, MP_PRECISION_F32) == 0xedeb48b410f5c5f1, "layers in f32 have the bits of before");
      expect(digest_attention(isa) == floats, "attention in f32 has the bits of before");
    }
    printf("checked: %s\n", subject);
  }
  *(uint64_t *)result = common;
}

int main(void) {
  uint64_t common = 0;
  mp_set_team(THREADS);
  check_machine();
  mp_with_team(THREADS, check_paths, &common);  // where there are threads, in a session
  printf("int8: %016llx\n%d passed, %d failed\n", (unsigned long long)common, passed, failed);
  return failed > 0;
}
