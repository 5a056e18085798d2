// What this ARM processor has, as the operating system says. Separate because it is the only file that asks.
#include "operations/kernel_table.h"

#if defined(__aarch64__)
#include <sys/auxv.h>

mp_processor mp_ask_processor(void) {
  mp_processor found = {.bases = 1u << MP_ISA_NEON};
  if (getauxval(AT_HWCAP) & 1ul << 20) found.features |= MP_FEATURE_DOTPROD;
  if (getauxval(AT_HWCAP2) & 1ul << 13) found.features |= MP_FEATURE_I8MM;
  if (getauxval(AT_HWCAP2) & 1ul << 14) found.features |= MP_FEATURE_BF16;
  return found;
}
#endif
