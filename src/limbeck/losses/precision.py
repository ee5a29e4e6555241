"""The one rule of arithmetic that all losses share: half types go up to float32, float64 stays."""

from __future__ import annotations

import torch
from torch import Tensor


def at_least_float32(values: Tensor) -> Tensor:
    """The same values as float32, or untouched when they are float64."""
    return values if values.dtype == torch.float64 else values.to(torch.float32)
