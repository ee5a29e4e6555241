"""Depthwise-separable convolutions over time and frequency: a small student for clips. Knows log-mel features; knows no samples, files or teacher.

    features -> convolution at half the frames and bands -> stages of blocks -> mean over time -> weighted sum over bands -> linear layer

A block is that of `conv_image`. Where in the spectrum something was heard matters, when it was does not: so the mean is over time alone, and each
channel weighs its bands.

Letters: B clips, T frames, M mel bands, D width of the last stage, F bands that it has left, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from limbeck.graph import Graph, GraphBuilder, GraphInput
from limbeck.settings import Count, CountOrZero, Limits, Share
from limbeck.students._images import Convolution, emit_weight, weight_as_read
from limbeck.students._rounding import Precision, RowPrecision
from limbeck.students._transformer import array
from limbeck.students.conv_image import Block
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
    class Settings:
        """How large, what it reads, and how it is trained and written.

        `width` of the first stage, doubled by each further one of `stages`; `depth`: blocks of each; `kernel` of the depthwise convolutions; `dropout` on
        what the classifier sees. It reads `seconds` of a clip at `rate` samples a second in `mels` bands: 0 takes what the training clips have, and 40.
        `precision`: "int8" writes weights as whole numbers with a scale for each output, "int4" as numbers of four bits, which training then reckons
        with; a runtime makes float32 of them once, as it loads. `network`: "int8" computes in whole numbers too, by the scheme that is nearest to the
        float32 file on training clips; where none is near enough, all stays float32.
        """

        width: Count = 32
        depth: Count = 2
        stages: Count = 3
        kernel: Count = 3
        dropout: Share = 0.1
        rate: CountOrZero = 0
        seconds: SecondsOrZero = 0.0
        mels: CountOrZero = 0
        precision: RowPrecision = "int8"
        network: Precision = "float32"

        @property
        def reading(self) -> tuple[int, float, int]:
            """Rate, seconds and bands of what it is given."""
            return self.rate, self.seconds, self.mels

        def __post_init__(self) -> None:
            if self.kernel % 2 == 0:
                raise ValueError(f"kernel is {self.kernel}; an odd number is expected, so that it has a middle")

    modality: ClassVar[str] = "audio"
    plan: ClassVar[TrainingPlan] = TrainingPlan(epochs=15, batch_size=64, learning_rate=4e-3, weight_decay=0.02)

    def __init__(self, settings: Settings, classes: int, frames: int, mels: int, seed: int = 0) -> None:
        super().__init__()
        self.settings, self.frames, self.mels = settings, frames, mels
        self.origin = "random"
        self.stem = Convolution(1, settings.width, _STEM, 2)
        blocks, width, bands = [], settings.width, -(-mels // 2)
        for stage in range(settings.stages):
            for place in range(settings.depth):
                outputs = settings.width * 2**stage
                blocks.append(Block(width, outputs, settings.kernel, 2 if stage and not place else 1))
                width = outputs
            bands = -(-bands // 2) if stage else bands
        self.blocks = nn.ModuleList(blocks)
        self.band_weight = nn.Parameter(torch.full((width, bands), 1.0 / bands))
        self.output = nn.Linear(width, classes)
        generator = torch.Generator().manual_seed(seed)
        for part in self.modules():
            if isinstance(part, Convolution):
                part.begin(generator)
        with torch.no_grad():
            bound = width**-0.5
            self.output.weight.uniform_(-bound, bound, generator=generator)
            self.output.bias.zero_()

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
        with torch.no_grad():
            network.band_weight.uniform_(0.0, 0.5, generator=dice)
            for norm in network.modules():
                if isinstance(norm, nn.BatchNorm2d):  # as after some training: else folding would be nothing
                    assert norm.running_mean is not None
                    assert norm.running_var is not None
                    norm.running_mean.normal_(0.0, 0.3, generator=dice)
                    norm.running_var.uniform_(0.5, 2.0, generator=dice)
                    norm.bias.normal_(0.2, 0.2, generator=dice)
        features = np.random.default_rng(0).standard_normal((4, 11, 7)).astype(np.float32)
        return network, {"features": features}

    def forward(self, features: Tensor) -> Outputs:
        """Logits (B, K) and what the classifier sees (B, D); features float32 are (B, T, M)."""
        precision = self._weights()
        x = F.relu(self.stem(features.unsqueeze(1), precision))
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
        precision = self._weights()
        g = GraphBuilder(GraphInput("features", "float32", ("B", self.frames, self.mels)))
        x = g("Unsqueeze", "features", axes=[1])
        x = g("Relu", self.stem.emit(g, "stem", x, precision))
        for place, block in enumerate(self.blocks):
            assert isinstance(block, Block)
            x = block.emit(g, f"block_{place}", x, precision)
        mean_BDF = g("ReduceMean", x, axes=[2], keepdims=0)
        weighed_BDF = g("Mul", mean_BDF, g.constant("band_weight", array(self.band_weight)))
        summed_BD = g("ReduceSum", weighed_BDF, axes=[2], keepdims=0)
        weight_DK = g("Transpose", emit_weight(g, "output", self.output.weight, precision), perm=[1, 0])
        return g.build(g("Add", g("MatMul", summed_BD, weight_DK), g.constant("output.bias", array(self.output.bias))))

    def _weights(self) -> RowPrecision:
        """In which its weights are written; where the network is to be in whole numbers, `limbeck.quantize` makes these."""
        return "float32" if self.settings.network == "int8" else self.settings.precision

    def describe(self) -> Json:
        """Family, sizes, parameters and origin."""
        return {
            "family": "conv_audio",
            "frames": self.frames,
            "mels": self.mels,
            "width": self.settings.width,
            "depth": self.settings.depth,
            "stages": self.settings.stages,
            "kernel": self.settings.kernel,
            "precision": self.settings.precision,
            "network": self.settings.network,
            "classes": self.output.out_features,
            "parameters": sum(p.numel() for p in self.parameters()),
            "origin": self.origin,
        }
