"""Examples to batches of nearly equal length. Knows arrays and lengths; knows nothing of what they encode.

Letters: N examples, B of them in a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from limbeck.types import Batch, Signal

_BUCKET = 16  # batches that are sorted by length together: enough to save padding, few enough to stay random

Collate = Callable[[Sequence[NDArray[Any]]], Mapping[str, NDArray[Any]]]


@dataclass(frozen=True, slots=True)
class Examples:
    """What a model is trained on: encoded inputs, class indices (N,) with -1 for none, and signals (N, …)."""

    encoded: Sequence[NDArray[Any]]
    labels_N: NDArray[np.int64]
    signal: Signal = field(default_factory=Signal)


def plan(lengths_N: NDArray[np.int64], batch_size: int, dice: np.random.Generator) -> list[NDArray[np.int64]]:
    """One epoch: every example once, in random batches whose members have nearly equal length."""
    order_N = dice.permutation(len(lengths_N))
    batches: list[NDArray[np.int64]] = []
    for start in range(0, len(order_N), batch_size * _BUCKET):
        bucket = order_N[start : start + batch_size * _BUCKET]
        bucket = bucket[np.argsort(lengths_N[bucket], kind="stable")]
        batches += [bucket[i : i + batch_size] for i in range(0, len(bucket), batch_size)]
    return [batches[i] for i in dice.permutation(len(batches))]


def batches(examples: Examples, collate: Collate, *, batch_size: int, epochs: int, seed: int, device: str) -> Iterator[Batch]:
    """Batches of all epochs, on the device."""
    lengths_N = np.array([len(e) for e in examples.encoded], dtype=np.int64)
    signal = examples.signal.map(torch.from_numpy)
    labels_N = torch.from_numpy(examples.labels_N)
    dice = np.random.default_rng(seed)
    for _ in range(epochs):
        for chosen in plan(lengths_N, batch_size, dice):
            index = torch.from_numpy(chosen)
            arrays = collate([examples.encoded[i] for i in chosen])
            yield Batch(
                {name: torch.from_numpy(value).to(device) for name, value in arrays.items()},
                labels_N[index].to(device),
                signal.map(partial(_rows, index=index, device=device)),
            )


def _rows(column: torch.Tensor, index: torch.Tensor, device: str) -> torch.Tensor:
    return column[index].to(device)


def number_of_batches(examples: int, batch_size: int) -> int:
    """Batches of one epoch."""
    return -(-examples // batch_size)
