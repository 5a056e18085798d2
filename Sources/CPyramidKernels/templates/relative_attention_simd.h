// Template: attention of a range of queries of one sample and head where the places of tokens count.
//
// As attention_simd.h, for the keys that the range sees, and with terms of distances added to the scores. A term's
// product is formed for the table's rows that occur, with the micro-kernel, and then looked up pair by pair: of queries
// for a block of them and all keys, of keys for a block of queries and a group of keys, whose distances are few.
#ifndef MP_RELATIVE_ATTENTION_SIMD_H
#define MP_RELATIVE_ATTENTION_SIMD_H

#include "templates/attention_simd.h"

/// Keys whose products with a table are in hand at once.
enum { KEY_GROUP = 16 };

/// Where the parts of a task's scratch begin.
typedef struct {
  float *keys, *values, *scores;
  int32_t *positions;  // of the keys, and the last one's again
  float *table;        // packed rows of the queries' table
  float *products;     // [QUERY_ROWS][product_stride], of a block of queries with them
  size_t product_stride;
  float *tile;         // [rows][KEY_GROUP], products of the keys' table with a group of keys
  float *end;
} relative_areas;

MP_INLINE relative_areas areas_of(float *scratch, int tokens, int head_dim, int table_rows) {
  relative_areas a = {.keys = scratch, .product_stride = whole_vectors(table_rows)};
  a.values = a.keys + whole_vectors(tokens) * (size_t)head_dim;
  a.scores = a.values + (size_t)tokens * whole_vectors(head_dim);
  a.positions = (int32_t *)(a.scores + QUERY_ROWS * whole_vectors(tokens));
  a.table = (float *)a.positions + tokens + MP_ROWS_SLACK;
  a.products = a.table + whole_vectors(table_rows) * (size_t)head_dim;
  a.tile = a.products + QUERY_ROWS * a.product_stride;
  a.end = a.tile + (size_t)table_rows * KEY_GROUP;
  return a;
}

static size_t MP_NAME(relative_scratch)(int tokens, int head_dim, int table_rows) {
  // Nothing is read; arithmetic on no address is not defined.
  float *const place = (float *)sizeof(float);
  return (size_t)(areas_of(place, tokens, head_dim, table_rows).end - place);
}

/// Keys begin ..< end.
typedef struct {
  int begin, end;
} key_range;

/// The keys that any of the queries first ... last sees.
MP_INLINE key_range seen_keys(const mp_attention_job *job, int first, int last) {
  key_range seen = {0, job->tokens};
  const int window = job->relation->window;
  if (window < 0) return seen;
  for (seen.begin = first; seen.begin > 0; seen.begin--) {
    if (job->positions[first] - job->positions[seen.begin - 1] > window) break;
  }
  for (seen.end = last + 1; seen.end < job->tokens; seen.end++) {
    if (job->positions[seen.end] - job->positions[last] > window) break;
  }
  return seen;
}

/// The table's rows for distances from `least` to `most`, a key's position less the query's: they descend.
typedef struct {
  int first, count;
} table_rows;

MP_INLINE table_rows rows_between(const mp_relation *relation, int least, int most) {
  const int32_t *middle = relation->rows + relation->reach - 1;
  return (table_rows){middle[most], middle[least] - middle[most] + 1};
}

/// Queries query ..< query + rows, and keys low ..< high of those packed.
typedef struct {
  int query, rows, low, high;
} score_block;

/// Scores of the block at y, `stride` apart, before terms.
MP_INLINE void score_block_keys(const mp_attention_job *job, const float *keys, int count, score_block block, float *y,
                                size_t stride) {
  const mp_word *q = (const mp_word *)job->q + (size_t)block.query * job->stride;
  for (int vector = block.low / LANES; vector * LANES < block.high; vector += PANEL_VECTORS) {
    const panel_slice panel = panel_of(keys, count, job->head_dim, vector);
    multiply_rows(multiply_blocks, q, job->stride, block.rows, job->head_dim, panel, (int)panel.stride,
                  y + (size_t)vector * LANES, stride);
  }
}

/// Products of the block's queries with the rows of the packed table, those of `all`, that its distances need.
static void multiply_queries(const mp_attention_job *job, relative_areas a, table_rows all, score_block block) {
  const int32_t *key = a.positions, *query = job->positions + block.query;
  const table_rows rows =
    rows_between(job->relation, key[block.low] - query[block.rows - 1], key[block.high - 1] - query[0]);
  const mp_word *q = (const mp_word *)job->q + (size_t)block.query * job->stride;
  const int panel_columns = PANEL_VECTORS * LANES, end = rows.first - all.first + rows.count;
  for (int row = (rows.first - all.first) / panel_columns * panel_columns; row < end; row += panel_columns) {
    const panel_slice panel = panel_of(a.table, all.count, job->head_dim, row / LANES);
    multiply_rows(multiply_blocks, q, job->stride, block.rows, job->head_dim, panel, (int)panel.stride,
                  a.products + row, a.product_stride);
  }
}

