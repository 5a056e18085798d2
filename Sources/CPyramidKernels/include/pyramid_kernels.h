// The kernel backend: operations of a BERT encoder over packed rows of f32, in C with OpenMP. Weights are f32, bf16 or
// int8.
//
// Why separate: it is the one module that knows instruction sets and threads. Everything in it is a pure function
// over pointers and sizes: no allocation, no state between calls (but for cached CPU features and the thread team).
//
// Conventions
// - Matrices are row-major float; a shape is written [rows][columns]. Rows of a batch are packed, there is no padding.
// - `isa` chooses the code path and must be supported (`mp_isa_supported`). `threads` (>= 1) is an upper bound: work
//   too small to share runs on the calling thread. Pointers need the alignment of their element type only.
// - Outputs must not overlap inputs unless the function says so. Sizes are trusted: the caller has checked them.
// - AVX2, AVX-512 and NEON paths are batch invariant: each output element is one sum in one fixed order, so its bits do not
//   depend on the row count, on the row's place, on other samples or on the thread count. The portable path, which
//   calls OpenBLAS, cannot promise that. The paths differ from each other in rounding.
#ifndef PYRAMID_KERNELS_H
#define PYRAMID_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// What packed weights and reduced inputs are made of: one f32, two bf16 or four int8 of consecutive depth. It may
/// alias the numbers that it holds.
typedef uint32_t __attribute__((may_alias)) mp_word;

/// A code path: a base, which alone decides how packed weights lie, and any features beside it, as bits: MP_ISA_AVX512 |
/// MP_FEATURE_VNNI. Portable is plain C with OpenBLAS for the matrix products and runs anywhere. Features change speed
/// and, in bf16, rounding; int8 has the same bits with any of them. A base ignores features that it has no use for.
typedef enum {
  MP_ISA_PORTABLE = 0,
  MP_ISA_AVX2 = 1,
  MP_ISA_AVX512 = 2,
  MP_ISA_NEON = 3,                   // every 64-bit ARM
  MP_ISA_BASES = 0xff,               // all bits of a base

  MP_FEATURE_VNNI = 1 << 8,          // dot products of bytes, beside AVX-512
  MP_FEATURE_AVX_VNNI = 1 << 9,      // the same, beside AVX2
  MP_FEATURE_AVX512_BF16 = 1 << 10,  // dot products of bf16
  MP_FEATURE_AVX512_FP16 = 1 << 11,  // arithmetic in f16: known and measured, but no kernel gains by it
  MP_FEATURE_AMX_INT8 = 1 << 12,     // products in tiles, beside AVX-512
  MP_FEATURE_AMX_BF16 = 1 << 13,
  MP_FEATURE_DOTPROD = 1 << 14,      // ARM: dot products of bytes of one sign
  MP_FEATURE_I8MM = 1 << 15,         // ARM: of unsigned with signed bytes
  MP_FEATURE_BF16 = 1 << 16,         // ARM: of bf16
  MP_FEATURES = 0x1ff00,             // all of them

  MP_STAND_IN = 1 << 30              // in builds with MP_STAND_INS, for tests: plain C does what AVX-512 (the base), tiles
                                     // and AVX-VNNI do, to the bit, where the machine lacks them
} mp_isa;

/// What the weights of a layer are stored as, and what its input is rounded to. BF16: both operands are rounded to
/// nearest even, sums are f32. INT8: weights symmetric with one scale per column of the result, between -127 and 127, two
/// of consecutive depth (even and odd) at most 128 in sum, so that products of bytes added in 16 bits are exact; inputs
/// symmetric with one scale per row, found when the layer runs; sums are exact whole numbers up to a depth of 2^17.
typedef enum { MP_PRECISION_F32 = 0, MP_PRECISION_BF16 = 1, MP_PRECISION_INT8 = 2 } mp_precision;

/// What follows a linear layer, elementwise. GELU is x * Phi(x) with the error function (Hendrycks and Gimpel 2016);
/// GELU_TANH is the approximation 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) of the same paper.
typedef enum {
  MP_ACTIVATION_NONE = 0,
  MP_ACTIVATION_GELU = 1,
  MP_ACTIVATION_GELU_TANH = 2,
  MP_ACTIVATION_RELU = 3,
  MP_ACTIVATION_TANH = 4,
  MP_ACTIVATION_SIGMOID = 5
} mp_activation;

// MARK: Processor and threads

/// 1 if this CPU and operating system have the base and every feature of the path, else 0. AVX2 needs AVX2 and FMA;
/// AVX512 needs F, BW, VL, DQ and all of AVX2's; all need the operating system to save the registers (XGETBV), tiles
/// also its permission, which is asked for once per process and whose refusal means that there are none.
int mp_isa_supported(mp_isa isa);

