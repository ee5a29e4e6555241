"""Depthwise-separable convolutions over pixels: a small student for pictures. Knows its block and its ladder; knows no files, spec or teacher."""

from __future__ import annotations

from typing import ClassVar

from torch import nn

from limbeck.students._blocks import Separable, stages
from limbeck.students._picture_network import PictureNetwork, PictureSizes


class ConvImage(PictureNetwork):
    """Stages of depthwise-separable blocks, each stage at half the sides of the one before.

    Source: Howard et al. (2017), MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications, section 3.

    Example:
        >>> ConvImage(ConvImage.Settings(width=4), classes=3, channels=1, size=8).shapes()
        Shapes(classes=3, width=16)
    """

    Settings = PictureSizes
    family: ClassVar[str] = "conv_image"

    @classmethod
    def made(cls, settings: PictureSizes) -> nn.ModuleList:
        """Separable blocks."""
        return stages(settings, lambda channels, outputs, stride: Separable(channels, outputs, settings.kernel, stride))

    @classmethod
    def ladder(cls) -> list[PictureSizes]:
        """The sizes that a search tries, from small to large: from 10 kB to 5 MB of weights."""
        sizes = ((8, 2), (16, 2), (24, 2), (32, 2), (48, 2), (64, 3), (96, 4), (160, 4), (256, 4))
        return [cls.Settings(width=w, depth=d) for w, d in sizes]
