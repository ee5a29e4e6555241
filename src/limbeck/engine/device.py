"""Where and how precisely training computes. Knows what torch sees on this machine; decides by measurement."""

from __future__ import annotations

import os
import time

import torch
from accelerate import PartialState
from torch import nn

from limbeck.types import Json

_WORTH = 1.2
"""How many times faster bfloat16 must be to be taken."""
_LARGE = 100_000
"""Weights of a matrix from which on its products are what a model's time goes to."""
_ROWS, _INNER, _COLUMNS, _ROUNDS, _PRODUCTS = 1024, 384, 1536, 5, 4


def best_device() -> str:
    """'cuda', 'mps' or 'cpu', as accelerate finds it."""
    return str(PartialState().device.type)


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def is_heavy(model: nn.Module) -> bool:
    """Whether a model spends its time on matrix products. A light one would only pay for the conversions."""
    return any(isinstance(part, nn.Linear) and part.weight.numel() >= _LARGE for part in model.modules())


def faster_precision(device: str) -> Json:
    """The precision in which this machine multiplies matrices clearly faster, 'bfloat16' or 'float32', with the seconds measured.

    The products are those of a small encoder's feed-forward block. On processors without units for it, bfloat16 is a hundred times
    slower than float32, where there are such units two to eight times faster: nobody should have to know, and the answer does not
    hang on the noise of a busy machine.
    """
    seconds = {"float32": float("inf"), "bfloat16": float("inf")}
    for _ in range(_ROUNDS):
        for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
            a, b = (
                torch.ones(_ROWS, _INNER, dtype=dtype, device=device),
                torch.ones(_INNER, _COLUMNS, dtype=dtype, device=device),
            )
            start = time.perf_counter()
            for _ in range(_PRODUCTS):
                a @ b
            if device == "cuda":
                torch.cuda.synchronize()
            seconds[name] = min(seconds[name], time.perf_counter() - start)
        if seconds["bfloat16"] > 4 * seconds["float32"]:
            break
    name = "bfloat16" if device != "mps" and seconds["float32"] > _WORTH * seconds["bfloat16"] else "float32"
    return {"precision": name, "seconds": {k: float(f"{s:.3g}") for k, s in seconds.items()}}


def matrix_rate(device: str) -> float:
    """Floating-point operations a second in float32 products of the size of a small encoder's, the best of a few; takes some milliseconds."""
    a, b = torch.ones(_ROWS, _INNER, device=device), torch.ones(_INNER, _COLUMNS, device=device)
    best = float("inf")
    for _ in range(_ROUNDS):
        start = time.perf_counter()
        a @ b
        if device == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return 2 * _ROWS * _INNER * _COLUMNS / best


def memory_of(device: str) -> int:
    """Bytes of memory that the device has in all."""
    if device == "cuda":
        return int(torch.cuda.mem_get_info()[1])
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
