"""How many rows show what, and what so many rows can show. Knows rates at which two models differ; knows no models.

A number of rows is promised with a power: if the rates are true, a verdict `kept` comes out on that many new rows in at least 80 % of
all cases. Rows at which the observed counts, scaled up, would just pass are half as many or less, and pass in about half of the cases.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from statistics import NormalDist

import numpy as np

from limbeck.verify.statistics import HALF_ROW, paired_score

POWER = 0.8
_ASKED = 0.81
"""A little more than promised, since it is measured on draws: three standard errors of 20,000 of them."""
_DRAWS = 20_000
_MOST = 10**9


def power(gain_rate: float, loss_rate: float, rows: int, margin: float, confidence: float = 0.95) -> float:
    """The share of samples of `rows` rows that end in `kept`, in [0, 1]; from 20,000 seeded draws, so to within 0.003.

    Args:
        gain_rate, loss_rate: shares of rows that only the student, only the teacher has right.
        rows: n.
        margin: the most that may be lost.
        confidence: of the lower bound.
    """
    rates = [gain_rate, loss_rate, max(0.0, 1 - gain_rate - loss_rate)]
    gained, lost, _ = np.random.default_rng(0).multinomial(rows, rates, size=_DRAWS).T
    return float(np.mean(paired_score(gained, lost, rows, -margin, HALF_ROW) > NormalDist().inv_cdf(confidence)))


@lru_cache(maxsize=64)
def rows_to_show(gained: float, lost: float, rows: float, margin: float) -> int | None:
    """How many rows end in `kept` with a power of 80 % where two models differ at these rates; None where no number would.

    The rates are the observed ones with half a row added to each side, so that perfect agreement on 3 rows promises little.

    Args:
        gained, lost: of `rows` rows; fractions are welcome.
        rows: n, above 0.
        margin: the most that may be lost.
    """
    gain_rate, loss_rate = (gained + 0.5) / (rows + 1), (lost + 0.5) / (rows + 1)
    return rows_to_clear(gain_rate, loss_rate, margin, 0.95)


@lru_cache(maxsize=64)
def rows_to_show_agreement(same: float, rows: float, least: float) -> int | None:
    """How many rows show with a power of 80 % that two models agree on more than `least` of all rows; None where no number would.

    Args:
        same: rows with the same answer, of `rows`; half a row is added to each side.
        rows: n, above 0.
        least: the agreement that is asked for.
    """
    rate = (same + 0.5) / (rows + 1)
    if rate <= least:
        return None
    z = NormalDist().inv_cdf(0.95)

    def shown(n: int) -> bool:
        found = np.random.default_rng(0).binomial(n, rate, size=_DRAWS)
        return float(np.mean((found - HALF_ROW - n * least) > z * (n * least * (1 - least)) ** 0.5)) >= _ASKED

    return _least(shown)


@lru_cache(maxsize=64)
def rows_to_clear(gain_rate: float, loss_rate: float, margin: float, confidence: float) -> int | None:
    """How many rows show with a power of 80 %, by a lower bound at `confidence`, that less than `margin` is lost at these true rates."""
    if gain_rate - loss_rate <= -margin:
        return None
    return _least(lambda n: power(gain_rate, loss_rate, n, margin, confidence) >= _ASKED)


@lru_cache(maxsize=64)
def provable_margin(disagreement: float, rows: int) -> float:
    """The smallest margin that `rows` rows show with a power of 80 % for a student as good as its teacher, to three digits.

    Args:
        disagreement: the share of rows that only one of the two has right, in [0, 1].
        rows: n.
    """
    rate = max(disagreement, 1 / (rows + 1)) / 2
    low, high = 0.0, 1.0
    while high - low > high / 1000:
        middle = (low + high) / 2
        low, high = (low, middle) if power(rate, rate, rows, middle) >= _ASKED else (middle, high)
    return high


def _least(enough: Callable[[int], bool]) -> int | None:
    """The least whole number from which on `enough` holds (it holds for all larger ones, nearly); None beyond a thousand million."""
    high = 1
    while not enough(high):
        high *= 2
        if high > _MOST:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
