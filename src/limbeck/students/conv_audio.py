"""Depthwise-separable convolutions over time and frequency: a small student for clips. Knows log-mel features; knows no samples, files or teacher.

    features -> convolution at half the frames and bands -> stages of blocks -> mean over time -> weighted sum over bands -> linear layer

Where in the spectrum something was heard matters, when it was does not: so the mean is over time alone, and each channel weighs its bands.

Letters: B clips, T frames, M mel bands, D width of the last stage, F bands that it has left, K classes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any, ClassVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from limbeck.graph import Graph, GraphBuilder, GraphInput
from limbeck.settings import CountOrZero, Limits
from limbeck.students._blocks import Separable, Sizes, as_trained, begin, last_width, stages
from limbeck.students._convolution import Convolution, emit_weight, weight_as_read
from limbeck.students._transformer import array
from limbeck.types import Json, Outputs, Shapes, TrainingPlan

SecondsOrZero = Annotated[float, Limits((("ge", 0.0), ("le", 60.0)))]
_STEM = 5  # side of the first filters


class ConvAudio(nn.Module):
    """Stages of depthwise-separable blocks over a spectrogram, each stage at half the frames and bands of the one before.

    Args:
        settings: widths, depth, kernel and dropout.
        classes: K.
        frames, mels: of a clip's features, T and M.
        seed: of the initial weights.

    Source: Zhang et al. (2017), Hello Edge: Keyword Spotting on Microcontrollers, section 3.5 (DS-CNN); Kim et al. (2021), Broadcasted Residual
    Learning for Efficient Keyword Spotting, section 3.3, for bands that are summed with weights of their own.

    Example:
        >>> ConvAudio(ConvAudio.Settings(width=4, stages=2), classes=3, frames=20, mels=8).shapes()
        Shapes(classes=3, width=8)
    """

    @dataclass(frozen=True, slots=True)
    class Settings(Sizes):
        """What `Sizes` says; it reads `seconds` of a clip at `rate` samples a second in `mels` bands: 0 takes what the training clips have, and 40."""

        rate: CountOrZero = 0
        seconds: SecondsOrZero = 0.0
        mels: CountOrZero = 0

        @property
        def reading(self) -> tuple[int, float, int]:
            """Rate, seconds and bands of what it is given."""
            return self.rate, self.seconds, self.mels

    modality: ClassVar[str] = "audio"
    plan: ClassVar[TrainingPlan] = TrainingPlan(epochs=15, batch_size=64, learning_rate=4e-3, weight_decay=0.02)

    def __init__(self, settings: Settings, classes: int, frames: int, mels: int, seed: int = 0) -> None:
        super().__init__()
        self.settings, self.frames, self.mels = settings, frames, mels
        self.origin = "random"
        self.stem = Convolution(1, settings.width, _STEM, 2)
        self.blocks = stages(settings, lambda channels, outputs, stride: Separable(channels, outputs, settings.kernel, stride))
        bands = -(-mels // 2**settings.stages)  # the stem halves them, and so does each stage but the first
        self.band_weight = nn.Parameter(torch.full((last_width(settings), bands), 1.0 / bands))
        self.output = nn.Linear(last_width(settings), classes)
        begin(self, self.output, seed)

    @classmethod
    def ladder(cls) -> list[Settings]:
        """The sizes that a search tries, from small to large: from 10 kB to 1 MB of weights."""
        sizes = ((12, 1), (16, 2), (24, 2), (32, 2), (48, 2), (64, 3), (96, 3), (128, 4))
        return [cls.Settings(width=w, depth=d) for w, d in sizes]

    @classmethod
    def tiny(cls) -> tuple[ConvAudio, dict[str, NDArray[np.generic]]]:
        """A very small instance and a batch of inputs for it: what the contract tests use."""
        network = cls(cls.Settings(width=4, stages=2), classes=3, frames=11, mels=7, seed=1)
        dice = torch.Generator().manual_seed(2)
        as_trained(network, dice)
        with torch.no_grad():
            network.band_weight.uniform_(0.0, 0.5, generator=dice)
        features = np.random.default_rng(0).standard_normal((4, 11, 7)).astype(np.float32)
        return network, {"features": features}

    def forward(self, features: Tensor) -> Outputs:
        """Logits (B, K) and what the classifier sees (B, D); features float32 are (B, T, M)."""
        precision = self.settings.weights
        # Channels last in memory: a step takes two thirds of the time on a CPU.
        x = F.relu(self.stem(features.unsqueeze(-1).permute(0, 3, 1, 2), precision))
        for block in self.blocks:
            x = block(x, precision)
        summed_BD = (x.mean(dim=2) * self.band_weight).sum(dim=2)
        weight_KD = weight_as_read(self.output.weight, precision, self.training)
        seen_BD = F.dropout(summed_BD, self.settings.dropout, self.training)
        return Outputs(F.linear(seen_BD, weight_KD, self.output.bias), summed_BD)

    def shapes(self) -> Shapes:
        """Classes and width of what the classifier sees."""
        return Shapes(self.output.out_features, self.output.in_features)

    def graph(self) -> Graph:
        """The network with its norms folded into the weights, these in the precision of its settings."""
        precision = self.settings.weights
        g = GraphBuilder(GraphInput("features", "float32", ("B", self.frames, self.mels)))
        x = g("Unsqueeze", "features", axes=[1])
        # Short names: each stands in the file several times, and bytes are counted.
        x = g("Relu", self.stem.emit(g, "s", x, precision))
        for place, block in enumerate(self.blocks):
            x = cast(Any, block).emit(g, f"{place}", x, precision)
        mean_BDF = g("ReduceMean", x, axes=[2], keepdims=0)
        weighed_BDF = g("Mul", mean_BDF, g.constant("w", array(self.band_weight)))
        summed_BD = g("ReduceSum", weighed_BDF, axes=[2], keepdims=0)
        weight_DK = g("Transpose", emit_weight(g, "o", self.output.weight, precision), perm=[1, 0])
        return g.build(g("Add", g("MatMul", summed_BD, weight_DK), g.constant("o.b", array(self.output.bias))))

    def describe(self) -> Json:
        """Family, sizes, parameters and origin."""
        return {
            "family": "conv_audio",
            **asdict(self.settings),
            "frames": self.frames,
            "mels": self.mels,
            "classes": self.output.out_features,
            "parameters": sum(p.numel() for p in self.parameters()),
            "origin": self.origin,
        }
