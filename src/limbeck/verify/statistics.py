"""Score intervals for shares of rows, and the verdict. Knows counts of rows; knows nothing of models or labels.

Two models answer the same n rows. `gained`: rows that only the first (the student) has right; `lost`: rows that only the second
(the teacher) has right. The difference of their accuracies is (gained - lost) / n. Counts may be fractions of a row: cross-fitting
gives means over its repeats.

All bounds are one-sided: at confidence 0.95 the truth lies above `low` in at least about 95 % of all samples, and below `high` as
often. They are score intervals with a continuity correction of half a row, since without it the bound on the side of the rarer
outcome holds only 91 to 94 % of the time where few rows disagree; benchmarks/intervals.py measures this. `correction=0` gives the
intervals as they were published.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.evidence import Interval, Verdict

Floats = NDArray[np.float64]
HALF_ROW = 0.5
"""The continuity correction: half the step in which counts move."""
_FAR = 1e12
"""A score that no bound reaches: the counts are impossible under the supposed truth."""


def copies(keys: Sequence[str]) -> NDArray[np.integer[Any]]:
    """A number for each of these texts' keys (N,), the same for copies."""
    numbers_N: NDArray[np.integer[Any]] = np.unique(np.asarray(keys), return_inverse=True)[1]
    return numbers_N


def independent_share(group_N: NDArray[np.integer[Any]]) -> float:
    """How many independent rows one row is worth where rows of a group always get the same answer, in (0, 1].

    Kish's effective number of rows is N^2 / sum of the groups' squared sizes; this is that number over N. Counts and rows that are
    multiplied by it give the bounds of so many independent rows, at the same estimate.

    Args:
        group_N: a number for each row; copies of a text share one.

    Source: Kish (1965), Survey Sampling, sections 5.4 and 11.7.
    """
    sizes = np.unique(group_N, return_counts=True)[1].astype(np.float64)
    return float(sizes.sum() / (sizes**2).sum())


def independent_rows(group_N: NDArray[np.integer[Any]]) -> int:
    """How many independent rows these are worth, rounded down (`independent_share`)."""
    return int(len(group_N) * independent_share(group_N))


def proportion(successes: float, rows: float, confidence: float = 0.95, correction: float = HALF_ROW) -> Interval:
    """Wilson's score interval for one share of rows.

    Args:
        successes: between 0 and `rows`.
        rows: n, above 0.
        confidence: of each bound, in (0.5, 1).
        correction: of continuity, in rows.

    Raises:
        ValueError: the counts are impossible.

    Example:
        >>> proportion(90, 100).estimate
        0.9

    Source: Newcombe (1998), Two-sided confidence intervals for the single proportion, Statistics in Medicine 17, methods 3 and 4.
    """
    if not 0 <= successes <= rows or rows <= 0:
        raise ValueError(f"impossible counts: {successes} of {rows} rows")
    low, high = proportion_bounds(successes, rows, confidence, correction)
    return Interval(successes / rows, float(low), float(high), confidence)


def proportion_bounds(successes_K: Any, rows_K: Any, confidence: float, correction: float = HALF_ROW) -> tuple[Floats, Floats]:
    """Lower and upper bounds of `proportion` for K shares at once, each (K,)."""
    successes, rows = (np.asarray(x, dtype=np.float64) for x in (successes_K, rows_K))
    z = NormalDist().inv_cdf(confidence)

    def score(share: Floats, shift: float) -> Floats:
        return _ratio(successes - rows * share - shift, rows * share * (1 - share))

    estimate = successes / rows
    low = _root(lambda p: score(p, correction) - z, np.zeros_like(estimate), estimate)
    high = _root(lambda p: score(p, -correction) + z, estimate, np.ones_like(estimate))
    return low, high


