"""The classifier: Python's texts in, dictionaries, arrays or Arrow columns out."""

from __future__ import annotations

import ctypes
import json
import os
import threading
from typing import TYPE_CHECKING, Any, NamedTuple, Sequence

import numpy as np
from numpy.typing import NDArray

from . import _library
from ._pipeline import TextClassificationPipeline

if TYPE_CHECKING:
    import pyarrow


class MagicPyramidError(ValueError):
    """What the library says is wrong, and what to do."""


class Numbers(NamedTuple):
    """Answers as arrays, in the order of the texts."""

    label: NDArray[np.int32]
    """Number of the best class, int32 [n]."""
    score: NDArray[np.float32]
    """Its score, float32 [n]."""
    scores: NDArray[np.float32]
    """The scores of all classes, float32 [n, classes]."""
    exit_layer: NDArray[np.int32]
    """The layer that the text left after, 0 for the entry, int32 [n]."""
    truncated: NDArray[np.bool_]
    """Whether the text was cut to the model's limit, bool [n]."""


# One thread of a forked child opens a model again, and the others wait for it. A lock that was held at the fork would never
# be free in the child.
_opening = threading.Lock()


def _renew_lock() -> None:
    global _opening
    _opening = threading.Lock()


os.register_at_fork(after_in_child=_renew_lock)


def version() -> str:
    """The library's version."""
    return _library.take(_library.library_version())


