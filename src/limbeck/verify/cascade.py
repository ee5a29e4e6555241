"""Below which confidence a student hands over to its teacher. Knows what both answered to validation rows; knows no models and no files.

Whoever looks at a hundred thresholds on the same rows and takes the best one finds one that looks better than it is. So thresholds are fixed
before the rows are seen (`GRID`), and tested one after another from the highest down, each at the full level: everything goes to the teacher
first, which loses nothing, then less and less. At the first one that is not shown to lie within the margin the search ends, and the one before is
taken. A procedure of that kind takes a threshold that is not within the margin in at most 5 % of all samples, whatever the curve is.

Source: Angelopoulos, Bates, Candes, Jordan and Lei (2021), Learn then Test: calibrating predictive algorithms to achieve risk control, section
2.3, fixed-sequence testing; the procedure goes back to Bauer (1991), Multiple testing in clinical trials, Statistics in Medicine 10.

The rows' student was calibrated on the same rows: one number, its temperature, which stretches all confidences alike. Letters: N rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.cascaded import EVERYTHING, Cascade, Point
from limbeck.drift import Reference
from limbeck.errors import DataError
from limbeck.evidence import Interval
from limbeck.metrics.probabilities import confidence
from limbeck.verify.statistics import (
    HALF_ROW,
    copies,
    independent_share,
    paired_bounds,
    paired_difference,
    paired_score,
    proportion,
    proportion_bounds,
)
from limbeck.verify.validation import Validation

GRID = (EVERYTHING, 0.999, 0.995, *(round(0.99 - 0.01 * k, 2) for k in range(99)), 0.0)
"""The thresholds that are looked at, in the order of their tests; at 0 nothing goes to the teacher."""
MARGIN = 0.01
Bools = NDArray[np.bool_]


class Rows:
    """Validation rows that both have answered.

    Args:
        confidence_N: the student's, calibrated, in [0, 1].
        student_right_N, teacher_right_N: whether their answers are right; without labels the teacher always is, and the student where it agrees.
        text_N: a number for each row, the same for copies of a text, which are no evidence of their own; None: all differ.
        level: confidence of every bound.

    Raises:
        DataError: there are no rows, or not as many of each.
    """

    def __init__(
        self,
        confidence_N: NDArray[Any],
        student_right_N: Bools,
        teacher_right_N: Bools,
        text_N: NDArray[Any] | None = None,
        level: float = 0.95,
    ) -> None:
        if not len(confidence_N) or not len(confidence_N) == len(student_right_N) == len(teacher_right_N):
            raise DataError(
                f"a cascade is chosen by the same rows' confidences and answers; got {len(confidence_N):,}, {len(student_right_N):,} and "
                f"{len(teacher_right_N):,} of them. This is a fault of limbeck."
            )
        self._confidence_N, self._student_N, self._teacher_N = confidence_N, student_right_N, teacher_right_N
        self._worth = 1.0 if text_N is None else independent_share(text_N)
        self.level = level

    def at(self, thresholds: Sequence[float]) -> tuple[Point, ...]:
        """What each of these thresholds does on these rows."""
        rows, goes_K, right_K, gained_K, lost_K = self._counts(thresholds)
        of = [
            (goes_K / rows, *proportion_bounds(goes_K, rows, self.level)),
            (right_K / rows, *proportion_bounds(right_K, rows, self.level)),
            ((gained_K - lost_K) / rows, *paired_bounds(gained_K, lost_K, rows, self.level)),
        ]
        intervals = [
            [Interval(float(e), float(low), float(high), self.level) for e, low, high in zip(*one, strict=True)] for one in of
        ]
        return tuple(Point(float(t), *three) for t, *three in zip(thresholds, *intervals, strict=True))

    @cached_property
    def points(self) -> tuple[Point, ...]:
        """The curve, the highest threshold first; thresholds that part the rows alike are one, the lowest of them."""
        every = self.at(GRID)
        return tuple(p for p, below in zip(every, (*every[1:], None), strict=True) if below is None or p.share != below.share)

    def _counts(self, thresholds: Sequence[float]) -> tuple[Any, ...]:
        """For each threshold, in rows that are worth one each: all of them; and (K,) those that go to the teacher, that are right, that only the
        cascade has right, and that only the teacher has."""
        goes_KN = self._confidence_N < np.asarray(thresholds)[:, None]
        right_KN = np.where(goes_KN, self._teacher_N, self._student_N)
        each = (goes_KN, right_KN, right_KN & ~self._teacher_N, self._teacher_N & ~right_KN)
        return goes_KN.shape[1] * self._worth, *(of_KN.sum(axis=1) * self._worth for of_KN in each)

    def share_of(self, good_N: Bools) -> Interval:
        """A share of the rows, with its bounds."""
        return proportion(float(good_N.sum()) * self._worth, len(good_N) * self._worth, self.level)

    def for_margin(self, margin: float) -> Point:
        """The point with the least share for the teacher whose accuracy is shown to be less than `margin` below the teacher's.

        Where everything goes to the teacher, that is so without a test; where nothing less is shown, it stays so.
        """
        rows, goes_K, _, gained_K, lost_K = self._counts(GRID)
        shown_K = paired_score(gained_K, lost_K, rows, -margin, HALF_ROW) > NormalDist().inv_cdf(self.level)
        everything_K = goes_K >= rows
        shown_K |= everything_K
        last = len(GRID) - 1 if shown_K.all() else int(shown_K.argmin()) - 1
        return self.at([EVERYTHING if everything_K[last] else GRID[last]])[0]

    def for_share(self, share: float) -> Point:
        """The point at which at most this share of the rows goes to the teacher. It is chosen by confidences alone, so its bounds hold.

        Its threshold lies halfway between two confidences that occur.
        """
        rising = np.sort(self._confidence_N)
        allowed = int(np.floor(share * len(rising) + 1e-9))
        if allowed >= len(rising):
            return self.at([EVERYTHING])[0]
        below = rising[rising < rising[allowed]]
        return self.at([float((rising[allowed] + below.max()) / 2) if len(below) else 0.0])[0]


def chosen(
    found: Validation,
    temperature: float,
    *,
    margin: float = MARGIN,
    share: float | None = None,
    teacher: str | None = None,
    reference: Reference | None = None,
) -> Cascade:
    """The cascade that validation rows choose, and its curve.

    Args:
        found: what both answered to them.
        temperature: of the student's bundle.
        margin: the most accuracy that the cascade may have less than its teacher.
        share: choose the threshold at which at most this share of the rows goes to the teacher instead, and promise nothing.
        teacher: sha256 of its bundle's manifest.
        reference: what the texts and answers are like.
    """
    student_N, teacher_N = (logits_NC.argmax(axis=1) for logits_NC in (found.student_NC, found.teacher_NC))
    labelled = found.true_N is not None
    truth_N = found.true_N if found.true_N is not None else teacher_N
    rows = Rows(
        confidence(found.student_NC, temperature),
        student_N == truth_N,
        teacher_N == truth_N,
        copies(list(found.keys_N)),
    )
    taken = rows.for_margin(margin) if share is None else rows.for_share(share)
    return Cascade(
        bundle=found.bundle,
        teacher=teacher,
        against="labels" if labelled else "teacher",
        chosen=taken,
        shown=None if share is not None else taken.threshold < EVERYTHING,
        margin=margin if share is None else None,
        share=share,
        confidence=rows.level,
        rows=len(student_N),
        student=rows.at([0.0])[0].accuracy,
        agreement=rows.share_of(student_N == teacher_N),
        points=rows.points,
        reference=reference,
    )


def rows_for(margin: float, level: float = 0.95) -> int:
    """How many rows it takes at least to show anything: as many as show two models that never differ to be within the margin."""
    low, high = 1, 2
    while paired_difference(0, 0, high, level).low <= -margin:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if paired_difference(0, 0, middle, level).low <= -margin else (low, middle)
    return high
