"""The trivial baseline of a task, taught and asked. Knows payloads and labels; knows neither what it reads nor any teacher but by its answers."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.types import Record

_SHARPNESS = 3.0
"""Scores of a linear model lie near ±1: times this they read as logits."""


def baseline_answers(
    task: Any, payloads: Sequence[Any], labels: Sequence[str], judged: Sequence[Record], classes: Sequence[str]
) -> NDArray[np.int64] | None:
    """The class index that it gives to each judged record, (N,); None where the rows hold one label only, or nothing to learn.

    Args:
        task: whose baseline it is.
        payloads: what it learns from.
        labels: their labels.
        judged: the records to answer.
        classes: all labels, in the order of the indices.
    """
    model = _fitted(task, payloads, labels)
    if model is None:
        return None
    index = {label: i for i, label in enumerate(classes)}
    return np.array([index[label] for label in model.predict([r.payload for r in judged])], dtype=np.int64)


def baseline_scores(
    task: Any, payloads: Sequence[Any], labels: Sequence[str], asked: Sequence[Any]
) -> NDArray[np.float64] | None:
    """What it says of further payloads as logits, (N, C) over the labels that it learned; None where `baseline_answers` would be."""
    model = _fitted(task, payloads, labels)
    if model is None:
        return None
    scores_N = model.decision_function(list(asked))
    return _SHARPNESS * (np.stack([-scores_N, scores_N], axis=1) if scores_N.ndim == 1 else scores_N)


def _fitted(task: Any, payloads: Sequence[Any], labels: Sequence[str]) -> Any | None:
    if len(set(labels)) < 2:
        return None
    with warnings.catch_warnings():
        # Few rows of many classes are no sign of a regression.
        warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
        return task.baseline(list(payloads), list(labels))
