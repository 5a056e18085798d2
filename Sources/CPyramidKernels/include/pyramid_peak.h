// What the arithmetic units of this machine can do at best: the yardstick for the kernels' own rates.
//
// Separate from the kernels because nothing of the engine calls it: it is measured for reports only.
#ifndef PYRAMID_PEAK_H
#define PYRAMID_PEAK_H

#ifdef __cplusplus
extern "C" {
#endif

/// The instruction whose rate is wanted: multiply-add of floats, dot product of pairs of bf16 (AVX512-BF16), dot
/// product of fours of bytes (AVX512-VNNI).
typedef enum { MP_PEAK_F32_FMA = 0, MP_PEAK_BF16_DOT = 1, MP_PEAK_INT8_DOT = 2 } mp_peak_kind;

/// Operations per second, a multiply-add counted as two, of a loop that works on registers alone, at the widest vectors
/// that the machine has: the best of fifty runs of a millisecond, since others may use the processors, too. `threads`
/// (>= 1) run it at the same time, and the sum over all of them is returned. 0 when this machine lacks the instruction
/// or is not x86-64.
double mp_peak_rate(mp_peak_kind kind, int threads);

/// The name of the instruction that `mp_peak_rate` times here, with its vector width in bits; NULL when there is none.
const char *mp_peak_instruction(mp_peak_kind kind);

#ifdef __cplusplus
}
#endif
#endif
