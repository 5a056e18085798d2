// The kernels of training: products with weights as they are stored, gradients of every operation, dropout, and the
// optimiser. All in f32, but for products that may round their factors to bf16.
//
// Separate from pyramid_kernels.h because inference calls none of it. Its conventions hold here too. What is called a
// gradient of a parameter is added to: `+=`. Every sum has one fixed order, so that in f32 AVX2 and AVX-512 paths give
// the same bits at any thread count, and in bf16 every path its own; long sums over rows are cut into blocks whose sizes
// follow from the number of rows alone.
#ifndef PYRAMID_TRAINING_H
#define PYRAMID_TRAINING_H

#include "pyramid_kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

// MARK: Linear layers

/// A layer whose weight [columns][depth] lies row by row. In bf16 both factors of its products are rounded to nearest
/// even on the way; sums, results and what a gradient is added to are f32.
typedef struct {
  mp_isa isa;
  int threads;
  mp_precision precision;     // f32 or bf16
  int rows, depth, columns;   // rows >= 0, depth >= 1, columns >= 1
  float *scratch;             // `mp_training_linear_scratch_count` floats
} mp_training_layer;

/// Floats of scratch that the three products of this layer need, for its number of rows or fewer.
size_t mp_training_linear_scratch_count(const mp_training_layer *layer);

/// y = x W^T + bias; x [rows][depth], bias [columns] or NULL, y [rows][columns].
void mp_training_linear(const mp_training_layer *layer, const float *x, const float *weight, const float *bias,
                        float *y);

/// dx = dy W; dy [rows][columns], dx [rows][depth].
void mp_linear_input_gradient(const mp_training_layer *layer, const float *dy, const float *weight, float *dx);

/// dweight += dy^T x, dbias += the sum of dy's rows; x [rows][depth], dy [rows][columns], dweight [columns][depth] or
/// NULL, dbias [columns] or NULL.
void mp_linear_weight_gradient(const mp_training_layer *layer, const float *x, const float *dy, float *dweight,
                               float *dbias);

// MARK: Dropout

/// y = x with elements dropped, the counter of element i being i; y may equal x. Its gradient is the same of dy.
void mp_apply_dropout(mp_isa isa, int threads, const float *x, int rows, int columns, mp_dropout dropout, float *y);

// MARK: Elementwise and row operations

/// dx = dy * f'(x); all [rows][columns]; dx may equal x or dy.
void mp_activation_gradient(mp_isa isa, int threads, const float *x, const float *dy, int rows, int columns,
                            mp_activation activation, float *dx);

/// Floats of scratch that `mp_layer_norm_gradient` needs.
size_t mp_layer_norm_gradient_scratch_count(int rows, int columns);

/// Of y = layer_norm(x) * gamma + beta: dx [rows][columns], dgamma and dbeta += [columns] (or NULL);
/// dx may equal dy or x, or be NULL.
void mp_layer_norm_gradient(mp_isa isa, int threads, const float *x, const float *dy, int rows, int columns,
                            const float *gamma, float epsilon, float *dx, float *dgamma, float *dbeta, float *scratch);

/// Adds each row of dy [rows][columns] to the rows of the tables that `mp_embed` took it from; a table may be NULL.
void mp_embed_gradient(int threads, const int32_t *ids, const int32_t *position, const int32_t *type, const float *dy,
                       int rows, int columns, float *dwords, float *dpositions, float *dtypes);

/// y[r] = x[r] * factor[r]; x, y [rows][columns], factor [rows]; y may equal x.
void mp_scale_rows(int threads, const float *x, const float *factor, int rows, int columns, float *y);

/// y[r] = the sum of a[r] * b[r]; a, b [rows][columns], y [rows].
void mp_row_dot(int threads, const float *a, const float *b, int rows, int columns, float *y);

/// y = columns first ..< first + columns of x [rows][stride]; y [rows][columns].
void mp_copy_columns(int threads, const float *x, int rows, int stride, int first, int columns, float *y);