/// The features that this CPU and operating system have, as bits without a base.
mp_isa mp_features_present(void);

/// Those of them that pay on a CPU of this kind, by measured rates.
mp_isa mp_features_chosen(void);

/// The fastest supported path: the best base with the features that were chosen.
mp_isa mp_isa_best(void);

/// 1 if OpenBLAS, which the portable path multiplies with, can be loaded, else 0.
int mp_blas_available(void);

/// The name of the kernel set that OpenBLAS chose for this CPU, for reports; loads OpenBLAS.
const char *mp_openblas_core(void);

/// Makes the calling thread's team `threads` wide (values below 1 count as 1). Called once, before any kernel, by the
/// thread that will call them: OpenMP keeps one team per calling thread. The first call starts the OpenMP runtime, with
/// the user's settings or else ours; nothing is done when the library is loaded, and the environment is not changed.
/// Linux: places the team's threads, the caller included, on disjoint sets of the processors that the process may use
/// (unless OMP_PROC_BIND, OMP_PLACES or KMP_AFFINITY is set; a team of 1 may run anywhere). Threads that the caller
/// starts later inherit its set.
void mp_set_team(int threads);

/// How many threads a parallel region of the calling thread really gets (measured in one).
int mp_team_size(void);

/// Calls work(argument) on the calling thread, whose team was set to `threads`. The kernels that it calls start sooner:
/// the team waits for them in one parallel region. Inside, kernels are asked for at most `threads` threads.
void mp_with_team(int threads, void (*work)(void *argument), void *argument);

// MARK: Linear layers

/// Columns of a packed panel: 64 (AVX-512), 16 (AVX2, NEON), 0 (portable: weights are not packed).
int mp_panel_width(mp_isa isa);

/// Bytes that `mp_linear_pack` writes for a weight [columns][depth]; a multiple of 4.
size_t mp_linear_packed_bytes(mp_isa isa, mp_precision precision, int columns, int depth);

/// Packs weight [columns][depth] (the layout of torch.nn.Linear) into panels of `mp_panel_width` columns, as 4-byte
/// words of 1 f32, 2 bf16 or 4 int8 of consecutive depth: [words][width]. The last panel is narrower: the columns left,
/// rounded up to whole vectors and filled with zeros. int8 is followed by the columns' scales and by what the sum of
/// each column starts at, -128 times the sum of its weights. Portable: as `mp_rows_pack`. Weights are finite.
void mp_linear_pack(mp_isa isa, mp_precision precision, const float *weight, int columns, int depth, void *packed);

/// Bytes that `mp_rows_pack` writes for a weight [rows][columns]; a multiple of 4.
size_t mp_rows_packed_bytes(mp_precision precision, int rows, int columns);

/// Stores weight [rows][columns] row by row; int8 is followed, at the next multiple of 4 bytes, by the rows' scales.
/// bf16 and int8 end with room for a vector more than the weight. Weights are finite.
void mp_rows_pack(mp_precision precision, const float *weight, int rows, int columns, void *packed);

/// A linear layer: y = activation(x W^T + bias + residual), or with `gamma` and `beta`, which are given together, and no
/// activation, y = layer_norm(x W^T + bias + residual) * gamma + beta.
typedef struct {
  mp_isa isa;
  int threads;
  mp_precision precision;          // of the weight, and what x is rounded to
  int rows, depth, columns;        // rows >= 0, depth >= 1, columns >= 1
  const float *x;                  // [rows][depth]
  const void *weight;              // [columns][depth], from `mp_linear_pack` with the same isa and precision
  const float *bias;               // [columns] or NULL
  mp_activation activation;
  const float *residual;           // [rows][columns] or NULL
  const float *gamma, *beta;       // [columns] or NULL
  float epsilon;                   // added to the variance
  float *y;                        // [rows][columns]; may equal residual
  void *scratch;                   // `mp_linear_scratch_bytes`, aligned to 4; NULL in f32, which needs none
} mp_linear_call;

/// Runs a linear layer. In bf16 and int8 GELU has an error of 1.3e-4; a row of x that holds a NaN gives a row of NaN,
/// in int8 an infinity too.
void mp_linear(const mp_linear_call *call);

/// Bytes of scratch that `mp_linear` needs in bf16 or int8 for at most `rows` rows of at most `depth` columns.
size_t mp_linear_scratch_bytes(int threads, int rows, int depth);

// MARK: Elementwise and row operations

/// y = activation(x); x, y [rows][columns]; y may equal x.
void mp_activate(mp_isa isa, int threads, const float *x, int rows, int columns, mp_activation activation, float *y);

/// y = activation(left half of x) * right half; x [rows][2 * columns], y [rows][columns].
void mp_gate(mp_isa isa, int threads, const float *x, int rows, int columns, mp_activation activation, float *y);

