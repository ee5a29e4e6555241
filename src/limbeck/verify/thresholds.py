"""From which probability on a label is given: one threshold for each label, chosen on validation rows. Knows probabilities and what applies; knows no
models.

The thresholds are those that make micro-F1 largest, since the verdict is on micro-F1: first one threshold for all labels, then label by label, the
others held fast, until none moves. The best F1 of each label by itself would be another aim, and for rare labels a matter of luck: a label that
applies to few validation rows keeps the common threshold.

Letters: N rows, C labels, K cuts.

Source: Fan and Lin (2007), A Study on Threshold Selection for Multi-label Classification: cyclic optimisation of the micro-average F-measure.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from limbeck.evidence import Calibration
from limbeck.label_sets import as_questions, sigmoid
from limbeck.verify.calibrate import fit_temperature

EVEN = 0.5
"""The threshold of a label where nothing chose another."""
LEAST = 10
"""A label that applies to fewer validation rows has no threshold of its own."""
_ROUNDS = 20

Sets = NDArray[np.bool_]


def chosen_thresholds(p_NC: NDArray[Any], applies_NC: Sets) -> tuple[float, ...]:
    """The thresholds (C,) from which on labels are given, for the largest micro-F1 on these rows.

    Args:
        p_NC: probabilities.
        applies_NC: what is true.

    Example:
        >>> chosen_thresholds(np.array([[0.9, 0.25], [0.3, 0.125], [0.8, 0.3]]), np.array([[True, True], [False, False], [True, True]]))
        (0.1875, 0.1875)
    """
    p_NC, applies_NC = np.asarray(p_NC, np.float64), np.asarray(applies_NC, bool)
    cuts_K, hits_K, given_K = _cuts(p_NC.ravel(), applies_NC.ravel())
    true = int(applies_NC.sum())
    if not true:
        return (EVEN,) * p_NC.shape[1]
    found_C = np.full(p_NC.shape[1], cuts_K[_best(hits_K, given_K + true)])
    given_NC = p_NC >= found_C
    hits, given = int((given_NC & applies_NC).sum()), int(given_NC.sum())
    for _ in range(_ROUNDS):
        before = found_C.copy()
        for c in np.flatnonzero(applies_NC.sum(axis=0) >= LEAST):
            hits -= int((given_NC[:, c] & applies_NC[:, c]).sum())
            given -= int(given_NC[:, c].sum())
            cuts_K, hits_K, given_K = _cuts(p_NC[:, c], applies_NC[:, c])
            found_C[c] = cuts_K[_best(hits + hits_K, given + given_K + true)]
            given_NC[:, c] = p_NC[:, c] >= found_C[c]
            hits += int((given_NC[:, c] & applies_NC[:, c]).sum())
            given += int(given_NC[:, c].sum())
        if (found_C == before).all():
            break
    return tuple(float(value) for value in found_C)


def calibrate_several(student_NC: NDArray[Any], teacher_NC: NDArray[Any], applies_NC: Sets | None) -> Calibration:
    """Temperature and thresholds of a student from validation rows: against their labels, else against what the teacher gives.

    Args:
        student_NC, teacher_NC: logits on the same rows, new to both, the student's by the written file.
        applies_NC: their labels, or None.
    """
    against: Literal["labels", "teacher"] = "teacher" if applies_NC is None else "labels"
    truth_NC = sigmoid(teacher_NC) >= EVEN if applies_NC is None else np.asarray(applies_NC, bool)
    temperature = fit_temperature(as_questions(student_NC).reshape(-1, 2), np.eye(2)[truth_NC.ravel().astype(np.int64)])
    thresholds = chosen_thresholds(sigmoid(student_NC, temperature), truth_NC)
    return Calibration(temperature, rows=len(student_NC), against=against, thresholds=thresholds)


def _cuts(p_N: NDArray[np.float64], applies_N: Sets) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Thresholds between two probabilities that occur, the highest first, each with how many of the rows above it are right and how many there are."""
    order = np.argsort(-p_N, kind="stable")
    falling = p_N[order]
    last = np.flatnonzero(np.append(falling[1:] < falling[:-1], True))  # rows of one probability lie on one side
    below = np.append(falling[1:], 0.0)[last]
    return (falling[last] + below) / 2, np.cumsum(applies_N[order])[last], last + 1


def _best(hits_K: NDArray[Any], there_K: NDArray[Any]) -> int:
    """The cut with the largest F1 = 2 TP / (given + applying); of several the highest threshold."""
    return int((2 * hits_K / there_K).argmax())