/// y = zero but for y[index[r]] = x[r]; x [count][columns], index [count] without repetition, y [rows][columns].
void mp_scatter_rows(int threads, const float *x, const int32_t *index, int count, int rows, int columns, float *y);

/// Every row of a sample gets dy[sample] divided by the sample's length; dy [samples][columns], segments [samples + 1],
/// dx [rows][columns].
void mp_segment_mean_gradient(int threads, const float *dy, const int32_t *segments, int samples, int columns,
                              float *dx);

// MARK: Losses and soft pruning

/// loss[r] = -scale * sum_k target[r][k] log softmax(logits[r])[k]; logits, target [rows][classes], loss [rows].
void mp_cross_entropy(const float *logits, const float *target, int rows, int classes, float scale, float *loss);

/// dlogits = scale * (softmax(logits) * sum(target) - target), row by row; [rows][classes]; dlogits may equal logits.
void mp_cross_entropy_gradient(const float *logits, const float *target, int rows, int classes, float scale,
                               float *dlogits);

/// mask = 1 / (1 + exp((threshold - score) / temperature)), 1 for each sample's first token; score, mask [tokens].
void mp_soft_keep(const float *score, const int32_t *segments, int samples, float threshold, float temperature,
                  float *mask);

/// dscore of `mp_soft_keep` by its result and dmask, [tokens]; *dthreshold += unless it is NULL. First tokens get and
/// give nothing. dscore may equal dmask.
void mp_soft_keep_gradient(const float *mask, const float *dmask, const int32_t *segments, int samples,
                           float temperature, float *dscore, float *dthreshold);

/// y[s] = scale * mean of the sample's mask; mask [tokens], y [samples].
void mp_mean_rows_penalty(const float *mask, const int32_t *segments, int samples, float scale, float *y);

/// dmask = scale / the sample's length; [tokens].
void mp_mean_rows_penalty_gradient(const int32_t *segments, int samples, float scale, float *dmask);

// MARK: Attention

/// Floats of scratch that `mp_attention_gradient` needs for samples of at most `longest_sample` tokens.
size_t mp_attention_gradient_scratch_count(mp_isa isa, int threads, int longest_sample, int head_dim);

/// Gradient of `mp_attention` in f32, probabilities recomputed.
typedef struct {
  mp_isa isa;
  int threads;
  const float *q, *k, *v;          // [tokens][stride], as in `mp_attention_call`
  int stride;
  const int32_t *segments;         // [samples + 1]
  int samples;
  int heads, head_dim;
  mp_dropout dropout;              // as in the call that is differentiated
  const float *dout;               // [tokens][heads*head_dim]
  const float *dreceived;          // [tokens] or NULL
  float *dq, *dk, *dv;             // [tokens][heads*head_dim]
  float *scratch;                  // `mp_attention_gradient_scratch_count` floats
} mp_attention_gradient_call;

void mp_attention_gradient(const mp_attention_gradient_call *call);

// MARK: Optimiser

/// What one step of AdamW multiplies by. In the terms of torch.optim.AdamW: step_size = lr / (1 - beta1^t),
/// second_scale = 1 / (1 - beta2^t), keep = 1 - lr * weight_decay.
typedef struct {
  float gradient_scale, step_size, second_scale, keep, beta1, beta2, epsilon;
} mp_adamw;

/// With g = gradient * gradient_scale: first += (g - first) (1 - beta1), second = second beta2 + g^2 (1 - beta2),
/// parameter = parameter * keep - step_size * first / (sqrt(second * second_scale) + epsilon), gradient = 0;
/// all [count].
void mp_adamw_step(int threads, mp_adamw settings, float *parameters, float *gradients, float *first, float *second,
                   size_t count);

/// The sum of x[i]^2 in double; infinite or NaN if an element is.
double mp_sum_of_squares(int threads, const float *x, size_t count);

/// x *= factor, [count].
void mp_scale(int threads, float *x, size_t count, float factor);

/// x = 0, [count].
void mp_zero(int threads, float *x, size_t count);

#ifdef __cplusplus
}
#endif
#endif
