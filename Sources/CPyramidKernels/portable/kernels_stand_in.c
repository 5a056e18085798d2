// What stands in for instructions that a test's machine lacks: the templates with AVX-512's lanes and panels in plain C,
// so that its layout, edges and bits are tested everywhere. Only in test builds, where MP_STAND_INS is defined.
#include "operations/training/training_table.h"

#if defined(MP_STAND_INS)
#pragma clang diagnostic ignored "-Wpsabi"  // every function of vectors is inlined
#include <string.h>

#pragma STDC FP_CONTRACT OFF
#if defined(__x86_64__)  // without a multiply-add of the processor's every one is a call
#define MP_TARGET __attribute__((target("avx2,fma")))
#pragma clang attribute push(MP_TARGET, apply_to = function)
#endif

#define MP_LANES 16
#define MP_PANEL_VECTORS 4
#define MP_NAME(name) name##_stand_in
#define MP_VECTORS "portable/dot_lanes.h"
#include "templates/attention_simd.h"
#include "templates/first_attention_simd.h"
#include "templates/linear_reduced_simd.h"
#include "templates/linear_simd.h"
#include "templates/relative_attention_simd.h"
#include "templates/rows_simd.h"
#include "templates/training/attention_gradient_simd.h"
#include "templates/training/gradients_simd.h"
#include "templates/training/pack_simd.h"

#if defined(__x86_64__)
#pragma clang attribute pop
#endif

const mp_training_kernels mp_training_stand_in = MP_TRAINING_KERNELS(stand_in);
const mp_kernels mp_kernels_stand_in = MP_KERNELS(stand_in);
#endif