def paired_difference(
    gained: float, lost: float, rows: float, confidence: float = 0.95, correction: float = HALF_ROW
) -> Interval:
    """Score interval for the difference of two paired proportions.

    Args:
        gained, lost: discordant rows, at least 0, together at most `rows`.
        rows: n, above 0.
        confidence: of each bound, in (0.5, 1).
        correction: of continuity, in rows.

    Raises:
        ValueError: the counts are impossible.

    Example:
        >>> paired_difference(10, 10, 1000).estimate
        0.0

    Source: Tango (1998), Equivalence test and confidence interval for the difference in proportions for the paired-sample
    design, Statistics in Medicine 17, equations 7 to 9.
    """
    if rows <= 0 or gained < 0 or lost < 0 or gained + lost > rows * (1 + 1e-12):
        raise ValueError(f"impossible counts: gained {gained}, lost {lost} of {rows} rows")
    low, high = paired_bounds(gained, lost, rows, confidence, correction)
    return Interval((gained - lost) / rows, float(low), float(high), confidence)


def paired_bounds(
    gained_K: Any, lost_K: Any, rows_K: Any, confidence: float, correction: float = HALF_ROW
) -> tuple[Floats, Floats]:
    """Lower and upper bounds of `paired_difference` for K pairs of models (or K classes) at once, each (K,)."""
    gained, lost, rows = (np.asarray(x, dtype=np.float64) for x in (gained_K, lost_K, rows_K))
    z = NormalDist().inv_cdf(confidence)
    estimate = (gained - lost) / rows
    low = _root(lambda d: paired_score(gained, lost, rows, d, correction) - z, np.full_like(estimate, -1.0), estimate)
    high = _root(lambda d: paired_score(gained, lost, rows, d, -correction) + z, estimate, np.full_like(estimate, 1.0))
    return low, high


def paired_score(gained: Any, lost: Any, rows: Any, delta: Any, shift: float) -> Floats:
    """Tango's statistic for the hypothesis that the difference is `delta`, with `shift` rows taken off the numerator.

    Above z where the lower bound at that confidence (shift = the correction) lies above delta; below -z where the upper bound (shift =
    minus the correction) lies below it. Arrays of one shape, or numbers.
    """
    gained, lost, rows, delta = (np.asarray(x, dtype=np.float64) for x in (gained, lost, rows, delta))
    a = 2 * rows
    b = (2 * rows - gained + lost) * delta - gained - lost
    c = -lost * delta * (1 - delta)
    share = (np.sqrt(np.maximum(b * b - 4 * a * c, 0)) - b) / (2 * a)  # of rows lost, most likely if the difference is delta
    return _ratio(gained - lost - rows * delta - shift, rows * (2 * share + delta * (1 - delta)))


def paired_ratio(
    both: float, gained: float, lost: float, rows: float, confidence: float = 0.95, correction: float = HALF_ROW
) -> Interval | None:
    """Score interval for the ratio of two paired proportions, (both + gained) / (both + lost): what was retained.

    Args:
        both: rows that both models have right.
        gained, lost, rows, confidence, correction: as for `paired_difference`.

    Returns:
        The interval; None where `both + lost` is 0, or so small that the ratio has no upper bound below 1,000.

    Raises:
        ValueError: the counts are impossible.

    Source: Tang, Tang and Chan (2003), On tests of equivalence via non-unity relative risk for matched-pair design, Statistics in
    Medicine 22; the same interval as Nam and Blackwelder (2002), Statistics in Medicine 21.
    """
    if rows <= 0 or min(both, gained, lost) < 0 or both + gained + lost > rows * (1 + 1e-12):
        raise ValueError(f"impossible counts: both {both}, gained {gained}, lost {lost} of {rows} rows")
    if both + lost <= 0:
        return None
    z = NormalDist().inv_cdf(confidence)
    estimate = (both + gained) / (both + lost)

    def score(ratio: Floats, shift: float) -> Floats:
        return paired_ratio_score(both, gained, lost, rows, ratio, shift)

    most = 1000.0
    low = float(_root(lambda r: score(r, correction) - z, 0.0, estimate))
    high = float(_root(lambda r: score(r, -correction) + z, estimate, max(most, estimate)))
    return None if high >= most else Interval(estimate, low, high, confidence)


