// Loops of x86's instructions. They are assembly, because a compiler would fold a sum of constants; twelve independent
// sums hide the latency of every x86 that has these instructions, four tiles that of the tile unit.
#include "operations/peak_loop.h"

#if defined(__x86_64__)
#include "x86/tile_configuration.h"

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
LOOP(f16_512, "vfmadd231ph", "zmm")
LOOP(bf16_512, "vdpbf16ps", "zmm")
LOOP(int8_512, "vpdpbusd", "zmm")
LOOP(int8_256, "%{vex%} vpdpbusd", "ymm")

// Sums live in tiles 0 to 3, the factors in 4 to 7.
#define TILE_LOOP(function, name)                                                                             \
  static void function(long iterations) {                                                                     \
    const mp_tile_configuration whole = mp_whole_tiles(16);                                                   \
    __asm__ volatile(                                                                                         \
      "ldtilecfg %1\n\t.irp n,0,1,2,3,4,5,6,7\n\ttilezero %%tmm\\n\n\t.endr\n1:\n\t" name                      \
      " %%tmm6, %%tmm4, %%tmm0\n\t" name " %%tmm7, %%tmm4, %%tmm1\n\t" name " %%tmm6, %%tmm5, %%tmm2\n\t" name \
      " %%tmm7, %%tmm5, %%tmm3\n\tdec %0\n\tjnz 1b\n\ttilerelease"                                            \
      : "+r"(iterations)                                                                                      \
      : "m"(whole)                                                                                            \
      : "cc");                                                                                                \
  }

TILE_LOOP(tile_int8, "tdpbusd")
TILE_LOOP(tile_bf16, "tdpbf16ps")

const mp_peak_loop *mp_peak_loop_of(mp_isa feature) {
  static const mp_peak_loop loops[] = {
    {"vfmadd231ps, 512 bits", 12 * 32, 400000, fma_512},  {"vfmadd231ps, 256 bits", 12 * 16, 400000, fma_256},
    {"vpdpbusd, 512 bits", 12 * 128, 400000, int8_512},   {"vpdpbusd, 256 bits", 12 * 64, 400000, int8_256},
    {"vdpbf16ps, 512 bits", 12 * 64, 400000, bf16_512},   {"vfmadd231ph, 512 bits", 12 * 64, 400000, f16_512},
    {"tdpbusd, tiles of 16 x 64", 4 * 32768, 40000, tile_int8},
    {"tdpbf16ps, tiles of 16 x 32", 4 * 16384, 40000, tile_bf16},
  };
  // These have asked the operating system, too, whether it saves the registers.
  if (feature != 0 && !(mp_features_present() & feature)) return NULL;
  switch ((unsigned)feature) {
  case 0: return mp_isa_supported(MP_ISA_AVX512) ? &loops[0] : mp_isa_supported(MP_ISA_AVX2) ? &loops[1] : NULL;
  case MP_FEATURE_VNNI: return &loops[2];
  case MP_FEATURE_AVX_VNNI: return &loops[3];
  case MP_FEATURE_AVX512_BF16: return &loops[4];
  case MP_FEATURE_AVX512_FP16: return &loops[5];
  case MP_FEATURE_AMX_INT8: return &loops[6];
  case MP_FEATURE_AMX_BF16: return &loops[7];
  default: return NULL;
  }
}
#endif
