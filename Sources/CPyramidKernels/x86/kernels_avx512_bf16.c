// The templates of reduced precision, compiled for AVX-512 with dot products of bytes (VNNI) and of bf16. Everything
// else on such a machine is in kernels_avx512.c; paths.c puts the two together.
#include "operations/kernel_table.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#pragma STDC FP_CONTRACT OFF
#define MP_TARGET \
  __attribute__((target("avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512bf16")))
#pragma clang attribute push(MP_TARGET, apply_to = function)

#define MP_HAS_VNNI
#define MP_HAS_BF16
#define MP_NAME(name) name##_avx512_bf16
#define MP_VECTORS "x86/dot_avx512.h"
#include "templates/attention_bf16_simd.h"
#include "templates/linear_reduced_simd.h"

#pragma clang attribute pop

const mp_reduced_kernels mp_reduced_avx512_bf16 = {
  MP_REDUCED_KERNELS(avx512_bf16),
  .attention = attention_bf16_avx512_bf16,
  .attention_scratch = attention_bf16_scratch_avx512_bf16,
};
#endif