class Classifier:
    """A compiled model. Texts of several threads are computed together."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        exit: str | None = None,
        prune: str | None = None,
        threads: int | None = None,
        batch_tokens: int | None = None,
        label_threshold: float | None = None,
        tasks: Sequence[str] | None = None,
        copy: bool = False,
    ) -> None:
        """Opens a model that mp-compile made; `exit` and `prune` are policies in place of the compiled ones, `tasks` those of
        a model of several that are asked. With `copy` the file is read into memory, and may be written over."""
        if isinstance(tasks, str):
            raise TypeError("tasks is a string; give a list of them")
        # Other processes, which open it again, may work in other folders.
        self._arguments: tuple[str, dict[str, Any]] = (os.path.abspath(os.fspath(path)), dict(
            exit=exit, prune=prune, threads=threads, batch_tokens=batch_tokens, label_threshold=label_threshold,
            tasks=None if tasks is None else list(tasks), copy=copy))
        options = {key: value for key, value in self._arguments[1].items() if value is not None}
        error = ctypes.c_void_p()
        self._handle = _library.open_classifier(
            os.fsencode(self._arguments[0]), json.dumps(options).encode(), ctypes.byref(error))
        if not self._handle:
            raise MagicPyramidError(_library.take(error))
        self.info: dict[str, Any] = json.loads(_library.take(_library.describe(self._handle)))
        self.labels: list[str] = self.info["labels"]
        self._process = os.getpid()

    def __del__(self) -> None:
        handle, self._handle = getattr(self, "_handle", None), None
        if handle and self._process == os.getpid():
            _library.close_classifier(handle)

    def _open(self) -> Any:
        """The handle. A forked child has none of its parent's threads, and opens the file again."""
        if self._process != os.getpid():
            with _opening:
                if self._process != os.getpid():
                    Classifier.__init__(self, self._arguments[0], **self._arguments[1])
        return self._handle

    def __reduce__(self) -> tuple[Any, ...]:
        # Workers of other processes open the file again.
        return _reopen, self._arguments

    def predict(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """Classifies texts, or pairs of them: the fields of `mp-run --format jsonl` for each."""
        columns = _columns(texts, pairs)
        error = ctypes.c_void_p()
        lines = _library.classify_json(self._open(), *columns.arguments, ctypes.byref(error))
        if not lines:
            raise MagicPyramidError(_library.take(error))
        return [json.loads(line) for line in _library.take(lines).split("\n") if line]

    def predict_numpy(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> Numbers:
        """Classifies texts, or pairs of them, into arrays; of one task."""
        return self._numbers(_columns(texts, pairs))

    def predict_arrow(
        self, texts: pyarrow.Array | pyarrow.ChunkedArray, pairs: pyarrow.Array | pyarrow.ChunkedArray | None = None
    ) -> pyarrow.Table:
        """Classifies a column of strings without copying them; a null is the empty text. Columns: label (a dictionary),
        score, scores (a list of fixed size), exit_layer, truncated; of one task."""
        import pyarrow as pa

        numbers = self._numbers(_arrow_columns(texts, pairs))
        width = numbers.scores.shape[1]
        return pa.table({
            "label": pa.DictionaryArray.from_arrays(pa.array(numbers.label), pa.array(self.labels)),
            "score": pa.array(numbers.score),
            "scores": pa.FixedSizeListArray.from_arrays(pa.array(numbers.scores.reshape(-1)), width),
            "exit_layer": pa.array(numbers.exit_layer),
            "truncated": pa.array(numbers.truncated),
        })

    def as_transformers_pipeline(self) -> TextClassificationPipeline:
        """A callable that takes and answers what transformers' text-classification pipeline does: a text gives a list of
        one {"label", "score"}, {"text": ..., "text_pair": ...} one alone, a list one for each, and an iterator an iterator.
        With `top_k` each has a list of so many, with None of all. Texts over the model's limit are cut, whatever
        `truncation` says; `padding` and `num_workers` have no meaning here."""
        return TextClassificationPipeline(self)

    def _numbers(self, columns: _Columns) -> Numbers:
        handle = self._open()
        count, classes = columns.rows, self.info["classes"]
        numbers = Numbers(
            np.empty(count, np.int32), np.empty(count, np.float32), np.empty((count, classes), np.float32),
            np.empty(count, np.int32), np.empty(count, np.bool_))
        error = ctypes.c_void_p()
        code = _library.classify(
            handle, *columns.arguments, *[array.ctypes.data for array in numbers], ctypes.byref(error))
        if code != 0:
            raise MagicPyramidError(_library.take(error))
        return numbers


def _reopen(path: str, options: dict[str, Any]) -> Classifier:
    return Classifier(path, **options)


class _Columns(NamedTuple):
    rows: int
    arguments: tuple[Any, ...]
    kept: tuple[Any, ...]
    """What the arguments point into."""


def _column(texts: Sequence[str]) -> tuple[NDArray[np.int64], bytes]:
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"text {index} is of type {type(text).__name__}, not a string")
    encoded = [text.encode() for text in texts]
    offsets = np.zeros(len(encoded) + 1, np.int64)
    np.cumsum([len(text) for text in encoded], out=offsets[1:])
    return offsets, b"".join(encoded)


def _columns(texts: Sequence[str], pairs: Sequence[str] | None) -> _Columns:
    for name, column in [("texts", texts), ("pairs", pairs)]:
        if isinstance(column, str):
            raise TypeError(f"{name} is a string; give a list of them")
    if pairs is not None and len(pairs) != len(texts):
        raise ValueError(f"{len(texts)} texts and {len(pairs)} second texts")
    columns = [_column(texts)] + ([] if pairs is None else [_column(pairs)])
    pointers = [(ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p), offsets.ctypes.data) for offsets, data in columns]
    return _joined(len(texts), pointers, tuple(columns))


def _arrow_columns(texts: Any, pairs: Any) -> _Columns:
    import pyarrow as pa

    arrays, pointers = [], []
    for column in [texts] if pairs is None else [texts, pairs]:
        # Chunks of `string` may have more bytes together than its offsets can count.
        array = column.cast(pa.large_string())
        array = (array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array).fill_null("")
        _, offsets, data = array.buffers()
        arrays.append(array)
        pointers.append((data.address if data else None, offsets.address + 8 * array.offset))
    if pairs is not None and len(arrays[0]) != len(arrays[1]):
        raise ValueError(f"{len(arrays[0])} texts and {len(arrays[1])} second texts")
    return _joined(len(arrays[0]), pointers, tuple(arrays))


def _joined(count: int, pointers: list[tuple[Any, Any]], kept: tuple[Any, ...]) -> _Columns:
    (data, offsets), (pair_data, pair_offsets) = (pointers + [(None, None)])[:2]
    return _Columns(count, (data, offsets, count, pair_data, pair_offsets), kept)
