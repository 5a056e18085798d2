// What the instruction-set specific files offer to the neutral ones: a table of functions for each path, and the jobs
// that a parallel region shares.
//
// Division of labour: the neutral file of an operation (linear.c, rows.c, ...) checks for empty work, decides how many
// threads it is worth and splits it; the table's function computes one share, serially.
#ifndef MP_KERNEL_TABLE_H
#define MP_KERNEL_TABLE_H

#include "pyramid_kernels.h"

/// One linear layer. In bf16 and int8 its input is reduced to words first: [rows][word_stride], and in int8 one scale
/// per row.
typedef struct {
  mp_linear_call call;
  const mp_word *words;
  const float *scales;
  size_t word_stride;
} mp_linear_job;

/// Words of 4 bytes that `depth` numbers of a precision take.
static inline int mp_steps(mp_precision precision, int depth) {
  switch (precision) {
  case MP_PRECISION_F32: return depth;
  case MP_PRECISION_BF16: return (depth + 1) / 2;
  case MP_PRECISION_INT8: return (depth + 3) / 4;
  }
  return depth;
}

/// To nearest even; what is no number stays none.
static inline uint16_t mp_rounded_bf16(float x) {
  uint32_t bits;
  __builtin_memcpy(&bits, &x, 4);
  const int is_nan = (bits & 0x7fffffff) > 0x7f800000;
  return (uint16_t)((is_nan ? bits | 0x400000 : bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

/// Counters of dropout between one (query, head) and the next.
enum { MP_KEY_COUNTERS = 4096 };

/// One (sample, head, query range) of an attention.
typedef struct {
  const float *q, *k, *v;  // of the sample's first token and this head
  size_t stride;
  int tokens, head_dim;
  int first_query, queries;
  float *out;  // of the sample's first token and this head
  size_t out_stride;
  float *received;    // [tokens], sum over these queries of what each token receives; or NULL
  float *from_first;  // [tokens], query 0's attention to each; NULL unless first_query is 0
  float *own;         // [tokens], the attention of each of these queries to itself; or NULL
  const float *sizes; // [tokens], how often each key counts; or NULL
  float *scratch;     // mp_kernels.attention_scratch(tokens, head_dim) floats of this thread
  int is_packed;      // which hold the keys and values of this sample and head already; never with a relation
  const mp_relation *relation;  // NULL for plain attention
  const int32_t *positions;     // of the sample's tokens
  int head, width;              // of a row of the relation's tables
  mp_dropout dropout;
  uint32_t counter, row_counters;  // of query 0 and key 0 for dropout; more for each query
} mp_attention_job;

/// Attention of one sample's first token, up to MP_FIRST_HEADS heads of it.
enum { MP_FIRST_HEADS = 2 };
typedef struct {
  const float *q;  // of these heads
  const float *x;  // [tokens][depth]
  int tokens, depth, heads, head_dim;
  mp_precision precision;        // of wk and wv
  const void *wk, *wv;           // rows of these heads
  const float *k_scales, *v_scales;  // int8: one per row
  const float *bv;
  float *out;                 // of these heads
  float *u, *z;               // scratch [heads][depth]
  float *shares;              // [heads][tokens], the first token's attention; read by the caller
  const float *sizes;         // [tokens] or NULL
} mp_first_attention_job;

/// A share of a linear layer.
typedef void mp_linear_share(const mp_linear_job *job, int thread, int threads);

/// One task of an attention, and the floats of scratch that it takes.
typedef void mp_attention_task(const mp_attention_job *job);
typedef size_t mp_attention_scratch(int tokens, int head_dim);
typedef size_t mp_relative_scratch(int tokens, int head_dim, int table_rows);

/// What a path offers for bf16 and int8, in this order.
typedef struct {
  mp_linear_share *linear[2];
  /// Rows of x [rows][depth] as words [rows][word_stride]; int8 also writes scales [rows].
  void (*reduce[2])(const float *x, int rows, int depth, size_t word_stride, mp_word *words, float *scales);
  /// Attention with products in bf16; NULL where that is no faster.
  mp_attention_task *attention;
  mp_attention_scratch *attention_scratch;
  /// What every thread calls before and after its tasks of attention; or NULL.
  void (*enter)(void), (*leave)(void);
  /// Layers of int8 in tiles, with the bits of `linear`, from MP_TILE_ROWS rows on; or NULL.
  mp_linear_share *tiled_int8;
} mp_reduced_kernels;

/// Rows from which int8 is multiplied in tiles. A tile takes as long for one row as for its share of 16, vectors do not:
/// measured on one thread of an Intel Xeon of the 5th generation, tiles do 100 GFLOP/s at 1 row, 400 at 4, 800 to 950 at
/// 8 (weights in the second cache), vectors at most 550 at any number.
enum { MP_TILE_ROWS = 6 };

#define MP_REDUCED_KERNELS(path) \
  .linear = {linear_bf16_##path, linear_int8_##path}, .reduce = {reduce_bf16_##path, reduce_int8_##path}

/// A table of tiles: they have no inputs of their own.
#define MP_TILED_KERNELS(path)                                                                                      \
  {                                                                                                                 \
    .linear = {linear_tiles_bf16_##path, linear_tiles_int8_##path}, .attention = attention_bf16_##path,             \
    .attention_scratch = attention_bf16_scratch_##path, .enter = enter_##path, .leave = leave_##path                \
  }

struct mp_training_kernels;  // operations/training/training_table.h

typedef struct {
  /// The share of thread `thread` of `threads` of activation(x W^T + bias + residual). Shares are disjoint in y.
  mp_linear_share *linear;
  mp_reduced_kernels reduced;

  void (*activate)(const float *x, size_t count, mp_activation activation, float *y);
  void (*gate)(const float *x, size_t columns, mp_activation activation, float *y);  // of one row
  void (*rotate)(const float *x, size_t size, const float *turns, float *y);        // of one head of one row
  void (*add)(const float *a, const float *b, size_t count, float *y);
  void (*layer_norm)(const float *x, int rows, int columns, const float *gamma, const float *beta, float epsilon,
                     float *y);
  void (*embed)(const float *word, const float *position, const float *type, int columns, float *y);
  void (*softmax)(const float *x, int columns, float *y);
  float (*norm)(const float *x, int count);

  mp_attention_task *attention;
  mp_attention_scratch *attention_scratch;
  mp_attention_task *relative_attention;
  mp_relative_scratch *relative_scratch;
  void (*first_attention)(const mp_first_attention_job *job);
  const struct mp_training_kernels *training;
} mp_kernels;

#define MP_KERNELS(path)                                                                                              \
  {                                                                                                                   \
    .linear = linear_##path, .reduced = {MP_REDUCED_KERNELS(path)}, .activate = activate_##path, .gate = gate_##path, \
    .rotate = rotate_##path, .add = add_##path, .layer_norm = layer_norm_##path, .embed = embed_##path,               \
    .softmax = softmax_##path, .norm = norm_##path, .attention = attention_##path,                                    \
    .attention_scratch = attention_scratch_##path, .relative_attention = relative_attention_##path,                   \
    .relative_scratch = relative_scratch_##path, .first_attention = first_attention_##path,                           \
    .training = &mp_training_##path                                                                                   \
  }

extern const mp_kernels mp_kernels_portable, mp_kernels_avx2, mp_kernels_avx512, mp_kernels_neon;
extern const mp_reduced_kernels mp_reduced_avx2_vnni, mp_reduced_avx512_vnni, mp_reduced_avx512_bf16;
extern const mp_reduced_kernels mp_reduced_avx512_amx;
extern const mp_reduced_kernels mp_reduced_neon_dotprod, mp_reduced_neon_i8mm, mp_reduced_neon_bf16;
#if defined(MP_STAND_INS)
extern const mp_kernels mp_kernels_stand_in;
extern const mp_reduced_kernels mp_reduced_stand_in_amx, mp_reduced_stand_in_vnni;
#endif

/// What the processor and its operating system have: bases as bits 1 << base, features, and those of them that lose
/// time here.
typedef struct {
  unsigned bases, features, slow;
} mp_processor;

/// Asks; a file for each kind of processor says how.
mp_processor mp_ask_processor(void);

/// The table of a path's base. Asking for one that this machine lacks is a caller's error.
const mp_kernels *mp_kernels_for(mp_isa isa);

/// The kernels of reduced precision of a path: its base's, with those of its features in their place.
mp_reduced_kernels mp_reduced_for(mp_isa isa);

/// How packed weights lie: floats in a vector, vectors in a panel; 0 and 0 where they are not packed.
typedef struct {
  int lanes, panel_vectors;
} mp_panel_layout;
mp_panel_layout mp_layout_of(mp_isa isa);

/// The scales after int8 rows from `mp_rows_pack`, [rows].
const float *mp_row_scales(const void *packed, int rows, int columns);

/// Runs body(job, share, shares) for as many shares as there are threads, up to `threads`; on the caller alone, without a
/// region, when threads <= 1. A thread may do several shares, one after the other.
typedef void mp_body(const void *job, int share, int shares);
void mp_run(int threads, mp_body *body, const void *job);

/// The same with every share on a thread of its own, all at the same time: they may wait for each other.
void mp_run_together(int threads, mp_body *body, const void *job);

/// Waits for the other shares of `mp_run_together`. Called in all of them or none.
void mp_barrier(int threads);

/// `threads`, or 1 when the work is less than what is worth a team (both in the operation's own unit).
static inline int mp_worthwhile(int threads, size_t work, size_t least) { return work < least ? 1 : threads; }

/// Floats in a cache line: threads' scratch must not share one.
enum { MP_LINE_FLOATS = 16 };

/// `count` floats rounded up to whole cache lines.
static inline size_t mp_whole_lines(size_t count) {
  return (count + MP_LINE_FLOATS - 1) / MP_LINE_FLOATS * MP_LINE_FLOATS;
}

/// The first cache line that begins in `scratch`, fewer than MP_LINE_FLOATS floats on.
static inline float *mp_first_line(float *scratch) {
  const size_t past_line = (uintptr_t)scratch / sizeof(float) % MP_LINE_FLOATS;
  return scratch + (MP_LINE_FLOATS - past_line) % MP_LINE_FLOATS;
}

/// Start of share `index` of `count` things split evenly into `shares`.
static inline size_t mp_share(size_t count, int index, int shares) {
  return count / (size_t)shares * (size_t)index + count % (size_t)shares * (size_t)index / (size_t)shares;
}

#endif
