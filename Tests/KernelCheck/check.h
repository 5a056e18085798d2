// What the checks of check.c share: numbers that repeat, guarded memory, comparisons, and the count of both.
#ifndef MP_CHECK_H
#define MP_CHECK_H

#include "pyramid_kernels.h"
#include "pyramid_training.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef __has_feature
#define __has_feature(name) 0
#endif
/// Floats on either side of a buffer that must stay as they are; the address sanitizer has guards of its own, which see reads.
enum { MARGIN = __has_feature(address_sanitizer) ? 0 : 64 };
static int passed, failed;
static const char *subject = "";  // the path under test

static void expect(int holds, const char *what) {
  if (holds) {
    passed++;
  } else {
    failed++;
    printf("failed: %s, %s\n", subject, what);
  }
}

/// Repeatable numbers in -1 ..< 1 (SplitMix64).
static uint64_t state;
static uint64_t next_bits(void) {
  uint64_t z = state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

/// `count` floats between guards, which are NaN; so are the floats until something is written.
static float *buffer(size_t count) {
  float *all = malloc((count + 2 * MARGIN) * sizeof(float));
  const uint32_t mark = 0x7fc0beef;
  for (size_t i = 0; i < count + 2 * MARGIN; i++) memcpy(all + i, &mark, 4);
  return all + MARGIN;
}
static float *numbers(size_t count, float scale) {
  float *x = buffer(count);
  for (size_t i = 0; i < count; i++) x[i] = ((float)(int32_t)(next_bits() >> 40) / 8388608.0f - 1.0f) * scale;
  return x;
}

/// Checks the guards of a buffer, and frees it.
static void drop(float *x, size_t count) {
  int intact = 1;
  for (size_t i = 0; i < MARGIN; i++) {
    uint32_t before, after;
    memcpy(&before, x - MARGIN + i, 4);
    memcpy(&after, x + count + i, 4);
    intact = intact && before == 0x7fc0beef && after == 0x7fc0beef;
  }
  expect(intact, "memory outside of a buffer is left alone");
  free(x - MARGIN);
}

/// |a - b| <= tolerance max(1, |b|) everywhere.
static int is_close(const float *a, const float *b, size_t count, float tolerance) {
  for (size_t i = 0; i < count; i++) {
    if (!(fabsf(a[i] - b[i]) <= tolerance * fmaxf(1, fabsf(b[i])))) {
      printf("%g instead of %g at %zu: ", (double)a[i], (double)b[i], i);
      return 0;
    }
  }
  return 1;
}
static int is_same(const float *a, const float *b, size_t count) { return memcmp(a, b, count * sizeof(float)) == 0; }

#endif
