"""Examples to batches of nearly equal length. Knows arrays and lengths; knows nothing of what they encode.

Letters: N examples, B of them in a batch, T positions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from limbeck.types import Batch, Signal

_BUCKET = 16  # batches that are sorted by length together: enough to save padding, few enough to stay random

Collate = Callable[[Sequence[NDArray[Any]]], Mapping[str, NDArray[Any]]]
Live = Callable[[NDArray[np.int64]], Signal]
"""Asks a teacher about the examples of these numbers now: numpy signals, in order."""


@dataclass(frozen=True, slots=True)
class Examples:
    """What a model is trained on: encoded inputs, class indices (N,) with -1 for none (or labels (N, C), see `Batch`), and signals (N, …).

    words: the number of the word of each token, (T,) for each example. live: asks for further fields of the signal at every step. anew: the
    same examples as they are drawn for an epoch, from number 1 on; these are those of epoch 0.
    """

    encoded: Sequence[NDArray[Any]]
    labels_N: NDArray[Any]
    signal: Signal = field(default_factory=Signal)
    words: Sequence[NDArray[np.int64]] | None = None
    live: Live | None = None
    anew: Callable[[int], Examples] | None = None

    def __len__(self) -> int:
        return len(self.encoded)

    def batch(self, chosen_B: NDArray[np.int64], collate: Collate, device: str = "cpu") -> Batch:
        """The examples of these numbers, on the device."""
        index_B = torch.from_numpy(chosen_B)
        arrays = collate([self.encoded[i] for i in chosen_B])
        signal = self.signal.map(partial(_rows, index_B=index_B, device=device))
        if self.live is not None:
            signal = replace(signal, **self.live(chosen_B).map(partial(_placed, device=device)).given())
        return Batch(
            {name: _placed(value, device) for name, value in arrays.items()},
            torch.from_numpy(self.labels_N)[index_B].to(device),
            signal,
            None if self.words is None else _placed(_padded([self.words[i] for i in chosen_B]), device),
        )


def plan(lengths_N: NDArray[np.int64], batch_size: int, dice: np.random.Generator) -> list[NDArray[np.int64]]:
    """One epoch: every example once, in random batches whose members have nearly equal length."""
    order_N = dice.permutation(len(lengths_N))
    batches: list[NDArray[np.int64]] = []
    for start in range(0, len(order_N), batch_size * _BUCKET):
        bucket = order_N[start : start + batch_size * _BUCKET]
        bucket = bucket[np.argsort(lengths_N[bucket], kind="stable")]
        batches += [bucket[i : i + batch_size] for i in range(0, len(bucket), batch_size)]
    return [batches[i] for i in dice.permutation(len(batches))]


def batches(
    examples: Examples, collate: Collate, *, batch_size: int, epochs: int, seed: int, device: str, first: int = 0
) -> Iterator[Batch]:
    """Batches of all epochs, from number `first` on. An epoch's order depends on seed and epoch alone, so a training can be taken
    up anywhere."""
    lengths_N = lengths(examples.encoded)
    in_epoch = number_of_batches(len(examples), batch_size)
    for epoch in range(first // in_epoch, epochs):
        planned = plan(lengths_N, batch_size, np.random.default_rng((seed, epoch)))
        drawn = examples if examples.anew is None or not epoch else examples.anew(epoch)
        for chosen_B in planned[max(0, first - epoch * in_epoch) :]:
            yield drawn.batch(chosen_B, collate, device)


def lengths(encoded: Sequence[NDArray[Any]]) -> NDArray[np.int64]:
    """The length of each example, (N,), by which batches are made; a sequence that makes its arrays when they are asked for knows them
    beforehand (`lengths`)."""
    known = getattr(encoded, "lengths", None)
    return np.array([len(e) for e in encoded] if known is None else known, dtype=np.int64)


def number_of_batches(examples: int, batch_size: int) -> int:
    """Batches of one epoch."""
    return -(-examples // batch_size)


def _rows(column_N: NDArray[Any], index_B: torch.Tensor, device: str) -> torch.Tensor:
    return torch.from_numpy(column_N)[index_B].to(device)


def _placed(value: NDArray[Any], device: str) -> torch.Tensor:
    return torch.from_numpy(value).to(device)


def _padded(words: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    words_BT = np.full((len(words), max(1, *map(len, words))), -1, dtype=np.int64)
    for row, numbers in enumerate(words):
        words_BT[row, : len(numbers)] = numbers
    return words_BT
