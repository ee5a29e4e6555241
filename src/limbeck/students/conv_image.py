"""Depthwise-separable convolutions over pixels: a small student for pictures. Knows bytes of pixels; knows no files, spec or teacher.

    pixels -> scaled -> 3 x 3 convolution -> stages of blocks -> mean over all places -> linear layer
    a block: pointwise(relu(depthwise(x))), to which x is added where the two have one shape, then relu

Letters: B pictures, C channels, H height, W width, D width of the last stage, K classes.
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
from limbeck.types import Json, Outputs, Shapes, TrainingPlan

Channels = Annotated[int, Limits((("ge", 0), ("le", 3)))]
Stride = Annotated[int, Limits((("ge", 0), ("le", 4)))]
_LARGE = 48  # pixels of a side from which on the first convolution halves it


class Block(nn.Module):
    """One depthwise-separable convolution, beside which its input passes where the shapes are one.

    Source: Howard et al. (2017), MobileNets, section 3.1; He et al. (2016), Deep Residual Learning, section 3.2.
    """

    def __init__(self, channels: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.depthwise = Convolution(channels, channels, kernel, stride, depthwise=True)
        self.pointwise = Convolution(channels, outputs, 1)
        self.passes = stride == 1 and channels == outputs

    def forward(self, x_BCHW: Tensor, precision: RowPrecision) -> Tensor:
        """The next representation, never below zero."""
        made: Tensor = self.pointwise(F.relu(self.depthwise(x_BCHW, precision)), precision)
        return F.relu(made + x_BCHW if self.passes else made)

    def emit(self, g: GraphBuilder, name: str, x_BCHW: str, precision: RowPrecision) -> str:
        """The same in a graph."""
        hidden = g("Relu", self.depthwise.emit(g, f"{name}d", x_BCHW, precision))
        made = self.pointwise.emit(g, f"{name}p", hidden, precision)
        return g("Relu", g("Add", made, x_BCHW) if self.passes else made)


class ConvImage(nn.Module):
    """Stages of depthwise-separable blocks, each stage at half the sides of the one before.

    Args:
        settings: widths, depth, kernel and dropout.
        classes: K.
        channels: of a picture, 1 or 3.
        size: of its sides.
        mean, deviation: of each channel of the training pictures, from 0 to 255, by which pixels are scaled.
        seed: of the initial weights.

    Source: Howard et al. (2017), MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications, section 3.

    Example:
        >>> ConvImage(ConvImage.Settings(width=4), classes=3, channels=1, size=8).shapes()
        Shapes(classes=3, width=16)
    """

    @dataclass(frozen=True, slots=True)
    class Settings:
        """How large, and how it is trained and written.

        `width` of the first stage, doubled by each further one of `stages`; `depth`: blocks of each; `kernel` of the depthwise convolutions; `stride`
        of the first convolution (2 leaves a quarter of the places, and of the time; 0: 2 from 48 pixels a side on); `dropout` on what the classifier sees. `size` of the pictures that it reads, `channels` (1 grey, 3 colours): 0 takes what the training pictures
        have. `precision`: "int8" writes weights as whole numbers with a scale for each output, "int4" as numbers of four bits, which training then
        reckons with; a runtime makes float32 of them once, as it loads. `arithmetic`: "int8" computes in whole numbers too, by the scheme that is
        nearest to the float32 file on training rows; where none is near enough, all stays float32.
        """

        width: Count = 32
        depth: Count = 2
        stages: Count = 3
        kernel: Count = 3
        stride: Stride = 0
        dropout: Share = 0.1
        size: CountOrZero = 0
        channels: Channels = 0
        precision: RowPrecision = "int8"
        arithmetic: Precision = "float32"

        @property
        def reading(self) -> tuple[int, int]:
            """Size and channels of what it is given."""
            return self.size, self.channels

        @property
        def network(self) -> Precision:
            """What of it is to be in whole numbers once it is trained."""
            return self.arithmetic

        def __post_init__(self) -> None:
            if self.kernel % 2 == 0:
                raise ValueError(f"kernel is {self.kernel}; an odd number is expected, so that it has a middle")
            if self.arithmetic == "int8" and self.precision != "int8":
                raise ValueError(
                    f"arithmetic is int8 and precision {self.precision}; products in whole numbers have weights of int8"
                )
            if self.channels == 2:
                raise ValueError("channels is 2; 1 (grey) or 3 (colours) is expected, or 0")

    modality: ClassVar[str] = "image"
    plan: ClassVar[TrainingPlan] = TrainingPlan(epochs=12, batch_size=128, learning_rate=4e-3, weight_decay=0.02)

    def __init__(
        self,
        settings: Settings,
        classes: int,
        channels: int,
        size: int,
        mean: tuple[float, ...] = (),
        deviation: tuple[float, ...] = (),
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.settings, self.channels, self.size = settings, channels, size
        self.origin = "random"
        self.mean_C: Tensor
        self.deviation_C: Tensor
        self.register_buffer("mean_C", torch.tensor(mean or (127.5,) * channels), persistent=False)
        self.register_buffer("deviation_C", torch.tensor(deviation or (64.0,) * channels), persistent=False)
        self.stem = Convolution(channels, settings.width, 3, settings.stride or (2 if size >= _LARGE else 1))
        blocks, width = [], settings.width
        for stage in range(settings.stages):
            for place in range(settings.depth):
                outputs = settings.width * 2**stage
                blocks.append(Block(width, outputs, settings.kernel, 2 if stage and not place else 1))
                width = outputs
        self.blocks = nn.ModuleList(blocks)
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
        """The sizes that a search tries, from small to large: from 10 kB to 5 MB of weights."""
        sizes = ((8, 2), (16, 2), (24, 2), (32, 2), (48, 2), (64, 3), (96, 4), (160, 4), (256, 4))
        return [cls.Settings(width=w, depth=d) for w, d in sizes]

    @classmethod
    def tiny(cls) -> tuple[ConvImage, dict[str, NDArray[np.generic]]]:
        """A very small instance and a batch of inputs for it: what the contract tests use."""
        network = cls(cls.Settings(width=4, depth=2, stages=2, kernel=3), classes=3, channels=3, size=7, seed=1)
        dice = torch.Generator().manual_seed(2)
        with torch.no_grad():
            for norm in network.modules():
                if isinstance(norm, nn.BatchNorm2d):  # as after some training: else folding would be nothing
                    assert norm.running_mean is not None
                    assert norm.running_var is not None
                    norm.running_mean.normal_(0.0, 0.3, generator=dice)
                    norm.running_var.uniform_(0.5, 2.0, generator=dice)
                    norm.bias.normal_(0.2, 0.2, generator=dice)
        pixels = np.random.default_rng(0).integers(0, 256, (4, 3, 7, 7)).astype(np.uint8)
        return network, {"pixels": pixels}

    def forward(self, pixels: Tensor) -> Outputs:
        """Logits (B, K) and the mean (B, D); pixels uint8 are (B, C, H, W)."""
        x = (pixels.float() - self.mean_C[:, None, None]) / self.deviation_C[:, None, None]
        precision = self._weights()
        x = F.relu(self.stem(x.contiguous(memory_format=torch.channels_last), precision))
        for block in self.blocks:
            x = block(x, precision)
        mean_BD = x.mean(dim=(2, 3))
        weight_KD = weight_as_read(self.output.weight, precision, self.training)
        seen_BD = F.dropout(mean_BD, self.settings.dropout, self.training)
        return Outputs(F.linear(seen_BD, weight_KD, self.output.bias), mean_BD)

    def shapes(self) -> Shapes:
        """Classes and width of the mean."""
        return Shapes(self.output.out_features, self.output.in_features)

    def graph(self) -> Graph:
        """The network with its norms folded into the weights, these in the precision of its settings."""
        precision = self._weights()
        g = GraphBuilder(GraphInput("pixels", "uint8", ("B", self.channels, self.size, self.size)))
        shift = g.constant("mean", array(self.mean_C)[:, None, None])
        scale = g.constant("scale", 1.0 / array(self.deviation_C)[:, None, None])
        x = g("Mul", g("Sub", g("Cast", "pixels", to="float32"), shift), scale)
        x = g(
            "Relu", self.stem.emit(g, "s", x, precision)
        )  # short names: each stands in the file several times, and bytes are counted
        for place, block in enumerate(self.blocks):
            assert isinstance(block, Block)
            x = block.emit(g, f"{place}", x, precision)
        mean_BD = g("ReduceMean", x, axes=[2, 3], keepdims=0)
        weight_DK = g("Transpose", emit_weight(g, "o", self.output.weight, precision), perm=[1, 0])
        return g.build(g("Add", g("MatMul", mean_BD, weight_DK), g.constant("o.b", array(self.output.bias))))

    def _weights(self) -> RowPrecision:
        """In which its weights are written; where the network is to be in whole numbers, `limbeck.quantize` makes these."""
        return "float32" if self.settings.arithmetic == "int8" else self.settings.precision

    def describe(self) -> Json:
        """Family, sizes, parameters and origin."""
        return {
            "family": "conv_image",
            "channels": self.channels,
            "size": self.size,
            "width": self.settings.width,
            "depth": self.settings.depth,
            "stages": self.settings.stages,
            "kernel": self.settings.kernel,
            "stride": self.stem.stride,
            "precision": self.settings.precision,
            "arithmetic": self.settings.arithmetic,
            "classes": self.output.out_features,
            "parameters": sum(p.numel() for p in self.parameters()),
            "origin": self.origin,
        }