/// Rotary positions on the first `turned` columns of each row, heads of `size` columns: with t = turns + position[r] *
/// size, pair (k, k + size / 2) of a head turns to (a t[k] - b t[k + size / 2], b t[k] + a t[k + size / 2]); columns
/// after them are copied. x, y [rows][columns], y may equal x; position [rows]; turns [..][size], cosines and sines of
/// each position.
void mp_rotate(mp_isa isa, int threads, const float *x, int rows, int columns, int turned, int size,
               const int32_t *position, const float *turns, float *y);

/// y = a + b; all [rows][columns]; y may equal a or b.
void mp_add(mp_isa isa, int threads, const float *a, const float *b, int rows, int columns, float *y);

/// y = (x - mean) / sqrt(variance + epsilon) * gamma + beta, mean and (population) variance per row.
/// x, y [rows][columns]; gamma, beta [columns]; y may equal x.
void mp_layer_norm(mp_isa isa, int threads, const float *x, int rows, int columns, const float *gamma,
                   const float *beta, float epsilon, float *y);

/// y[r] = words[ids[r]], + positions[position[r]], + types[type[r]] for each of these tables that is not NULL (then its
/// indices must not be either). ids, position, type [rows], each a valid row of its table; tables [..][columns]; y [rows][columns].
void mp_embed(mp_isa isa, int threads, const int32_t *ids, const int32_t *position, const int32_t *type, int rows,
              int columns, const float *words, const float *positions, const float *types, float *y);

/// y = softmax of each row; x, y [rows][columns], columns >= 1; y may equal x. A row with a NaN or +inf becomes NaN.
void mp_softmax_rows(mp_isa isa, const float *x, int rows, int columns, float *y);

/// y[r] = L2 norm of x[r][first ..< first + count]; x [rows][stride], y [rows].
void mp_row_norm(mp_isa isa, const float *x, int rows, int stride, int first, int count, float *y);

/// y[r] = the mean over heads of x[r][first + h*head_dim ..< first + (h+1)*head_dim]; x [rows][stride],
/// y [rows][head_dim].
void mp_head_mean(int threads, const float *x, int rows, int stride, int first, int heads, int head_dim, float *y);

/// y[into[r]] += share[r] * x[r] for all rows in their order, from zero; x [rows][columns], into and share [rows],
/// y [pooled][columns]. Each into[r] is a row of y.
void mp_pool_rows(int threads, const float *x, int columns, const int32_t *into, const float *share, int rows,
                  int pooled, float *y);

/// y[s] = the mean of rows segments[s] ..< segments[s + 1] of x [tokens][columns], summed in their order; segments
/// [samples + 1] as in `mp_attention_call`, no sample empty; y [samples][columns].
void mp_segment_mean(mp_isa isa, int threads, const float *x, int columns, const int32_t *segments, int samples,
                     float *y);

/// y[r] = a[r] and after it b[r]; rows of `a_words` and `b_words` 4-byte words; y [rows][a_words + b_words].
void mp_concat_rows(int threads, const void *a, int a_words, const void *b, int b_words, int rows, void *y);

/// y[r] = x[index[r]], or bytes of 0xFF where the index is negative; rows of `words` 4-byte words of any element type; index [rows]; y [rows][words].
void mp_gather_rows(int threads, const void *x, int words, const int32_t *index, int rows, void *y);

/// The entry's head: a linear classifier over the bag of each sample's tokens.
typedef struct {
  int threads;
  const int32_t *ids;              // [tokens], rows of `table`
  const int32_t *segments;         // as in `mp_attention_call`; a sample may be empty
  int samples;
  const int32_t *skip;             // [skips] ids that are left out,
  int skips;
  int32_t separator;               // among them this one, across which no pair is formed
  const float *table;              // [..][classes]
  const float *bigrams;            // [pairs][classes] or NULL
  uint64_t pairs;                  // a power of two
  const float *bias;               // [classes]
  int classes;
  float *logits;                   // [samples][classes]
} mp_bag_call;

/// logits = (sum of table[id] + sum of bigrams[(id * 1000003 + next) mod pairs]) / max(n, 1) + bias over the n tokens
/// that are not left out and over neighbours among them; summed in double, in order.
void mp_bag_logits(const mp_bag_call *call);

// MARK: Attention

/// Which elements of something are dropped in training: a pure function of a key and the element's counter c, on 32-bit
/// words that wrap. With a and b the low and high half of the key, h = c ^ a, h ^= h >> 16, h *= 0x85ebca6b, h ^= b,
/// h ^= h >> 13, h *= 0xc2b2ae35, h ^= h >> 16; the element is kept if (h >> 8) >= round(rate * 2^24), and then times
/// 1 / (1 - rate). 0 <= rate < 1; at 0 nothing changes.
typedef struct {
  float rate;
  uint64_t key;
} mp_dropout;