def paired_ratio_score(both: Any, gained: Any, lost: Any, rows: Any, ratio: Any, shift: float) -> Floats:
    """Tang's statistic for the hypothesis that the ratio is `ratio`; see `paired_score`."""
    both, gained, lost, rows, ratio = (np.asarray(x, dtype=np.float64) for x in (both, gained, lost, rows, ratio))
    a = rows * (1 + ratio)
    b = (both + lost) * ratio**2 - (both + gained + 2 * lost)
    c = lost * (1 - ratio) * (both + gained + lost) / rows
    share = (np.sqrt(np.maximum(b * b - 4 * a * c, 0)) - b) / (2 * a)  # of rows lost, most likely if the ratio is `ratio`
    variance = rows * (1 + ratio) * share + (both + gained + lost) * (ratio - 1)
    return _ratio(both + gained - (both + lost) * ratio - shift, variance)


def unpaired_difference(first: Interval, second: Interval) -> Interval:
    """Score interval for the difference of two shares of different rows, first - second, from the interval of each.

    Args:
        first, second: of one confidence, as `proportion` gives them.

    Source: Newcombe (1998), Interval estimation for the difference between independent proportions, Statistics in Medicine 17, methods 10 and
    11.
    """
    estimate = first.estimate - second.estimate
    down = ((first.estimate - first.low) ** 2 + (second.high - second.estimate) ** 2) ** 0.5
    up = ((first.high - first.estimate) ** 2 + (second.estimate - second.low) ** 2) ** 0.5
    return Interval(estimate, estimate - down, estimate + up, first.confidence)


def mcnemar(gained: float, lost: float) -> float:
    """Two-sided exact p of McNemar's test that both models are right equally often; 1 where they never disagree.

    Twice the smaller tail of a fair coin thrown gained + lost times, at most 1. Fractions are rounded to whole rows first.
    """
    n = round(gained) + round(lost)
    tail = ways = 1
    for k in range(min(round(gained), round(lost))):
        ways = ways * (n - k) // (k + 1)
        tail += ways
    return min(1.0, float(2 * tail / 2**n))  # whole numbers: their quotient is right where a float of either would not exist


def verdict(interval: Interval, limit: float) -> Verdict:
    """Kept when the lower bound lies above `limit`, lost when the upper bound lies below it, else not shown.

    `limit` is minus the margin for a difference of accuracies, and the least agreement for an agreement.
    """
    if interval.low > limit:
        return Verdict.KEPT
    return Verdict.LOST if interval.high < limit else Verdict.NOT_SHOWN


def _ratio(numerator: Any, variance: Any) -> Floats:
    """numerator / sqrt(variance); where nothing varies, far away on the side of the numerator."""
    numerator, variance = np.broadcast_arrays(np.asarray(numerator, np.float64), np.asarray(variance, np.float64))
    varies = variance > 1e-13
    still = np.where(np.abs(numerator) < 1e-9, 0.0, np.sign(numerator) * _FAR)
    return np.asarray(np.where(varies, numerator / np.sqrt(np.where(varies, variance, 1.0)), still))


def _root(function: Callable[[Floats], Floats], low: Any, high: Any) -> Floats:
    """The zeros of a decreasing function by bisection between arrays of ends, or the end towards which a zero lies."""
    low, high = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    below, above = function(low) <= 0, function(high) >= 0
    left, right = low, high
    for _ in range(60):
        middle = (left + right) / 2
        up = function(middle) > 0
        left, right = np.where(up, middle, left), np.where(up, right, middle)
    return np.asarray(np.where(below, low, np.where(above, high, (left + right) / 2)))
