// The products of the portable path in plain loops, for builds without OpenBLAS (MP_NO_BLAS). Row-major, as it calls
// them, and no more than it needs.
#include "portable/blas.h"
#include "pyramid_kernels.h"

#if defined(MP_NO_BLAS)
#include <stddef.h>

static void own_sgemm(int order, int a_transposed, int b_transposed, int rows, int columns, int depth, float alpha,
                      const float *a, int a_stride, const float *b, int b_stride, float beta, float *c, int c_stride) {
  (void)order;
  const ptrdiff_t a_row = a_transposed == CblasTrans ? 1 : a_stride, a_step = a_transposed == CblasTrans ? a_stride : 1;
  const ptrdiff_t b_step = b_transposed == CblasTrans ? 1 : b_stride;
  const ptrdiff_t b_column = b_transposed == CblasTrans ? b_stride : 1;
  for (ptrdiff_t r = 0; r < rows; r++) {
    for (ptrdiff_t j = 0; j < columns; j++) {
      float sum = 0;
      for (ptrdiff_t k = 0; k < depth; k++) sum += a[r * a_row + k * a_step] * b[k * b_step + j * b_column];
      float *place = c + r * c_stride + j;
      *place = alpha * sum + (beta == 0 ? 0 : beta * *place);
    }
  }
}

static void own_sgemv(int order, int transposed, int rows, int columns, float alpha, const float *a, int a_stride,
                      const float *x, int x_step, float beta, float *y, int y_step) {
  (void)x_step, (void)y_step;  // 1
  const int height = transposed == CblasTrans ? columns : rows, depth = transposed == CblasTrans ? rows : columns;
  own_sgemm(order, transposed, CblasNoTrans, height, 1, depth, alpha, a, a_stride, x, 1, beta, y, 1);
}

static void own_saxpy(int count, float factor, const float *x, int x_step, float *y, int y_step) {
  for (ptrdiff_t i = 0; i < count; i++) y[i * y_step] += factor * x[i * x_step];
}

static float own_sdot(int count, const float *x, int x_step, const float *y, int y_step) {
  float sum = 0;
  for (ptrdiff_t i = 0; i < count; i++) sum += x[i * x_step] * y[i * y_step];
  return sum;
}

static char *own_name(void) { return (char *)"loops"; }

int mp_blas_available(void) { return 1; }

const mp_blas_functions *mp_blas(void) {
  static const mp_blas_functions own = {own_sgemm, own_sgemv, own_saxpy, own_sdot, own_name};
  return &own;
}
#endif
