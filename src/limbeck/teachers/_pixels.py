"""What teachers of pictures have in common: pixels of one size. Knows sizes and channels; knows no architecture.

Letters: B pictures, C channels, H height, W width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import nn

from limbeck import catalog
from limbeck.teachers._arrays import ArrayTeacher


class PixelTeacher(ArrayTeacher):
    """A module from `pixels` (B, C, H, W), uint8, to `Outputs`; what makes numbers of bytes is part of it.

    Args:
        module: the network.
        labels: class names in the order of the logits; empty as long as there is no head.
        size, channels: of the pictures that it reads, as limbeck's own modality makes them.
        device: where it computes.
    """

    modality: ClassVar[str] = "image"

    def __init__(self, module: nn.Module, labels: Sequence[str], size: int, channels: int, device: str) -> None:
        super().__init__(module, labels, catalog.find("modalities", "image")(size, channels), device)
        self.size, self.channels = size, channels
