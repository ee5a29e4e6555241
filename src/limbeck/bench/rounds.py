"""Two servers that take turns. Knows steps and their ratio; knows nothing of servers."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

from limbeck.bench.histogram import Histogram
from limbeck.bench.step import Step

ROUNDS = 6
"""With six pairs the least and the greatest ratio enclose the median of all with 97 % (1 - 2 / 2^6)."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """The first over the second, pair by pair: the median, and the least and greatest of the pairs."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Rounds:
    """The steps of two servers, pair by pair."""

    first: tuple[Step, ...]
    second: tuple[Step, ...]

    def ratio(self, figure: Callable[[Step], float]) -> Ratio:
        """How many times as large a figure of the first is as that of the second."""
        found = [figure(a) / figure(b) for a, b in zip(self.first, self.second, strict=True)]
        return Ratio(median(found), min(found), max(found))

    def latency(self, share: float) -> Ratio:
        """The ratio of a percentile of the latencies."""
        return self.ratio(lambda step: step.latency.percentile(share))

    def to_json(self) -> dict[str, Any]:
        """As plain JSON, with the latencies of all rounds together."""
        together = [sum((step.latency for step in steps), Histogram()) for steps in (self.first, self.second)]
        measurable = all(len(step.latency) for step in (*self.first, *self.second))
        ratios = {f"p{share:g}": self.latency(share / 100) for share in (50, 95, 99)} if measurable else {}
        return {
            "first": {"latency": together[0].to_json(), "steps": [step.to_json() for step in self.first]},
            "second": {"latency": together[1].to_json(), "steps": [step.to_json() for step in self.second]},
            "ratio": {name: {"median": r.median, "low": r.low, "high": r.high} for name, r in ratios.items()},
        }


def rounds(first: Callable[[], Step], second: Callable[[], Step], count: int = ROUNDS, seed: int = 0) -> Rounds:
    """Measure two servers by turns, who begins decided by dice, so that a slow minute of the machine falls on both."""
    dice, pairs = random.Random(seed), []
    for _ in range(count):
        if dice.random() < 0.5:
            a = first()
            pairs.append((a, second()))
        else:
            b = second()
            pairs.append((first(), b))
    return Rounds(tuple(a for a, _ in pairs), tuple(b for _, b in pairs))
