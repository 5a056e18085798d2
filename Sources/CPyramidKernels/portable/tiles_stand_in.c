// The templates of tiles over what stands in for AMX (tiles_stand_in.h), with AVX-512's lanes. Only in test builds.
#include "operations/kernel_table.h"

#if defined(MP_STAND_INS)
#pragma clang diagnostic ignored "-Wpsabi"  // every function of vectors is inlined
#include <string.h>

#pragma STDC FP_CONTRACT OFF
#if defined(__x86_64__)
#define MP_TARGET __attribute__((target("avx2,fma")))
#pragma clang attribute push(MP_TARGET, apply_to = function)
#endif

#define MP_LANES 16
#define MP_PANEL_VECTORS 4
#define MP_NAME(name) name##_stand_in_amx
#define MP_VECTORS "portable/dot_lanes.h"
#define MP_TILES "portable/tiles_stand_in.h"
#include "templates/attention_bf16_simd.h"
#include "templates/linear_tiles_simd.h"

static void enter_stand_in_amx(void) { t_configure(TILE); }
static void leave_stand_in_amx(void) { t_release(); }

#if defined(__x86_64__)
#pragma clang attribute pop
#endif

const mp_reduced_kernels mp_reduced_stand_in_amx = MP_TILED_KERNELS(stand_in_amx);
#endif