/// What makes attention depend on the places of tokens in their texts. A score is then (q k + q queries[r] + k keys[r]) *
/// scale + bias[r], r the row of the distance, each term only where its table is given.
typedef struct {
  int window;                      // a key farther away is not seen; negative: all are
  float scale;
  const int32_t *rows;             // [2 * reach - 1 + MP_ROWS_SLACK] or NULL: the table row of a key's position less the
  int reach;                       // query's is rows[reach - 1 + it]; positions are below reach
  int table_rows;
  const float *bias;               // [table_rows][heads] or NULL
  const float *queries, *keys;     // [table_rows][heads*head_dim] or NULL: rows descend as the key's position ascends
} mp_relation;

/// Elements after the last row of a distance that may be read.
enum { MP_ROWS_SLACK = 64 };

/// As `mp_attention_scratch_count`, for an attention with a relation of tables of at most `table_rows` rows.
size_t mp_relative_attention_scratch_count(mp_isa isa, int threads, int tokens, int longest_sample, int heads,
                                           int head_dim, int table_rows);

/// Floats of scratch that `mp_attention` needs for at most `tokens` tokens in samples of at most `longest_sample`.
size_t mp_attention_scratch_count(mp_isa isa, int threads, mp_precision precision, int tokens, int longest_sample,
                                  int heads, int head_dim);

/// Self-attention of each sample over itself: out = softmax(q k^T / sqrt(head_dim)) v, per sample and head.
typedef struct {
  mp_isa isa;
  int threads;
  mp_precision precision;          // f32, or bf16 (see `mp_attention`)
  const float *q, *k, *v;          // [tokens][stride], head h in columns h*head_dim ..< (h+1)*head_dim; they may be
  int stride;                      // column ranges of one matrix
  const int32_t *segments;         // [samples + 1], ascending token offsets, the first 0: sample s has the tokens
  int samples;                     // segments[s] ..< segments[s + 1]
  int heads, head_dim;
  float *out;                      // [tokens][heads*head_dim]
  float *received;                 // [tokens] or NULL: mean over heads of the sum over the sample's queries of the
                                   // attention to the token, so that uniform attention gives 1 at any length
  float *from_first;               // [tokens] or NULL: mean over heads of the attention of the sample's first token to
                                   // the token, times the sample's length (uniform = 1 as well)
  const float *sizes;              // [tokens] or NULL: a key counts as often, as if ln(size) were added to its score
  float *from_others;              // [tokens] or NULL: as received, without a token's attention to itself
  float *scratch;                  // `mp_attention_scratch_count` floats, or those of a relation
  const mp_relation *relation;     // or NULL; then f32, without dropout, and with
  const int32_t *positions;        // [tokens], ascending in each sample
  int is_of_first;                 // with a relation: only each sample's first token attends, q is [samples][q_stride],
  int q_stride;                    // out [samples][heads*head_dim], and of scores only from_first is given
  mp_dropout dropout;              // f32 only: of the probabilities that multiply v, not of those handed out; that of
                                   // query row t (of all tokens), head h and the sample's key j has the counter
                                   // (t * heads + h) * 4096 + j
} mp_attention_call;

/// Runs an attention. In bf16 a path that multiplies bf16 by an instruction rounds q, k, v and the probabilities to
/// bf16; the others compute in f32. Scores and softmax are f32.
void mp_attention(const mp_attention_call *call);

/// Floats of scratch that `mp_first_attention` needs for samples of at most `longest_sample` tokens.
size_t mp_first_attention_scratch_count(int threads, int tokens, int longest_sample, int heads, int depth);

/// Attention of each sample's first token alone, without keys and values: for head h, u = Wk_h^T q_h,
/// p = softmax_j(x_j u / sqrt(head_dim)), out = Wv_h (sum_j p_j x_j) + bv_h. All sums are f32, whatever the weights are
/// stored as.
typedef struct {
  mp_isa isa;
  int threads;
  mp_precision precision;          // of wk and wv
  const float *q;                  // [samples][heads*head_dim], with its bias
  const float *x;                  // [tokens][depth]
  int depth;
  const int32_t *segments;         // as in `mp_attention_call`, no sample empty
  int samples;
  int heads, head_dim;
  const void *wk, *wv;             // [heads*head_dim][depth], from `mp_rows_pack`
  const float *bv;                 // [heads*head_dim]
  float *out;                      // [samples][heads*head_dim]
  float *from_first;               // [tokens] or NULL: mean over heads of p, times the sample's length
  const float *sizes;              // as in `mp_attention_call`
  float *scratch;                  // `mp_first_attention_scratch_count` floats
} mp_first_attention_call;

void mp_first_attention(const mp_first_attention_call *call);

#ifdef __cplusplus
}
#endif
#endif
