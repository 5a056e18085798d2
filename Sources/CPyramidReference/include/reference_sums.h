// The one loop of the oracle that is C. See reference_sums.c.

#ifndef REFERENCE_SUMS_H
#define REFERENCE_SUMS_H

#include <stddef.h>

/// Rows that stand side by side in a block.
enum { mp_reference_lanes = 8 };

/// The products of a block of rows with rows of weights: `sums[column][lane]` is the sum over k, from 0 up, of
/// `rows[k][lane] * weights[column][k]` for k < depth, all of them numbers that f32 can hold. Returns the
/// multiplications done per lane.
size_t mp_reference_sums(const double *rows, const double *weights, size_t columns, size_t depth, double *sums);

#endif
