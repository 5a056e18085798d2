// The kernel templates, compiled for ARM's base instructions (NEON). paths.c decides at run time who calls this.
#include "operations/training/training_table.h"

#if defined(__aarch64__)
#include <string.h>

#pragma STDC FP_CONTRACT OFF
#define MP_NAME(name) name##_neon
#define MP_VECTORS "arm/dot_neon.h"
#include "templates/attention_simd.h"
#include "templates/first_attention_simd.h"
#include "templates/linear_reduced_simd.h"
#include "templates/linear_simd.h"
#include "templates/relative_attention_simd.h"
#include "templates/rows_simd.h"
#include "templates/training/attention_gradient_simd.h"
#include "templates/training/gradients_simd.h"
#include "templates/training/pack_simd.h"

const mp_training_kernels mp_training_neon = MP_TRAINING_KERNELS(neon);
const mp_kernels mp_kernels_neon = MP_KERNELS(neon);
#endif
