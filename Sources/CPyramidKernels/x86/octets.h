// Eight floats, which AVX2 and AVX-512 both have in one register: what the templates transpose and add across lanes with.
// Included by both vocabularies, after v_halves.
#ifndef MP_OCTETS_H
#define MP_OCTETS_H

typedef __m256 octet;
MP_INLINE octet o_zero(void) { return _mm256_setzero_ps(); }
MP_INLINE octet o_load(const float *p) { return _mm256_loadu_ps(p); }
MP_INLINE void o_store(float *p, octet x) { _mm256_storeu_ps(p, x); }
MP_INLINE octet o_add(octet a, octet b) { return _mm256_add_ps(a, b); }
MP_INLINE octet o_scale(octet x, float factor) { return _mm256_mul_ps(x, _mm256_set1_ps(factor)); }

/// Sums over the lanes of four vectors at once, in one fixed tree: a third of the operations of four single ones.
MP_INLINE void v_store_sums(float *y, vec a, vec b, vec c, vec d) {
  const __m256 ab = _mm256_hadd_ps(v_halves(a), v_halves(b)), cd = _mm256_hadd_ps(v_halves(c), v_halves(d));
  const __m256 all = _mm256_hadd_ps(ab, cd);
  _mm_storeu_ps(y, _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps(all, 1)));
}

/// y[j][i] = row[i][j] of 8 rows of 8 words.
MP_INLINE void store_transposed(const octet row[8], float *y, size_t y_stride) {
  octet pair[8], quad[8];
  for (int i = 0; i < 8; i += 2) {
    pair[i] = _mm256_unpacklo_ps(row[i], row[i + 1]);
    pair[i + 1] = _mm256_unpackhi_ps(row[i], row[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    quad[i] = _mm256_shuffle_ps(pair[i], pair[i + 2], 0x44);
    quad[i + 1] = _mm256_shuffle_ps(pair[i], pair[i + 2], 0xee);
    quad[i + 2] = _mm256_shuffle_ps(pair[i + 1], pair[i + 3], 0x44);
    quad[i + 3] = _mm256_shuffle_ps(pair[i + 1], pair[i + 3], 0xee);
  }
  for (int i = 0; i < 4; i++) {
    _mm256_storeu_ps(y + (size_t)i * y_stride, _mm256_permute2f128_ps(quad[i], quad[i + 4], 0x20));
    _mm256_storeu_ps(y + (size_t)(i + 4) * y_stride, _mm256_permute2f128_ps(quad[i], quad[i + 4], 0x31));
  }
}

#endif
