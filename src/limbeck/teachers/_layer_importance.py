"""Which layers a teacher misses least. Knows a stack of layers and how far answers move; knows nothing of students.

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


def least_missed(stack: nn.ModuleList, answer: Callable[[], NDArray[np.float32]]) -> tuple[int, ...]:
    """The layers' numbers, from 1, in the order in which they can be left out: first the one without which the answers move least,
    then, that one gone, the next. One layer stays, so it is not among them.

    Args:
        stack: the layers; they are all back when this returns.
        answer: the logits (N, C) of some texts with the layers that are in the stack.

    Source: Peer et al. (2022), Greedy-layer pruning, Pattern Recognition Letters 157, section 3, with the divergence from the whole
    teacher's answers in place of a score on labels.
    """
    whole, gone = list(stack), list[int]()
    try:
        logp_NC = _log_softmax(answer())
        while len(gone) < len(whole) - 1:
            moved = {}
            for number in range(1, len(whole) + 1):
                if number not in gone:
                    _fill(stack, [layer for n, layer in enumerate(whole, 1) if n not in (*gone, number)])
                    moved[number] = float((np.exp(logp_NC) * (logp_NC - _log_softmax(answer()))).sum(axis=1).mean())
            gone.append(min(moved, key=lambda n: (moved[n], n)))
    finally:
        _fill(stack, whole)
    return tuple(gone)


def _fill(stack: nn.ModuleList, layers: list[nn.Module]) -> None:
    del stack[:]
    stack.extend(layers)


def _log_softmax(logits_NC: NDArray[np.float32]) -> NDArray[np.float64]:
    fine_NC = logits_NC.astype(np.float64)
    found: NDArray[np.float64] = fine_NC - np.logaddexp.reduce(fine_NC, axis=1, keepdims=True)
    return found
