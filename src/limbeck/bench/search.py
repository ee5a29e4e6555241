"""The highest rate that is held within a bound. Knows steps; knows nothing of how they are offered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from limbeck.bench.step import Step

Measure = Callable[[float, float], Step]
"""A rate (requests/s) and seconds, to what became of it."""
PRECISION = 0.02
"""How far, in share of the rate, the lowest rate that is not held may lie above the one that is."""
AGAIN = 3
"""A step that other work on the machine made void is made so often at most."""
_LEAST = 1.0
_CONFIRMED = 3
"""The found rate is held for so many times as long: of many short steps the luckiest would win."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found.

    rate: requests/s; None: no rate was held. bound: seconds that the p99 was allowed. step: the one that confirmed it. limit: what
    ended the search above it. steps: all, in order.
    """

    rate: float | None
    bound: float
    step: Step | None
    limit: str
    steps: tuple[Step, ...]

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return {
            "rate": self.rate,
            "bound": self.bound,
            "limit": self.limit,
            "step": self.step.to_json() if self.step else None,
            "steps": [step.to_json() for step in self.steps],
        }


def highest_rate(
    measure: Measure, bound: float, start: float, seconds: float = 3.0, precision: float = PRECISION, anyway: bool = False
) -> Found:
    """The highest rate at which 99 of 100 requests are answered within `bound` seconds, all of them rightly.

    From `start` the rate is doubled while it is held, or halved until it is; then the interval is halved until it is as narrow as
    `precision`; a rate counts as missed when it is missed twice. Last the rate is held for longer, and lowered by `precision` until
    it is. A step counts only where the generator kept up, so that a server which is quicker than it gets the generator's rate, and
    `limit` says so.

    Args:
        measure: offers a rate for some seconds.
        bound: seconds, from the moment a request was due.
        start: requests/s, the first that is tried.
        seconds: of each step.
        precision: a share of the rate.
        anyway: go on where other work is in the way, which makes the result void; else the search ends there without one.
    """
    steps: list[Step] = []

    def failure(rate: float, seconds: float) -> str:
        """Why this rate is not held; empty where it is."""
        for _ in range(AGAIN):
            steps.append(measure(rate, seconds))
            step = steps[-1]
            if anyway and step.crowded:
                return step.failure(bound)
            if not step.crowded:
                return step.failure(bound) or step.void
        raise _CrowdedError(step.crowded)

    try:
        return _searched(failure, steps, bound, start, seconds, precision)
    except _CrowdedError as error:
        return Found(None, bound, None, str(error), tuple(steps))


class _CrowdedError(Exception):
    """Other work was in the way each time."""


def _searched(
    failure: Callable[[float, float], str], steps: list[Step], bound: float, start: float, seconds: float, precision: float
) -> Found:
    def missed_twice(rate: float) -> str:
        """Why this rate is not held; a machine's single stall is not the server's limit."""
        return failure(rate, seconds) and failure(rate, seconds)

    limit = missed_twice(start)
    held, missed = (0.0, start) if limit else (start, 0.0)
    while not missed:
        why = missed_twice(2 * held)
        held, missed, limit = (held, 2 * held, why) if why else (2 * held, missed, limit)
    while not held and missed / 2 >= _LEAST:
        why = missed_twice(missed / 2)
        held, missed, limit = (held, missed / 2, why) if why else (missed / 2, missed, limit)
    while held and missed > held * (1 + precision):
        middle = (held * missed) ** 0.5
        why = missed_twice(middle)
        held, missed, limit = (held, middle, why) if why else (middle, missed, limit)
    while held >= _LEAST:
        why = failure(held, _CONFIRMED * seconds)
        if not why:
            return Found(held, bound, steps[-1], f"{limit} at {missed:,.0f}/s", tuple(steps))
        held, missed, limit = held / (1 + precision), held, why
    return Found(None, bound, None, f"{limit} at {missed:,.0f}/s", tuple(steps))
