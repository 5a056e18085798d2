// What the checks share: numbers that repeat, guarded memory, comparisons, and the count of both (support.c), and the
// checks themselves, one for each kind of kernel, of a path.
#ifndef MP_CHECK_H
#define MP_CHECK_H

#include "pyramid_kernels.h"
#include "pyramid_training.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern int passed, failed;
extern const char *subject;  // the path under test

void expect(int holds, const char *what);

/// Where repeatable numbers (SplitMix64) go on from.
extern uint64_t state;

/// `count` floats between guards, which are NaN; so are the floats until something is written. Under the address
/// sanitizer there are no guards: its own see reads as well. Lives until `drop_all`.
float *buffer(size_t count);
/// Numbers in -scale ..< scale.
float *numbers(size_t count, float scale);
/// Indices in 0 ..< below.
int32_t *indices(size_t count, int below);
/// Zeros.
double *sums(size_t count);
/// Checks the guards of all buffers, and frees them.
void drop_all(void);

/// |a - b| <= tolerance max(1, |b|) everywhere.
int is_close(const float *a, const float *b, size_t count, float tolerance);
/// The same of what plain loops in double gave; with a tolerance of 0 of their floats.
int is_near(const float *a, const double *b, size_t count, double tolerance);
int is_same(const void *a, const void *b, size_t count);

/// The definitions in the header, in double.
double activated(double x, mp_activation activation);
/// To bf16, nearest even, and back.
double in_bf16(float x);
int is_kept(mp_dropout dropout, uint32_t counter);

void check_layers(mp_isa isa);
void check_rows(mp_isa isa);
void check_attention(mp_isa isa);
void check_first_attention(mp_isa isa);
void check_attention_gradient(mp_isa isa);
void check_training_layers(mp_isa isa);
void check_training(mp_isa isa);

/// The hash, and after it `count` floats (FNV-1a); it starts as DIGEST_START.
uint64_t add_digest(uint64_t digest, const float *x, size_t count);
#define DIGEST_START 1469598103934665603u

/// A hash of what layers give: in int8 the same on every path but the portable one.
uint64_t digest_layers(mp_isa isa, mp_precision precision);
/// A hash of what an attention in f32 gives, and of its scores but those from others, of which compilers make other sums.
uint64_t digest_attention(mp_isa isa);

#endif
