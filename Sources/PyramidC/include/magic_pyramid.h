// The C interface of Magic Pyramid: open a compiled model, classify texts. libmagicpyramid.so
//
// Thread-safe: a classifier may be used from several threads at once, whose texts are computed together. Nothing happens
// when the library is loaded. Functions that fail return NULL or -1 and, where `error` is not NULL, set it to a line that
// says what to do. Strings are UTF-8. Whatever is returned through `char **`, or as `char *`, is freed by
// magic_pyramid_free.

#ifndef MAGIC_PYRAMID_H
#define MAGIC_PYRAMID_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// The number of this interface; it changes when a function of it does.
#define MAGIC_PYRAMID_INTERFACE 1

typedef struct magic_pyramid_classifier magic_pyramid_classifier;

/// MAGIC_PYRAMID_INTERFACE as the library was built with.
int32_t magic_pyramid_interface(void);

/// The version of Magic Pyramid, as "0.3.0"; freed by the caller.
char *magic_pyramid_version(void);

/// Opens a model that mp-compile made. `options` is NULL or a JSON object with any of `exit` and `prune` (policies in place of
/// the compiled ones, as mp-run spells them), `threads`, `batch_tokens`, `batch_samples`, `label_threshold`, `tasks` (an array of
/// names: those of a model of several that are asked) and `copy` (true: the file is read into memory and may be written over).
/// In a forked process the classifiers of its parent give errors; it opens its own.
magic_pyramid_classifier *magic_pyramid_open(const char *path, const char *options, char **error);

/// Lets a classifier go; no call may be under way. NULL is not a classifier.
void magic_pyramid_close(magic_pyramid_classifier *classifier);

/// What the model is, a JSON object: `labels`, `task`, `tasks` (names of those that are asked, where it answers several) and
/// `labels_of_tasks` by name, `layers`, `classes`, `max_tokens`, `accepts_pairs`, `exit`, `prune`, `checkpoint`. Where one of several
/// tasks is asked, `labels`, `task` and `classes` are its.
char *magic_pyramid_describe(const magic_pyramid_classifier *classifier);

/// Classes of the model, or of the one task of several that is asked: the width of `scores`.
int32_t magic_pyramid_classes(const magic_pyramid_classifier *classifier);

/// Classifies `count` texts: text i is bytes[offsets[i]] to bytes[offsets[i + 1]], as in an Arrow large_utf8 array.
/// `pair_bytes` and `pair_offsets` are second texts, empty ones are none; both NULL for single texts. Returns lines of JSON, the
/// fields of mp-run --format jsonl, one for each text.
char *magic_pyramid_classify_json(
    const magic_pyramid_classifier *classifier, const char *bytes, const int64_t *offsets, int64_t count,
    const char *pair_bytes, const int64_t *pair_offsets, char **error);

/// The same into arrays of the caller, each of which may be NULL: the best class [count], its score [count], the scores of all
/// classes [count, classes], the layer that the text left after [count], 1 where the text was cut [count]. Returns 0. Fails where
/// several tasks are asked.
int32_t magic_pyramid_classify(
    const magic_pyramid_classifier *classifier, const char *bytes, const int64_t *offsets, int64_t count,
    const char *pair_bytes, const int64_t *pair_offsets, int32_t *label, float *score, float *scores,
    int32_t *exit_layer, uint8_t *truncated, char **error);

/// Frees what a function above returned; NULL is fine.
void magic_pyramid_free(char *text);

#ifdef __cplusplus
}
#endif

#endif