/// Adds the terms of the block's queries and the keys of a group to their scores.
static void add_terms(const mp_attention_job *job, relative_areas a, table_rows all, int keys, score_block group,
                      size_t stride) {
  const mp_relation *relation = job->relation;
  const int32_t *query = job->positions + group.query, *key = a.positions;
  const table_rows rows =
    rows_between(relation, key[group.low] - query[group.rows - 1], key[group.high - 1] - query[0]);
  if (relation->keys) {
    const panel_slice slice = panel_of(a.keys, keys, job->head_dim, group.low / LANES);
    const int left = (int)whole_vectors(group.high - group.low);
    multiply_rows(multiply_blocks,
                  (const mp_word *)relation->keys + (size_t)rows.first * (size_t)job->width + job->head * job->head_dim,
                  (size_t)job->width, rows.count, job->head_dim, slice, left, a.tile, KEY_GROUP);
  }
  const int32_t *middle = relation->rows + relation->reach - 1;
  const int is_whole = key[keys - 1] - key[0] == keys - 1;  // no token between is gone
  const ivec first = i_set((uint32_t)rows.first), last = i_set((uint32_t)(rows.first + rows.count - 1));
  for (int i = 0; i < group.rows; i++) {
    const float *products = a.products + (size_t)i * a.product_stride;
    for (int j = group.low; j < group.high; j += LANES) {
      float *place = a.scores + (size_t)i * stride + j;
      ivec row = is_whole ? i_load(middle + (key[j] - query[i]))
                          : i_gather(middle, i_add(i_load(key + j), i_set((uint32_t)-query[i])));
      vec score = v_load(place);
      if (relation->bias) {
        row = i_max(i_set(0), i_min(row, i_set((uint32_t)(relation->table_rows - 1))));
        const int heads = job->width / job->head_dim;
        score = v_add(score, v_gather(relation->bias + job->head, i_mul(row, i_set((uint32_t)heads))));
      } else {
        row = i_max(first, i_min(row, last));
      }
      if (relation->queries) score = v_add(score, v_gather(products, i_add(row, i_set((uint32_t)-all.first))));
      if (relation->keys) {
        const ivec within = i_mul(i_add(row, i_set((uint32_t)-rows.first)), i_set(KEY_GROUP));
        score = v_add(score, v_gather(a.tile, i_add(within, i_count_from((uint32_t)(j - group.low)))));
      }
      v_store(place, score);
    }
  }
}

/// The softmax of the block's scores, 0 for keys that a query does not see, and what it hands out. `begin` is the
/// number of the first packed key.
static void share_block(const mp_attention_job *job, float *scores, size_t stride, int begin, score_block block) {
  const size_t count = (size_t)(block.high - block.low), place = (size_t)(begin + block.low);
  for (int i = 0; i < block.rows; i++) {
    const int query = block.query + i;
    float *row = scores + (size_t)i * stride;
    const key_range seen = seen_keys(job, query, query);
    for (int j = block.low; j < seen.begin - begin; j++) row[j] = -__builtin_inff();
    for (int j = seen.end - begin; j < block.high; j++) row[j] = -__builtin_inff();
    softmax_row(row + block.low, count, row + block.low, job->received ? job->received + place : NULL,
                job->sizes ? job->sizes + place : NULL);
    if (job->own) job->own[query] = row[query - begin];
  }
  if (block.query > 0 || !job->from_first) return;
  memset(job->from_first, 0, (size_t)job->tokens * sizeof(float));
  memcpy(job->from_first + place, scores + block.low, count * sizeof(float));
}

/// Packs the keys and values that the task sees, their positions, and the rows of the queries' table that it needs.
static table_rows pack_task(const mp_attention_job *job, relative_areas a, key_range seen) {
  const mp_relation *relation = job->relation;
  const int count = seen.end - seen.begin, last = job->first_query + job->queries - 1;
  const size_t offset = (size_t)seen.begin * job->stride;
  pack_head((head_rows){job->k + offset, job->stride, count, job->head_dim}, relation->scale, a.keys);
  copy_head((head_rows){job->v + offset, job->stride, count, job->head_dim}, a.values);
  for (int j = 0; j < count + LANES; j++) {
    a.positions[j] = job->positions[seen.begin + (j < count ? j : count - 1)];
  }
  if (!relation->queries) return (table_rows){0, 0};
  const int32_t *p = job->positions;
  const table_rows all =
    rows_between(relation, p[seen.begin] - p[last], p[seen.end - 1] - p[job->first_query]);
  const float *table = relation->queries + (size_t)all.first * (size_t)job->width + job->head * job->head_dim;
  pack_head((head_rows){table, (size_t)job->width, all.count, job->head_dim}, relation->scale, a.table);
  return all;
}

static void MP_NAME(relative_attention)(const mp_attention_job *job) {
  const mp_relation *relation = job->relation;
  const relative_areas a = areas_of(job->scratch, job->tokens, job->head_dim, relation->table_rows);
  const int end = job->first_query + job->queries, panel = PANEL_VECTORS * LANES;
  const key_range all = seen_keys(job, job->first_query, end - 1);
  const int count = all.end - all.begin;
  const size_t stride = whole_vectors(job->tokens);
  const table_rows rows = pack_task(job, a, all);
  if (job->received) memset(job->received, 0, (size_t)job->tokens * sizeof(float));
  for (int query = job->first_query; query < end; query += QUERY_ROWS) {
    const int last = end - query < QUERY_ROWS ? end - 1 : query + QUERY_ROWS - 1;
    const key_range seen = seen_keys(job, query, last);
    const score_block block = {query, last - query + 1, (seen.begin - all.begin) / panel * panel, seen.end - all.begin};
    score_block_keys(job, a.keys, count, block, a.scores, stride);
    if (relation->queries) multiply_queries(job, a, rows, block);
    for (int key = block.low; relation->rows && key < block.high; key += KEY_GROUP) {
      const int high = block.high - key < KEY_GROUP ? block.high : key + KEY_GROUP;
      add_terms(job, a, rows, count, (score_block){query, block.rows, key, high}, stride);
    }
    share_block(job, a.scores, stride, all.begin, block);
    mix_values(multiply_blocks, job, (const mp_word *)a.scores + block.low, stride, block.high - block.low,
               (const mp_word *)a.values + (size_t)block.low * whole_vectors(job->head_dim), query, block.rows);
  }
}

#endif
