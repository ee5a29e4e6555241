"""Distances between numbers that are fitted one by one. Knows vectors; knows nothing of teachers, students or words.

Letters: B examples, C classes, D width, x any leading dimensions.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from limbeck.losses.precision import at_least_float32

_EPSILON = 1e-6


def centred_squared_error(input_BC: Tensor, target_BC: Tensor) -> Tensor:
    """Mean squared difference of logits after each side's own mean is taken away, per example.

    error = 1/C sum_c (d_c - mean(d))**2, d = input - target

    A constant added to all logits changes no probability, so it is no error here. Without the temperature's factor this is also what
    2 T**2 KL(target || input) becomes for large T (Kim et al. 2021, section 3.2). Zero exactly when both distributions are equal.

    Args:
        input_BC: logits being fitted, (B, C).
        target_BC: reference logits, (B, C). No gradient flows into them.

    Returns:
        (B,) squared logits, float32 (float64 for float64 input).

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> import torch
        >>> centred_squared_error(torch.tensor([[1.0, 3.0]]), torch.tensor([[5.0, 5.0]]))
        tensor([1.])

    Source: Ba and Caruana (2014), Do Deep Nets Really Need to be Deep?, section 2.2.
    """
    _same_shape("centred_squared_error", input_BC, target_BC)
    difference_BC = at_least_float32(input_BC) - at_least_float32(target_BC.detach())
    return difference_BC.var(dim=-1, correction=0)


def relative_squared_error(input_xD: Tensor, target_xD: Tensor) -> Tensor:
    """Mean squared difference of two vectors in units of the target's own variance, per vector.

    error = sum_d (input_d - target_d)**2 / sum_d (target_d - mean(target))**2

    1 is what the target's own mean in every place would get, whatever the scale of the target. Zero exactly when both are equal.

    Args:
        input_xD: vectors being fitted, (…, D).
        target_xD: reference vectors, (…, D). No gradient flows into them.

    Returns:
        (…,) without a unit, float32 (float64 for float64 input).

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> import torch
        >>> relative_squared_error(torch.tensor([2.0, 2.0]), torch.tensor([1.0, 3.0]))
        tensor(1.0000)

    Source: Romero et al. (2015), FitNets: Hints for Thin Deep Nets, section 2.2, made free of the scale of the hints.
    """
    _same_shape("relative_squared_error", input_xD, target_xD)
    target_xD = at_least_float32(target_xD.detach())
    variance_x = target_xD.var(dim=-1, correction=0)
    return (at_least_float32(input_xD) - target_xD).square().mean(dim=-1) / (variance_x + _EPSILON)


def cosine_distance(input_xD: Tensor, target_xD: Tensor) -> Tensor:
    """1 - cosine of two vectors, in [0, 2], per vector: zero exactly when they point the same way, whatever their lengths.

    Args:
        input_xD: vectors being fitted, (…, D).
        target_xD: reference vectors, (…, D). No gradient flows into them.

    Returns:
        (…,) without a unit, float32 (float64 for float64 input).

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> import torch
        >>> cosine_distance(torch.tensor([[0.0, 2.0], [1.0, 0.0]]), torch.tensor([[0.0, 1.0], [0.0, 1.0]]))
        tensor([0., 1.])

    Source: Sanh et al. (2019), DistilBERT, section 3.
    """
    _same_shape("cosine_distance", input_xD, target_xD)
    cosine_x = F.cosine_similarity(at_least_float32(input_xD), at_least_float32(target_xD.detach()), dim=-1, eps=_EPSILON)
    return (1.0 - cosine_x).clamp_min(0.0)  # rounding can leave -1e-8


def _same_shape(name: str, input_xD: Tensor, target_xD: Tensor) -> None:
    if input_xD.shape != target_xD.shape:
        raise ValueError(f"{name} needs two of one shape; got {tuple(input_xD.shape)} and {tuple(target_xD.shape)}")
