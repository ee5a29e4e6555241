"""Intervals for paired comparisons. Knows counts; knows nothing of models.

Two models answer the same n rows. `gained`: rows that only the second (the student) has right; `lost`: rows that only the first
(the teacher) has right. The difference of their accuracies is (gained - lost) / n.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, sqrt
from statistics import NormalDist

from limbeck.evidence import Interval, Verdict


def paired_difference(gained: int, lost: int, rows: int, confidence: float = 0.95) -> Interval:
    """Score interval for the difference of two paired proportions.

    Both bounds are one-sided at `confidence`: the true difference lies above `low` with at least about that confidence, and the
    same of `high`. The score interval covers what it promises at small n and rare disagreement, where the bootstrap does not.

    Args:
        gained, lost: discordant rows, at least 0, together at most `rows`.
        rows: n, at least 1.
        confidence: of each bound, in (0.5, 1).

    Raises:
        ValueError: when the counts are impossible.

    Example:
        >>> paired_difference(10, 10, 1000).estimate
        0.0

    Source: Tango (1998), Equivalence test and confidence interval for the difference in proportions for the paired-sample
    design, Statistics in Medicine 17, equations 7 to 9.
    """
    if rows < 1 or gained < 0 or lost < 0 or gained + lost > rows:
        raise ValueError(f"impossible counts: gained {gained}, lost {lost} of {rows} rows")
    z = NormalDist().inv_cdf(confidence)
    estimate = (gained - lost) / rows

    def score(delta: float) -> float:
        return _score(gained, lost, rows, delta)

    low = _root(lambda d: score(d) - z, -1.0, estimate)
    high = _root(lambda d: score(d) + z, estimate, 1.0)
    return Interval(estimate, low, high, confidence)


def verdict(difference: Interval, margin: float) -> Verdict:
    """Kept when the lower bound lies above -margin, lost when the upper bound lies below it, else not shown."""
    if difference.low > -margin:
        return Verdict.KEPT
    return Verdict.LOST if difference.high < -margin else Verdict.NOT_SHOWN


def rows_to_show(gained: int, lost: int, rows: int, margin: float) -> int | None:
    """How many rows would show non-inferiority if they disagreed at the observed rates; None where no number would.

    Rates that a small sample shows as 0 are taken as half a row, so that perfect agreement on 3 rows promises nothing.
    """
    gain_rate, loss_rate = max(gained, 0.5) / rows, max(lost, 0.5) / rows
    if gain_rate - loss_rate <= -margin:
        return None

    def shown(n: int) -> bool:
        return _bounds_low(gain_rate * n, loss_rate * n, n) > -margin

    high = 1
    while not shown(high):
        high *= 2
        if high > 10**9:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if shown(middle) else (middle, high)
    return max(1, ceil(high))


def _bounds_low(gained: float, lost: float, rows: int) -> float:
    z = NormalDist().inv_cdf(0.95)
    return _root(lambda d: _score(gained, lost, rows, d) - z, -1.0, (gained - lost) / rows)


def _score(gained: float, lost: float, rows: int, delta: float) -> float:
    """Tango's score statistic; decreasing in delta."""
    a = 2.0 * rows
    b = -gained - lost + (2.0 * rows - gained + lost) * delta
    c = -lost * delta * (1.0 - delta)
    q = (sqrt(max(b * b - 4.0 * a * c, 0.0)) - b) / (2.0 * a)
    variance = rows * (2.0 * q + delta * (1.0 - delta))
    numerator = gained - lost - rows * delta
    if variance <= 0.0:
        return 0.0 if abs(numerator) < 1e-12 else (numerator / abs(numerator)) * 1e12
    return numerator / sqrt(variance)


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    """The zero of a decreasing function by bisection, or the end towards which it lies."""
    if function(low) <= 0:
        return low
    if function(high) >= 0:
        return high
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) > 0 else (low, middle)
    return (low + high) / 2
