"""Divergences between two categorical distributions. Knows logits; knows nothing of teachers and students.

Letters: B examples, C classes.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from limbeck.losses.precision import at_least_float32


def forward_kl(input_BC: Tensor, target_BC: Tensor, *, temperature: float = 1.0) -> Tensor:
    """Kullback-Leibler divergence KL(target || input) of two softmax distributions, in nats per example.

    KL = sum_c p_c (log p_c - log q_c), p = softmax(target / T), q = softmax(input / T)

    Zero exactly when both distributions are equal, never negative. It is *not* multiplied by T**2; an objective that
    wants gradients of constant size over temperatures does that itself.

    Args:
        input_BC: logits of the distribution being fitted, (B, C).
        target_BC: logits of the reference distribution, (B, C). No gradient flows into it.
        temperature: T > 0; both logits are divided by it.

    Returns:
        (B,) nats, float32 (float64 for float64 input).

    Raises:
        ValueError: when the shapes differ, or the temperature is not positive.

    Example:
        >>> forward_kl(torch.zeros(1, 2), torch.zeros(1, 2))
        tensor([0.])

    Source: Hinton, Vinyals, Dean (2015), Distilling the Knowledge in a Neural Network, section 2.
    """
    if input_BC.shape != target_BC.shape:
        raise ValueError(f"forward_kl needs logits of one shape; got {tuple(input_BC.shape)} and {tuple(target_BC.shape)}")
    if not temperature > 0:
        raise ValueError(f"temperature must be positive; got {temperature}")
    log_q_BC = F.log_softmax(at_least_float32(input_BC) / temperature, dim=-1)
    log_p_BC = F.log_softmax(at_least_float32(target_BC.detach()) / temperature, dim=-1)
    terms_BC = torch.exp(log_p_BC) * (log_p_BC - log_q_BC)
    # Rounding can leave -1e-8 where the true value is 0; the clamp's gradient there is 0 as well.
    return terms_BC.sum(dim=-1).clamp_min(0.0)
