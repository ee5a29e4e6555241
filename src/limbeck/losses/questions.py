"""Losses of C questions whose answers are yes or no, each by itself: a sigmoid for each, no softmax over all. Knows logits and what they should have
said; knows nothing of teachers, students or where labels came from.

Letters: B examples, C questions.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from limbeck.losses.precision import at_least_float32


def binary_kl(input_BC: Tensor, target_BC: Tensor, *, temperature: float = 1.0) -> Tensor:
    """Kullback-Leibler divergence of C independent yes-or-no distributions, summed over the questions, in nats per example.

    KL = sum_c p_c (log p_c - log q_c) + (1 - p_c) (log (1 - p_c) - log (1 - q_c)), p = sigmoid(target / T), q = sigmoid(input / T)

    The sum is the divergence of the joint distribution, since the questions are independent. Zero exactly when all are equal, never
    negative. It is *not* multiplied by T**2.

    Args:
        input_BC: logits of the distributions being fitted, (B, C).
        target_BC: logits of the reference distributions, (B, C). No gradient flows into them.
        temperature: T > 0; both logits are divided by it.

    Returns:
        (B,) nats, float32 (float64 for float64 input).

    Raises:
        ValueError: the shapes differ, or the temperature is not positive.

    Example:
        >>> import torch
        >>> binary_kl(torch.zeros(1, 2), torch.zeros(1, 2))
        tensor([0.])

    Source: Yang et al. (2023), Multi-Label Knowledge Distillation, section 3.2: one problem of two classes for each label.
    """
    if input_BC.shape != target_BC.shape:
        raise ValueError(f"binary_kl needs logits of one shape; got {tuple(input_BC.shape)} and {tuple(target_BC.shape)}")
    if not temperature > 0:
        raise ValueError(f"temperature must be positive; got {temperature}")
    input_BC, target_BC = (at_least_float32(x) / temperature for x in (input_BC, target_BC.detach()))
    yes_BC = target_BC.sigmoid() * (F.logsigmoid(target_BC) - F.logsigmoid(input_BC))
    no_BC = (-target_BC).sigmoid() * (F.logsigmoid(-target_BC) - F.logsigmoid(-input_BC))
    return (yes_BC + no_BC).sum(dim=-1).clamp_min(0.0)  # rounding can leave -1e-8


def binary_cross_entropy(logits_BC: Tensor, applies_BC: Tensor) -> Tensor:
    """Negative log-likelihood of C yes-or-no answers under sigmoid(logits), summed over the questions, in nats per example.

    Args:
        logits_BC: (B, C).
        applies_BC: 1 for yes, 0 for no, below 0 where nobody knows, which counts nothing, (B, C).

    Returns:
        (B,) nats, float32 (float64 for float64 input).

    Example:
        >>> import torch
        >>> binary_cross_entropy(torch.zeros(2, 2), torch.tensor([[1.0, 0.0], [-1.0, -1.0]]))
        tensor([1.3863, 0.0000])

    Source: Nam et al. (2014), Large-scale Multi-label Text Classification: Revisiting Neural Networks, section 3.2.
    """
    logits_BC = at_least_float32(logits_BC)
    known_BC = applies_BC >= 0
    each_BC = F.binary_cross_entropy_with_logits(logits_BC, applies_BC.clamp_min(0).to(logits_BC.dtype), reduction="none")
    return each_BC.masked_fill(~known_BC, 0.0).sum(dim=-1)
