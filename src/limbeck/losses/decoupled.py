"""The two halves of a divergence: the target class against all others, and the others among themselves. Knows logits and a class index
for each example; knows nothing of where the class came from.

Letters: B examples, C classes, R = C - 1 classes that are not the target.
"""

from __future__ import annotations

import torch
from torch import Tensor

from limbeck.losses.divergence import forward_kl
from limbeck.losses.precision import at_least_float32


def decoupled_kl(input_BC: Tensor, target_BC: Tensor, class_B: Tensor, *, temperature: float = 1.0) -> tuple[Tensor, Tensor]:
    """The divergences that KL(target || input) consists of, each in nats per example.

    TCKD = KL of (p_t, 1 - p_t), the target class and all others; NCKD = KL of the others among themselves, p_i / (1 - p_t);
    KL(target || input) = TCKD + (1 - p_t) NCKD, with p of the target logits.

    Nothing is divided by a probability and no logarithm is taken of one: logsumexp of the others' logits stands for log(1 - p_t), so
    a certain teacher gives finite numbers.

    Args:
        input_BC: logits of the distribution being fitted, (B, C), C at least 2.
        target_BC: logits of the reference distribution, (B, C). No gradient flows into it.
        class_B: the target class of each example, int64 in [0, C), (B,).
        temperature: T > 0; both logits are divided by it.

    Returns:
        TCKD and NCKD, (B,) each, float32 (float64 for float64 input); never negative. With two classes NCKD is 0.

    Raises:
        ValueError: the shapes differ, or the temperature is not positive.

    Example:
        >>> logits = torch.tensor([[2.0, 1.0, 0.0]])
        >>> [part.item() for part in decoupled_kl(logits, logits, torch.tensor([0]))]
        [0.0, 0.0]

    Source: Zhao et al. (2022), Decoupled Knowledge Distillation, equations 5 to 7.
    """
    parts = [_target_and_others(at_least_float32(logits_BC) / temperature, class_B) for logits_BC in (input_BC, target_BC)]
    (input_B2, input_BR), (target_B2, target_BR) = parts
    return forward_kl(input_B2, target_B2), forward_kl(input_BR, target_BR)


def _target_and_others(logits_BC: Tensor, class_B: Tensor) -> tuple[Tensor, Tensor]:
    """Logits of (target, not target), (B, 2), and of the other classes, (B, R)."""
    others_R = torch.arange(logits_BC.shape[-1] - 1, device=logits_BC.device)
    class_B1 = class_B.unsqueeze(-1)
    others_BR = logits_BC.gather(-1, others_R + (others_R >= class_B1).long())
    target_B1 = logits_BC.gather(-1, class_B1)
    return torch.cat([target_B1, others_BR.logsumexp(-1, keepdim=True)], dim=-1), others_BR
