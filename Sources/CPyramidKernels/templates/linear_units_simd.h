// Template: how a linear layer is cut into blocks of rows and columns, for every precision.
//
// A packed matrix is seen as 4-byte words here: one f32, two bf16 or four int8 of consecutive depth. A panel holds
// `steps` rows of words, one word per column, so that a micro-kernel broadcasts a word of the input and multiplies it
// with vectors of words, whatever they hold.
#ifndef MP_LINEAR_UNITS_SIMD_H
#define MP_LINEAR_UNITS_SIMD_H

#include "templates/vector_math.h"

MP_INLINE size_t whole_vectors(int count) { return ((size_t)count + LANES - 1) / LANES * LANES; }

/// Query rows that attention has in flight: 4 micro-kernel blocks, or two tiles, reuse a panel of keys.
#ifdef MP_TILES
enum { QUERY_ROWS = 32 };
#else
enum { QUERY_ROWS = 24 };
#endif

/// Vectors of columns of a packed matrix from some vector to the end of its panel.
typedef struct {
  const mp_word *start;  // of the first of these columns
  size_t stride;         // words between two steps
} panel_slice;

/// Steps ahead of the one in hand at which a panel is fetched; 6 to 48 measure alike, 0 loses a fifth from the shared
/// cache.
enum { STEPS_AHEAD = 8 };

/// Blocks that share in fetching a panel: with more, each would fetch the same lines again and again.
enum { MOST_FETCHING = 16 };

MP_INLINE panel_slice panel_of(const void *packed, int columns, int steps, int vector) {
  const int all = (columns + LANES - 1) / LANES, panel = vector / PANEL_VECTORS, first = panel * PANEL_VECTORS;
  const int vectors = all - first < PANEL_VECTORS ? all - first : PANEL_VECTORS;
  const mp_word *start = (const mp_word *)packed + (size_t)first * LANES * (size_t)steps
                         + (size_t)(vector - first) * LANES;
  return (panel_slice){start, (size_t)vectors * LANES};
}

/// What a micro-kernel fetches: in each step what is at `from`, which goes `step` words further; nothing if `step` is 0.
typedef struct {
  const mp_word *from;
  size_t step;
} panel_fetch;

/// A micro-kernel for one height and width; multiply_simd.h makes them for each kind of word.
typedef void multiply_function(const mp_word *x, size_t x_stride, int steps, const mp_word *panel, size_t panel_stride,
                               panel_fetch fetch, const mp_word *start, mp_word *tile, size_t tile_stride);

/// A block of the result: rows first_row ..< + rows, columns first_column ..< + width.
typedef struct {
  int first_row, rows, first_column, width;
  int number, readers;  // of the blocks that read the panel one after the other, which one it is, and how many there are
} linear_block;

/// Those that read a panel share in fetching the next one, so that memory is as busy in one as in another (weights in memory,
/// one thread of Zen 3, f32: 1.6 times as fast at 8 rows as where the last one fetched it, 1.3 times at 16). A single one
/// fetches what it reads itself.
MP_INLINE panel_fetch next_fetch(linear_block block, panel_slice panel, int steps) {
  if (block.readers == 1) return (panel_fetch){panel.start + STEPS_AHEAD * panel.stride, panel.stride};
  const size_t readers = block.readers < MOST_FETCHING ? (size_t)block.readers : MOST_FETCHING;
  if ((size_t)block.number >= readers) return (panel_fetch){NULL, 0};
  const size_t step = (panel.stride + readers - 1) / readers;
  return (panel_fetch){panel.start + (panel.stride + (size_t)block.number * step) * (size_t)steps, step};
}

/// Computes one block of a layer.
typedef void block_function(const mp_linear_job *job, linear_block block);

/// Work is split into units of one row block times `group` vectors; a thread takes a contiguous range of them. Order:
/// chunks of row blocks, in these the column groups, in these the row blocks, so that a thread keeps a panel in its
/// cache while the rows of a chunk pass by.
typedef struct {
  int blocks, group, groups;
} linear_split;

