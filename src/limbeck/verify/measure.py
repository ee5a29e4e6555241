"""Latency and memory of models that answer payloads. Knows callables and clocks; knows nothing of training."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from limbeck.evidence import Latency

Answer = Callable[[Any], object]


def interleaved_latency(models: Sequence[Answer], queries: Sequence[Any], block: int = 20) -> list[Latency]:
    """p50 and p95 in microseconds of each model, one query at a time, the models taking turns on every block of queries.

    Taking turns lets a slow second of a shared machine fall on all models alike. It goes by blocks, each after two queries that
    are not counted, since a large model throws a small one out of the processor's caches, and nobody serves them in turns: by
    single queries a bag of 2.6 MB looked eight times slower than it is alone.
    """
    seconds = np.zeros((len(models), len(queries)))
    was_on = gc.isenabled()
    gc.disable()  # a collection that one model caused must not be charged to the next
    try:
        for first in range(0, len(queries), block):
            columns = range(first, min(first + block, len(queries)))
            for row, model in enumerate(models):
                for column in (*columns[:2], *columns):  # the first two warm up; counting them again overwrites their time
                    start = time.perf_counter()
                    model(queries[column])
                    seconds[row, column] = time.perf_counter() - start
    finally:
        if was_on:
            gc.enable()
    return [Latency(*(float(np.percentile(row, p)) * 1e6 for p in (50, 95))) for row in seconds]


def peak_memory(bundle: Path) -> int:
    """Peak resident bytes of a new process that loads the bundle and answers once."""
    code = (
        "import resource, sys, limbeck; limbeck.load(sys.argv[1]).predict(['hello']); "
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(bundle)], check=True, capture_output=True, text=True)
    return int(done.stdout) * (1 if sys.platform == "darwin" else 1024)
