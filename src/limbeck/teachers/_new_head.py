"""The head that a backbone gets before it is fine-tuned. Knows widths and labels' shares; knows no backbones.

Letters: D width, C classes.
"""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn


def new_head(width: int, classes: int, seed: int, shares_C: NDArray[Any] | None = None) -> nn.Linear:
    """A linear head (C, D) that answers chance.

    Args:
        shares_C: of the rows to which each label applies, (C,), in (0, 1), where several may. The head begins with them: from even odds its
            first epochs would go into learning that most labels do not apply.

    Source: Lin et al. (2017), Focal Loss for Dense Object Detection, section 3.3.
    """
    head = nn.Linear(width, classes)
    with torch.no_grad():
        head.weight.normal_(0.0, 0.02, generator=torch.Generator().manual_seed(seed))
        head.bias.zero_() if shares_C is None else head.bias.copy_(torch.logit(torch.from_numpy(shares_C)))
    return head
