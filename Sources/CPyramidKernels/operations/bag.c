// The entry's head: sums of table rows over the word pieces of a sample and over pairs of neighbours. One version for
// all instruction sets, since the time goes into fetching rows that are a few numbers long, not into adding them.
//
// Sums are in double and in the order of the tokens, a block of classes at a time on the stack, so that the bits depend
// on the sample alone.
#include "operations/kernel_table.h"

/// Classes summed at once: one walk over the tokens for most classifiers.
enum { class_block = 16 };

/// Rows read, about a microsecond of one thread, from which a second thread pays off.
static const size_t bag_worth_a_team = 256;

static int is_skipped(const mp_bag_call *call, int32_t id) {
  for (int i = 0; i < call->skips; i++) {
    if (call->skip[i] == id) return 1;
  }
  return 0;
}

static void add_row(double *sums, const float *table, uint64_t row, int classes, int first, int count) {
  const float *values = table + row * (uint64_t)classes + first;
  for (int c = 0; c < count; c++) sums[c] += values[c];
}

/// Logits first ..< first + count of sample `s`.
static void bag_block(const mp_bag_call *call, int s, int first, int count) {
  double sums[class_block] = {0};
  int tokens = 0;
  int64_t previous = -1;
  for (int t = call->segments[s]; t < call->segments[s + 1]; t++) {
    const int32_t id = call->ids[t];
    if (is_skipped(call, id)) {
      if (id == call->separator) previous = -1;
      continue;
    }
    tokens++;
    add_row(sums, call->table, (uint64_t)id, call->classes, first, count);
    if (call->bigrams && previous >= 0) {
      const uint64_t pair = (uint64_t)previous * 1000003u + (uint64_t)id;
      add_row(sums, call->bigrams, pair & (call->pairs - 1), call->classes, first, count);
    }
    previous = id;
  }
  float *logits = call->logits + (size_t)s * (size_t)call->classes + first;
  const double divisor = tokens > 0 ? tokens : 1;
  for (int c = 0; c < count; c++) logits[c] = (float)(sums[c] / divisor + call->bias[first + c]);
}

static void run_bag(const void *context, int thread, int threads) {
  const mp_bag_call *call = context;
  const int end = (int)mp_share((size_t)call->samples, thread + 1, threads);
  for (int s = (int)mp_share((size_t)call->samples, thread, threads); s < end; s++) {
    for (int first = 0; first < call->classes; first += class_block) {
      const int left = call->classes - first;
      bag_block(call, s, first, left < class_block ? left : class_block);
    }
  }
}

void mp_bag_logits(const mp_bag_call *call) {
  if (call->samples <= 0) return;
  const size_t blocks = ((size_t)call->classes + class_block - 1) / class_block;
  const size_t rows = (size_t)call->segments[call->samples] * (call->bigrams ? 2 : 1) * blocks;
  mp_run(mp_worthwhile(call->samples > 1 ? call->threads : 1, rows, bag_worth_a_team), run_bag, call);
}
