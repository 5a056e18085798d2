// What the arithmetic units of this machine can do at best: the yardstick for the kernels' own rates, and what the choice
// of features follows.
//
// Separate from the kernels because nothing of the engine calls it: it is measured for reports only.
#ifndef PYRAMID_PEAK_H
#define PYRAMID_PEAK_H

#include "pyramid_kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Operations per second, a multiply-add counted as two, of a loop of one feature's instruction that works on registers
/// alone: the best of fifty runs of a millisecond, since others may use the processors, too. Without a feature: of the
/// multiply-adds of floats, at the widest vectors that the machine has. `threads` (>= 1) run it at the same time, and the
/// sum over all of them is returned. 0 when this machine lacks the instruction.
double mp_peak_rate(mp_isa feature, int threads);

/// The name of the instruction that `mp_peak_rate` times here, with its vector width in bits; NULL when there is none.
const char *mp_peak_instruction(mp_isa feature);

#ifdef __cplusplus
}
#endif
#endif
