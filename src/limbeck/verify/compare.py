"""Two models' answers to the same rows, held against each other. Knows logits and truths; knows nothing of models. N rows, C classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from limbeck.evidence import Interval, Quality, Verdict
from limbeck.metrics.classification import accuracy, agreement, macro_f1
from limbeck.verify.statistics import paired_difference, rows_to_show, verdict


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a report says of teacher and student on the same rows; its fields are the report's."""

    teacher: Quality
    student: Quality
    agreement: float
    difference: Interval
    verdict: Verdict
    rows_to_show: int | None


def compare(
    teacher_NC: NDArray[np.float32], student_NC: NDArray[np.float32], true_N: NDArray[np.int64], margin: float
) -> Comparison:
    """Quality of both, how often they agree, and whether the student's accuracy is shown to be within `margin`."""
    teacher_N, student_N = teacher_NC.argmax(axis=1), student_NC.argmax(axis=1)
    gained = int(((student_N == true_N) & (teacher_N != true_N)).sum())
    lost = int(((teacher_N == true_N) & (student_N != true_N)).sum())
    difference = paired_difference(gained, lost, len(true_N))
    return Comparison(
        Quality(accuracy(teacher_N, true_N), macro_f1(teacher_N, true_N)),
        Quality(accuracy(student_N, true_N), macro_f1(student_N, true_N)),
        agreement(teacher_N, student_N),
        difference,
        verdict(difference, margin),
        rows_to_show(gained, lost, len(true_N), margin),
    )
