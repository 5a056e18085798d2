// Numbers, guarded memory and comparisons of the checks.
#include "check.h"

#ifndef __has_feature
#define __has_feature(name) 0
#endif
/// Floats on either side of a buffer that must stay as they are.
enum { MARGIN = __has_feature(address_sanitizer) ? 0 : 64 };
static const uint32_t mark = 0x7fc0beef;

int passed, failed;
const char *subject = "";

void expect(int holds, const char *what) {
  if (holds) {
    passed++;
  } else {
    failed++;
    printf("failed: %s, %s\n", subject, what);
  }
}

uint64_t state;
static uint64_t next_bits(void) {
  uint64_t z = state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

/// The buffers that there are.
static struct {
  float *start;
  size_t count;
} live[1024];
static size_t lives;

float *buffer(size_t count) {
  float *all = malloc((count + 2 * MARGIN) * sizeof(float));
  if (!all || lives == sizeof live / sizeof live[0]) {
    printf("no room for a buffer\n");
    exit(2);
  }
  for (size_t i = 0; i < count + 2 * MARGIN; i++) memcpy(all + i, &mark, 4);
  live[lives].start = all + MARGIN;
  live[lives++].count = count;
  return all + MARGIN;
}

float *numbers(size_t count, float scale) {
  float *x = buffer(count);
  for (size_t i = 0; i < count; i++) x[i] = ((float)(int32_t)(next_bits() >> 40) / 8388608.0f - 1.0f) * scale;
  return x;
}

int32_t *indices(size_t count, int below) {
  int32_t *x = (int32_t *)buffer(count);
  for (size_t i = 0; i < count; i++) x[i] = (int32_t)(next_bits() % (uint64_t)below);
  return x;
}

double *sums(size_t count) {
  double *x = (double *)buffer(2 * count);
  memset(x, 0, count * sizeof *x);
  return x;
}

void drop_all(void) {
  while (lives > 0) {
    const float *start = live[--lives].start, *end = start + live[lives].count;
    int intact = 1;
    for (size_t i = 0; i < MARGIN; i++) {
      intact = intact && memcmp(start - MARGIN + i, &mark, 4) == 0 && memcmp(end + i, &mark, 4) == 0;
    }
    expect(intact, "memory outside of a buffer is left alone");
    free(live[lives].start - MARGIN);
  }
}

int is_near(const float *a, const double *b, size_t count, double tolerance) {
  for (size_t i = 0; i < count; i++) {
    const double truth = tolerance > 0 ? b[i] : (double)(float)b[i];
    if (!(fabs((double)a[i] - truth) <= tolerance * fmax(1, fabs(truth)))) {
      printf("%g instead of %g at %zu: ", (double)a[i], truth, i);
      return 0;
    }
  }
  return 1;
}

int is_close(const float *a, const float *b, size_t count, float tolerance) {
  for (size_t i = 0; i < count; i++) {
    const double truth = (double)b[i];
    if (!is_near(a + i, &truth, 1, (double)tolerance)) {
      printf("%zu floats on: ", i);
      return 0;
    }
  }
  return 1;
}

int is_same(const void *a, const void *b, size_t count) { return memcmp(a, b, count * 4) == 0; }

double activated(double x, mp_activation activation) {
  switch (activation) {
  case MP_ACTIVATION_NONE: return x;
  case MP_ACTIVATION_GELU: return x * 0.5 * erfc(-x / sqrt(2));
  case MP_ACTIVATION_GELU_TANH: return 0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
  case MP_ACTIVATION_RELU: return fmax(x, 0);
  case MP_ACTIVATION_TANH: return tanh(x);
  case MP_ACTIVATION_SIGMOID: return 1 / (1 + exp(-x));
  }
  return NAN;
}

double in_bf16(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000;
  memcpy(&x, &bits, 4);
  return x;
}

int is_kept(mp_dropout dropout, uint32_t counter) {
  uint32_t h = counter ^ (uint32_t)dropout.key;
  h ^= h >> 16;
  h *= 0x85ebca6b;
  h ^= (uint32_t)(dropout.key >> 32);
  h ^= h >> 13;
  h *= 0xc2b2ae35;
  h ^= h >> 16;
  return (double)(h >> 8) >= round((double)dropout.rate * 0x1p24);
}

uint64_t add_digest(uint64_t digest, const float *x, size_t count) {
  for (size_t b = 0; b < 4 * count; b++) digest = (digest ^ ((const uint8_t *)x)[b]) * 1099511628211u;
  return digest;
}
