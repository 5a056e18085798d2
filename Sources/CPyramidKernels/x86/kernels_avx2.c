// The kernel templates, compiled for AVX2 whatever the compiler's target is. paths.c decides at run time who calls this.
#include "operations/training/training_table.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#pragma STDC FP_CONTRACT OFF
#define MP_TARGET __attribute__((target("avx2,fma")))
#pragma clang attribute push(MP_TARGET, apply_to = function)

#define MP_VECTORS "x86/dot_avx2.h"
#include "templates/attention_simd.h"
#include "templates/first_attention_simd.h"
#include "templates/linear_reduced_simd.h"
#include "templates/linear_simd.h"
#include "templates/relative_attention_simd.h"
#include "templates/rows_simd.h"
#include "templates/training/attention_gradient_simd.h"
#include "templates/training/gradients_simd.h"
#include "templates/training/pack_simd.h"

#pragma clang attribute pop

const mp_training_kernels mp_training_avx2 = MP_TRAINING_KERNELS(avx2);

const mp_kernels mp_kernels_avx2 = MP_KERNELS(avx2);
#endif
