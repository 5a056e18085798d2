// Training on the portable path: plain loops, which also say in a few lines what their twins in templates/training
// compute. OpenBLAS multiplies: what is packed is a weight [columns][depth] as linear_portable reads it.
#include "operations/training/training_table.h"

#include <math.h>
#include <string.h>

static void pack_columns_portable(const float *weight, int columns, int depth, int first, int end, float *packed) {
  (void)columns;
  const size_t place = (size_t)first * (size_t)depth;
  memcpy(packed + place, weight + place, (size_t)(end - first) * (size_t)depth * sizeof(float));
}

static void transpose_portable(const float *x, int rows, int columns, int first, int end, float *y, size_t y_stride,
                               float *sums) {
  for (size_t c = (size_t)first; c < (size_t)end; c++) {
    double sum = 0;
    for (size_t r = 0; r < (size_t)rows; r++) {
      const float value = x[r * (size_t)columns + c];
      y[c * y_stride + r] = value;
      sum += value;
    }
    if (sums) sums[c] += (float)sum;
  }
}

static void pack_rows_portable(const float *weight, int columns, int depth, int first, int end, float *packed) {
  transpose_portable(weight, depth, columns, first, end, packed, (size_t)depth, NULL);
}

static double slope(double x, mp_activation activation) {
  switch (activation) {
  case MP_ACTIVATION_NONE: return 1;
  case MP_ACTIVATION_GELU: return 0.5 * erfc(-x * 0.70710678118654752) + x * exp(-0.5 * x * x) * 0.39894228040143268;
  case MP_ACTIVATION_GELU_TANH: {
    const double root = 0.79788456080286536, t = tanh(root * (x + 0.044715 * x * x * x));
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * root * (1 + 3 * 0.044715 * x * x);
  }
  case MP_ACTIVATION_RELU: return x > 0 ? 1 : 0;
  case MP_ACTIVATION_TANH: return 1 - tanh(x) * tanh(x);
  case MP_ACTIVATION_SIGMOID: return 0.25 * (1 - tanh(x / 2) * tanh(x / 2));
  }
  return 1;
}

static void activation_gradient_portable(const float *x, const float *dy, size_t count, mp_activation activation,
                                         float *dx) {
  for (size_t i = 0; i < count; i++) dx[i] = (float)(dy[i] * slope(fmin(fmax(x[i], -30), 30), activation));
}

static void dropout_portable(const float *x, size_t count, uint32_t first, mp_dropout dropout, float *y) {
  const float scale = mp_kept_scale(dropout);
  for (size_t i = 0; i < count; i++) y[i] = mp_is_kept(dropout, first + (uint32_t)i) ? x[i] * scale : 0.0f;
}

static void layer_norm_gradient_portable(const float *x, const float *dy, int rows, int columns, const float *gamma,
                                         float epsilon, float *dx, float *dgamma, float *dbeta) {
  for (int c = 0; c < columns && dgamma; c++) dgamma[c] = dbeta[c] = 0.0f;
  for (int r = 0; r < rows; r++, x += columns, dy += columns) {
    double mean = 0, variance = 0, sum = 0, product = 0;
    for (int c = 0; c < columns; c++) mean += x[c];
    mean /= columns;
    for (int c = 0; c < columns; c++) variance += (x[c] - mean) * (x[c] - mean);
    const double scale = 1 / sqrt(variance / columns + (double)epsilon);
    for (int c = 0; c < columns; c++) {
      const double normal = (x[c] - mean) * scale, g = (double)dy[c] * (double)gamma[c];
      sum += g;
      product += g * normal;
      if (!dgamma) continue;
      dgamma[c] += (float)(dy[c] * normal);
      dbeta[c] += dy[c];
    }
    if (!dx) continue;
    for (int c = 0; c < columns; c++) {
      const double normal = (x[c] - mean) * scale, g = (double)dy[c] * (double)gamma[c];
      dx[c] = (float)(scale * (g - sum / columns - normal * product / columns));
    }
    dx += columns;
  }
}

static size_t attention_gradient_scratch_portable(int tokens, int head_dim) {
  (void)head_dim;
  return 2 * (size_t)tokens;
}

static double dot(const float *a, const float *b, int count) {
  double sum = 0;
  for (int i = 0; i < count; i++) sum += (double)a[i] * (double)b[i];
  return sum;
}

/// One query: p = softmax(q k), dp = kept (dout v) + dreceived, ds = p (dp - sum p dp), and what each gives.
static void differentiate_query(const mp_attention_gradient_job *job, size_t query) {
  const size_t tokens = (size_t)job->tokens, dims = (size_t)job->head_dim, own = query * job->width;
  const float scale = 1.0f / sqrtf((float)job->head_dim), *q = job->q + query * job->stride, *dout = job->dout + own;
  float *p = job->scratch, *dp = p + tokens, greatest = -INFINITY;
  double all = 0, mean = 0;
  for (size_t j = 0; j < tokens; j++) {
    p[j] = (float)dot(q, job->k + j * job->stride, job->head_dim) * scale;
    greatest = fmaxf(p[j], greatest);
  }
  for (size_t j = 0; j < tokens; j++) all += p[j] = expf(p[j] - greatest);
  for (size_t j = 0; j < tokens; j++) {
    const uint32_t counter = job->counter + (uint32_t)query * job->row_counters + (uint32_t)j;
    const int is_kept = job->dropout.rate == 0 || mp_is_kept(job->dropout, counter);
    const float kept = is_kept ? mp_kept_scale(job->dropout) : 0.0f;
    p[j] = (float)(p[j] / all);
    dp[j] = (float)dot(dout, job->v + j * job->stride, job->head_dim) * kept;
    if (job->dreceived) dp[j] += job->dreceived[j] * job->share;
    mean += (double)p[j] * (double)dp[j];
    for (size_t d = 0; d < dims; d++) job->dv[j * job->width + d] += p[j] * kept * dout[d];
  }
  for (size_t j = 0; j < tokens; j++) {
    const float ds = p[j] * (dp[j] - (float)mean) * scale;
    for (size_t d = 0; d < dims; d++) {
      job->dq[own + d] += ds * job->k[j * job->stride + d];
      job->dk[j * job->width + d] += ds * q[d];
    }
  }
}

static void attention_gradient_portable(const mp_attention_gradient_job *job) {
  for (size_t token = 0; token < (size_t)job->tokens; token++) {
    float *const rows[] = {job->dq, job->dk, job->dv};
    for (int i = 0; i < 3; i++) memset(rows[i] + token * job->width, 0, (size_t)job->head_dim * sizeof(float));
  }
  for (size_t query = 0; query < (size_t)job->tokens; query++) differentiate_query(job, query);
}

const mp_training_kernels mp_training_portable = MP_TRAINING_KERNELS(portable);
