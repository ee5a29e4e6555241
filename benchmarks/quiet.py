"""Latency beside neighbours that no process list shows: other guests whose threads share a physical core with ours.

They slow a small model by 1.7 and a large one by 1.2 to 1.3, for milliseconds at a time, so even ratios change with the minute (docs/diary.md). A loop of known
work that runs right before and right behind a query shows them. Queries count where both runs took no more than `NEAR` times the quickest one; all are
counted beside these.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

NEAR = 1.15
LEAST, ROUNDS = 200, 20
"""Quiet queries of each model below which there is no figure; how often all are asked for them."""
_WORK, _BLOCK, _WARM = 1500, 20, 2


def quiet_latency(slow: Callable[[Any], object], quick: Callable[[Any], object], queries: Sequence[Any]) -> dict[str, Any]:
    """p50 in microseconds of two models on the same queries, one at a time, taking turns by blocks; of the quiet ones, and of all.

    The queries are asked again, up to `ROUNDS` times, until enough were quiet.

    Returns:
        "quiet" and "all" with the p50 of both, and "counted", how many queries of each were quiet. Without `LEAST` of both no "quiet".
    """
    rounds: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    counted = [0, 0]
    while min(counted) < LEAST and len(rounds) < ROUNDS:
        rounds.append(_round((slow, quick), queries))
        seconds, loops = (np.concatenate(parts, axis=1) for parts in zip(*rounds, strict=True))
        quiet = (loops <= NEAR * loops.min()).all(axis=2)
        counted = [int(n) for n in quiet.sum(axis=1)]
    found: dict[str, Any] = {"counted": counted, "all": _p50(list(seconds))}
    if min(counted) >= LEAST:
        found["quiet"] = _p50([seconds[row][quiet[row]] for row in range(2)])
    return found


def _round(
    models: Sequence[Callable[[Any], object]], queries: Sequence[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    seconds, loops = np.zeros((2, len(queries))), np.zeros((2, len(queries), 2))
    gc.disable()
    try:
        for first in range(0, len(queries), _BLOCK):
            columns = range(first, min(first + _BLOCK, len(queries)))
            for row, model in enumerate(models):
                for column in (*columns[:_WARM], *columns):  # the first ones warm up; counting them again overwrites their time
                    before = _loop()
                    start = time.perf_counter()
                    model(queries[column])
                    seconds[row, column] = time.perf_counter() - start
                    loops[row, column] = before, _loop()
    finally:
        gc.enable()
    return seconds, loops


def _p50(rows: list[NDArray[np.float64]]) -> list[float]:
    return [float(np.percentile(of, 50)) * 1e6 for of in rows]


def _loop() -> float:
    start, total = time.perf_counter(), 0
    for number in range(_WORK):
        total += number
    return time.perf_counter() - start
