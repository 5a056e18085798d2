// How weights lie in an artefact: in panels for the packed paths, row by row for the portable one and for attention of
// first tokens; in f32, bf16 or int8. Separate from linear.c because only the compiler packs.
#include "operations/kernel_table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// Artefacts are the same wherever they are compiled.
#pragma STDC FP_CONTRACT OFF

static size_t rounded_up(size_t count, size_t unit) { return (count + unit - 1) / unit * unit; }

static size_t element_bytes(mp_precision precision) {
  switch (precision) {
  case MP_PRECISION_F32: return 4;
  case MP_PRECISION_BF16: return 2;
  case MP_PRECISION_INT8: return 1;
  }
  return 4;
}

// MARK: int8

/// The largest sum of two weights that are multiplied and added in one 16-bit number (vpmaddubsw): 255 times it fits.
/// Weights keep to it on every path, so that all have the same bits and none needs wider products.
enum { LARGEST_PAIR = 128 };

/// The weights at an even depth and after it.
typedef struct {
  int8_t first, second;
} weight_pair;

/// Rounded to nearest even; what a sum has too much is taken from both halves alike.
static weight_pair rounded_pair(float x, float y, float scale) {
  // A scale below the normal numbers would lose the weights' digits; such a row is zero.
  if (scale < 1e-37f) return (weight_pair){0, 0};
  const int first = (int)lrintf(fminf(fmaxf(x / scale, -127.0f), 127.0f));
  const int second = (int)lrintf(fminf(fmaxf(y / scale, -127.0f), 127.0f));
  const int sum = first + second, excess = abs(sum) - LARGEST_PAIR;
  if (excess <= 0) return (weight_pair){(int8_t)first, (int8_t)second};
  const int sign = sum < 0 ? -1 : 1;
  return (weight_pair){(int8_t)(first - sign * ((excess + 1) / 2)), (int8_t)(second - sign * (excess / 2))};
}

static weight_pair pair_at(const float *row, size_t k, size_t count, float scale) {
  return rounded_pair(row[k], k + 1 < count ? row[k + 1] : 0, scale);
}

/// What a scale loses of a row, as a sum of squared errors: what is cut of pairs, half of it from each, and what rounding
/// may be expected to lose of every weight.
static double expected_loss(const float *row, size_t count, float scale) {
  const float limit = LARGEST_PAIR * scale;
  double sum = (double)count * scale * scale / 12;
  for (size_t k = 0; k + 1 < count; k += 2) {
    const float excess = fabsf(row[k] + row[k + 1]) - limit;
    if (excess > 0) sum += 0.5 * (double)excess * excess;
  }
  return sum;
}

/// The scale of a row of weights: between the one at which its largest weight is 127, where the sums of some pairs may
/// be cut, and the one at which none is, the best of a few.
static float int8_scale(const float *row, size_t count) {
  float largest = 0, largest_pair = 0;
  for (size_t k = 0; k < count; k++) {
    largest = fmaxf(largest, fabsf(row[k]));
    if (k % 2 == 1) largest_pair = fmaxf(largest_pair, fabsf(row[k - 1] + row[k]));
  }
  const float least = largest / 127.0f, most = largest_pair / LARGEST_PAIR;
  if (most <= least) return least;
  float best = most;
  double smallest = expected_loss(row, count, most);
  for (int step = 0; step < 4; step++) {
    const float scale = least + (most - least) * (float)step / 4.0f;
    const double loss = expected_loss(row, count, scale);
    if (loss < smallest) {
      smallest = loss;
      best = scale;
    }
  }
  return best;
}

// MARK: Rows

/// Where the scales of int8 rows begin.
static size_t scales_offset(size_t rows, size_t columns) { return rounded_up(rows * columns, 4); }

size_t mp_rows_packed_bytes(mp_precision precision, int rows, int columns) {
  const size_t count = (size_t)rows * (size_t)columns;
  if (precision == MP_PRECISION_F32) return count * 4;
  // Vectors are loaded whole at the end of a row: there must be something after the last one.
  const size_t vector = 16 * element_bytes(precision);
  if (precision == MP_PRECISION_BF16) return rounded_up(count * 2, 4) + vector;
  return scales_offset((size_t)rows, (size_t)columns) + (size_t)rows * 4 + vector;
}

const float *mp_row_scales(const void *packed, int rows, int columns) {
  return (const float *)((const char *)packed + scales_offset((size_t)rows, (size_t)columns));
}

