// Template: the linear layer on packed panels, and the micro-kernel that attention shares. Include behind
// vector_math.h.
//
// New against the plain loops of kernels_portable.c: a block of up to 6 rows times up to a panel of columns stays in
// registers while k runs over the whole depth. Each accumulator is one chain of fused multiply-adds over ascending k,
// whatever the block's shape: that is where batch invariance comes from. Block heights 1...6 and widths are separate
// functions, so an edge costs what it should.

/// y[i][j] = sum_k x[i][k] * panel[k][j] for `rows` x (`vectors` * LANES); both constants after inlining.
MP_INLINE void multiply(const int rows, const int vectors, const float *restrict x, size_t x_stride, int depth,
                        const float *restrict panel, size_t panel_stride, float *restrict y, size_t y_stride) {
  enum { PREFETCH = 8 };  // rows of the panel ahead; 6 to 48 measure alike, 0 loses a fifth from the shared cache
  vec sum[BLOCK_ROWS][PANEL_VECTORS];
#pragma clang loop unroll(full)
  for (int i = 0; i < rows; i++) {
#pragma clang loop unroll(full)
    for (int j = 0; j < vectors; j++) sum[i][j] = v_zero();
  }
  // Three rows from each of two pointers, hidden from the optimiser, which would make a pointer for every row: too many
  // for the general registers, and then it spills the sums.
  const float *low = x, *high = rows > 3 ? x + 3 * x_stride : x;
  for (int k = 0; k < depth; k++) {
    __asm__("" : "+r"(low), "+r"(high));
    vec column[PANEL_VECTORS];
#pragma clang loop unroll(full)
    for (int j = 0; j < vectors; j++) {
      column[j] = v_load(panel + j * LANES);
      __builtin_prefetch((const char *)panel + (PREFETCH * panel_stride + (size_t)j * LANES) * sizeof(float));
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++) {
      const vec factor = v_set(i < 3 ? low[(size_t)i * x_stride] : high[(size_t)(i - 3) * x_stride]);
#pragma clang loop unroll(full)
      for (int j = 0; j < vectors; j++) sum[i][j] = v_fma(factor, column[j], sum[i][j]);
    }
    panel += panel_stride;
    low++;
    high++;
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < rows; i++) {
#pragma clang loop unroll(full)
    for (int j = 0; j < vectors; j++) v_store(y + (size_t)i * y_stride + j * LANES, sum[i][j]);
  }
}

typedef void multiply_function(const float *x, size_t x_stride, int depth, const float *panel, size_t panel_stride,
                               float *y, size_t y_stride);

#define MP_DEFINE_BLOCK(rows, vectors)                                                                         \
  static void multiply_##rows##x##vectors(const float *x, size_t x_stride, int depth, const float *panel,      \
                                          size_t panel_stride, float *y, size_t y_stride) {                    \
    multiply(rows, vectors, x, x_stride, depth, panel, panel_stride, y, y_stride);                             \
  }
#define MP_DEFINE_BLOCKS(vectors)                                                                              \
  MP_DEFINE_BLOCK(1, vectors) MP_DEFINE_BLOCK(2, vectors) MP_DEFINE_BLOCK(3, vectors)                          \
  MP_DEFINE_BLOCK(4, vectors) MP_DEFINE_BLOCK(5, vectors) MP_DEFINE_BLOCK(6, vectors)
