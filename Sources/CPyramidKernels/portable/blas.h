// OpenBLAS, loaded when the portable path first multiplies. The project's own kernels don't need it, and a process that
// is linked to it loads it at every start: 30 MB to map, and a pool of threads that spin before they sleep. A build with
// MP_NO_BLAS does without: products.c has loops of the same names.
#ifndef PYRAMID_BLAS_H
#define PYRAMID_BLAS_H

#if defined(MP_NO_BLAS)
enum { CblasRowMajor = 101, CblasNoTrans = 111, CblasTrans = 112 };

typedef struct {
  void (*sgemm)(int order, int a_transposed, int b_transposed, int rows, int columns, int depth, float alpha,
                const float *a, int a_stride, const float *b, int b_stride, float beta, float *c, int c_stride);
  void (*sgemv)(int order, int transposed, int rows, int columns, float alpha, const float *a, int a_stride,
                const float *x, int x_step, float beta, float *y, int y_step);
  void (*saxpy)(int count, float factor, const float *x, int x_step, float *y, int y_step);
  float (*sdot)(int count, const float *x, int x_step, const float *y, int y_step);
  char *(*get_corename)(void);
} mp_blas_functions;
#else
#include <cblas.h>

typedef struct {
  __typeof__(&cblas_sgemm) sgemm;
  __typeof__(&cblas_sgemv) sgemv;
  __typeof__(&cblas_saxpy) saxpy;
  __typeof__(&cblas_sdot) sdot;
  __typeof__(&openblas_get_corename) get_corename;
} mp_blas_functions;
#endif

/// The functions of the library, which is loaded and made single-threaded at the first call. Any thread may call.
/// Ends the process with a message when the library is missing: nothing could be multiplied. The code that opens a
/// model asks `mp_blas_available` first.
const mp_blas_functions *mp_blas(void);

#endif
