"""Where a student loses: its classes one by one, with bounds that hold for all of them at once. Knows counts; knows no models.

Seventy-seven bounds at 95 % each would be wrong somewhere almost surely. These are adjusted: in 95 % of all samples every lower bound
holds at once, and in 95 % every upper bound does. They are the simultaneous bounds that belong to Holm's test of "the class lost
`limit` or more" (Strassburger and Bretz 2008; Guilbaud 2008): with m classes, those that the step-down test clears get the bound
-limit, the others the one-sided bound at 1 - 0.05 / (classes not cleared); if all are cleared, each gets the better of -limit and its
bound at 1 - 0.05 / m. So a class is cleared exactly if its lower bound is at least -limit. Upper bounds are made in the same way
for "the class lost `limit` or less", so a class is shown to have dropped exactly if its upper bound is at most -limit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.evidence import ClassResult, Interval
from limbeck.verify.sample_size import rows_to_clear
from limbeck.verify.statistics import HALF_ROW, independent_share, paired_bounds, paired_score

Floats = NDArray[np.float64]
LEAST_ROWS = 10
"""A class with fewer rows gets no bounds and costs the other classes nothing."""
DROP = 0.1
"""The drop of a class that bounds are made for where no gate names one."""
ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that are looked at by themselves: their name, and whether each row (N,) is among them."""

    name: str
    among_N: NDArray[np.bool_]


def class_groups(labels: Sequence[str], class_N: NDArray[np.integer[Any]]) -> list[Group]:
    """The classes that occur.

    Args:
        labels: the names of all classes.
        class_N: each row's class.
    """
    return [Group(labels[c], class_N == c) for c in np.unique(class_N)]


def group_results(
    groups: Sequence[Group],
    teacher_RN: NDArray[np.bool_],
    student_RN: NDArray[np.bool_],
    limit: float = DROP,
    text_N: NDArray[np.integer[Any]] | None = None,
) -> list[ClassResult]:
    """What was gained and lost in each group, in their order, with bounds that hold for all of them at once. Groups may overlap.

    Args:
        groups: none of them empty.
        teacher_RN, student_RN: whether they are right, in R repeats.
        limit: the drop that bounds are made for, in (0, 1).
        text_N: a number for each row, the same for copies of a text: bounds are those of the independent rows that they are worth.
    """
    rows = np.array([g.among_N.sum() for g in groups], dtype=np.float64)

    def per_group(flag_RN: NDArray[np.bool_]) -> Floats:
        mean_N = flag_RN.mean(axis=0)
        return np.array([mean_N[g.among_N].sum() for g in groups])

    gained, lost = per_group(student_RN & ~teacher_RN), per_group(teacher_RN & ~student_RN)
    enough = np.flatnonzero(rows >= LEAST_ROWS)
    worth_K = np.array([1.0 if text_N is None else independent_share(text_N[groups[k].among_N]) for k in enough.tolist()])
    low, high = adjusted_bounds(worth_K * gained[enough], worth_K * lost[enough], worth_K * rows[enough], limit)
    bounds = {int(k): (float(low[i]), float(high[i])) for i, k in enumerate(enough)}
    teacher, student = per_group(teacher_RN) / rows, per_group(student_RN) / rows
    found = []
    for k, group in enumerate(groups):
        difference = float((gained[k] - lost[k]) / rows[k])
        interval = Interval(difference, *bounds[k], 1 - ALPHA) if k in bounds else None
        found.append(ClassResult(group.name, int(rows[k]), float(teacher[k]), float(student[k]), interval))
    return found


def worst_first(results: Iterable[ClassResult]) -> tuple[ClassResult, ...]:
    """The results in the order of what was lost."""
    return tuple(sorted(results, key=lambda c: (c.student - c.teacher, -c.rows, c.label)))


def adjusted_bounds(gained_K: Floats, lost_K: Floats, rows_K: Floats, limit: float) -> tuple[Floats, Floats]:
    """Simultaneous lower and upper bounds (K,) of student - teacher for K classes; see the module."""
    low_K = _step_down(gained_K, lost_K, rows_K, -limit)
    high_K = -_step_down(lost_K, gained_K, rows_K, limit)
    return low_K, high_K


def rows_needed(classes: int, limit: float, gain_rate: float, loss_rate: float) -> int | None:
    """How many rows clear one of so many classes of having lost `limit` or more with a power of 80 %, if it changes at these rates.

    None where no number does.
    """
    return rows_to_clear(gain_rate, loss_rate, limit, 1 - ALPHA / max(classes, 1))


def _step_down(gained_K: Floats, lost_K: Floats, rows_K: Floats, reference: float) -> Floats:
    """Simultaneous lower bounds that belong to Holm's test of "the difference is at most `reference`"."""
    m = len(rows_K)
    if m == 0:
        return np.zeros(0)
    score_K = paired_score(gained_K, lost_K, rows_K, reference, HALF_ROW)
    order = np.argsort(-score_K, kind="stable")
    cleared = 0
    while cleared < m and score_K[order[cleared]] > NormalDist().inv_cdf(1 - ALPHA / (m - cleared)):
        cleared += 1
    left = m if cleared == m else m - cleared
    low_K, _ = paired_bounds(gained_K, lost_K, rows_K, 1 - ALPHA / left)
    if cleared == m:
        return np.maximum(low_K, reference)
    low_K[order[:cleared]] = reference
    return low_K