#define MP_LIST_BLOCKS(vectors)                                                                                \
  {multiply_1x##vectors, multiply_2x##vectors, multiply_3x##vectors,                                           \
   multiply_4x##vectors, multiply_5x##vectors, multiply_6x##vectors}

MP_DEFINE_BLOCKS(1)
MP_DEFINE_BLOCKS(2)
#if MP_PANEL_VECTORS == 4
MP_DEFINE_BLOCKS(3)
MP_DEFINE_BLOCKS(4)
#endif

/// By width - 1 and height - 1.
static multiply_function *const multiply_blocks[PANEL_VECTORS][BLOCK_ROWS] = {
  MP_LIST_BLOCKS(1), MP_LIST_BLOCKS(2),
#if MP_PANEL_VECTORS == 4
  MP_LIST_BLOCKS(3), MP_LIST_BLOCKS(4),
#endif
};

/// The panel of a weight that vector `vector` of its columns lies in.
typedef struct {
  const float *start;  // of that vector's first column
  size_t stride;
} panel_slice;

MP_INLINE panel_slice panel_of(const float *packed, int columns, int depth, int vector) {
  const int all = (columns + LANES - 1) / LANES, panel = vector / PANEL_VECTORS, first = panel * PANEL_VECTORS;
  const int vectors = all - first < PANEL_VECTORS ? all - first : PANEL_VECTORS;
  const float *start = packed + (size_t)first * LANES * (size_t)depth + (size_t)(vector - first) * LANES;
  return (panel_slice){start, (size_t)vectors * LANES};
}

/// Bias, residual and activation of a block, from the tile that the micro-kernel left in cache to y.
MP_INLINE void finish_block(const mp_linear_job *job, const float *tile, int first_row, int rows, int first_column,
                            int width) {
  const size_t columns = (size_t)job->columns;
  for (int i = 0; i < rows; i++) {
    const size_t place = (size_t)(first_row + i) * columns + (size_t)first_column;
    for (int j = 0; j < width; j += LANES) {
      const size_t left = (size_t)(width - j);
      vec sum = v_load(tile + i * PANEL_VECTORS * LANES + j);
      if (job->bias) sum = v_add(sum, v_load_some(job->bias + first_column + j, left));
      if (job->residual) sum = v_add(sum, v_load_some(job->residual + place + j, left));
      v_store_some(job->y + place + j, left, v_activate(sum, job->activation));
    }
  }
}

/// Work is split into units of one row block times `group` vectors; a thread takes a contiguous range of them. Order:
/// chunks of row blocks, in these the column groups, in these the row blocks, so that a thread keeps a panel in its
/// cache while the rows of a chunk pass by.
typedef struct {
  int blocks, group, groups;
} linear_split;

enum { CHUNK_BLOCKS = 64 };

/// Narrower groups balance few panels over many threads, but have fewer chains to hide the FMA latency behind: two
/// pipes of 4 cycles want 8. Chooses the group width whose slowest thread is done first.
static linear_split split_linear(int rows, int columns, int threads) {
  const int vectors = (columns + LANES - 1) / LANES, blocks = (rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
  const int height = rows < BLOCK_ROWS ? rows : BLOCK_ROWS;
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

static void run_linear_unit(const mp_linear_job *job, linear_split split, size_t unit) {
  const size_t chunk_units = (size_t)CHUNK_BLOCKS * (size_t)split.groups;
  const int first_block = (int)(unit / chunk_units) * CHUNK_BLOCKS, within = (int)(unit % chunk_units);
  const int left = split.blocks - first_block, blocks = left < CHUNK_BLOCKS ? left : CHUNK_BLOCKS;
  const int block = first_block + within % blocks, vector = within / blocks * split.group;

  const int row = (int)mp_share((size_t)job->rows, block, split.blocks);
  const int rows = (int)mp_share((size_t)job->rows, block + 1, split.blocks) - row;
  const int column = vector * LANES, rest = job->columns - column;
  const int width = rest < split.group * LANES ? rest : split.group * LANES;

  float tile[BLOCK_ROWS * PANEL_VECTORS * LANES] __attribute__((aligned(64)));
  const panel_slice panel = panel_of(job->packed, job->columns, job->depth, vector);
  multiply_blocks[(width + LANES - 1) / LANES - 1][rows - 1](
    job->x + (size_t)row * (size_t)job->depth, (size_t)job->depth, job->depth, panel.start, panel.stride, tile,
    PANEL_VECTORS * LANES);
  finish_block(job, tile, row, rows, column, width);
}

static void MP_NAME(linear)(const mp_linear_job *job, int thread, int threads) {
  const linear_split split = split_linear(job->rows, job->columns, threads);
  const size_t units = (size_t)split.blocks * (size_t)split.groups;
  const size_t end = mp_share(units, thread + 1, threads);
  for (size_t unit = mp_share(units, thread, threads); unit < end; unit++) run_linear_unit(job, split, unit);
}
