"""Where training computes. Knows what torch sees on this machine; decides nothing else."""

from __future__ import annotations

import os

import torch


def best_device() -> str:
    """'cuda', 'mps' or 'cpu', the first that is there."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
