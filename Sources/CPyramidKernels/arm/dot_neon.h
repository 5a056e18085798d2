// Dot products of short numbers for ARM's vectors of four floats: what linear_reduced_simd.h needs beyond simd_lanes.h.
// The including file defines MP_HAS_DOTPROD, MP_HAS_I8MM or MP_HAS_BF16 where it is compiled for them. All spellings of
// v_dot_int8 give the same bits.
#ifndef MP_DOT_NEON_H
#define MP_DOT_NEON_H

#define MP_LANES 4
#define MP_PANEL_VECTORS 4  // with six rows 24 of 32 registers are sums
#include "portable/simd_lanes.h"

#include <arm_neon.h>

#define MP_ROWS_INT8 6
#define MP_ROWS_BF16 6

/// sum + the four products of unsigned bytes of a with signed bytes of b, in each lane. Inputs lie 128 above zero; where
/// only signed bytes can be multiplied, that is taken off, and a sum begins 128 weights higher (MP_INT8_START).
#if defined(MP_HAS_I8MM)
MP_INLINE ivec v_dot_int8(ivec sum, ivec a, ivec b) {
  return (ivec)vusdotq_s32((int32x4_t)sum, (uint8x16_t)a, (int8x16_t)b);
}
#else
#define MP_INT8_START(p) ((void)(p), (ivec){})
MP_INLINE ivec v_dot_int8(ivec sum, ivec a, ivec b) {
  const int8x16_t x = (int8x16_t)(a ^ i_set(0x80808080u)), w = (int8x16_t)b;
#if defined(MP_HAS_DOTPROD)
  return (ivec)vdotq_s32((int32x4_t)sum, x, w);
#else
  const int32x4_t low = vpaddlq_s16(vmull_s8(vget_low_s8(x), vget_low_s8(w)));
  const int32x4_t high = vpaddlq_s16(vmull_high_s8(x, w));
  return (ivec)vaddq_s32((int32x4_t)sum, vpaddq_s32(low, high));
#endif
}
#endif

/// sum + the two products of bf16 of a and b, in each lane, the upper one first.
MP_INLINE vec v_dot_bf16(vec sum, vec a, vec b) {
#if defined(MP_HAS_BF16)
  return (vec)vbfdotq_f32((float32x4_t)sum, (bfloat16x8_t)a, (bfloat16x8_t)b);
#else
  const ivec high = i_set(0xffff0000u);
  sum = v_fma((vec)((ivec)a & high), (vec)((ivec)b & high), sum);
  return v_fma((vec)((uvec)a << 16), (vec)((uvec)b << 16), sum);
#endif
}

#endif
