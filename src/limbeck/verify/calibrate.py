"""A temperature that makes probabilities honest, and the confidence below which a student had better be silent.

Knows logits and what they should have said; knows nothing of models or files. Letters: N rows, C classes. Everything is fitted on
validation rows, never on the rows that a report judges, and again whenever the file that answers changes.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from limbeck.errors import DataError
from limbeck.evidence import Calibration
from limbeck.metrics.probabilities import confidence, log_softmax
from limbeck.verify.statistics import independent_rows, independent_share

COLDEST, HOTTEST = 0.1, 10.0
"""The temperatures that are considered."""
SIGNIFICANCE = 0.05
"""Of the test that a threshold costs no more than it may."""
_SAME = 1e-12


def fit_temperature(logits_NC: NDArray[Any], target_NC: NDArray[Any]) -> float:
    """The temperature at which the cross-entropy to the target probabilities is least, between 0.1 and 10.

    The cross-entropy is convex in 1 / T, so the zero of its slope is found by bisection. One-hot targets make it the negative
    log-likelihood. It is 1 where every row's most likely class has all of the target's probability: then the likelihood rises
    without end as T falls, and the rows say nothing about how sure the model may be.

    Args:
        logits_NC: the model's.
        target_NC: probabilities; each row sums to 1.

    Source: Guo et al. (2017), On calibration of modern neural networks, section 4.2.
    """
    logits_NC = np.asarray(logits_NC, dtype=np.float64)
    target_NC = np.asarray(target_NC, dtype=np.float64)
    aimed_N = (target_NC * logits_NC).sum(axis=1)
    if bool((logits_NC.max(axis=1) - aimed_N <= _SAME).all()):
        return 1.0

    def slope(sharpness: float) -> float:
        expected_N = (np.exp(log_softmax(logits_NC, 1 / sharpness)) * logits_NC).sum(axis=1)
        return float((expected_N - aimed_N).mean())

    low, high = 1 / HOTTEST, 1 / COLDEST
    if slope(low) >= 0:
        return HOTTEST
    if slope(high) <= 0:
        return COLDEST
    for _ in range(50):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return float((low * high) ** -0.5)


def temperatures(logits_RNC: NDArray[Any], true_N: NDArray[np.integer[Any]], part_RN: NDArray[np.integer[Any]]) -> NDArray[Any]:
    """For each row in each repeat (R, N) the temperature that fits the labels of all rows outside the row's part.

    So no row is among those that chose its temperature.

    Args:
        logits_RNC: the student's, out of fold.
        true_N: classes.
        part_RN: the part that a row was in; where all rows lie in one part, its temperature is 1.
    """
    target_NC = np.eye(logits_RNC.shape[-1])[true_N]
    found_RN = np.ones(part_RN.shape)
    for logits_NC, part_N, found_N in zip(logits_RNC, part_RN, found_RN, strict=True):
        for part in np.unique(part_N):
            if (others := part_N != part).any():
                found_N[~others] = fit_temperature(logits_NC[others], target_NC[others])
    return found_RN


def least_confidence(confidence_N: NDArray[Any], good_N: NDArray[np.bool_], asked: float) -> float | None:
    """The least confidence at which the rows that are answered are good often enough.

    Args:
        confidence_N: the probability of each row's answer.
        good_N: whether the answer is good.
        asked: the share of answered rows that must be good, in [0, 1].

    Returns:
        0 where all rows together are good often enough; otherwise a value halfway between two confidences that occur; None where no
        threshold does it.
    """
    order = np.argsort(-confidence_N, kind="stable")
    falling, share = confidence_N[order], np.cumsum(good_N[order]) / np.arange(1, len(order) + 1)
    last = np.append(falling[1:] < falling[:-1], True)  # rows of one confidence are answered together
    enough = np.flatnonzero(last & (share >= asked - _SAME))
    if len(enough) == 0:
        return None
    end = int(enough[-1])
    return 0.0 if end == len(order) - 1 else float((falling[end] + falling[end + 1]) / 2)


def may_be_held(rows: int, cost: float) -> int:
    """The most good answers among so many rows that a threshold may hold back: the largest k with P(Binomial(rows, cost) <= k) <= 0.05.

    At 95 % at most that share of other rows loses a good answer by it. A threshold that costs the share itself of the rows which chose
    it costs more of others half of the time. 0 where there is no such k, and then nothing is shown (`can_be_shown`).

    Args:
        rows: independent rows on which a threshold is chosen.
        cost: the share of all rows whose good answer may be held back, in [0, 1).

    Example:
        >>> may_be_held(1000, cost=0.01), may_be_held(473, cost=0.01), may_be_held(100, cost=0.01)
        (4, 1, 0)

    Source: Bates et al. (2021), Distribution-free, risk-controlling prediction sets, theorem 1, with the exact bound of Clopper and Pearson (1934).
    """
    from scipy.special import bdtr

    held_K = np.arange(int(cost * rows) + 1, dtype=np.float64)
    return int(np.flatnonzero(bdtr(held_K, rows, cost) <= SIGNIFICANCE).max(initial=0))


def can_be_shown(text_N: NDArray[np.integer[Any]], cost: float) -> bool:
    """Whether these rows, of which copies share a number, are enough to bound a threshold's cost at 95 %: 299 where it is 1 %."""
    return bool((1 - cost) ** independent_rows(text_N) <= SIGNIFICANCE)


