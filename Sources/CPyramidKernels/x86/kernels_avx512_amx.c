// The templates of reduced precision in tiles, compiled for AVX-512 with AMX. What surrounds the products, and int8 of few
// rows, is in the other files of AVX-512; paths.c puts them together.
#include "operations/kernel_table.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#pragma STDC FP_CONTRACT OFF
#define MP_TARGET \
  __attribute__((target("avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,amx-tile,amx-int8,amx-bf16")))
#pragma clang attribute push(MP_TARGET, apply_to = function)

#define MP_NAME(name) name##_avx512_amx
#define MP_VECTORS "x86/dot_avx512.h"
#define MP_TILES "x86/tiles_amx.h"
#include "templates/attention_bf16_simd.h"
#include "templates/linear_tiles_simd.h"

static void enter_avx512_amx(void) { t_configure(TILE); }
static void leave_avx512_amx(void) { t_release(); }

#pragma clang attribute pop

const mp_reduced_kernels mp_reduced_avx512_amx = MP_TILED_KERNELS(avx512_amx);
#endif
