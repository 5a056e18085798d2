// The templates of reduced precision, compiled for AVX2 with dot products of bytes in vectors of 256 bits (AVX-VNNI):
// clients without AVX-512. Everything else on such a machine is in kernels_avx2.c; paths.c puts the two together.
#include "operations/kernel_table.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#pragma STDC FP_CONTRACT OFF
#define MP_TARGET __attribute__((target("avx2,fma,avxvnni")))
#pragma clang attribute push(MP_TARGET, apply_to = function)

#define MP_DOT_BYTES(sum, a, b) _mm256_dpbusd_avx_epi32(sum, a, b)
#define MP_NAME(name) name##_avx2_vnni
#define MP_VECTORS "x86/dot_avx2.h"
#include "templates/linear_reduced_simd.h"

#pragma clang attribute pop

const mp_reduced_kernels mp_reduced_avx2_vnni = {MP_REDUCED_KERNELS(avx2_vnni)};
#endif
