"""How much of what no class is for a model refuses, and what that costs. Knows logits and thresholds; knows nothing of models.

Letters: N judged rows, M out-of-scope texts, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.evidence import Calibration, Interval, OutOfScope, Refusal
from limbeck.metrics.probabilities import confidence
from limbeck.verify.statistics import independent_share, paired_difference, proportion


@dataclass(frozen=True, slots=True)
class Heard:
    """What one model said: logits of the out-of-scope texts (M, C) and of the judged rows (N, C), None in cross-fitting, and how it is
    calibrated."""

    outside_MC: NDArray[Any]
    inside_NC: NDArray[Any] | None
    calibration: Calibration


def out_of_scope(
    teacher: Heard,
    student: Heard,
    true_N: NDArray[np.integer[Any]] | None,
    allowed: float,
    text_N: NDArray[np.integer[Any]],
    text_M: NDArray[np.integer[Any]],
    shown: bool = True,
) -> OutOfScope:
    """Teacher and student beside each other.

    Args:
        true_N: classes of the judged rows; None: the teacher's answers take their place.
        allowed: the share of rows that the thresholds were allowed to cost.
        text_N, text_M: a number for each row and text, the same for copies.
        shown: whether the validation rows were enough to bound what the thresholds cost.
    """
    if true_N is None and teacher.inside_NC is not None:
        true_N = teacher.inside_NC.argmax(axis=1)
    worth = independent_share(text_M)
    rows = len(text_M) * worth

    def refusal(heard: Heard, refused_M: NDArray[np.bool_]) -> Refusal:
        cost = None
        if heard.inside_NC is not None:
            held_N = (heard.inside_NC.argmax(axis=1) == true_N) & _refused(heard.inside_NC, heard.calibration)
            cost = _share(held_N, len(text_N) * independent_share(text_N))
        return Refusal(heard.calibration.threshold, _share(refused_M, rows), cost)

    by_teacher_M, by_student_M = (_refused(heard.outside_MC, heard.calibration) for heard in (teacher, student))
    gained, lost = ((by_student_M & ~by_teacher_M).sum() * worth, (by_teacher_M & ~by_student_M).sum() * worth)
    return OutOfScope(
        rows=len(text_M),
        allowed=allowed,
        teacher=refusal(teacher, by_teacher_M),
        student=refusal(student, by_student_M),
        difference=paired_difference(float(gained), float(lost), rows),
        shown=shown,
    )


def _share(found: NDArray[np.bool_], rows: float) -> Interval:
    return proportion(float(found.mean()) * rows, rows)


def _refused(logits: NDArray[Any], calibration: Calibration) -> NDArray[np.bool_]:
    return np.asarray(confidence(logits, calibration.temperature) < calibration.threshold)
