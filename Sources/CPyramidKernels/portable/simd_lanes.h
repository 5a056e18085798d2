// The vector vocabulary of the kernel templates in plain C over the compiler's own vectors, of MP_LANES floats: what ARM's
// kernels are made of, and what stands in for AVX-512 where a test's machine lacks it.
//
// Separate from x86/simd_*.h, which spell the same names with intrinsics. Each operation is IEEE's, lane by lane, and
// sums over lanes are added in the same trees: the bits of a product, a sum or an activation are theirs. The including
// file defines MP_LANES, MP_PANEL_VECTORS and MP_NAME.
#ifndef MP_SIMD_LANES_H
#define MP_SIMD_LANES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MP_INLINE static inline __attribute__((always_inline))

/// Floats in a vector, vectors in a panel of packed weights, and the largest row block of the micro-kernel.
enum { LANES = MP_LANES, PANEL_VECTORS = MP_PANEL_VECTORS, BLOCK_ROWS = 6 };

typedef float vec __attribute__((vector_size(4 * MP_LANES)));
typedef int32_t ivec __attribute__((vector_size(4 * MP_LANES)));
typedef uint32_t uvec __attribute__((vector_size(4 * MP_LANES)));
typedef int8_t bytes_vec __attribute__((vector_size(MP_LANES)));
typedef uint16_t shorts_vec __attribute__((vector_size(2 * MP_LANES)));
typedef ivec vec_mask;  // all bits of a lane or none

MP_INLINE vec v_set(float x) { return (vec){} + x; }
MP_INLINE vec v_zero(void) { return (vec){}; }
MP_INLINE vec v_load(const float *p) {
  vec x;
  memcpy(&x, p, sizeof x);
  return x;
}
MP_INLINE void v_store(float *p, vec x) { memcpy(p, &x, sizeof x); }
MP_INLINE ivec v_words(vec x) { return (ivec)x; }
MP_INLINE vec v_from_words(ivec x) { return (vec)x; }
MP_INLINE vec v_from_integers(ivec x) { return __builtin_convertvector(x, vec); }

/// The same of words, which a vector holds as the bits of floats.
MP_INLINE vec v_set_word(const mp_word *p) { return (vec)((uvec){} + *p); }
MP_INLINE vec v_load_words(const mp_word *p) { return v_load((const float *)p); }
MP_INLINE void v_store_words(mp_word *p, vec x) { v_store((float *)p, x); }

/// Whole numbers that wrap. `i_keep_from`: x where a >= b, else 0; both are below 2^31.
MP_INLINE ivec i_set(uint32_t x) { return (ivec)((uvec){} + x); }
MP_INLINE ivec i_count_from(uint32_t x) {
  uvec count;
  for (int i = 0; i < LANES; i++) count[i] = (uint32_t)i;
  return (ivec)(count + x);
}
MP_INLINE ivec i_load(const int32_t *p) {
  ivec x;
  memcpy(&x, p, sizeof x);
  return x;
}
MP_INLINE ivec i_add(ivec a, ivec b) { return (ivec)((uvec)a + (uvec)b); }
MP_INLINE ivec i_mul(ivec a, ivec b) { return (ivec)((uvec)a * (uvec)b); }
MP_INLINE ivec i_xor(ivec a, ivec b) { return a ^ b; }
MP_INLINE ivec i_shift_right(ivec x, int bits) { return (ivec)((uvec)x >> (uint32_t)bits); }
MP_INLINE ivec i_min(ivec a, ivec b) { return __builtin_elementwise_min(a, b); }
MP_INLINE ivec i_max(ivec a, ivec b) { return __builtin_elementwise_max(a, b); }
MP_INLINE vec i_keep_from(ivec a, ivec b, vec x) { return (vec)((ivec)x & (ivec)(a >= b)); }

