// How the eight tile registers are laid out, which all of the project's tile code shares: 0 to 3 sums of two by two
// tiles, 4 and 5 rows of the input, 6 and 7 columns of the weight.
#ifndef MP_TILE_CONFIGURATION_H
#define MP_TILE_CONFIGURATION_H

#include <stdint.h>

/// The operand of ldtilecfg.
typedef struct {
  uint8_t palette, start, reserved[14];
  uint16_t bytes[16];  // of a row
  uint8_t rows[16];
} __attribute__((packed, aligned(64))) mp_tile_configuration;

/// Whole rows of 64 bytes; `rows` (1...16) of them in sums and inputs, and the 16 steps of a weight.
static inline mp_tile_configuration mp_whole_tiles(int rows) {
  mp_tile_configuration c = {.palette = 1};
  for (int tile = 0; tile < 8; tile++) {
    c.bytes[tile] = 64;
    c.rows[tile] = (uint8_t)(tile < 6 ? rows : 16);
  }
  return c;
}

#endif
