"""Which layers a teacher misses most. Knows a stack of layers and how far answers move; knows nothing of students.

Letters: N texts, C classes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from torch import nn


def stack_of(backbone: nn.Module) -> nn.ModuleList:
    """Its layers: the longest list of modules in it."""
    return max((m for m in backbone.modules() if isinstance(m, nn.ModuleList)), key=len, default=nn.ModuleList())


def most_missed(stack: nn.ModuleList, number: int, answer: Callable[[], NDArray[np.float32]]) -> tuple[int, ...]:
    """The numbers, from 1, of the layers that are left when others are left out one by one, each time the one without which the answers
    move least.

    Args:
        stack: the layers; they are all back when this returns.
        number: how many are left, at most all.
        answer: the logits (N, C) of some texts with the layers that are in the stack.

    Source: Peer et al. (2022), Greedy-layer pruning, Pattern Recognition Letters 157, section 3, with the divergence from the whole
    teacher's answers in place of a score on labels.
    """
    whole = list(stack)
    left = tuple(range(1, len(whole) + 1))
    try:
        logp_NC = _log_softmax(answer()) if number < len(left) else np.zeros((0, 0))
        while len(left) > number:
            moved = {}
            for gone in left:
                _fill(stack, [whole[n - 1] for n in left if n != gone])
                moved[gone] = float((np.exp(logp_NC) * (logp_NC - _log_softmax(answer()))).sum(axis=1).mean())
            least = min(moved, key=lambda n: (moved[n], n))
            left = tuple(n for n in left if n != least)
    finally:
        _fill(stack, whole)
    return left


def _fill(stack: nn.ModuleList, layers: list[nn.Module]) -> None:
    del stack[:]
    stack.extend(layers)


def _log_softmax(logits_NC: NDArray[np.float32]) -> NDArray[np.float64]:
    fine_NC = logits_NC.astype(np.float64)
    found: NDArray[np.float64] = fine_NC - np.logaddexp.reduce(fine_NC, axis=1, keepdims=True)
    return found
