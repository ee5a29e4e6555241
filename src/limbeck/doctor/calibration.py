"""Whether a teacher is as sure as it is right. Knows logits and labels; asks nobody. Letters: N rows, C classes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from limbeck.doctor.label_order import Indices
from limbeck.findings import Finding, note, warning
from limbeck.metrics.probabilities import confidence, expected_calibration_error
from limbeck.verify.calibrate import fit_temperature
from limbeck.verify.statistics import proportion

_FAR_OFF, _SOFT, _SHARP = 0.1, 0.6, 1.9  # distance of confidence from accuracy; temperatures that would mend it
_VERY_SHARP, _WRONG = 3.0, 5  # a temperature that says enough by itself, where so many rows are wrong
_SURER = 0.25  # of its mistakes, which it does not expect; at chance any answer is too sure, and little of that is worth a word
_SATURATED = 23.0  # nats between the first answer and the second: a probability of 1 - 1e-10


def calibration_findings(true_N: Indices, logits_NC: NDArray[np.float64]) -> Iterator[Finding]:
    """Far too sure, or far too unsure."""
    right_N = logits_NC.argmax(axis=1) == true_N
    sure_N = confidence(logits_NC)
    reached, mean = float(right_N.mean()), float(sure_N.mean())
    temperature = fit_temperature(logits_NC, np.eye(logits_NC.shape[1])[true_N])
    ece = expected_calibration_error(sure_N, right_N)
    evidence = f"It is right on {reached:.1%} of {len(true_N):,} labelled rows and {mean:.1%} sure of its answers (calibration error {ece:.2f}); "
    evidence += f"divided by {temperature:.2g} its logits would be honest." if not right_N.all() else ""
    # Where all rows are right no temperature is the best, since any lower one is better.
    if reached - mean > (_FAR_OFF if temperature < _SOFT else 2 * _FAR_OFF if right_N.all() else 1.0):
        yield warning(
            "teacher_underconfident",
            "The teacher is far less sure than it is right, as if a temperature had been applied to its logits already.",
            evidence,
            "Take the temperature out of the teacher: the objectives apply their own, and twice leaves next to nothing to learn.",
        )
    elif (margin := _margin(logits_NC)) > _SATURATED:
        yield warning(
            "teacher_overconfident",
            "The teacher is so sure of its answers that they say no more than its labels.",
            f"Its first answer lies {margin:.0f} nats above its second in the median of {len(true_N):,} rows. {evidence}",
            "Its logits may have been multiplied. A higher temperature of soft_targets makes them speak again.",
        )
    elif (temperature > _VERY_SHARP and mean - reached > _SURER * (1 - reached) and int((~right_N).sum()) >= _WRONG) or (
        mean - reached > _FAR_OFF and temperature > _SHARP
    ):
        yield warning(
            "teacher_overconfident",
            "The teacher is far surer than it is right.",
            evidence,
            "Its logits may have been multiplied, or it was trained on other rows. A higher temperature of soft_targets helps the student.",
        )


def standing(true_N: Indices, logits_NC: NDArray[np.float64], words: float | None) -> Finding:
    """How good a teacher is, and how sure, where nothing is wrong with it.

    Args:
        true_N: classes of some rows.
        logits_NC: answers to them.
        words: the accuracy of a linear model of words, None where nobody knows.
    """
    right_N, sure_N = logits_NC.argmax(axis=1) == true_N, confidence(logits_NC)
    share, ece = proportion(float(right_N.sum()), len(right_N)), expected_calibration_error(sure_N, right_N)
    beside = "" if words is None else f"; a linear model of words is right on {words:.1%}"
    return note(
        "teacher_measured",
        "What the teacher is worth on your rows.",
        f"It is right on {share.estimate:.1%} of {len(true_N):,} labelled rows (bounds {share.low:.1%} and {share.high:.1%}, each at 95%) and {sure_N.mean():.1%} sure of its "
        f"answers (calibration error {ece:.2f}){beside}.",
        "The student is held against this on rows that it does not train with; a teacher that was trained on these rows looks better than it is.",
    )


def _margin(logits_NC: NDArray[np.float64]) -> float:
    """The median distance of the largest logit from the next, in nats."""
    top_N2 = np.sort(logits_NC, axis=1)[:, -2:]
    return float(np.median(top_N2[:, 1] - top_N2[:, 0]))
