// Dot products of short numbers for AVX-512: what linear_reduced_simd.h needs beyond simd_avx512.h. The including file
// defines MP_HAS_VNNI and MP_HAS_BF16 where it is compiled for them; the other spelling of v_dot_int8 gives the same
// bits.
#ifndef MP_DOT_AVX512_H
#define MP_DOT_AVX512_H

#include "x86/simd_avx512.h"

/// The tallest blocks: without the instruction, pairs, and halves of the operands, take registers.
#ifdef MP_HAS_VNNI
#define MP_ROWS_INT8 6
#else
#define MP_ROWS_INT8 4
#endif
#ifdef MP_HAS_BF16
#define MP_ROWS_BF16 6
#else
#define MP_ROWS_BF16 4
#endif

/// sum + the four products of unsigned bytes of a with signed bytes of b, in each lane.
MP_INLINE ivec v_dot_int8(ivec sum, ivec a, ivec b) {
#ifdef MP_HAS_VNNI
  return _mm512_dpbusd_epi32(sum, a, b);
#else
  return _mm512_add_epi32(sum, _mm512_madd_epi16(_mm512_maddubs_epi16(a, b), _mm512_set1_epi16(1)));
#endif
}

/// sum + the two products of bf16 of a and b, in each lane.
MP_INLINE vec v_dot_bf16(vec sum, vec a, vec b) {
#ifdef MP_HAS_BF16
  return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
#else
  const ivec high = _mm512_set1_epi32((int)0xffff0000);
  sum = v_fma(v_from_words(_mm512_and_si512(v_words(a), high)), v_from_words(_mm512_and_si512(v_words(b), high)), sum);
  return v_fma(v_from_words(_mm512_slli_epi32(v_words(a), 16)), v_from_words(_mm512_slli_epi32(v_words(b), 16)), sum);
#endif
}

/// LANES bf16, rounded to nearest even; a NaN stays one.
MP_INLINE __m256i v_round_bf16(vec x) {
#ifdef MP_HAS_BF16
  return (__m256i)_mm512_cvtneps_pbh(x);
#else
  const ivec bits = v_words(x), odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const ivec rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
  const __mmask16 no_number = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
  const ivec kept = _mm512_mask_or_epi32(rounded, no_number, bits, _mm512_set1_epi32(0x00400000));
  return _mm512_cvtepi32_epi16(_mm512_srli_epi32(kept, 16));
#endif
}
MP_INLINE void v_store_bf16(uint16_t *p, vec x) { _mm256_storeu_si256((__m256i *)p, v_round_bf16(x)); }
/// Words of two bf16: low in the lower half.
MP_INLINE vec v_pair_bf16(vec low, vec high) {
  const ivec lower = _mm512_cvtepu16_epi32(v_round_bf16(low)), upper = _mm512_cvtepu16_epi32(v_round_bf16(high));
  return v_from_words(_mm512_or_si512(lower, _mm512_slli_epi32(upper, 16)));
}

/// LANES bytes 128 + round(x), for |x| <= 127.
MP_INLINE void v_store_int8(uint8_t *p, vec x) {
  const ivec shifted = _mm512_add_epi32(_mm512_cvtps_epi32(x), _mm512_set1_epi32(128));
  _mm_storeu_si128((__m128i *)p, _mm512_cvtusepi32_epi8(shifted));
}

#endif
