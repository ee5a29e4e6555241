"""Inverted residuals over pixels: a student for pictures as MobileNetV2 is built. Knows its block and its ladder; knows no files, spec or teacher."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from limbeck.settings import Count
from limbeck.students._blocks import Inverted, stages
from limbeck.students._picture_network import PictureNetwork, PictureSizes


class MobileImage(PictureNetwork):
    """Stages of inverted residuals, each stage at half the sides of the one before. For the same bytes it is narrower than `conv_image` between
    its blocks and wider within them, which takes more time.

    Source: Sandler et al. (2018), MobileNetV2: Inverted Residuals and Linear Bottlenecks, section 3.

    Example:
        >>> MobileImage(MobileImage.Settings(width=4), classes=3, channels=1, size=8).shapes()
        Shapes(classes=3, width=16)
    """

    @dataclass(frozen=True, slots=True)
    class Settings(PictureSizes):
        """What `conv_image` has, and `expand`: how many times as wide a block is within."""

        width: Count = 16
        expand: Count = 4

    family: ClassVar[str] = "mobile_image"

    @classmethod
    def made(cls, settings: PictureSizes) -> nn.ModuleList:
        """Inverted residuals."""
        assert isinstance(settings, MobileImage.Settings)
        kernel, expand = settings.kernel, settings.expand
        return stages(settings, lambda channels, outputs, stride: Inverted(channels, outputs, kernel, stride, expand))

    @classmethod
    def ladder(cls) -> list[PictureSizes]:
        """The sizes that a search tries, from small to large: from 10 kB to 5 MB of weights."""
        sizes = ((4, 2), (8, 2), (12, 2), (16, 2), (24, 2), (32, 3), (48, 4), (96, 4))
        return [cls.Settings(width=w, depth=d) for w, d in sizes]
