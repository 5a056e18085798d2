"""Questions and answers as those of transformers' text-classification pipeline."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Iterable, Iterator, Mapping

import numpy as np

if TYPE_CHECKING:
    from ._classifier import Classifier

# Options that say how transformers should compute; here texts are cut to the model's limit, and padded never.
_IGNORED = {"truncation", "padding", "num_workers"}


class TextClassificationPipeline:
    """What `Classifier.as_transformers_pipeline` returns."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier

    def __call__(self, inputs: Any, *, batch_size: int | None = None, **options: Any) -> Any:
        """Answers a text or {"text": ..., "text_pair": ...}, a list of them, or an iterable of them one after the other,
        of which `batch_size` are read at once."""
        # A text alone gives a list, but a dictionary one answer and a list one for each, unless `top_k` is given: so
        # transformers does it.
        has_lists = "top_k" in options
        top_k = options.pop("top_k", 1)
        if unknown := sorted(set(options) - _IGNORED):
            raise TypeError(f"not understood: {', '.join(unknown)}")
        if not (top_k is None or isinstance(top_k, int) and top_k >= 1):
            raise ValueError(f"top_k is {top_k!r}; it is a number of labels from 1, or None for all")
        if batch_size is not None and batch_size < 1:
            raise ValueError(f"batch_size is {batch_size!r}, and must be at least 1")
        if isinstance(inputs, str):
            answers = self._answers([inputs], top_k)
            return answers[0]
        if isinstance(inputs, Mapping):
            answers = self._answers([inputs], top_k)
            return answers[0] if has_lists else answers[0][0]
        if isinstance(inputs, (list, tuple)):
            answers = self._answers(inputs, top_k)
            return answers if has_lists else [answer[0] for answer in answers]
        return self._one_by_one(iter(inputs), top_k, has_lists, batch_size or 1)

    def _one_by_one(self, inputs: Iterator[Any], top_k: int | None, has_lists: bool, batch_size: int) -> Iterator[Any]:
        while batch := list(itertools.islice(inputs, batch_size)):
            for answer in self._answers(batch, top_k):
                yield answer if has_lists else answer[0]

    def _answers(self, inputs: Iterable[Any], top_k: int | None) -> list[list[dict[str, Any]]]:
        """Of each input its best labels, the best first."""
        texts, pairs = [], []
        for item in inputs:
            text, pair = (item, None) if isinstance(item, str) else _text_and_pair(item)
            texts.append(text)
            pairs.append(pair or "")
        scores = self._classifier.predict_numpy(texts, pairs if any(pairs) else None).scores
        labels, best = self._classifier.labels, np.argsort(-scores, axis=1, kind="stable")[:, :top_k]
        return [[{"label": labels[i], "score": float(row[i])} for i in places] for row, places in zip(scores, best)]


def _text_and_pair(item: Any) -> tuple[str, str | None]:
    """The texts of a dictionary."""
    if isinstance(item, Mapping) and set(item) <= {"text", "text_pair"}:
        text, pair = item.get("text"), item.get("text_pair")
        if isinstance(text, str) and (pair is None or isinstance(pair, str)):
            return text, pair
    raise ValueError(f'an input is a text or {{"text": ..., "text_pair": ...}}, not {str(item)[:80]!r}')
