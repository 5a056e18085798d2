"""The classifier: Python's texts in, dictionaries, arrays or Arrow columns out."""

from __future__ import annotations

import ctypes
import json
import os
from typing import TYPE_CHECKING, Any, Callable, NamedTuple, Sequence

import numpy as np

from . import _library

if TYPE_CHECKING:
    import pyarrow


class MagicPyramidError(ValueError):
    """What the library says is wrong, and what to do."""


class Numbers(NamedTuple):
    """Answers as arrays, in the order of the texts."""

    label: np.ndarray
    """Number of the best class, int32 [n]."""
    score: np.ndarray
    """Its score, float32 [n]."""
    scores: np.ndarray
    """The scores of all classes, float32 [n, classes]."""
    exit_layer: np.ndarray
    """The layer that the text left after, 0 for the entry, int32 [n]."""
    truncated: np.ndarray
    """Whether the text was cut to the model's limit, bool [n]."""


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
    ) -> None:
        """Opens a model that mp-compile made; `exit` and `prune` are policies in place of the compiled ones."""
        # Other processes, which open it again, may work in other folders.
        self._arguments = (os.path.abspath(os.fspath(path)), dict(
            exit=exit, prune=prune, threads=threads, batch_tokens=batch_tokens, label_threshold=label_threshold))
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
        """Classifies texts, or pairs of them, into arrays."""
        return self._numbers(_columns(texts, pairs))

    def predict_arrow(
        self, texts: pyarrow.Array | pyarrow.ChunkedArray, pairs: pyarrow.Array | pyarrow.ChunkedArray | None = None
    ) -> pyarrow.Table:
        """Classifies a column of strings without copying them; a null is the empty text. Columns: label (a dictionary),
        score, scores (a list of fixed size), exit_layer, truncated."""
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

    def as_transformers_pipeline(self) -> Callable[..., Any]:
        """A callable that answers as transformers' text-classification pipeline does: a text gives a list of one
        {"label", "score"}, a list of texts one for each; `top_k` gives so many of each, None all. Pairs are
        {"text": ..., "text_pair": ...}."""

        def pipeline(inputs: Any, top_k: int | None = 1, **options: Any) -> Any:
            if options:
                raise TypeError(f"not understood: {', '.join(options)}")
            is_list = isinstance(inputs, (list, tuple))
            items = [{"text": x} if isinstance(x, str) else x for x in (inputs if is_list else [inputs])]
            numbers = self.predict_numpy(
                [x["text"] for x in items], [x.get("text_pair") or "" for x in items]
                if any(x.get("text_pair") for x in items) else None)
            answers = []
            for scores in numbers.scores:
                order = np.argsort(-scores, kind="stable")[: len(scores) if top_k is None else top_k]
                answers.append([{"label": self.labels[i], "score": float(scores[i])} for i in order])
            if top_k == 1:
                return [answer[0] for answer in answers]
            return answers if is_list else answers[0]

        return pipeline

    def _numbers(self, columns: _Columns) -> Numbers:
        handle = self._open()
        count, classes = columns.count, self.info["classes"]
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
    count: int
    arguments: tuple[Any, ...]
    kept: tuple[Any, ...]
    """What the arguments point into."""


def _column(texts: Sequence[str]) -> tuple[np.ndarray, bytes]:
    encoded = [text.encode() for text in texts]
    offsets = np.zeros(len(encoded) + 1, np.int64)
    np.cumsum([len(text) for text in encoded], out=offsets[1:])
    return offsets, b"".join(encoded)


def _columns(texts: Sequence[str], pairs: Sequence[str] | None) -> _Columns:
    if isinstance(texts, str):
        raise TypeError("texts is a string; give a list of them")
    if pairs is not None and len(pairs) != len(texts):
        raise ValueError(f"{len(texts)} texts and {len(pairs)} second texts")
    columns = [_column(texts)] + ([] if pairs is None else [_column(pairs)])
    pointers = [(ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p), offsets.ctypes.data) for offsets, data in columns]
    return _joined(len(texts), pointers, tuple(columns))


def _arrow_columns(texts: Any, pairs: Any) -> _Columns:
    import pyarrow as pa

    arrays, pointers = [], []
    for column in [texts] if pairs is None else [texts, pairs]:
        array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        array = array.cast(pa.large_string()).fill_null("")
        _, offsets, data = array.buffers()
        arrays.append(array)
        pointers.append((data.address if data else None, offsets.address + 8 * array.offset))
    if pairs is not None and len(arrays[0]) != len(arrays[1]):
        raise ValueError(f"{len(arrays[0])} texts and {len(arrays[1])} second texts")
    return _joined(len(arrays[0]), pointers, tuple(arrays))


def _joined(count: int, pointers: list[tuple[Any, Any]], kept: tuple[Any, ...]) -> _Columns:
    (data, offsets), (pair_data, pair_offsets) = (pointers + [(None, None)])[:2]
    return _Columns(count, (data, offsets, count, pair_data, pair_offsets), kept)
