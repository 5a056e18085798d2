// Dot products of short numbers in plain C: what linear_reduced_simd.h needs beyond simd_lanes.h where the processor has
// no instruction for them, or a test's machine not the one that is stood in for.
#ifndef MP_DOT_LANES_H
#define MP_DOT_LANES_H

#include "portable/simd_lanes.h"

#define MP_ROWS_INT8 4
#define MP_ROWS_BF16 4

/// sum + the four products of unsigned bytes of a with signed bytes of b, in each lane.
MP_INLINE ivec v_dot_int8(ivec sum, ivec a, ivec b) {
  for (int i = 0; i < 4; i++) {
    const ivec byte = (ivec)((uvec)a >> (uint32_t)(8 * i)) & 0xff;
    sum = i_add(sum, byte * ((ivec)((uvec)b << (uint32_t)(24 - 8 * i)) >> 24));
  }
  return sum;
}

/// sum + the two products of bf16 of a and b, in each lane, the upper one first.
MP_INLINE vec v_dot_bf16(vec sum, vec a, vec b) {
  const ivec high = i_set(0xffff0000u);
  sum = v_fma((vec)((ivec)a & high), (vec)((ivec)b & high), sum);
  return v_fma((vec)((uvec)a << 16), (vec)((uvec)b << 16), sum);
}

#endif
