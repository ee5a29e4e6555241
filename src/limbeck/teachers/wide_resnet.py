"""A wide residual network as a teacher of pictures that is trained here, from scratch. Knows its own layers; knows no data and no files.

While it is trained each batch is moved, turned, lit, mirrored where `flip` asks for it, and partly erased, by dice that follow from seed and step.

Letters: B pictures, C channels, H height, W width, D width of the last stage.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from limbeck import catalog
from limbeck.settings import Count, CountOrZero, Limits, Share
from limbeck.teachers._from_scratch import FromScratch, stages
from limbeck.types import Outputs

Channels = Annotated[int, Limits((("ge", 1), ("le", 3)))]
Stride = Annotated[int, Limits((("ge", 1), ("le", 4)))]
Degrees = Annotated[float, Limits((("ge", 0.0), ("le", 180.0)))]
Part = Annotated[float, Limits((("ge", 0.0), ("le", 0.5)))]
_STEM = 16


class Moved(nn.Module):
    """Each picture of a batch moved by up to `shift` pixels, turned by up to `turn` degrees, up to `zoom` larger or smaller, perhaps mirrored, its
    contrast and brightness changed by up to `light`, and a square of it erased; answering, nothing.

    Source: He et al. (2016), Deep Residual Learning, section 4.2, for shift and flip; DeVries and Taylor (2017), Cutout, section 3.
    """

    def __init__(self, shift: int, flip: bool, erase: int, turn: float = 0.0, zoom: float = 0.0, light: float = 0.0) -> None:
        super().__init__()
        self.shift, self.flip, self.erase = shift, flip, erase
        self.turn, self.zoom, self.light = turn, zoom, light

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """The same shape."""
        if not self.training:
            return x_BCHW
        batch, _, height, width = x_BCHW.shape
        device = x_BCHW.device
        if self.shift:
            # Edges go on, as in `_seen`: a border of 0 would be of the mean's colour, which is seldom the background's.
            padded = F.pad(x_BCHW, [self.shift] * 4, mode="replicate")
            down, right = torch.randint(0, 2 * self.shift + 1, (2, batch, 1), device=device)
            rows_BH, columns_BW = down + torch.arange(height, device=device), right + torch.arange(width, device=device)
            number = torch.arange(batch, device=device)[:, None, None]
            x_BCHW = padded.permute(0, 2, 3, 1)[number, rows_BH[:, :, None], columns_BW[:, None, :]].permute(0, 3, 1, 2)
        if self.turn or self.zoom:
            angle_B, size_B = 2 * torch.rand(2, batch, device=device) - 1
            angle_B, size_B = angle_B * math.radians(self.turn), (1 + self.zoom) ** size_B
            cos_B, sin_B, none_B = angle_B.cos() * size_B, angle_B.sin() * size_B, torch.zeros(batch, device=device)
            turned_B23 = torch.stack([cos_B, -sin_B, none_B, sin_B, cos_B, none_B], dim=1).reshape(batch, 2, 3)
            places = F.affine_grid(turned_B23, list(x_BCHW.shape), align_corners=False)
            x_BCHW = F.grid_sample(x_BCHW, places, padding_mode="border", align_corners=False)
        if self.flip:
            mirrored_B = torch.rand(batch, device=device) < 0.5
            x_BCHW = torch.where(mirrored_B[:, None, None, None], x_BCHW.flip(3), x_BCHW)
        if self.light:
            contrast, brightness = self.light * (2 * torch.rand(2, batch, 1, 1, 1, device=device) - 1)
            x_BCHW = x_BCHW * (1 + contrast) + brightness  # in deviations, since pixels are scaled by then
        if self.erase:
            top, left = torch.randint(0, max(height, width), (2, batch, 1), device=device)
            rows_BH = (torch.arange(height, device=device) - top).abs() * 2 < self.erase
            columns_BW = (torch.arange(width, device=device) - left).abs() * 2 < self.erase
            x_BCHW = x_BCHW.masked_fill((rows_BH[:, :, None] & columns_BW[:, None, :])[:, None], 0.0)
        return x_BCHW


class Network(nn.Module):
    """Three stages of residual blocks over pixels, whose scale a norm without weights learns from the batches."""

    def __init__(self, settings: WideResnet.Settings) -> None:
        super().__init__()
        widths = [_STEM * settings.width * 2**stage for stage in range(3)]
        self.scale = nn.BatchNorm2d(settings.channels, affine=False)
        self.moved = Moved(settings.shift, settings.flip, settings.erase, settings.turn, settings.zoom, settings.light)
        self.stem = nn.Conv2d(settings.channels, _STEM, 3, settings.stride, 1, bias=False)
        self.blocks = stages(_STEM, widths, (settings.depth - 4) // 6, settings.dropout)
        self.norm = nn.BatchNorm2d(widths[-1])
        self.head: nn.Linear | None = None
        self.both, self.offsets = settings.both, settings.stride if settings.offsets else 1

    def forward(self, pixels: Tensor) -> Outputs:
        """Logits (B, K) and what lies before them (B, D); pixels uint8 are (B, C, H, W)."""
        x = self.moved(self.scale(pixels.float() * (1 / 255)))
        if not self.training and (self.both or self.offsets > 1):
            seen = self._seen(x)
            of_all = self._answers(torch.cat(seen))
            return Outputs(*(of.reshape(len(seen), -1, of.shape[1]).mean(dim=0) for of in of_all))
        return Outputs(*self._answers(x))

    def _seen(self, x_BCHW: Tensor) -> list[Tensor]:
        """The pictures, and the same as an answer looks at them too: moved, in a mirror."""
        height, width = x_BCHW.shape[2:]
        wide = F.pad(x_BCHW, [self.offsets - 1, 0] * 2, mode="replicate") if self.offsets > 1 else x_BCHW
        places = [divmod(place, self.offsets) for place in range(self.offsets**2)]
        moved = [wide[:, :, down : down + height, right : right + width] for down, right in places]
        return [*moved, *(of.flip(3) for of in moved if self.both)]

    def _answers(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.blocks(self.stem(x.contiguous(memory_format=torch.channels_last)))
        mean_BD = F.relu(self.norm(x)).mean(dim=(2, 3))
        assert self.head is not None, "a network without a head answers nothing"
        return self.head(mean_BD), mean_BD


class WideResnet(FromScratch):
    """A wide residual network WRN-depth-width.

    Args:
        settings: of its layers.
        labels: class names in the order of the logits; empty before it is trained.
        device: where it computes.

    Source: Zagoruyko and Komodakis (2016), Wide Residual Networks, section 2.

    Example:
        >>> WideResnet.load(WideResnet.Settings(depth=10, width=1, size=28, channels=1)).has_head
        False
    """

    modality: ClassVar[str] = "image"
    kind: ClassVar[str] = "wide_resnet"
    what: ClassVar[str] = "wide residual network"
    answering: ClassVar[tuple[str, ...]] = ("both", "offsets")

    @dataclass(frozen=True, slots=True)
    class Settings:
        """`model`: a folder that `save` wrote; empty: it is trained in the run. `depth`: 6 n + 4 layers; `width`: how many times as wide as a
        ResNet; `stride` of the first convolution (2 leaves a quarter of the places, and of the time). `size` of the pictures, `channels` (1 grey, 3 colours).
        `shift` (pixels), `flip`, `turn` (degrees), `zoom`, `light`, `erase` (side of the square, pixels): what is done to a picture in training, as in
        `Moved`; `dropout` within blocks. `both`: where pictures mean the same in a mirror, it answers with the mean of a picture's logits and its mirror
        image's, which takes twice as long (Krizhevsky et al. 2012, section 4.1). `offsets`: where the first convolution has a stride of 2, it answers with the mean
        over the picture as it is and moved by a pixel to the right, down, and both, so that no pixel lies between its steps; four times as long."""

        model: str = ""
        depth: Count = 16
        width: Count = 4
        stride: Stride = 1
        size: Count = 32
        channels: Channels = 3
        shift: CountOrZero = 2
        flip: bool = False
        erase: CountOrZero = 8
        turn: Degrees = 0.0
        zoom: Part = 0.0
        light: Part = 0.0
        dropout: Share = 0.0
        both: bool = False
        offsets: bool = False

        def __post_init__(self) -> None:
            if self.depth < 10 or (self.depth - 4) % 6:
                raise ValueError(f"depth is {self.depth}; 10, 16, 22 or another 6 n + 4 is expected")
            if self.channels == 2:
                raise ValueError("channels is 2; 1 (grey) or 3 (colours) is expected")
            if self.offsets and self.stride == 1 and not self.model:
                raise ValueError("offsets are those of a stride, and stride is 1; give stride 2, or leave offsets out")

    def __init__(self, settings: Settings, labels: Sequence[str] = (), device: str = "cpu") -> None:
        reading = catalog.find("modalities", "image")(settings.size, settings.channels)
        super().__init__(settings, labels, partial(Network, settings), reading, device)
        self.name = f"WRN-{settings.depth}-{settings.width}"

    @classmethod
    def tiny(cls, folder: Path, seed: int = 0) -> WideResnet:
        """A very small random one with a head, saved to `folder` and loaded from it: what the contract tests use."""
        return cls.saved_tiny(cls.Settings(depth=10, width=1, size=8, channels=3), folder, seed)

    def settled(self) -> dict[str, str]:
        """Its kind and layers."""
        own = self._settings
        moved = f"shift {own.shift}, flip {own.flip}, erase {own.erase}, turn {own.turn}, zoom {own.zoom}, light {own.light}"
        training = "" if self.labels else f"{moved}, dropout {own.dropout}"
        seen = ", of a picture and its mirror image" if own.both else ""
        seen += ", at each offset of a stride" if own.offsets else ""
        return {"kind": self.kind, "layers": f"{self.name}, stride {own.stride}{seen}", "training": training}
