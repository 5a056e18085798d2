// The only door to OpenBLAS: the C kernels include <cblas.h> themselves, this module makes SwiftPM find and link it.
#include <cblas.h>