/// The first `count` (1...LANES) lanes; other lanes load as zero and store nothing. Memory after them is not touched.
MP_INLINE vec_mask v_first(size_t count) { return (ivec)(i_count_from(0) < i_set((uint32_t)count)); }
MP_INLINE vec v_load_masked(const float *p, vec_mask m) {
  vec x = {};
  for (int i = 0; i < LANES && m[i]; i++) x[i] = p[i];
  return x;
}
MP_INLINE void v_store_masked(float *p, vec_mask m, vec x) {
  for (int i = 0; i < LANES && m[i]; i++) p[i] = x[i];
}
MP_INLINE vec v_keep(vec_mask m, vec x) { return (vec)((ivec)x & m); }
/// m ? x : y per lane.
MP_INLINE vec v_choose(vec_mask m, vec x, vec y) { return (vec)(((ivec)x & m) | ((ivec)y & ~m)); }

MP_INLINE vec v_add(vec a, vec b) { return a + b; }
MP_INLINE vec v_sub(vec a, vec b) { return a - b; }
MP_INLINE vec v_mul(vec a, vec b) { return a * b; }
MP_INLINE vec v_div(vec a, vec b) { return a / b; }
MP_INLINE vec v_fma(vec a, vec b, vec c) { return __builtin_elementwise_fma(a, b, c); }
/// If either operand is NaN the result is b: put the value that must survive there.
MP_INLINE vec v_max(vec a, vec b) { return v_choose((ivec)(a > b), a, b); }
MP_INLINE vec v_min(vec a, vec b) { return v_choose((ivec)(a < b), a, b); }
MP_INLINE vec v_abs(vec x) { return (vec)((ivec)x & i_set(0x7fffffff)); }
MP_INLINE vec v_copy_sign(vec magnitude, vec sign) {
  return (vec)((ivec)magnitude | ((ivec)sign & i_set(0x80000000u)));
}
MP_INLINE vec v_round(vec x) { return __builtin_elementwise_roundeven(x); }
MP_INLINE vec v_sqrt(vec x) { return __builtin_elementwise_sqrt(x); }
/// a > b ? x : y per lane; y when either is NaN.
MP_INLINE vec v_select_greater(vec a, vec b, vec x, vec y) { return v_choose((ivec)(a > b), x, y); }

/// The whole number nearest to x within -2^30 ... 2^30; of a NaN the least: no conversion may go astray.
MP_INLINE ivec v_nearest(vec x) {
  return __builtin_convertvector(v_round(v_min(v_max(x, v_set(-0x1p30f)), v_set(0x1p30f))), ivec);
}
/// x * 2^n for integral n in -150...129. In two steps, since 2^n itself need not be a normal number.
MP_INLINE vec v_scale_by_power(vec x, vec n) {
  const ivec whole = v_nearest(v_max(n, v_set(-150.0f))), half = whole >> 1, rest = whole - half;
  return x * (vec)((half + 127) << 23) * (vec)((rest + 127) << 23);
}
/// The same where x and the result are normal numbers, for n in -126...127.
MP_INLINE vec v_scale_within(vec x, vec n) { return (vec)((uvec)x + ((uvec)v_nearest(n) << 23)); }

/// Words at p[index] a lane.
MP_INLINE vec v_gather(const float *p, ivec index) {
  vec x;
  for (int i = 0; i < LANES; i++) x[i] = p[index[i]];
  return x;
}
MP_INLINE ivec i_gather(const int32_t *p, ivec index) {
  ivec x;
  for (int i = 0; i < LANES; i++) x[i] = p[index[i]];
  return x;
}

