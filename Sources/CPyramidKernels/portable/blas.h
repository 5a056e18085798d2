// OpenBLAS, loaded when the portable path first multiplies. The project's own kernels don't need it, and a process that
// is linked to it loads it at every start: 30 MB to map, and a pool of threads that spin before they sleep.
#ifndef PYRAMID_BLAS_H
#define PYRAMID_BLAS_H

#include <cblas.h>

typedef struct {
  __typeof__(&cblas_sgemm) sgemm;
  __typeof__(&cblas_sgemv) sgemv;
  __typeof__(&cblas_saxpy) saxpy;
  __typeof__(&cblas_sdot) sdot;
  __typeof__(&openblas_get_corename) get_corename;
} mp_blas_functions;

/// The functions of the library, which is loaded and made single-threaded at the first call. Any thread may call.
/// Ends the process with a message when the library is missing: nothing could be multiplied. The code that opens a
/// model asks `mp_blas_available` first.
const mp_blas_functions *mp_blas(void);

#endif
