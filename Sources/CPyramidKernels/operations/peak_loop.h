// One loop of an instruction, for peak.c; peak_loops.c of each kind of processor has them.
#ifndef MP_PEAK_LOOP_H
#define MP_PEAK_LOOP_H

#include "pyramid_kernels.h"

typedef struct {
  const char *name;
  double operations;              // of one iteration, a multiply-add counted as two
  long iterations;                // about a millisecond
  void (*loop)(long iterations);
} mp_peak_loop;

/// The loop of a feature, or with 0 that of the multiply-adds of floats; NULL when this machine has none.
const mp_peak_loop *mp_peak_loop_of(mp_isa feature);

#endif
