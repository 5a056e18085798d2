// As kernels_avx2_vnni.c, with plain C in place of AVX-VNNI's one instruction. Only in test builds.
#include "operations/kernel_table.h"

#if defined(__x86_64__) && defined(MP_STAND_INS)
#include <immintrin.h>
#include <string.h>

#pragma STDC FP_CONTRACT OFF
#define MP_TARGET __attribute__((target("avx2,fma")))
#pragma clang attribute push(MP_TARGET, apply_to = function)

/// What vpdpbusd does: the four products of unsigned bytes of a with signed ones of b are added to each lane, wrapping.
static inline __m256i add_byte_products(__m256i sum, __m256i a, __m256i b) {
  uint32_t total[8];
  uint8_t x[32];
  int8_t w[32];
  memcpy(total, &sum, 32);
  memcpy(x, &a, 32);
  memcpy(w, &b, 32);
  for (int i = 0; i < 32; i++) total[i / 4] += (uint32_t)((int32_t)x[i] * w[i]);
  memcpy(&sum, total, 32);
  return sum;
}

#define MP_DOT_BYTES(sum, a, b) add_byte_products(sum, a, b)
#define MP_NAME(name) name##_stand_in_vnni
#define MP_VECTORS "x86/dot_avx2.h"
#include "templates/linear_reduced_simd.h"

#pragma clang attribute pop

const mp_reduced_kernels mp_reduced_stand_in_vnni = {MP_REDUCED_KERNELS(stand_in_vnni)};
#endif
