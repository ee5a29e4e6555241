"""Momentum made orthogonal: how the matrices and filters inside a network move. Knows gradients; knows nothing of losses or data.

torch has a Muon too; it takes no filters of a convolution, and rounds to bfloat16, which processors without units for it do a hundred
times more slowly (`engine/device.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import Tensor, nn
from torch.nn.functional import hardshrink

_ENDS = {"stem", "patch", "embeddings", "head", "output", "classifier", "projector"}
"""What limbeck and transformers call the layers that read the input or give the logits. Jordan et al. leave both to AdamW: a row of them is a pixel's or
a class's, not a direction to be kept apart from others."""
_TURNS = 3
"""Iterations of Newton and Schulz. Their purpose is that no direction is far larger than the others, not that all are 1."""
_NOTHING, _LITTLE = 1e-30, 1e-9
"""What counts as 0 in a momentum, and in a matrix beside the root of the sum of all squares. The momentum of a channel that died is a tenth less
after each step, without an end, and with numbers below 1e-38 the turns took forty times as long (docs/diary.md)."""


class Muon(torch.optim.Optimizer):
    """Descent along Nesterov's momentum with its singular values made alike, with decoupled weight decay.

    The root mean square of an update is at most about 0.2 of the learning rate, near AdamW's, so learning rates and decays are of one kind.

    Args:
        params: weights of 2 dimensions or more; all but the first are taken as one.
        lr: learning rate.
        momentum: how much of the direction is kept from step to step.
        weight_decay: share of the weights that is taken away per step, over `lr`.

    Source: Jordan et al. (2024), Muon: An optimizer for hidden layers in neural networks; Liu et al. (2025), Muon is Scalable for LLM
    Training, section 2.2, for the size of the update.
    """

    def __init__(self, params: Iterable[Any], lr: float = 1e-2, *, momentum: float = 0.9, weight_decay: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Move each weight once."""
        assert closure is None, "the gradients are there already"
        for group in self.param_groups:
            rate, kept = group["lr"], group["momentum"]
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["momentum_buffer"] = torch.zeros_like(weight)
                momentum = state["momentum_buffer"].mul_(kept).add_(weight.grad)
                momentum.copy_(hardshrink(momentum, _NOTHING))
                wanted_OI = (weight.grad + kept * momentum).flatten(1)
                size = 0.2 * max(wanted_OI.shape) ** 0.5
                weight.mul_(1 - rate * group["weight_decay"])
                weight.add_(orthogonal(wanted_OI).view_as(weight), alpha=-rate * size)
        return None


def orthogonal(matrix_OI: Tensor) -> Tensor:
    """A matrix with the singular vectors of `matrix_OI`, without what is next to nothing in it. Those of its singular values that have at least 0.018 of
    the root of the sum of all squares become 0.68 to 1.21; smaller ones stay smaller, forty times what they were at the most.

    Source: Jordan et al. (2024), section 'Newton-Schulz', for the coefficients of the quintic.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = matrix_OI.shape[0] > matrix_OI.shape[1]
    x: Tensor = matrix_OI.T if tall else matrix_OI
    x = hardshrink(x / (x.norm() + 1e-7), _LITTLE)
    for _ in range(_TURNS):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x.T if tall else x


def hidden_weights(model: nn.Module) -> set[Tensor]:
    """The weights of linear layers and of convolutions over all channels, but for the first and the last layer, and what is an embedding too."""
    found: set[Tensor] = set()
    for name, part in model.named_modules():
        mixes = isinstance(part, nn.Linear) or getattr(part, "groups", 0) == 1
        if mixes and not _ENDS.intersection(name.split(".")):
            found.add(part.weight)
    return found - {part.weight for part in model.modules() if isinstance(part, nn.Embedding | nn.EmbeddingBag)}
