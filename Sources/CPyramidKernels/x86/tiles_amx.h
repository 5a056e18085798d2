// The tile instructions of AMX by the names that linear_tiles_simd.h uses; portable/tiles_stand_in.h says in plain C what
// each of them does. Tile numbers are part of an instruction, hence macros.
#ifndef MP_TILES_AMX_H
#define MP_TILES_AMX_H

#include "x86/tile_configuration.h"

#include <immintrin.h>

#define t_zero(tile) _tile_zero(tile)
#define t_load(tile, words, stride) _tile_loadd(tile, words, 4 * (stride))  // stride in words
#define t_store(tile, words, stride) _tile_stored(tile, words, 4 * (stride))
#define t_dot_int8(sum, a, b) _tile_dpbusd(sum, a, b)
#define t_dot_bf16(sum, a, b) _tile_dpbf16ps(sum, a, b)

static inline void t_configure(int rows) {
  const mp_tile_configuration configuration = mp_whole_tiles(rows);
  _tile_loadconfig(&configuration);
}
/// Live tiles would be saved at every switch of threads.
static inline void t_release(void) { _tile_release(); }

#endif
