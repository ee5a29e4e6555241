"""Where and how precisely training computes. Knows what torch sees on this machine; decides by measurement."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import torch
from accelerate import PartialState

_WORTH = 1.2
"""How many times faster bfloat16 must be to be taken."""
_ROUNDS = 3


def best_device() -> str:
    """'cuda', 'mps' or 'cpu', as accelerate finds it."""
    return str(PartialState().device.type)


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def seconds_by_precision(work: Callable[[str], object]) -> dict[str, float]:
    """Seconds of the same work in each precision, the best of a few rounds that take turns.

    On processors without matrix units for it, bfloat16 is a hundred times slower than float32; nobody should have to know.
    """
    best = dict.fromkeys(("float32", "bfloat16"), float("inf"))
    for _ in range(_ROUNDS):
        for precision in best:
            start = time.perf_counter()
            work(precision)
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            best[precision] = min(best[precision], time.perf_counter() - start)
        if best["bfloat16"] > 4 * best["float32"]:
            break
    return best


def chosen_precision(seconds: dict[str, float]) -> str:
    """'bfloat16' where it is clearly faster, else 'float32'."""
    return "bfloat16" if seconds["float32"] > _WORTH * seconds["bfloat16"] else "float32"
