// The vector vocabulary of the kernel templates, spelled for AVX-512 (F, BW, VL, DQ): 16 floats a register.
//
// Separate from the templates so that each algorithm is written once; simd_avx2.h defines the same names.
// Multiplications and additions are fused only where a template says v_fma: bits must not depend on what the compiler
// finds to contract in one place and not in another.
#ifndef MP_SIMD_AVX512_H
#define MP_SIMD_AVX512_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define MP_INLINE static inline __attribute__((always_inline))
#ifndef MP_NAME  // a file that is compiled for more than the base set names its functions itself
#define MP_NAME(name) name##_avx512
#endif
#define MP_PANEL_VECTORS 4  // for the preprocessor: which block functions exist

/// Floats in a vector, vectors in a panel of packed weights, and the largest row block of the micro-kernel.
enum { LANES = 16, PANEL_VECTORS = MP_PANEL_VECTORS, BLOCK_ROWS = 6 };

typedef __m512 vec;
typedef __mmask16 vec_mask;

MP_INLINE vec v_zero(void) { return _mm512_setzero_ps(); }
MP_INLINE vec v_set(float x) { return _mm512_set1_ps(x); }
MP_INLINE vec v_load(const float *p) { return _mm512_loadu_ps(p); }
MP_INLINE void v_store(float *p, vec x) { _mm512_storeu_ps(p, x); }

/// The same of words, which a vector holds as the bits of floats.
MP_INLINE vec v_set_word(const mp_word *p) {
  float x;
  memcpy(&x, p, sizeof x);
  return v_set(x);
}
MP_INLINE vec v_load_words(const mp_word *p) { return v_load((const float *)p); }
MP_INLINE void v_store_words(mp_word *p, vec x) { v_store((float *)p, x); }

/// The first `count` (1...LANES) lanes; other lanes load as zero and store nothing. Memory after them is not touched.
MP_INLINE vec_mask v_first(size_t count) { return (vec_mask)((1u << count) - 1u); }
MP_INLINE vec v_load_masked(const float *p, vec_mask m) { return _mm512_maskz_loadu_ps(m, p); }
MP_INLINE void v_store_masked(float *p, vec_mask m, vec x) { _mm512_mask_storeu_ps(p, m, x); }
MP_INLINE vec v_keep(vec_mask m, vec x) { return _mm512_maskz_mov_ps(m, x); }

MP_INLINE vec v_add(vec a, vec b) { return _mm512_add_ps(a, b); }
MP_INLINE vec v_sub(vec a, vec b) { return _mm512_sub_ps(a, b); }
MP_INLINE vec v_mul(vec a, vec b) { return _mm512_mul_ps(a, b); }
MP_INLINE vec v_div(vec a, vec b) { return _mm512_div_ps(a, b); }
MP_INLINE vec v_fma(vec a, vec b, vec c) { return _mm512_fmadd_ps(a, b, c); }
/// If either operand is NaN the result is b: put the value that must survive there.
MP_INLINE vec v_max(vec a, vec b) { return _mm512_max_ps(a, b); }
MP_INLINE vec v_min(vec a, vec b) { return _mm512_min_ps(a, b); }
MP_INLINE vec v_abs(vec x) { return _mm512_abs_ps(x); }
MP_INLINE vec v_copy_sign(vec magnitude, vec sign) {
  const vec bit = _mm512_set1_ps(-0.0f);
  return _mm512_or_ps(magnitude, _mm512_and_ps(sign, bit));
}
MP_INLINE vec v_round(vec x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
/// x * 2^n for integral n in -150...129, rounded once.
MP_INLINE vec v_scale_by_power(vec x, vec n) { return _mm512_scalef_ps(x, n); }
MP_INLINE vec v_scale_within(vec x, vec n) { return v_scale_by_power(x, n); }
MP_INLINE vec v_sqrt(vec x) { return _mm512_sqrt_ps(x); }
/// a > b ? x : y per lane; y when either is NaN.
MP_INLINE vec v_select_greater(vec a, vec b, vec x, vec y) {
  return _mm512_mask_mov_ps(y, _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ), x);
}

/// The same 32 bits a lane as a whole number, and back; and the whole number's value.
typedef __m512i ivec;
MP_INLINE ivec v_words(vec x) { return _mm512_castps_si512(x); }
MP_INLINE vec v_from_words(ivec x) { return _mm512_castsi512_ps(x); }
MP_INLINE vec v_from_integers(ivec x) { return _mm512_cvtepi32_ps(x); }
/// Whole numbers that wrap. `i_keep_from`: x where a >= b, else 0; both are below 2^31.
MP_INLINE ivec i_set(uint32_t x) { return _mm512_set1_epi32((int)x); }
MP_INLINE ivec i_count_from(uint32_t x) {
  return _mm512_add_epi32(i_set(x), _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
}
MP_INLINE ivec i_load(const int32_t *p) { return _mm512_loadu_si512(p); }
MP_INLINE ivec i_add(ivec a, ivec b) { return _mm512_add_epi32(a, b); }
MP_INLINE ivec i_min(ivec a, ivec b) { return _mm512_min_epi32(a, b); }
MP_INLINE ivec i_max(ivec a, ivec b) { return _mm512_max_epi32(a, b); }
/// Words at p[index] a lane.
MP_INLINE vec v_gather(const float *p, ivec index) { return _mm512_i32gather_ps(index, p, 4); }
MP_INLINE ivec i_gather(const int32_t *p, ivec index) { return _mm512_i32gather_epi32(index, p, 4); }
MP_INLINE ivec i_mul(ivec a, ivec b) { return _mm512_mullo_epi32(a, b); }
MP_INLINE ivec i_xor(ivec a, ivec b) { return _mm512_xor_si512(a, b); }
MP_INLINE ivec i_shift_right(ivec x, int bits) { return _mm512_srli_epi32(x, (unsigned)bits); }
MP_INLINE vec i_keep_from(ivec a, ivec b, vec x) { return _mm512_maskz_mov_ps(_mm512_cmpge_epi32_mask(a, b), x); }
/// LANES bytes or bf16 as floats.
MP_INLINE vec v_load_int8(const int8_t *p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p)));
}
MP_INLINE vec v_load_bf16(const uint16_t *p) {
  const ivec wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
  return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}

/// Sum and maximum over the lanes, in one fixed tree.
MP_INLINE float v_sum(vec x) { return _mm512_reduce_add_ps(x); }
/// The two halves of a vector added.
MP_INLINE __m256 v_halves(vec x) {
  return _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
}
MP_INLINE float v_greatest(vec x) { return _mm512_reduce_max_ps(x); }

#include "x86/octets.h"

#endif