def most_confidence(confidence_N: NDArray[Any], good_N: NDArray[np.bool_], held: int) -> float | None:
    """The confidence below which as many rows as possible are refused while at most a given number of them loses a good answer.

    Args:
        confidence_N: the probability of each row's answer.
        good_N: whether the answer is good.
        held: good answers that may be held back, at least 0 (`may_be_held`).

    Returns:
        The confidence of the first row that must be answered, or halfway down to the next less sure row; None where all good answers may
        be held back, so that rows say nothing.

    Example:
        >>> most_confidence(np.array([0.2, 0.4, 0.6, 0.8]), np.array([True, False, True, True]), held=1)
        0.5
    """
    rising = np.sort(confidence_N[good_N])
    if held >= len(rising):
        return None
    below = confidence_N[confidence_N < rising[held]]
    return float((rising[held] + below.max(initial=0.0)) / 2) if len(below) else float(rising[held])


def calibrate(
    student_NC: NDArray[Any],
    teacher_NC: NDArray[Any],
    true_N: NDArray[np.integer[Any]] | None,
    least_agreement: float = 0.9,
    cost: float | None = None,
    text_N: NDArray[np.integer[Any]] | None = None,
) -> Calibration:
    """Temperature and abstention of a student from validation rows.

    With labels the temperature fits the labels, and the threshold is the least confidence at which the answered rows are at least
    as accurate as the teacher is on all of them. Without, the temperature fits the teacher's probabilities, and the answered rows
    agree with the teacher as often as `least_agreement` asks. Where no threshold does it, there is none (0: nothing is held back) and
    `threshold_found` is False: silence would not have helped. With a `cost` the threshold is to refuse what no class is for, and at 95 %
    at most that share of other rows loses a good answer by it (`may_be_held`); of too few rows to show that, none does.

    Args:
        student_NC, teacher_NC: logits on the same rows, new to both, the student's by the written file.
        true_N: classes, or None.
        least_agreement, cost: see above.
        text_N: a number for each row, the same for copies, which count as one row; None: there are none.

    Raises:
        DataError: the shapes differ, or a logit is not finite.
    """
    if student_NC.shape != teacher_NC.shape or (true_N is not None and len(true_N) != len(student_NC)):
        raise DataError(
            f"calibration needs the answers of both models to the same rows; got logits {student_NC.shape} of the student, "
            f"{teacher_NC.shape} of the teacher and {'no' if true_N is None else len(true_N)} labels. This is a fault of limbeck."
        )
    against: Literal["labels", "teacher"] = "teacher" if true_N is None else "labels"
    if len(student_NC) == 0:
        return Calibration(against=against)
    if not (np.isfinite(student_NC).all() and np.isfinite(teacher_NC).all()):
        raise DataError("calibration needs finite logits; some are not. The training diverged: lower training.learning_rate.")
    teacher_N, student_N = teacher_NC.argmax(axis=1), student_NC.argmax(axis=1)
    if true_N is None:
        target_NC, good_N, asked = np.exp(log_softmax(teacher_NC)), student_N == teacher_N, least_agreement
    else:
        target_NC, good_N, asked = (
            np.eye(student_NC.shape[1])[true_N],
            student_N == true_N,
            float((teacher_N == true_N).mean()),
        )
    temperature = fit_temperature(student_NC, target_NC)
    confidence_N = confidence(student_NC, temperature)
    if cost is None:
        threshold = least_confidence(confidence_N, good_N, asked)
    else:
        text_N = np.arange(len(student_NC)) if text_N is None else text_N
        held = int(may_be_held(independent_rows(text_N), cost) / independent_share(text_N))
        threshold = most_confidence(confidence_N, good_N, held)
    answered = 1.0 if threshold is None else float((confidence_N >= threshold).mean())
    return Calibration(temperature, threshold or 0.0, answered, len(student_NC), against, threshold is not None)