void mp_rows_pack(mp_precision precision, const float *weight, int rows, int columns, void *packed) {
  const size_t all = (size_t)rows, count = (size_t)columns;
  memset(packed, 0, mp_rows_packed_bytes(precision, rows, columns));
  for (size_t r = 0; r < all; r++) {
    const float *row = weight + r * count;
    if (precision == MP_PRECISION_F32) {
      memcpy((float *)packed + r * count, row, count * 4);
    } else if (precision == MP_PRECISION_BF16) {
      for (size_t k = 0; k < count; k++) ((uint16_t *)packed)[r * count + k] = mp_rounded_bf16(row[k]);
    } else {
      const float scale = int8_scale(row, count);
      ((float *)((char *)packed + scales_offset(all, count)))[r] = scale;
      int8_t *numbers = (int8_t *)packed + r * count;
      for (size_t k = 0; k < count; k += 2) {
        const weight_pair pair = pair_at(row, k, count, scale);
        numbers[k] = pair.first;
        if (k + 1 < count) numbers[k + 1] = pair.second;
      }
    }
  }
}

// MARK: Panels

mp_panel_layout mp_layout_of(mp_isa isa) {
  switch (isa & MP_ISA_BASES) {
  case MP_ISA_AVX2: return (mp_panel_layout){8, 2};
  case MP_ISA_AVX512: return (mp_panel_layout){16, 4};
  case MP_ISA_NEON: return (mp_panel_layout){4, 4};
  default: return (mp_panel_layout){0, 0};
  }
}

int mp_panel_width(mp_isa isa) {
  const mp_panel_layout layout = mp_layout_of(isa);
  return layout.lanes * layout.panel_vectors;
}

size_t mp_linear_packed_bytes(mp_isa isa, mp_precision precision, int columns, int depth) {
  const mp_panel_layout layout = mp_layout_of(isa);
  if (layout.lanes == 0) return mp_rows_packed_bytes(precision, columns, depth);
  const size_t whole = rounded_up((size_t)columns, (size_t)layout.lanes);
  const size_t words = whole * (size_t)mp_steps(precision, depth);
  return 4 * (words + (precision == MP_PRECISION_INT8 ? 2 * whole : 0));
}

/// One column of a panel: element `index` of each word holds the weight at depth words * elements + index. Returns the
/// sum of the numbers stored, for int8.
static int32_t pack_column(mp_precision precision, const float *row, size_t depth, float scale, size_t width,
                           uint32_t *words) {
  const size_t elements = 4 / element_bytes(precision);
  int32_t sum = 0;
  for (size_t k = 0; k < depth; k++) {
    char *place = (char *)(words + k / elements * width) + k % elements * element_bytes(precision);
    if (precision == MP_PRECISION_F32) {
      memcpy(place, row + k, 4);
    } else if (precision == MP_PRECISION_BF16) {
      const uint16_t value = mp_rounded_bf16(row[k]);
      memcpy(place, &value, 2);
    } else {
      const weight_pair pair = pair_at(row, k, depth, scale);
      memcpy(place, &pair, 2);  // of an odd depth the second is zero, as is all that follows
      sum += pair.first + pair.second;
      k++;
    }
  }
  return sum;
}

void mp_linear_pack(mp_isa isa, mp_precision precision, const float *weight, int columns, int depth, void *packed) {
  const mp_panel_layout layout = mp_layout_of(isa);
  const size_t lanes = (size_t)layout.lanes, panel = lanes * (size_t)layout.panel_vectors;
  if (panel == 0) {
    mp_rows_pack(precision, weight, columns, depth, packed);
    return;
  }
  const size_t all = (size_t)columns, deep = (size_t)depth, steps = (size_t)mp_steps(precision, depth);
  const size_t whole = rounded_up(all, lanes);
  uint32_t *words = packed;
  float *scales = (float *)(words + whole * steps);
  int32_t *starts = (int32_t *)(scales + whole);
  memset(packed, 0, mp_linear_packed_bytes(isa, precision, columns, depth));
  for (size_t column = 0; column < all; column++) {
    const size_t first = column / panel * panel, width = whole - first < panel ? whole - first : panel;
    const float *row = weight + column * deep;
    const float scale = precision == MP_PRECISION_INT8 ? int8_scale(row, deep) : 0;
    const int32_t sum = pack_column(precision, row, deep, scale, width, words + first * steps + (column - first));
    if (precision != MP_PRECISION_INT8) continue;
    scales[column] = scale;
    starts[column] = -128 * sum;
  }
}
