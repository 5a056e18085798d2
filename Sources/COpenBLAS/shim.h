// The only door to OpenBLAS: this module makes SwiftPM ask for its package. The C kernels include <cblas.h> themselves;
// nothing is linked to the library, which is loaded when it is needed (blas.c).
#include <cblas.h>
