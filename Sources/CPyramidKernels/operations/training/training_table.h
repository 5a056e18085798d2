// What a path offers to training: packing of operands that change with every step, elementwise functions and their
// gradients. The division of labour is that of kernel_table.h.
#ifndef MP_TRAINING_TABLE_H
#define MP_TRAINING_TABLE_H

#include "operations/kernel_table.h"
#include "pyramid_training.h"

/// One (sample, head) of an attention's gradient.
typedef struct {
  const float *q, *k, *v;  // of the sample's first token and this head
  size_t stride;
  int tokens, head_dim;
  mp_dropout dropout;
  uint32_t counter, row_counters;  // as in mp_attention_job
  const float *dout;       // of the sample's first token and this head, as dq, dk and dv
  size_t width;            // from one token's row to the next
  const float *dreceived;  // [tokens] or NULL
  float share;             // of one head in what a token receives
  float *dq, *dk, *dv;
  float *scratch;  // mp_training_kernels.attention_scratch(tokens, head_dim) floats of this thread
} mp_attention_gradient_job;

typedef struct mp_training_kernels {
  /// The linear kernel's weight from matrices that are stored row by row; columns first ..< end, `first` a multiple of
  /// the panel's. From [columns][depth] and from [depth][columns].
  void (*pack_columns)(const float *weight, int columns, int depth, int first, int end, float *packed);
  void (*pack_rows)(const float *weight, int columns, int depth, int first, int end, float *packed);
  /// y [columns][y_stride] = x [rows][columns] transposed, for columns first ..< end; sums[c] += the sum of column c,
  /// unless sums is NULL.
  void (*transpose)(const float *x, int rows, int columns, int first, int end, float *y, size_t y_stride, float *sums);

  void (*activation_gradient)(const float *x, const float *dy, size_t count, mp_activation activation, float *dx);
  /// Element i has the counter first + i.
  void (*dropout)(const float *x, size_t count, uint32_t first, mp_dropout dropout, float *y);
  /// Rows' dx (unless NULL), and their dgamma and dbeta, which are set (unless NULL).
  void (*layer_norm_gradient)(const float *x, const float *dy, int rows, int columns, const float *gamma,
                              float epsilon, float *dx, float *dgamma, float *dbeta);

  void (*attention_gradient)(const mp_attention_gradient_job *job);
  size_t (*attention_scratch)(int tokens, int head_dim);
} mp_training_kernels;

extern const mp_training_kernels mp_training_portable, mp_training_avx2, mp_training_avx512;

#define MP_TRAINING_KERNELS(path)                                                                         \
  {                                                                                                       \
    .pack_columns = pack_columns_##path, .pack_rows = pack_rows_##path, .transpose = transpose_##path,    \
    .activation_gradient = activation_gradient_##path, .dropout = dropout_##path,                         \
    .layer_norm_gradient = layer_norm_gradient_##path, .attention_gradient = attention_gradient_##path,   \
    .attention_scratch = attention_gradient_scratch_##path                                                \
  }

/// The smallest (h >> 8) of an element that is kept, and what it is multiplied by.
static inline uint32_t mp_least_kept(mp_dropout dropout) { return (uint32_t)__builtin_roundf(dropout.rate * 0x1p24f); }
static inline float mp_kept_scale(mp_dropout dropout) { return 1.0f / (1.0f - dropout.rate); }

/// Whether the element of a counter is kept.
static inline int mp_is_kept(mp_dropout dropout, uint32_t counter) {
  uint32_t h = counter ^ (uint32_t)dropout.key;
  h = (h ^ h >> 16) * 0x85ebca6bu ^ (uint32_t)(dropout.key >> 32);
  h = (h ^ h >> 13) * 0xc2b2ae35u;
  return (h ^ h >> 16) >> 8 >= mp_least_kept(dropout);
}

#endif
