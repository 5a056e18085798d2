// The templates of reduced precision, compiled for ARM with dot products of signed bytes (DOTPROD). Everything else on such a
// machine is in kernels_neon.c; paths.c puts the two together.
#include "operations/kernel_table.h"

#if defined(__aarch64__)
#include <string.h>

#pragma STDC FP_CONTRACT OFF
#define MP_TARGET __attribute__((target("dotprod")))
#pragma clang attribute push(MP_TARGET, apply_to = function)

#define MP_HAS_DOTPROD
#define MP_NAME(name) name##_neon_dotprod
#define MP_VECTORS "arm/dot_neon.h"
#include "templates/linear_reduced_simd.h"

#pragma clang attribute pop

const mp_reduced_kernels mp_reduced_neon_dotprod = {MP_REDUCED_KERNELS(neon_dotprod)};
#endif
