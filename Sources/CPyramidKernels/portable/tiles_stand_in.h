// What the tile instructions of AMX do, in plain C: for tests on machines without them, and to be read beside
// x86/tiles_amx.h, which has the same names. By Intel's manual: bytes are multiplied unsigned with signed and added up
// as whole numbers that wrap. Of bf16 each instruction adds the products of even and of odd elements in two chains of
// multiply-adds from zero, then these two, then that to the sum; what is below the normal numbers counts as zero.
#ifndef MP_TILES_STAND_IN_H
#define MP_TILES_STAND_IN_H

#include "x86/tile_configuration.h"

#include <stdint.h>
#include <string.h>

/// This thread's tiles: rows of 16 words. A configuration without rows, as after t_release, makes every use visible: it
/// moves and adds nothing.
typedef struct {
  uint32_t tile[8][16][16];
  mp_tile_configuration configuration;
} stand_in_tiles;
static _Thread_local stand_in_tiles tiles;

static inline void t_configure(int rows) {
  if (tiles.configuration.palette) __builtin_trap();  // whoever used them last did not release them
  memset(&tiles, 0, sizeof tiles);
  tiles.configuration = mp_whole_tiles(rows);
}
static inline void t_release(void) { memset(&tiles, 0, sizeof tiles); }
static inline void t_zero(int tile) { memset(tiles.tile[tile], 0, sizeof tiles.tile[tile]); }
static inline void t_load(int tile, const void *words, size_t stride) {
  for (int row = 0; row < tiles.configuration.rows[tile]; row++) {
    memcpy(tiles.tile[tile][row], (const uint32_t *)words + (size_t)row * stride, 64);
  }
}
static inline void t_store(int tile, void *words, size_t stride) {
  for (int row = 0; row < tiles.configuration.rows[tile]; row++) {
    memcpy((uint32_t *)words + (size_t)row * stride, tiles.tile[tile][row], 64);
  }
}

static inline void t_dot_int8(int sum, int a, int b) {
  for (int row = 0; row < tiles.configuration.rows[sum]; row++) {
    for (int column = 0; column < 16; column++) {
      uint32_t *total = &tiles.tile[sum][row][column];
      for (int step = 0; step < 16; step++) {
        const uint8_t *x = (const uint8_t *)&tiles.tile[a][row][step];
        const int8_t *w = (const int8_t *)&tiles.tile[b][step][column];
        for (int i = 0; i < 4; i++) *total += (uint32_t)((int32_t)x[i] * w[i]);
      }
    }
  }
}

/// A number below the normal ones as zero of its sign.
static inline float tile_flushed(float x) {
  return __builtin_fabsf(x) < 0x1p-126f ? __builtin_copysignf(0.0f, x) : x;
}
static inline float tile_half(uint32_t word, int upper) {
  const uint32_t bits = upper ? word & 0xffff0000u : word << 16;
  float x;
  memcpy(&x, &bits, 4);
  return tile_flushed(x);
}

static inline void t_dot_bf16(int sum, int a, int b) {
  for (int row = 0; row < tiles.configuration.rows[sum]; row++) {
    for (int column = 0; column < 16; column++) {
      float chain[2] = {0, 0}, total;
      for (int step = 0; step < 16; step++) {
        const uint32_t x = tiles.tile[a][row][step], w = tiles.tile[b][step][column];
        for (int i = 0; i < 2; i++) {
          chain[i] = tile_flushed(__builtin_fmaf(tile_half(x, i), tile_half(w, i), chain[i]));
        }
      }
      memcpy(&total, &tiles.tile[sum][row][column], 4);
      total = tile_flushed(tile_flushed(total) + tile_flushed(chain[0] + chain[1]));
      memcpy(&tiles.tile[sum][row][column], &total, 4);
    }
  }
}

#endif
