// The vector vocabulary of the kernel templates, spelled for AVX2 with FMA: 8 floats a register.
//
// Separate from the templates so that each algorithm is written once; simd_avx512.h defines the same names.
// Multiplications and additions are fused only where a template says v_fma: bits must not depend on what the compiler
// finds to contract in one place and not in another.
#ifndef MP_SIMD_AVX2_H
#define MP_SIMD_AVX2_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define MP_INLINE static inline __attribute__((always_inline))
#ifndef MP_NAME  // a file that is compiled for more than the base set names its functions itself
#define MP_NAME(name) name##_avx2
#endif
#define MP_PANEL_VECTORS 2  // for the preprocessor: which block functions exist

/// Floats in a vector, vectors in a panel of packed weights, and the largest row block of the micro-kernel.
enum { LANES = 8, PANEL_VECTORS = MP_PANEL_VECTORS, BLOCK_ROWS = 6 };

typedef __m256 vec;
typedef __m256i vec_mask;

MP_INLINE vec v_zero(void) { return _mm256_setzero_ps(); }
MP_INLINE vec v_set(float x) { return _mm256_set1_ps(x); }
MP_INLINE vec v_load(const float *p) { return _mm256_loadu_ps(p); }
MP_INLINE void v_store(float *p, vec x) { _mm256_storeu_ps(p, x); }

/// The same of words, which a vector holds as the bits of floats.
MP_INLINE vec v_set_word(const mp_word *p) {
  float x;
  memcpy(&x, p, sizeof x);
  return v_set(x);
}
MP_INLINE vec v_load_words(const mp_word *p) { return v_load((const float *)p); }
MP_INLINE void v_store_words(mp_word *p, vec x) { v_store((float *)p, x); }

/// The first `count` (1...LANES) lanes; other lanes load as zero and store nothing. Memory after them is not touched.
MP_INLINE vec_mask v_first(size_t count) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)count), lane);
}
MP_INLINE vec v_load_masked(const float *p, vec_mask m) { return _mm256_maskload_ps(p, m); }
MP_INLINE void v_store_masked(float *p, vec_mask m, vec x) { _mm256_maskstore_ps(p, m, x); }
MP_INLINE vec v_keep(vec_mask m, vec x) { return _mm256_and_ps(_mm256_castsi256_ps(m), x); }

MP_INLINE vec v_add(vec a, vec b) { return _mm256_add_ps(a, b); }
MP_INLINE vec v_sub(vec a, vec b) { return _mm256_sub_ps(a, b); }
MP_INLINE vec v_mul(vec a, vec b) { return _mm256_mul_ps(a, b); }
MP_INLINE vec v_div(vec a, vec b) { return _mm256_div_ps(a, b); }
MP_INLINE vec v_fma(vec a, vec b, vec c) { return _mm256_fmadd_ps(a, b, c); }
/// If either operand is NaN the result is b: put the value that must survive there.
MP_INLINE vec v_max(vec a, vec b) { return _mm256_max_ps(a, b); }
MP_INLINE vec v_min(vec a, vec b) { return _mm256_min_ps(a, b); }
MP_INLINE vec v_abs(vec x) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x); }
MP_INLINE vec v_copy_sign(vec magnitude, vec sign) {
  return _mm256_or_ps(magnitude, _mm256_and_ps(sign, _mm256_set1_ps(-0.0f)));
}
MP_INLINE vec v_round(vec x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
/// x * 2^n for integral n in -150...129. In two steps, since 2^n itself need not be a normal number.
MP_INLINE vec v_scale_by_power(vec x, vec n) {
  const __m256i bias = _mm256_set1_epi32(127);
  const __m256i whole = _mm256_cvtps_epi32(n);
  const __m256i half = _mm256_srai_epi32(whole, 1);
  const __m256i rest = _mm256_sub_epi32(whole, half);
  const vec first = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(half, bias), 23));
  const vec second = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23));
  return _mm256_mul_ps(_mm256_mul_ps(x, first), second);
}
/// The same where x and the result are normal numbers, for n in -126...127.
MP_INLINE vec v_scale_within(vec x, vec n) {
  const __m256i bits = _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23);
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x), bits));
}
MP_INLINE vec v_sqrt(vec x) { return _mm256_sqrt_ps(x); }
/// a > b ? x : y per lane; y when either is NaN.
MP_INLINE vec v_select_greater(vec a, vec b, vec x, vec y) {
  return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_GT_OQ));
}

/// The same 32 bits a lane as a whole number, and back; and the whole number's value.
typedef __m256i ivec;
MP_INLINE ivec v_words(vec x) { return _mm256_castps_si256(x); }
MP_INLINE vec v_from_words(ivec x) { return _mm256_castsi256_ps(x); }
MP_INLINE vec v_from_integers(ivec x) { return _mm256_cvtepi32_ps(x); }
/// Whole numbers that wrap. `i_keep_from`: x where a >= b, else 0; both are below 2^31.
MP_INLINE ivec i_set(uint32_t x) { return _mm256_set1_epi32((int)x); }
MP_INLINE ivec i_count_from(uint32_t x) {
  return _mm256_add_epi32(i_set(x), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
MP_INLINE ivec i_load(const int32_t *p) { return _mm256_loadu_si256((const __m256i *)p); }
MP_INLINE ivec i_add(ivec a, ivec b) { return _mm256_add_epi32(a, b); }
MP_INLINE ivec i_min(ivec a, ivec b) { return _mm256_min_epi32(a, b); }
MP_INLINE ivec i_max(ivec a, ivec b) { return _mm256_max_epi32(a, b); }
/// Words at p[index] a lane.
MP_INLINE vec v_gather(const float *p, ivec index) { return _mm256_i32gather_ps(p, index, 4); }
MP_INLINE ivec i_gather(const int32_t *p, ivec index) { return _mm256_i32gather_epi32(p, index, 4); }
MP_INLINE ivec i_mul(ivec a, ivec b) { return _mm256_mullo_epi32(a, b); }
MP_INLINE ivec i_xor(ivec a, ivec b) { return _mm256_xor_si256(a, b); }
MP_INLINE ivec i_shift_right(ivec x, int bits) { return _mm256_srli_epi32(x, bits); }
MP_INLINE vec i_keep_from(ivec a, ivec b, vec x) { return _mm256_andnot_ps(v_from_words(_mm256_cmpgt_epi32(b, a)), x); }
/// LANES bytes or bf16 as floats.
MP_INLINE vec v_load_int8(const int8_t *p) {
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}
MP_INLINE vec v_load_bf16(const uint16_t *p) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p)), 16));
}

/// Sum and maximum over the lanes, in one fixed tree.
MP_INLINE float v_sum(vec x) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
/// What is left to be added for a sum over the lanes.
MP_INLINE __m256 v_halves(vec x) { return x; }
MP_INLINE float v_greatest(vec x) {
  __m128 s = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  s = _mm_max_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}

#include "x86/octets.h"

#endif
