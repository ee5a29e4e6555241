"""A network that computes as its int8 file will, while it is trained. Knows products, convolutions and rounding; knows no student.

    with AsInt8():
        outputs = student(**inputs)         # each x @ W and each convolution as in QDQ form, gradients as without

A range is that of the batch, so that a training which is taken up again needs no memory of those before. Products of pooled rows (B, I) stay as
they are, as in the file.

Source: Jacob et al. (2018), Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference, section 3; Bengio
et al. (2013), Estimating or Propagating Gradients Through Stochastic Neurons, section 4, for the gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

_STEPS, _MOST, _LEAST = 255, 64, 1e-12  # of an activation, and of a weight in 7 bits, as the first scheme has it


class AsInt8(TorchFunctionMode):
    """While it is entered, activations are rounded to 256 steps over their batch's range, weights to 7 bits with a scale for each output."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func in (F.linear, F.conv1d, F.conv2d) and args[0].ndim > 2:
            args = (rounded_activation(args[0]), rounded_weight(args[1]), *args[2:])
        return func(*args, **(kwargs or {}))


def rounded_activation(x: Tensor) -> Tensor:
    """Numbers of any shape, rounded to 256 steps from the lowest to the highest of them and zero."""
    with torch.no_grad():
        low, high = x.min().clamp_max(0.0), x.max().clamp_min(0.0)
        scale = ((high - low) / _STEPS).clamp_min(_LEAST)
        zero = (-low / scale).round().clamp(0, _STEPS)
        rounded = (((x / scale).round() + zero).clamp(0, _STEPS) - zero) * scale
    return _passing(x, rounded)


def rounded_weight(weight_Oxx: Tensor) -> Tensor:
    """A weight, rounded for each of its outputs O to whole numbers from -64 to 64 times a scale."""
    with torch.no_grad():
        flat_OI = weight_Oxx.flatten(1)
        scale_O1 = (flat_OI.abs().amax(1, keepdim=True) / _MOST).clamp_min(_LEAST)
        rounded = ((flat_OI / scale_O1).round() * scale_O1).reshape(weight_Oxx.shape)
    return _passing(weight_Oxx, rounded)


def _passing(exact: Tensor, rounded: Tensor) -> Tensor:
    """The rounded numbers, with the gradient of the exact ones."""
    return exact + (rounded - exact).detach()
