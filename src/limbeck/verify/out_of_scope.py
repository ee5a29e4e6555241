"""How much of what no class is for a model refuses, and what that costs. Knows logits and thresholds; knows nothing of models.

Letters: N judged rows, M out-of-scope texts, C classes, R repeats of cross-fitting.
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
    """What one model said: logits of the judged rows (N, C) or (R, N, C), of the out-of-scope texts (M, C), and how it is calibrated."""

    inside: NDArray[Any]
    outside_MC: NDArray[Any]
    calibration: Calibration


def out_of_scope(
    teacher: Heard,
    student: Heard,
    true_N: NDArray[np.integer[Any]] | None,
    allowed: float,
    text_N: NDArray[np.integer[Any]],
    text_M: NDArray[np.integer[Any]],
) -> OutOfScope:
    """Teacher and student beside each other.

    Args:
        true_N: classes of the judged rows; None: the teacher's answers take their place.
        allowed: the share of validation rows that the thresholds were allowed to cost.
        text_N, text_M: a number for each row and text, the same for copies.
    """
    goal_N = teacher.inside.argmax(axis=-1) if true_N is None else true_N
    refused = {name: _refused(heard.outside_MC, heard.calibration) for name, heard in (("t", teacher), ("s", student))}
    worth = independent_share(text_M)
    gained = float((refused["s"] & ~refused["t"]).sum() * worth)
    lost = float((~refused["s"] & refused["t"]).sum() * worth)
    return OutOfScope(
        rows=len(text_M),
        allowed=allowed,
        teacher=_refusal(teacher, refused["t"], goal_N, text_N, worth),
        student=_refusal(student, refused["s"], goal_N, text_N, worth),
        difference=paired_difference(gained, lost, len(text_M) * worth),
    )


def _refusal(
    heard: Heard, refused_M: NDArray[np.bool_], goal_N: NDArray[Any], text_N: NDArray[np.integer[Any]], worth: float
) -> Refusal:
    held = (heard.inside.argmax(axis=-1) == goal_N) & _refused(heard.inside, heard.calibration)
    recall = _share(refused_M, len(refused_M) * worth)
    return Refusal(heard.calibration.threshold, recall, _share(held, len(text_N) * independent_share(text_N)))


def _share(found: NDArray[np.bool_], rows: float) -> Interval:
    return proportion(float(found.mean()) * rows, rows)


def _refused(logits: NDArray[Any], calibration: Calibration) -> NDArray[np.bool_]:
    return np.asarray(confidence(logits, calibration.temperature) < calibration.threshold)
