// The templates of reduced precision, compiled for ARM with dot products of bf16 (BF16). Everything else on such a
// machine is in kernels_neon.c; paths.c puts the two together.
#include "operations/kernel_table.h"

#if defined(__aarch64__)
#include <string.h>

#pragma STDC FP_CONTRACT OFF
#define MP_TARGET __attribute__((target("bf16")))
#pragma clang attribute push(MP_TARGET, apply_to = function)

#define MP_HAS_BF16
#define MP_NAME(name) name##_neon_bf16
#define MP_VECTORS "arm/dot_neon.h"
#include "templates/linear_reduced_simd.h"

#pragma clang attribute pop

const mp_reduced_kernels mp_reduced_neon_bf16 = {MP_REDUCED_KERNELS(neon_bf16)};
#endif
