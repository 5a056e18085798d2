// Template: the micro-kernel, made once for each kind of word. The including file defines
//   MP_MULTIPLY(name)      the functions' names
//   MP_BLOCK_ROWS          the tallest block
//   MP_SUM                 the type of a vector of sums
//   MP_SUM_START(p)        the sums that start at word p; p may be no address when all start at zero
//   MP_SUM_STORE(p, sum)   their way to a tile of words
//   MP_SUM_STEP(sum, a, b) sum + the products of the word at a, for all columns, and the vector of words at b
// and includes this file, as often as it has kinds of words; the definitions are gone at its end.
//
// A block of up to MP_BLOCK_ROWS rows times up to a panel of columns stays in registers while k runs over the whole
// depth. Each accumulator is one chain over ascending k, whatever the block's shape: that is where batch invariance
// comes from. Block heights and widths are separate functions, so an edge costs what it should.

/// tile[i][j] = start[j] + sum_k x[i][k] * panel[k][j] for `rows` x (`vectors` * LANES), constants after inlining.
/// If `fetches`, each step fetches as much as a row of the panel from fetch.from on, which goes fetch.step words further.
MP_INLINE void MP_MULTIPLY(block)(const int rows, const int vectors, const int fetches, const mp_word *restrict x,
                                  size_t x_stride, int steps, const mp_word *restrict panel, size_t panel_stride,
                                  panel_fetch fetch, const mp_word *restrict start, mp_word *restrict tile,
                                  size_t tile_stride) {
  MP_SUM sum[MP_BLOCK_ROWS][PANEL_VECTORS];
#pragma clang loop unroll(full)
  for (int i = 0; i < rows; i++) {
#pragma clang loop unroll(full)
    for (int j = 0; j < vectors; j++) sum[i][j] = MP_SUM_START(start + j * LANES);
  }
  // Three rows from each of two pointers, hidden from the optimiser, which would make a pointer for every row: too many
  // for the general registers, and then it spills the sums.
  const mp_word *low = x, *high = rows > 3 ? x + 3 * x_stride : x;
  for (int k = 0; k < steps; k++) {
    __asm__("" : "+r"(low), "+r"(high));
    vec column[PANEL_VECTORS];
#pragma clang loop unroll(full)
    for (int j = 0; j < vectors; j++) {
      column[j] = v_load_words(panel + j * LANES);
      if (fetches && j * LANES % MP_LINE_FLOATS == 0) __builtin_prefetch(fetch.from + (size_t)j * LANES);
    }
    if (fetches) fetch.from += fetch.step;
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++) {
      const vec factor = v_set_word(i < 3 ? low + (size_t)i * x_stride : high + (size_t)(i - 3) * x_stride);
#pragma clang loop unroll(full)
      for (int j = 0; j < vectors; j++) sum[i][j] = MP_SUM_STEP(sum[i][j], factor, column[j]);
    }
    panel += panel_stride;
    low++;
    high++;
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < rows; i++) {
#pragma clang loop unroll(full)
    for (int j = 0; j < vectors; j++) MP_SUM_STORE(tile + (size_t)i * tile_stride + j * LANES, sum[i][j]);
  }
}

#define MP_DEFINE_BLOCK(rows, vectors)                                                                              \
  static void MP_MULTIPLY(rows##x##vectors)(const mp_word *x, size_t x_stride, int steps, const mp_word *panel,     \
                                            size_t panel_stride, panel_fetch fetch, const mp_word *start,           \
                                            mp_word *tile, size_t tile_stride) {                                    \
    if (fetch.step == 0) {                                                                                          \
      MP_MULTIPLY(block)(rows, vectors, 0, x, x_stride, steps, panel, panel_stride, fetch, start, tile,             \
                         tile_stride);                                                                              \
    } else {                                                                                                        \
      MP_MULTIPLY(block)(rows, vectors, 1, x, x_stride, steps, panel, panel_stride, fetch, start, tile,             \
                         tile_stride);                                                                              \
    }                                                                                                               \
  }
#if MP_BLOCK_ROWS == 6
#define MP_DEFINE_BLOCKS(vectors)                                                                                   \
  MP_DEFINE_BLOCK(1, vectors) MP_DEFINE_BLOCK(2, vectors) MP_DEFINE_BLOCK(3, vectors)                               \
  MP_DEFINE_BLOCK(4, vectors) MP_DEFINE_BLOCK(5, vectors) MP_DEFINE_BLOCK(6, vectors)
#define MP_LIST_BLOCKS(vectors)                                                                                     \
  {MP_MULTIPLY(1x##vectors), MP_MULTIPLY(2x##vectors), MP_MULTIPLY(3x##vectors),                                    \
   MP_MULTIPLY(4x##vectors), MP_MULTIPLY(5x##vectors), MP_MULTIPLY(6x##vectors)}
#else
#define MP_DEFINE_BLOCKS(vectors)                                                                                   \
  MP_DEFINE_BLOCK(1, vectors) MP_DEFINE_BLOCK(2, vectors) MP_DEFINE_BLOCK(3, vectors) MP_DEFINE_BLOCK(4, vectors)
#define MP_LIST_BLOCKS(vectors)                                                                                     \
  {MP_MULTIPLY(1x##vectors), MP_MULTIPLY(2x##vectors), MP_MULTIPLY(3x##vectors), MP_MULTIPLY(4x##vectors)}
#endif

MP_DEFINE_BLOCKS(1)
MP_DEFINE_BLOCKS(2)
#if MP_PANEL_VECTORS == 4
MP_DEFINE_BLOCKS(3)
MP_DEFINE_BLOCKS(4)
#endif

/// By width - 1 and height - 1.
static multiply_function *const MP_MULTIPLY(blocks)[PANEL_VECTORS][MP_BLOCK_ROWS] = {
  MP_LIST_BLOCKS(1), MP_LIST_BLOCKS(2),
#if MP_PANEL_VECTORS == 4
  MP_LIST_BLOCKS(3), MP_LIST_BLOCKS(4),
#endif
};

#undef MP_DEFINE_BLOCK
#undef MP_DEFINE_BLOCKS
#undef MP_LIST_BLOCKS
#undef MP_MULTIPLY
#undef MP_BLOCK_ROWS
#undef MP_SUM
#undef MP_SUM_START
#undef MP_SUM_STORE
#undef MP_SUM_STEP
