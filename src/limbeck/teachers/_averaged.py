"""Several fine-tuned teachers as one: the mean of their probabilities. Knows teachers of one kind and label order; knows no kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.metrics.probabilities import mean_probability
from limbeck.types import Fingerprint, Signal, Start, digest


class Averaged:
    """Teachers that differ by their seed; they are asked in turns, and their class probabilities are averaged.

    A student starts from the first of them. Only logits can be averaged: the members' representations have no axes in common.
    """

    def __init__(self, members: Sequence[Any]) -> None:
        self.members = list(members)
        self.labels: tuple[str, ...] = members[0].labels
        self.max_tokens: int = getattr(members[0], "max_tokens", 0)
        self.tolerance: float = members[0].tolerance
        self.width: int = members[0].width
        self.parameters: int = sum(m.parameters for m in members)
        self.has_head = True

    @property
    def module(self) -> Any:
        """The first member's network."""
        return self.members[0].module

    @property
    def precision(self) -> str:
        """In which its members compute."""
        return str(self.members[0].precision)

    @precision.setter
    def precision(self, name: str) -> None:
        for member in self.members:
            member.precision = name

    def gives(self) -> frozenset[str]:
        """Logits."""
        return frozenset({"logits_BC"})

    def fingerprint(self) -> Fingerprint:
        """That of the first, with the weights of all."""
        found = [dict(m.fingerprint()) for m in self.members]
        return {**found[0], "weights": digest([f["weights"] for f in found])}

    def answer(self, payloads: Sequence[Any], needs: frozenset[str]) -> Signal:
        """The logarithm of the mean probability of each class, (B, C)."""
        del needs
        return Signal(logits_BC=mean_probability([m.answer(payloads, self.gives()).logits_BC for m in self.members]))

    def tokenizer_json(self) -> Any:
        """The members' tokenizer."""
        return self.members[0].tokenizer_json()

    def token_embeddings(self) -> NDArray[np.float32]:
        """The first member's embedding of each piece, (V, D)."""
        found: NDArray[np.float32] = self.members[0].token_embeddings()
        return found

    def start(self, old_ids_V: NDArray[np.int64]) -> Start:
        """What a student may start from: the first member."""
        found: Start = self.members[0].start(old_ids_V)
        return found

    def most_missed(self, number: int, payloads: Sequence[Any]) -> tuple[int, ...]:
        """Which layers the first misses most: a student starts from it."""
        found: tuple[int, ...] = self.members[0].most_missed(number, payloads)
        return found
