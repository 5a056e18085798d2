// Loads OpenBLAS by the name that its package gives it at run time. Separate because it is the only file that knows
// about dynamic loading.
#include "portable/blas.h"

#if !defined(MP_NO_BLAS)
#include "pyramid_kernels.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static mp_blas_functions functions;
static int is_complete = 1;
static pthread_once_t opened = PTHREAD_ONCE_INIT;

static void *find(void *library, const char *name) {
  void *address = library ? dlsym(library, name) : NULL;
  is_complete = is_complete && address;
  return address;
}

static void open_library(void) {
  void *library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
  functions.sgemm = (__typeof__(functions.sgemm))find(library, "cblas_sgemm");
  functions.sgemv = (__typeof__(functions.sgemv))find(library, "cblas_sgemv");
  functions.saxpy = (__typeof__(functions.saxpy))find(library, "cblas_saxpy");
  functions.sdot = (__typeof__(functions.sdot))find(library, "cblas_sdot");
  functions.get_corename = (__typeof__(functions.get_corename))find(library, "openblas_get_corename");
  // The kernels' own team shares the work; threads of the library's would stand in its way.
  const __typeof__(&openblas_set_num_threads) set_threads =
    (__typeof__(&openblas_set_num_threads))find(library, "openblas_set_num_threads");
  if (set_threads) set_threads(1);
}

int mp_blas_available(void) {
  pthread_once(&opened, open_library);
  return is_complete;
}

const mp_blas_functions *mp_blas(void) {
  if (!mp_blas_available()) {
    fprintf(stderr, "error: the portable kernels need OpenBLAS (libopenblas0), which is not installed\n");
    abort();
  }
  return &functions;
}
#endif