enum { CHUNK_BLOCKS = 64 };

/// Narrower groups balance few panels over many threads, but have fewer chains, which hide the latency of
/// multiply-adds: two pipes of 4 cycles want 8. Chooses the group width whose slowest thread is done first.
static linear_split split_linear(int rows, int columns, int threads, int block_rows) {
  const int vectors = (columns + LANES - 1) / LANES, blocks = (rows + block_rows - 1) / block_rows;
  const int height = rows < block_rows ? rows : block_rows;
  linear_split best = {blocks, 0, 0};
  size_t least = SIZE_MAX;
  for (int group = PANEL_VECTORS; group >= 1; group /= 2) {
    const int groups = (vectors + group - 1) / group;
    const size_t units = (size_t)blocks * (size_t)groups;
    const size_t busiest = (units + (size_t)threads - 1) / (size_t)threads;
    const size_t cost = busiest * (size_t)(height * group < 8 ? 8 : height * group);
    if (cost < least) {
      least = cost;
      best.group = group;
      best.groups = groups;
    }
  }
  return best;
}

MP_INLINE linear_block block_of(const mp_linear_job *job, linear_split split, size_t unit) {
  const size_t chunk_units = (size_t)CHUNK_BLOCKS * (size_t)split.groups;
  const int first_block = (int)(unit / chunk_units) * CHUNK_BLOCKS, within = (int)(unit % chunk_units);
  const int left = split.blocks - first_block, blocks = left < CHUNK_BLOCKS ? left : CHUNK_BLOCKS;
  const int block = first_block + within % blocks, column = within / blocks * split.group * LANES;
  const int row = (int)mp_share((size_t)job->call.rows, block, split.blocks);
  const int rest = job->call.columns - column;
  return (linear_block){
    .first_row = row,
    .rows = (int)mp_share((size_t)job->call.rows, block + 1, split.blocks) - row,
    .first_column = column,
    .width = rest < split.group * LANES ? rest : split.group * LANES,
    .number = within % blocks, .readers = blocks,
  };
}

/// The share of thread `thread` of `threads`, in blocks of up to `block_rows` rows.
MP_INLINE void run_blocks(const mp_linear_job *job, int thread, int threads, int block_rows, block_function *run) {
  const linear_split split = split_linear(job->call.rows, job->call.columns, threads, block_rows);
  const size_t units = (size_t)split.blocks * (size_t)split.groups;
  const size_t first = mp_share(units, thread, threads), end = mp_share(units, thread + 1, threads);
  for (size_t unit = first; unit < end; unit++) {
    run(job, block_of(job, split, unit));
  }
}

/// Bias, residual and activation of a block, from the tile that the micro-kernel left in cache to y. `scales` is NULL
/// when the tile holds floats; else it holds whole numbers, to be scaled by column and row. `activate` is one of
/// v_activate and v_activate_coarse.
MP_INLINE void finish_block(const mp_linear_job *job, linear_block block, const mp_word *tile, const float *scales,
                            vec (*activate)(vec, mp_activation)) {
  const mp_linear_call *layer = &job->call;
  const size_t columns = (size_t)layer->columns;
  for (int j = 0; j < block.width; j += LANES) {
    const size_t left = (size_t)(block.width - j), column = (size_t)(block.first_column + j);
    const vec bias = layer->bias ? v_load_some(layer->bias + column, left) : v_zero();
    const vec scale = scales ? v_load(scales + column) : v_zero();
    for (int i = 0; i < block.rows; i++) {
      const size_t row = (size_t)(block.first_row + i), place = row * columns + column;
      vec sum = v_load_words(tile + i * PANEL_VECTORS * LANES + j);
      if (scales) sum = v_mul(v_from_integers(v_words(sum)), v_mul(v_set(job->scales[row]), scale));
      sum = v_add(sum, bias);
      if (layer->residual) sum = v_add(sum, v_load_some(layer->residual + place, left));
      v_store_some(layer->y + place, left, activate(sum, layer->activation));
    }
  }
}

#endif
