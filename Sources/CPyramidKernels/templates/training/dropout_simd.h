// Template: dropout, whose masks are a hash of each element's counter (`mp_dropout`). Separate because attention, too,
// drops its probabilities.
#ifndef MP_DROPOUT_SIMD_H
#define MP_DROPOUT_SIMD_H

#include "operations/training/training_table.h"
#include "templates/vector_math.h"

/// A dropout with its numbers spread over vectors.
typedef struct {
  ivec low, high, least;
  vec scale;
} vector_dropout;

MP_INLINE vector_dropout v_dropout(mp_dropout dropout) {
  return (vector_dropout){i_set((uint32_t)dropout.key), i_set((uint32_t)(dropout.key >> 32)),
                          i_set(mp_least_kept(dropout)), v_set(mp_kept_scale(dropout))};
}

/// x scaled, or zero where the element is dropped; lane i has the counter `counter` + i.
MP_INLINE vec v_drop(vector_dropout dropout, uint32_t counter, vec x) {
  ivec h = i_xor(i_count_from(counter), dropout.low);
  h = i_xor(i_mul(i_xor(h, i_shift_right(h, 16)), i_set(0x85ebca6bu)), dropout.high);
  h = i_mul(i_xor(h, i_shift_right(h, 13)), i_set(0xc2b2ae35u));
  h = i_shift_right(i_xor(h, i_shift_right(h, 16)), 8);
  return i_keep_from(h, dropout.least, v_mul(x, dropout.scale));
}

static void MP_NAME(dropout)(const float *x, size_t count, uint32_t first, mp_dropout dropout, float *y) {
  const vector_dropout all = v_dropout(dropout);
  for (size_t i = 0; i < count; i += LANES) {
    v_store_some(y + i, count - i, v_drop(all, first + (uint32_t)i, v_load_some(x + i, count - i)));
  }
}

#endif
