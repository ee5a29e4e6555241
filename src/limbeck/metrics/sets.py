"""How good predictions of several labels are. Knows ones and zeros; knows nothing of models. Letters: N rows, C labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Sets = NDArray[Any]
"""(N, C): true (1) where a label is given, or applies."""


def micro_f1(predicted_NC: Sets, true_NC: Sets) -> float:
    """2 TP / (2 TP + FP + FN) over all labels of all rows together, in [0, 1]; 1 where no label applies and none is given.

    scikit-learn's `f1_score(average="micro", zero_division=1)`.
    """
    hits, there = _counted(predicted_NC, true_NC)
    return float(2 * hits.sum() / there.sum()) if there.sum() else 1.0


def macro_f1(predicted_NC: Sets, true_NC: Sets) -> float:
    """F1 averaged over the labels that apply or are given anywhere, in [0, 1]."""
    hits_C, there_C = _counted(predicted_NC, true_NC)
    seen_C = there_C > 0
    return float(np.mean(2 * hits_C[seen_C] / there_C[seen_C])) if seen_C.any() else 1.0


def exact(predicted_NC: Sets, true_NC: Sets) -> float:
    """Share of rows whose labels are all right and no other is given, in [0, 1]: scikit-learn's accuracy of several labels."""
    _paired(predicted_NC, true_NC)
    return float((np.asarray(predicted_NC, bool) == np.asarray(true_NC, bool)).all(axis=1).mean())


def _counted(predicted_NC: Sets, true_NC: Sets) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """By label: how often it was given rightly, and how often it was given or applied, those counted twice."""
    _paired(predicted_NC, true_NC)
    given_NC, applies_NC = np.asarray(predicted_NC, bool), np.asarray(true_NC, bool)
    return (given_NC & applies_NC).sum(axis=0), given_NC.sum(axis=0) + applies_NC.sum(axis=0)


def _paired(first_NC: Sets, second_NC: Sets) -> None:
    if np.shape(first_NC) != np.shape(second_NC) or np.size(first_NC) == 0:
        raise ValueError(
            f"a metric needs two non-empty arrays (rows, labels) of one shape; got {np.shape(first_NC)} and {np.shape(second_NC)}"
        )
