// The sums of the oracle's matrix products. They are C for one reason: Swift can't be asked for wide vectors function
// by function. The same loop is compiled for several kinds of vectors and the machine picks one. All give equal bits: a
// product of two f32 is exact in double, so that a fused multiply-add rounds just as an addition does, and each lane is
// one sum in the order of k.

#include "reference_sums.h"

typedef double lanes
    __attribute__((vector_size(mp_reference_lanes * sizeof(double)), aligned(sizeof(double)), may_alias));

#if defined(__x86_64__)
__attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#endif
size_t mp_reference_sums(const double *rows, const double *weights, size_t columns, size_t depth, double *sums) {
  const lanes *block = (const lanes *)rows;
  size_t multiplications = 0;
  for (size_t column = 0; column < columns; column += 4) {
    // Four columns at once keep the adders busy. The last stands in for those that are missing.
    const size_t count = columns - column < 4 ? columns - column : 4;
    const double *first = weights + column * depth;
    const double *second = first + (count > 1 ? depth : 0);
    const double *third = second + (count > 2 ? depth : 0);
    const double *fourth = third + (count > 3 ? depth : 0);
    lanes sum[4] = {0};
    for (size_t k = 0; k < depth; k++) {
      sum[0] += block[k] * first[k];
      sum[1] += block[k] * second[k];
      sum[2] += block[k] * third[k];
      sum[3] += block[k] * fourth[k];
      multiplications += count;
    }
    for (size_t index = 0; index < count; index++) ((lanes *)sums)[column + index] = sum[index];
  }
  return multiplications;
}
