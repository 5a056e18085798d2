// Dot products of short numbers for AVX2: what linear_reduced_simd.h needs beyond simd_avx2.h. Bytes are multiplied and
// added in pairs of 16 bits, which no pair of packed weights overflows (linear_pack.c), bf16 are floats whose lower half
// is cut off. The including file defines MP_DOT_BYTES where there is an instruction of bytes (AVX-VNNI); the bits are the
// same.
#ifndef MP_DOT_AVX2_H
#define MP_DOT_AVX2_H

#include "x86/simd_avx2.h"

/// The tallest blocks: pairs, and halves of the operands, take registers.
#ifdef MP_DOT_BYTES
#define MP_ROWS_INT8 6
#else
#define MP_ROWS_INT8 4
#endif
#define MP_ROWS_BF16 4

/// sum + the four products of unsigned bytes of a with signed bytes of b, in each lane.
MP_INLINE ivec v_dot_int8(ivec sum, ivec a, ivec b) {
#ifdef MP_DOT_BYTES
  return MP_DOT_BYTES(sum, a, b);
#else
  return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), _mm256_set1_epi16(1)));
#endif
}

/// sum + the two products of bf16 of a and b, in each lane.
MP_INLINE vec v_dot_bf16(vec sum, vec a, vec b) {
  const ivec high = _mm256_set1_epi32((int)0xffff0000);
  sum = v_fma(v_from_words(_mm256_and_si256(v_words(a), high)), v_from_words(_mm256_and_si256(v_words(b), high)), sum);
  return v_fma(v_from_words(_mm256_slli_epi32(v_words(a), 16)), v_from_words(_mm256_slli_epi32(v_words(b), 16)), sum);
}

/// LANES bytes 128 + round(x), for |x| <= 127.
MP_INLINE void v_store_int8(uint8_t *p, vec x) {
  const ivec shifted = _mm256_add_epi32(_mm256_cvtps_epi32(x), _mm256_set1_epi32(128));
  const __m128i pairs = _mm_packus_epi32(_mm256_castsi256_si128(shifted), _mm256_extracti128_si256(shifted, 1));
  _mm_storel_epi64((__m128i *)p, _mm_packus_epi16(pairs, pairs));
}

/// LANES bf16, rounded to nearest even; a NaN stays one.
MP_INLINE void v_store_bf16(uint16_t *p, vec x) {
  const ivec bits = v_words(x), odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const ivec rounded = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
  const ivec no_number = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
  const ivec kept = _mm256_blendv_epi8(rounded, _mm256_or_si256(bits, _mm256_set1_epi32(0x00400000)), no_number);
  const ivec short_words = _mm256_srli_epi32(kept, 16);
  _mm_storeu_si128(
    (__m128i *)p,
    _mm_packus_epi32(_mm256_castsi256_si128(short_words), _mm256_extracti128_si256(short_words, 1)));
}

#endif
