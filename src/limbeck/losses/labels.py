"""Losses against a known class. Knows logits and class indices; knows nothing of where the labels came from.

Letters: B examples, C classes.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from limbeck.losses.precision import at_least_float32


def cross_entropy(logits_BC: Tensor, labels_B: Tensor) -> Tensor:
    """Negative log-likelihood of the labels under softmax(logits), in nats per example.

    An example whose label is negative has no label and gets 0.

    Args:
        logits_BC: (B, C).
        labels_B: class indices in [-1, C), int64, (B,).

    Returns:
        (B,) nats, float32 (float64 for float64 input).

    Example:
        >>> import torch
        >>> cross_entropy(torch.zeros(2, 4), torch.tensor([1, -1]))
        tensor([1.3863, 0.0000])

    Source: Goodfellow, Bengio, Courville (2016), Deep Learning, section 6.2.2.3.
    """
    return F.cross_entropy(
        at_least_float32(logits_BC),
        labels_B.masked_fill(labels_B < 0, -100),
        reduction="none",
        ignore_index=-100,
    )
