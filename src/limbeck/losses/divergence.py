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


def bucketed_kl(input_BC: Tensor, target_BC: Tensor, known_BC: Tensor) -> Tensor:
    """KL(target || input) in nats per example where of some classes only the sum of their probabilities is known.

    KL = sum_k p_k (log p_k - log q_k) + p_rest (log p_rest - log q_rest), k over the known classes, rest: the sum over the others

    Zero where both agree on the known classes, however they divide the rest. There is no temperature: what a rest would weigh at another
    one, nobody knows.

    Args:
        input_BC: logits of the distribution being fitted, (B, C).
        target_BC: logits of the reference distribution, (B, C); of the classes that are not known, only their sum counts.
        known_BC: 1 where a class is known, else 0, (B, C).

    Returns:
        (B,) nats, float32 (float64 for float64 input).

    Example:
        >>> logits, known = torch.tensor([[2.0, 1.0, 0.0]]), torch.tensor([[1.0, 0.0, 0.0]])
        >>> bucketed_kl(logits[:, [0, 2, 1]], logits, known).abs().round(decimals=5)
        tensor([0.])

    Source: Cover and Thomas (2006), Elements of Information Theory, section 2.7 (the log sum inequality: merging classes loses
    information and adds none).
    """
    log_q_BC = F.log_softmax(at_least_float32(input_BC), dim=-1)
    log_p_BC = F.log_softmax(at_least_float32(target_BC.detach()), dim=-1)
    is_known_BC = known_BC.detach() > 0.5
    terms_BC = torch.where(is_known_BC, torch.exp(log_p_BC) * (log_p_BC - log_q_BC), 0.0)
    whole_B = is_known_BC.all(dim=-1)
    # A row without a rest would be the logarithm of nothing, whose gradient is not a number.
    left_BC = is_known_BC & ~whole_B[:, None]
    log_rest_p_B, log_rest_q_B = (x.masked_fill(left_BC, -torch.inf).logsumexp(dim=-1) for x in (log_p_BC, log_q_BC))
    rest_B = torch.where(whole_B, 0.0, torch.exp(log_rest_p_B) * (log_rest_p_B - log_rest_q_B))
    return (terms_BC.sum(dim=-1) + rest_B).clamp_min(0.0)
