// Template: operands of products that lie row by row, as panels: copied where a row holds one number for each column of
// the panels, else transposed in squares of 8 by 8; and the transposed operand of dW.
#ifndef MP_PACK_SIMD_H
#define MP_PACK_SIMD_H

#include "operations/training/training_table.h"
#include "templates/vector_math.h"

/// Columns of the panel that begins at `column`, filled to whole vectors, and where it is.
MP_INLINE int panel_width(int columns, int column) {
  const int left = columns - column, whole = PANEL_VECTORS * LANES;
  return left < whole ? (left + LANES - 1) / LANES * LANES : whole;
}

/// y[j][i] = x[i][j] for 8 rows of x and of y.
MP_INLINE void transpose_square(const float *x, size_t x_stride, float *y, size_t y_stride) {
  octet row[8];
  for (int i = 0; i < 8; i++) row[i] = o_load(x + (size_t)i * x_stride);
  store_transposed(row, y, y_stride);
}

static void MP_NAME(pack_columns)(const float *weight, int columns, int depth, int first, int end, float *packed) {
  const int deep = depth / 8 * 8;
  for (int column = first, width; column < end; column += width) {
    width = panel_width(columns, column);
    const int count = columns - column < width ? columns - column : width, whole = count / 8 * 8;
    const float *x = weight + (size_t)column * (size_t)depth;
    float *panel = packed + (size_t)column * (size_t)depth;
    for (int k = 0; k < deep; k += 8) {
      for (int c = 0; c < whole; c += 8) {
        transpose_square(x + (size_t)c * (size_t)depth + k, (size_t)depth, panel + (size_t)k * (size_t)width + c,
                         (size_t)width);
      }
    }
    for (int k = 0; k < depth; k++) {
      float *row = panel + (size_t)k * (size_t)width;
      for (int c = k < deep ? whole : 0; c < width; c++) {
        row[c] = c < count ? x[(size_t)c * (size_t)depth + (size_t)k] : 0.0f;
      }
    }
  }
}

static void MP_NAME(pack_rows)(const float *weight, int columns, int depth, int first, int end, float *packed) {
  for (int k = 0; k < depth; k++) {
    const float *row = weight + (size_t)k * (size_t)columns;
    for (int column = first, width; column < end; column += width) {
      width = panel_width(columns, column);
      float *place = packed + (size_t)column * (size_t)depth + (size_t)k * (size_t)width;
      for (int c = 0; c < width; c += LANES) {
        v_store(place + c, v_load_some(row + column + c, (size_t)(columns - column - c)));
      }
    }
  }
}

/// 8 columns: the whole squares are transposed and summed in vectors, what is left one by one.
MP_INLINE void transpose_strip(const float *x, int rows, size_t columns, float *y, size_t y_stride, float *sums) {
  octet sum = sums ? o_load(sums) : o_zero();
  int r = 0;
  for (; r + 8 <= rows; r += 8) {
    octet row[8];
    for (int i = 0; i < 8; i++) {
      row[i] = o_load(x + (size_t)(r + i) * columns);
      __builtin_prefetch(x + (size_t)(r + i + 16) * columns);
      sum = o_add(sum, row[i]);
    }
    store_transposed(row, y + r, y_stride);
  }
  for (; r < rows; r++) {
    const float *row = x + (size_t)r * columns;
    for (size_t c = 0; c < 8; c++) y[c * y_stride + (size_t)r] = row[c];
    sum = o_add(sum, o_load(row));
  }
  if (sums) o_store(sums, sum);
}

static void MP_NAME(transpose)(const float *x, int rows, int columns, int first, int end, float *y, size_t y_stride,
                               float *sums) {
  int c = first;
  for (; c + 8 <= end; c += 8) {
    transpose_strip(x + c, rows, (size_t)columns, y + (size_t)c * y_stride, y_stride, sums ? sums + c : NULL);
  }
  for (; c < end; c++) {
    float sum = sums ? sums[c] : 0.0f;
    for (size_t r = 0; r < (size_t)rows; r++) {
      y[(size_t)c * y_stride + r] = x[r * (size_t)columns + (size_t)c];
      sum += x[r * (size_t)columns + (size_t)c];
    }
    if (sums) sums[c] = sum;
  }
}

#endif
