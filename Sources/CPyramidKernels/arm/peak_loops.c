// Loops of ARM's instructions. They are assembly, because a compiler would fold a sum of constants; sixteen independent
// sums hide the latency of every ARM that has these instructions.
#include "operations/peak_loop.h"

#if defined(__aarch64__)

// Sums live in registers 0 to 15, the factors in 16 and 17. All are zero.
#define LOOP(function, extension, name, sums, factors)                                                         \
  static void function(long iterations) {                                                                      \
    __asm__ volatile(                                                                                          \
      ".arch_extension " extension "\n\t.irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17\n\t"                \
      "movi v\\n\\().16b, #0\n\t.endr\n1:\n\t.irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n\t" name            \
      " v\\n\\()." sums ", v16." factors ", v17." factors "\n\t.endr\n\tsubs %0, %0, #1\n\tb.ne 1b"            \
      : "+r"(iterations)                                                                                       \
      :                                                                                                        \
      : "cc", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14",   \
        "v15", "v16", "v17");                                                                                  \
  }

LOOP(fma_128, "simd", "fmla", "4s", "4s")
LOOP(sdot_128, "dotprod", "sdot", "4s", "16b")
LOOP(usdot_128, "i8mm", "usdot", "4s", "16b")
LOOP(bfdot_128, "bf16", "bfdot", "4s", "8h")

const mp_peak_loop *mp_peak_loop_of(mp_isa feature) {
  static const mp_peak_loop loops[] = {
    {"fmla, 128 bits", 16 * 8, 400000, fma_128},
    {"sdot, 128 bits", 16 * 32, 400000, sdot_128},
    {"usdot, 128 bits", 16 * 32, 400000, usdot_128},
    {"bfdot, 128 bits", 16 * 16, 400000, bfdot_128},
  };
  if (feature != 0 && !(mp_features_present() & feature)) return NULL;
  switch ((unsigned)feature) {
  case 0: return &loops[0];
  case MP_FEATURE_DOTPROD: return &loops[1];
  case MP_FEATURE_I8MM: return &loops[2];
  case MP_FEATURE_BF16: return &loops[3];
  default: return NULL;
  }
}
#endif
