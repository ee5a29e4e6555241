"""How good class predictions are. Knows indices of classes; knows nothing of models. Letters: N rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.integer[Any]]


def accuracy(predicted_N: Indices, true_N: Indices) -> float:
    """Share of rows whose predicted class is the true one, in [0, 1].

    Raises:
        ValueError: with no rows, or different numbers of them.
    """
    return float(np.mean(_paired(predicted_N, true_N)))


def agreement(first_N: Indices, second_N: Indices) -> float:
    """Share of rows on which two models give the same class, in [0, 1]."""
    return float(np.mean(_paired(first_N, second_N)))


def macro_f1(predicted_N: Indices, true_N: Indices) -> float:
    """F1 averaged over the classes that occur in the truth or among the predictions, in [0, 1].

    F1 = 2 TP / (2 TP + FP + FN), the definition of scikit-learn's `f1_score(average="macro", zero_division=0)`.
    """
    same_N = _paired(predicted_N, true_N)
    scores = []
    for c in np.union1d(predicted_N, true_N):
        hits = int(np.sum(same_N & (true_N == c)))
        scores.append(2 * hits / (int(np.sum(predicted_N == c)) + int(np.sum(true_N == c))))
    return float(np.mean(scores))


def _paired(first_N: Indices, second_N: Indices) -> NDArray[np.bool_]:
    if len(first_N) != len(second_N) or len(first_N) == 0:
        raise ValueError(f"a metric needs two equally long, non-empty arrays; got {len(first_N)} and {len(second_N)} rows")
    return np.asarray(first_N == second_N)
