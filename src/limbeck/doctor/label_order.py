"""Whether answers fit labels in another order. Knows classes as numbers; knows nothing of who answers.

Letters: N rows, C classes. A permutation that is fitted to many classes and few rows fits chance too, so each half of the rows is judged
by the permutation that the other half gave.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.verify.statistics import paired_difference

Indices = NDArray[np.integer[Any]]
_SURE = 0.999
_LEAST_GAINED = 4
_OWN_PLACE = 1e-3  # of a row: where nothing speaks for a move, a class stays


@dataclass(frozen=True, slots=True)
class Reordered:
    """A permutation that fits: `said_C[c]` is what is answered to rows of class c. before, after: accuracy without it and with it, on
    rows that did not choose it."""

    said_C: tuple[int, ...]
    before: float
    after: float

    @property
    def moved(self) -> tuple[int, ...]:
        """The classes that are answered by another's name."""
        return tuple(c for c, said in enumerate(self.said_C) if said != c)


def reordered(true_N: Indices, said_N: Indices, classes: int) -> Reordered | None:
    """The permutation of classes under which answers and labels agree, if one does and the classes' own order does not.

    Args:
        true_N: labels.
        said_N: answers.
        classes: C.
    """
    if len(true_N) < 2 * _LEAST_GAINED:
        return None
    if all(_own_first(true_N, said_N, int(c)) for c in np.unique(true_N)):
        return None
    fits_N = _fitting(true_N, said_N, classes)
    whole_C = _assigned(true_N, said_N, classes)
    own_N = true_N == said_N
    gained, lost = int((fits_N & ~own_N).sum()), int((own_N & ~fits_N).sum())
    moved_N = (whole_C != np.arange(classes))[true_N]
    if gained < _LEAST_GAINED or not moved_N.any():
        return None
    sure = paired_difference(gained, lost, len(true_N), _SURE).low > 0
    clear = fits_N[moved_N].mean() >= 0.5 and own_N[moved_N].mean() <= 0.25
    if not (sure and clear):
        return None
    # Of a class that moved for no reason of its own (a merge of two) nothing is claimed.
    kept_C = np.where([_speaks(true_N, said_N, c, int(whole_C[c])) for c in range(classes)], whole_C, np.arange(classes))
    if len(np.unique(kept_C)) < classes:
        kept_C = whole_C
    return Reordered(tuple(int(c) for c in kept_C), float(own_N.mean()), float(fits_N.mean()))


def matching(true_N: Indices, said_N: Indices, classes: int) -> tuple[list[int], float]:
    """Which answer stands for which class where the answers have no names yet, and the accuracy of that on rows that did not choose it.

    Args:
        true_N: classes of the rows.
        said_N: answers, of as many kinds as there are classes.
        classes: C.
    """
    return _assigned(true_N, said_N, classes).tolist(), float(_fitting(true_N, said_N, classes).mean())


def _fitting(true_N: Indices, said_N: Indices, classes: int) -> NDArray[np.bool_]:
    """Which rows of each half agree with the assignment that the other half gave."""
    half_N = _halves(true_N)
    fits_N = np.zeros(len(true_N), dtype=bool)
    for half in (0, 1):
        learned_C = _assigned(true_N[half_N != half], said_N[half_N != half], classes)
        fits_N[half_N == half] = (learned_C[true_N] == said_N)[half_N == half]
    return fits_N


def _assigned(true_N: Indices, said_N: Indices, classes: int) -> Indices:
    """For each class the answer that the best one-to-one assignment gives it (Kuhn 1955; scipy's linear_sum_assignment)."""
    from scipy.optimize import linear_sum_assignment

    confusion_CC = np.zeros((classes, classes))
    np.add.at(confusion_CC, (true_N, said_N), 1.0)
    np.fill_diagonal(confusion_CC, confusion_CC.diagonal() + _OWN_PLACE)
    found: Indices = linear_sum_assignment(confusion_CC, maximize=True)[1]
    return found


def _own_first(true_N: Indices, said_N: Indices, label: int) -> bool:
    """Whether rows of a class are called by its name more often than by any other."""
    counts = np.bincount(said_N[true_N == label], minlength=label + 1)
    return bool(counts[label] == counts.max())


def _halves(true_N: Indices) -> Indices:
    """0 or 1 for each row, each class divided evenly."""
    half_N = np.zeros(len(true_N), dtype=np.int64)
    for c in np.unique(true_N):
        rows = np.flatnonzero(true_N == c)
        half_N[rows] = (np.arange(len(rows)) + c) % 2
    return half_N


def _speaks(true_N: Indices, said_N: Indices, label: int, said: int) -> bool:
    rows = true_N == label
    return bool(rows.any()) and float((said_N[rows] == said).mean()) >= 0.5


def shifted(true_N: Indices, before_N: Indices, after_N: Indices, said_N: Indices) -> tuple[str, float, float] | None:
    """Whether answers fit the label of the row before or behind much better than the row's own.

    Args:
        true_N, before_N, after_N: labels of the row, of the row before and of the row behind it in the file (-1: there is none).
        said_N: answers.

    Returns:
        "before" or "behind", the share of answers that fit the own label, and that which fit the neighbour's.
    """
    if len(true_N) < 2 * _LEAST_GAINED:
        return None
    own_N = said_N == true_N
    for where, other_N in (("before", before_N), ("behind", after_N)):
        fits_N = said_N == other_N
        gained, lost = int((fits_N & ~own_N).sum()), int((own_N & ~fits_N).sum())
        sure = paired_difference(gained, lost, len(true_N), _SURE).low > 0.1
        if sure and fits_N.mean() >= 2 * own_N.mean():
            return where, float(own_N.mean()), float(fits_N.mean())
    return None
