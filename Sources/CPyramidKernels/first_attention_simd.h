// Template: attention of a sample's first token, a few heads at once. Include behind rows_simd.h.
//
// New against the plain loops of kernels_portable.c: columns and tokens are taken in blocks, so that a vector of weights
// or hidden states is loaded once for several sums. Each sum keeps one order whatever block its terms come in.

/// y = sum over `rows` of share[row] * scale * x[row], x [rows][columns].
static void weigh_rows(const float *share, float scale, const float *x, int rows, size_t columns, float *y) {
  size_t c = 0;
  for (; c + 4 * LANES <= columns; c += 4 * LANES) {
    vec sum[4] = {v_zero(), v_zero(), v_zero(), v_zero()};
    for (size_t r = 0; r < (size_t)rows; r++) {
      const vec factor = v_set(share[r] * scale);
      const float *row = x + r * columns + c;
      for (size_t v = 0; v < 4; v++) sum[v] = v_fma(factor, v_load(row + v * LANES), sum[v]);
    }
    for (size_t v = 0; v < 4; v++) v_store(y + c + v * LANES, sum[v]);
  }
  for (; c < columns; c += LANES) {
    vec sum = v_zero();
    for (size_t r = 0; r < (size_t)rows; r++) {
      sum = v_fma(v_set(share[r] * scale), v_load_some(x + r * columns + c, columns - c), sum);
    }
    v_store_some(y + c, columns - c, sum);
  }
}

/// z[h] = sum over tokens of shares[h][token] * x[token], for four heads: hidden states are loaded once for all.
static void mix_tokens(const mp_first_attention_job *job) {
  const size_t depth = (size_t)job->depth, tokens = (size_t)job->tokens;
  for (size_t c = 0; c < depth; c += 2 * LANES) {
    const size_t left = depth - c, second = left > LANES ? left - LANES : 0;
    vec sum[MP_FIRST_HEADS][2];
    for (int h = 0; h < MP_FIRST_HEADS; h++) sum[h][0] = sum[h][1] = v_zero();
    for (size_t j = 0; j < tokens; j++) {
      const float *row = job->x + j * depth + c;
      const vec a = v_load_some(row, left), b = second ? v_load_some(row + LANES, second) : v_zero();
      for (int h = 0; h < MP_FIRST_HEADS; h++) {
        const vec share = v_set(job->shares[(size_t)h * tokens + j]);
        sum[h][0] = v_fma(share, a, sum[h][0]);
        sum[h][1] = v_fma(share, b, sum[h][1]);
      }
    }
    for (int h = 0; h < MP_FIRST_HEADS; h++) {
      float *z = job->z + (size_t)h * depth + c;
      v_store_some(z, left, sum[h][0]);
      if (second) v_store_some(z + LANES, second, sum[h][1]);
    }
  }
}

/// y[i] = a[i] . b for four rows a[i] at a distance of `stride`: b is loaded once for all.
MP_INLINE void dot_four(const float *a, size_t stride, const float *b, size_t count, float *y) {
  vec sum[4] = {v_zero(), v_zero(), v_zero(), v_zero()};
  size_t c = 0;
  for (; c + LANES <= count; c += LANES) {
    const vec right = v_load(b + c);
    for (size_t i = 0; i < 4; i++) sum[i] = v_fma(v_load(a + i * stride + c), right, sum[i]);
  }
  if (c < count) {
    const vec right = v_load_some(b + c, count - c);
    for (size_t i = 0; i < 4; i++) sum[i] = v_fma(v_load_some(a + i * stride + c, count - c), right, sum[i]);
  }
  for (size_t i = 0; i < 4; i++) y[i] = v_sum(sum[i]);
}

MP_INLINE float dot_one(const float *a, const float *b, size_t count) {
  vec sum = v_zero();
  for (size_t c = 0; c < count; c += LANES) {
    sum = v_fma(v_load_some(a + c, count - c), v_load_some(b + c, count - c), sum);
  }
  return v_sum(sum);
}

/// y[r] = a[r] . b.
static void dot_rows(const float *a, int rows, const float *b, size_t count, float *y) {
  size_t r = 0;
  for (; r + 4 <= (size_t)rows; r += 4) dot_four(a + r * count, count, b, count, y + r);
  for (; r < (size_t)rows; r++) y[r] = dot_one(a + r * count, b, count);
}

static void MP_NAME(first_attention)(const mp_first_attention_job *job) {
  const size_t depth = (size_t)job->depth, tokens = (size_t)job->tokens, dims = (size_t)job->head_dim;
  const float scale = 1.0f / __builtin_sqrtf((float)job->head_dim);
  for (size_t h = 0; h < (size_t)job->heads; h++) {
    float *u = job->u + h * depth, *shares = job->shares + h * tokens;
    weigh_rows(job->q + h * dims, scale, job->wk + h * dims * depth, job->head_dim, depth, u);
    dot_rows(job->x, job->tokens, u, depth, shares);
    softmax_row(shares, tokens, shares, NULL);
  }
  if (job->heads == MP_FIRST_HEADS) {
    mix_tokens(job);
  } else {
    for (size_t h = 0; h < (size_t)job->heads; h++) {
      weigh_rows(job->shares + h * tokens, 1.0f, job->x, job->tokens, depth, job->z + h * depth);
    }
  }
  for (size_t h = 0; h < (size_t)job->heads; h++) {
    float *out = job->out + h * dims;
    dot_rows(job->wv + h * dims * depth, job->head_dim, job->z + h * depth, depth, out);
    for (size_t i = 0; i < dims; i++) out[i] += job->bv[h * dims + i];
  }
}
