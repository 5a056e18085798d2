// Losses and soft pruning: a few numbers for each sample or token, computed by the calling thread. Sums are double and
// in the order of the rows.
#include "operations/training/training_table.h"

#include <math.h>

/// log of the sum of e^x, and the largest x.
static double log_sum(const float *x, size_t count) {
  double greatest = x[0], sum = 0;
  for (size_t k = 1; k < count; k++) greatest = x[k] > greatest ? (double)x[k] : greatest;
  for (size_t k = 0; k < count; k++) sum += exp((double)x[k] - greatest);
  return greatest + log(sum);
}

void mp_cross_entropy(const float *logits, const float *target, int rows, int classes, float scale, float *loss) {
  const size_t count = (size_t)classes;
  for (int r = 0; r < rows; r++, logits += count, target += count) {
    const double log_all = log_sum(logits, count);
    double sum = 0;
    for (size_t k = 0; k < count; k++) sum += (double)target[k] * (log_all - (double)logits[k]);
    loss[r] = (float)((double)scale * sum);
  }
}

void mp_cross_entropy_gradient(const float *logits, const float *target, int rows, int classes, float scale,
                               float *dlogits) {
  const size_t count = (size_t)classes;
  for (int r = 0; r < rows; r++, logits += count, target += count, dlogits += count) {
    const double log_all = log_sum(logits, count);
    double sum = 0;
    for (size_t k = 0; k < count; k++) sum += target[k];
    for (size_t k = 0; k < count; k++) {
      const double share = exp((double)logits[k] - log_all);
      dlogits[k] = (float)((double)scale * (share * sum - (double)target[k]));
    }
  }
}

void mp_soft_keep(const float *score, const int32_t *segments, int samples, float threshold, float temperature,
                  float *mask) {
  for (int s = 0; s < samples; s++) {
    for (int32_t t = segments[s]; t < segments[s + 1]; t++) {
      mask[t] = t == segments[s] ? 1.0f : 1.0f / (1.0f + expf((threshold - score[t]) / temperature));
    }
  }
}

void mp_soft_keep_gradient(const float *mask, const float *dmask, const int32_t *segments, int samples,
                           float temperature, float *dscore, float *dthreshold) {
  double sum = 0;
  for (int s = 0; s < samples; s++) {
    for (int32_t t = segments[s]; t < segments[s + 1]; t++) {
      const float slope = mask[t] * (1.0f - mask[t]) / temperature;
      dscore[t] = t == segments[s] ? 0.0f : dmask[t] * slope;
      sum += dscore[t];
    }
  }
  if (dthreshold) *dthreshold -= (float)sum;
}

void mp_mean_rows_penalty(const float *mask, const int32_t *segments, int samples, float scale, float *y) {
  for (int s = 0; s < samples; s++) {
    double sum = 0;
    for (int32_t t = segments[s]; t < segments[s + 1]; t++) sum += mask[t];
    y[s] = (float)((double)scale * sum / (segments[s + 1] - segments[s]));
  }
}

void mp_mean_rows_penalty_gradient(const int32_t *segments, int samples, float scale, float *dmask) {
  for (int s = 0; s < samples; s++) {
    const float share = scale / (float)(segments[s + 1] - segments[s]);
    for (int32_t t = segments[s]; t < segments[s + 1]; t++) dmask[t] = share;
  }
}
