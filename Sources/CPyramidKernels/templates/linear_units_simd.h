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

MP_INLINE panel_slice panel_of(const void *packed, int columns, int steps, int vector) {
  const int all = (columns + LANES - 1) / LANES, panel = vector / PANEL_VECTORS, first = panel * PANEL_VECTORS;
  const int vectors = all - first < PANEL_VECTORS ? all - first : PANEL_VECTORS;
  const mp_word *start = (const mp_word *)packed + (size_t)first * LANES * (size_t)steps
                         + (size_t)(vector - first) * LANES;
  return (panel_slice){start, (size_t)vectors * LANES};
}

/// A micro-kernel for one height and width; multiply_simd.h makes them for each kind of word. `ahead` is what it fetches:
/// words after those in hand, or 0 for nothing, where the panel is in the cache.
typedef void multiply_function(const mp_word *x, size_t x_stride, int steps, const mp_word *panel, size_t panel_stride,
                               size_t ahead, const mp_word *start, mp_word *tile, size_t tile_stride);

/// A block of the result: rows first_row ..< + rows, columns first_column ..< + width.
typedef struct {
  int first_row, rows, first_column, width;
  int is_first;  // of those that a thread lets read the panel
  int is_last;   // of those that read the panel, and not the only one
} linear_block;

/// Words ahead that a block fetches. The first block that reads a panel waits for memory, the others find it in the cache,
/// need no fetches (10% of their time on Zen 3) and leave memory idle: so the last one fetches the next panel (weights in
/// memory, 12 to 64 rows: 5 to 10% sooner).
MP_INLINE size_t words_ahead(linear_block block, panel_slice panel, int steps) {
  const int is_whole = (size_t)block.width == panel.stride;
  if (block.is_last && is_whole) return panel.stride * (size_t)steps;
  return block.is_first ? panel.stride * (size_t)STEPS_AHEAD : 0;
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
    .is_first = within % blocks == 0,
    .is_last = blocks > 1 && within % blocks == blocks - 1,
  };
}

/// The share of thread `thread` of `threads`, in blocks of up to `block_rows` rows.
MP_INLINE void run_blocks(const mp_linear_job *job, int thread, int threads, int block_rows, block_function *run) {
  const linear_split split = split_linear(job->call.rows, job->call.columns, threads, block_rows);
  const size_t units = (size_t)split.blocks * (size_t)split.groups;
  const size_t first = mp_share(units, thread, threads), end = mp_share(units, thread + 1, threads);
  for (size_t unit = first; unit < end; unit++) {
    linear_block block = block_of(job, split, unit);
    block.is_first |= unit == first;
    run(job, block);
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
