"""A residual network over log-mel features as a teacher of clips that is trained here, from scratch. Knows its own layers; knows no data and no files.

While it is trained each batch is heard from other throats, at another tempo, in another room and with parts missing, by dice that follow from
seed and step.

Letters: B clips, T frames, M mel bands, D width of the last stage, F bands that it has left, W warps, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from limbeck import catalog
from limbeck.settings import Count, Limits, Positive, Share
from limbeck.teachers._from_scratch import FromScratch, Residual, Separable, stages
from limbeck.types import Outputs

Part = Annotated[float, Limits((("ge", 0.0), ("le", 0.5)))]
Deviations = Annotated[float, Limits((("ge", 0.0), ("le", 4.0)))]
Seconds = Annotated[float, Limits((("ge", 0.0), ("le", 0.5)))]
_WARPS, _POINTS = 21, 5


class Disturbed(nn.Module):
    """Features of other speakers in other rooms; answering, the features themselves.

    throat: frequencies are multiplied by up to this share more or less. tempo: the same of time, about the middle of the clip. room: deviations, of up
    to which smooth curves over the bands are added. mask: parts of the bands and of the frames, of up to which one stretch each becomes the mean.

    Source: Jaitly and Hinton (2013), Vocal Tract Length Perturbation (VTLP) improves speech recognition, section 3; Park et al. (2019),
    SpecAugment, section 2.
    """

    def __init__(self, corners_M: Tensor, throat: float, tempo: float, room: float, mask: float) -> None:
        super().__init__()
        self.throat, self.tempo, self.room, self.mask = throat, tempo, room, mask
        self.warps_WMM: Tensor
        self.register_buffer("warps_WMM", _warps(corners_M, throat), persistent=False)

    def forward(self, x_BTM: Tensor) -> Tensor:
        """The same shape."""
        if not self.training:
            return x_BTM
        batch, frames, mels = x_BTM.shape
        device = x_BTM.device
        if self.throat:
            x_BTM = x_BTM @ self.warps_WMM[torch.randint(0, _WARPS, (batch,), device=device)]
        if self.tempo:
            factor_B1 = (1 + self.tempo) ** (2 * torch.rand(batch, 1, device=device) - 1)
            at_BT = (torch.arange(frames, device=device) - (frames - 1) / 2) * factor_B1 + (frames - 1) / 2
            at_BT = at_BT.clamp(0, frames - 1)
            left_BT = at_BT.floor().long().clamp(max=max(0, frames - 2))
            share_BT1 = (at_BT - left_BT).unsqueeze(-1)
            number_B1 = torch.arange(batch, device=device)[:, None]
            right_BT = (left_BT + 1).clamp(max=frames - 1)
            x_BTM = x_BTM[number_B1, left_BT] * (1 - share_BT1) + x_BTM[number_B1, right_BT] * share_BT1
        if self.room:
            points = (2 * torch.rand(batch, 1, _POINTS, device=device) - 1) * self.room
            x_BTM = x_BTM + F.interpolate(points, size=mels, mode="linear", align_corners=True)
        if self.mask:
            for axis, length in ((1, frames), (2, mels)):
                width_B1, place_B1 = torch.rand(2, batch, 1, device=device)
                width_B1 = width_B1 * self.mask * length
                place = torch.arange(length, device=device) - place_B1 * (length - width_B1)
                hidden = (place >= 0) & (place < width_B1)
                x_BTM = x_BTM.masked_fill(hidden.unsqueeze(3 - axis), 0.0)
        return x_BTM


class Network(nn.Module):
    """Three stages of residual blocks over features; then the mean over time, and of the bands a sum with weights of its own for each channel: where
    in the spectrum something was heard matters, when it was does not.

    Source: Kim et al. (2021), Broadcasted Residual Learning for Efficient Keyword Spotting, section 3.3, for the bands.
    """

    def __init__(self, settings: ResnetAudio.Settings, hertz_M: Tensor) -> None:
        super().__init__()
        widths = [settings.width * 2**stage for stage in range(3)]
        self.disturbed = Disturbed(hertz_M, settings.throat, settings.tempo, settings.room, settings.mask)
        self.stem = nn.Conv2d(1, settings.width, 5, 2, 2, bias=False)
        block = Separable if settings.filters == "separable" else Residual
        self.blocks = stages(settings.width, widths, settings.depth, settings.dropout, block)
        self.norm = nn.BatchNorm2d(widths[-1])
        bands = -(-settings.mels // 2 ** len(widths))  # the stem halves them, and so does each stage but the first
        self.band_weight = nn.Parameter(torch.full((widths[-1], bands), 1.0 / bands))
        self.head: nn.Linear | None = None

    def forward(self, features: Tensor) -> Outputs:
        """Logits (B, K) and what lies before them (B, D); features float32 are (B, T, M)."""
        x = self.blocks(self.stem(self.disturbed(features).unsqueeze(1)))
        seen_BD = (F.relu(self.norm(x)).mean(dim=2) * self.band_weight).sum(dim=2)
        assert self.head is not None, "a network without a head answers nothing"
        return Outputs(self.head(seen_BD), seen_BD)


class ResnetAudio(FromScratch):
    """A residual network that hears clips as limbeck's own modality reads them.

    Args:
        settings: of its layers.
        labels: class names in the order of the logits; empty before it is trained.
        device: where it computes.

    Source: Tang and Lin (2018), Deep Residual Learning for Small-Footprint Keyword Spotting, section 3.

    Example:
        >>> ResnetAudio.load(ResnetAudio.Settings(rate=8000, width=4)).has_head
        False
    """

    modality: ClassVar[str] = "audio"
    kind: ClassVar[str] = "resnet_audio"
    what: ClassVar[str] = "residual network for clips"

    @dataclass(frozen=True, slots=True)
    class Settings:
        """`model`: a folder that `save` wrote; empty: it is trained in the run. `width` of the first of three stages, doubled by each further one;
        `depth`: blocks of each. `filters`: "full" ones see all channels at once; "separable" ones one channel each, and take about a third of the
        numbers at three times the width. Each kind errs in its own way, so a mean of both is better (docs/diary.md). It hears `seconds` of a clip
        at `rate` samples a second in `mels` bands, in windows of `window` seconds (of samples the nearest power of two) that begin every `hop` (0: about 0.032, and half a window); in a short window a
        voice's pitch is not heard. `throat`, `tempo`, `room`, `mask`: what is done to a clip in training, as in `Disturbed`;
        `dropout` within blocks."""

        model: str = ""
        width: Count = 24
        depth: Count = 1
        filters: Literal["full", "separable"] = "full"
        rate: Count = 16_000
        seconds: Positive = 1.0
        mels: Count = 40
        window: Seconds = 0.0
        hop: Seconds = 0.0
        throat: Part = 0.2
        tempo: Part = 0.2
        room: Deviations = 0.4
        mask: Part = 0.2
        dropout: Share = 0.0

    def __init__(self, settings: Settings, labels: Sequence[str] = (), device: str = "cpu") -> None:
        reading = catalog.find("modalities", "audio").reading(
            settings.rate, settings.seconds, settings.mels, settings.window, settings.hop
        )
        hertz_M = torch.from_numpy(reading.features.middles)
        super().__init__(settings, labels, partial(Network, settings, hertz_M), reading, device)
        self.name = f"ResNet of width {settings.width}"

    @classmethod
    def tiny(cls, folder: Path, seed: int = 0) -> ResnetAudio:
        """A very small random one with a head, saved to `folder` and loaded from it: what the contract tests use."""
        return cls.saved_tiny(cls.Settings(width=2, rate=8000, seconds=0.25, mels=8), folder, seed)

    def settled(self) -> dict[str, str]:
        """Its kind, and what is done to clips in training."""
        own = self._settings
        training = f"throat {own.throat}, tempo {own.tempo}, room {own.room}, mask {own.mask}, dropout {own.dropout}"
        return {"kind": self.kind, "training": training if not self.labels else ""}


def _warps(hertz_M: Tensor, throat: float) -> Tensor:
    """For each factor of frequency a matrix (M, M) that moves bands: each new band lies between two old ones, or is the first or last."""
    old, found = hertz_M.numpy(), []
    for power in np.linspace(-1, 1, _WARPS):
        at_M = np.interp(old * (1 + throat) ** power, old, np.arange(len(old)))
        left_M = np.minimum(np.floor(at_M).astype(int), len(old) - 2)
        matrix = np.zeros((len(old), len(old)), np.float32)
        matrix[left_M, np.arange(len(old))] = 1 - (at_M - left_M)
        matrix[left_M + 1, np.arange(len(old))] += at_M - left_M
        found.append(matrix)
    return torch.from_numpy(np.stack(found))
