"""Latency beside neighbours that no process list shows: other guests whose threads share a physical core with ours.

They slow a small model by 1.7 and a large one by 1.2 to 1.3, for milliseconds at a time, so even ratios change with the minute (docs/diary.md). A loop of known
work that runs right before and right behind a query shows them. Queries count where both runs took no more than `NEAR` times the quickest one; all are
counted beside these.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.verify.footprint import answer_seconds

NEAR = 1.15
LEAST, ROUNDS = 200, 20
"""Quiet queries of each model below which there is no figure; how often all are asked for them."""
_WORK = 1500  # additions of the loop: 40 to 60 microseconds


def quiet_latency(slow: Callable[[Any], object], quick: Callable[[Any], object], queries: Sequence[Any]) -> dict[str, Any]:
    """p50 in microseconds of two models on the same queries, one at a time, taking turns by blocks; of the quiet ones, and of all.

    The queries are asked again, up to `ROUNDS` times, until enough were quiet.

    Returns:
        "quiet" and "all" with the p50 of both, and "counted", how many queries of each were quiet. Without `LEAST` of both no "quiet".
    """
    watched = [_Watched(model, queries) for model in (slow, quick)]
    counted, quiet, rounds = [0, 0], [np.zeros(0, bool)] * 2, 0
    while min(counted) < LEAST and rounds < ROUNDS:
        rounds += 1
        answer_seconds(watched, range(len(queries)))  # its turns and its warming up; the times within the loops are taken here
        for one in watched:
            one.end_round()
        quickest = min(float(one.loops.min()) for one in watched)
        quiet = [(one.loops <= NEAR * quickest).all(axis=1) for one in watched]
        counted = [int(of.sum()) for of in quiet]
    found: dict[str, Any] = {"counted": counted, "all": [_p50(one.seconds) for one in watched]}
    if min(counted) >= LEAST:
        found["quiet"] = [_p50(one.seconds[of]) for one, of in zip(watched, quiet, strict=True)]
    return found


class _Watched:
    """A model that is asked by a query's number: `seconds` of each answer (N,), and of the `loops` before and behind it (N, 2), over all rounds."""

    def __init__(self, model: Callable[[Any], object], queries: Sequence[Any]) -> None:
        self._model, self._queries = model, queries
        self._round: dict[int, tuple[float, float, float]] = {}
        self.seconds, self.loops = np.zeros(0), np.zeros((0, 2))

    def __call__(self, number: int) -> None:
        """Answer; asked for the same number again, the last time counts, so what warmed up does not."""
        before, start = _loop(), time.perf_counter()
        self._model(self._queries[number])
        self._round[number] = (time.perf_counter() - start, before, _loop())

    def end_round(self) -> None:
        """Keep what this round measured."""
        measured = np.array(list(self._round.values()))
        self.seconds, self.loops = np.append(self.seconds, measured[:, 0]), np.append(self.loops, measured[:, 1:], axis=0)
        self._round.clear()


def _p50(seconds_N: NDArray[np.float64]) -> float:
    return float(np.percentile(seconds_N, 50)) * 1e6


def _loop() -> float:
    start, total = time.perf_counter(), 0
    for number in range(_WORK):
        total += number
    return time.perf_counter() - start