/// LANES bytes or bf16 as floats, and back: 128 + round(x), for |x| <= 127; rounded to nearest even, where a NaN stays one.
MP_INLINE vec v_load_int8(const int8_t *p) {
  bytes_vec x;
  memcpy(&x, p, sizeof x);
  return __builtin_convertvector(x, vec);
}
MP_INLINE vec v_load_bf16(const uint16_t *p) {
  shorts_vec x;
  memcpy(&x, p, sizeof x);
  return (vec)(__builtin_convertvector(x, uvec) << 16);
}
MP_INLINE void v_store_int8(uint8_t *p, vec x) {
  const bytes_vec bytes = __builtin_convertvector(v_nearest(v_max(x, v_set(-128.0f))) + 128, bytes_vec);
  memcpy(p, &bytes, sizeof bytes);
}
/// The bits of x rounded to bf16, in the lower half of each word.
MP_INLINE uvec v_round_bf16(vec x) {
  const uvec bits = (uvec)x, rounded = bits + 0x7fff + ((bits >> 16) & 1), is_nan = (uvec)(x != x);
  return ((rounded & ~is_nan) | ((bits | 0x400000) & is_nan)) >> 16;
}
MP_INLINE void v_store_bf16(uint16_t *p, vec x) {
  const shorts_vec shorts = __builtin_convertvector(v_round_bf16(x), shorts_vec);
  memcpy(p, &shorts, sizeof shorts);
}
/// Words of two bf16: low in the lower half.
MP_INLINE vec v_pair_bf16(vec low, vec high) { return (vec)(v_round_bf16(low) | v_round_bf16(high) << 16); }

/// Sum and maximum over the lanes, in one fixed tree: halves onto each other.
MP_INLINE float v_sum(vec x) {
  for (int half = LANES / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; i++) x[i] += x[i + half];
  }
  return x[0];
}
MP_INLINE float v_greatest(vec x) {
  for (int half = LANES / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; i++) x[i] = x[i] > x[i + half] ? x[i] : x[i + half];
  }
  return x[0];
}
/// Sums over the lanes of four vectors, in one fixed tree: down to eight as v_sum, then neighbours.
MP_INLINE void v_store_sums(float *y, vec a, vec b, vec c, vec d) {
  vec all[4] = {a, b, c, d};
  for (int v = 0; v < 4; v++) {
    vec x = all[v];
    for (int i = 0; LANES > 8 && i < LANES / 2; i++) x[i] += x[i + LANES / 2];
    const int count = LANES > 8 ? LANES / 2 : LANES;
    float quarter[2] = {0};
    for (int i = 0; i < count; i += 4) quarter[i / 4] = (x[i] + x[i + 1]) + (x[i + 2] + x[i + 3]);
    y[v] = count > 4 ? quarter[0] + quarter[1] : quarter[0];
  }
}

/// Eight floats, and eight of them transposed: y[j][i] = row[i][j].
typedef float octet __attribute__((vector_size(32)));
MP_INLINE octet o_zero(void) { return (octet){}; }
MP_INLINE octet o_load(const float *p) {
  octet x;
  memcpy(&x, p, sizeof x);
  return x;
}
MP_INLINE void o_store(float *p, octet x) { memcpy(p, &x, sizeof x); }
MP_INLINE octet o_add(octet a, octet b) { return a + b; }
MP_INLINE octet o_scale(octet x, float factor) { return x * factor; }
MP_INLINE void store_transposed(const octet row[8], float *y, size_t y_stride) {
  octet pair[8], quad[8];
  for (int i = 0; i < 8; i += 2) {
    pair[i] = __builtin_shufflevector(row[i], row[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
    pair[i + 1] = __builtin_shufflevector(row[i], row[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
  }
  for (int i = 0; i < 8; i += 4) {
    quad[i] = __builtin_shufflevector(pair[i], pair[i + 2], 0, 1, 8, 9, 4, 5, 12, 13);
    quad[i + 1] = __builtin_shufflevector(pair[i], pair[i + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    quad[i + 2] = __builtin_shufflevector(pair[i + 1], pair[i + 3], 0, 1, 8, 9, 4, 5, 12, 13);
    quad[i + 3] = __builtin_shufflevector(pair[i + 1], pair[i + 3], 2, 3, 10, 11, 6, 7, 14, 15);
  }
  for (int i = 0; i < 4; i++) {
    const octet low = __builtin_shufflevector(quad[i], quad[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    const octet high = __builtin_shufflevector(quad[i], quad[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    o_store(y + (size_t)i * y_stride, low);
    o_store(y + (size_t)(i + 4) * y_stride, high);
  }
}

#endif
