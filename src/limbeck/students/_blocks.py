"""Blocks of convolutions in stages: what students of pictures and of clips are built from. Knows how blocks follow each other; knows no input
and no classifier.

Letters: B examples, C channels of the input, O of the output, H height, W width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from limbeck.graph import GraphBuilder
from limbeck.settings import Count, Share
from limbeck.students._convolution import Convolution
from limbeck.students._rounding import Precision, RowPrecision

Make = Callable[[int, int, int], nn.Module]
"""A block from its channels, outputs and stride."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """`width` of the first stage, doubled by each further one of `stages`; `depth`: blocks of each; `kernel` of the depthwise convolutions; `dropout` on
    what the classifier sees. `precision`: "int8" writes weights as whole numbers with a scale for each output, "int4" as numbers of four bits, which
    training then reckons with; a runtime makes float32 of them once, as it loads. `arithmetic`: "int8" computes in whole numbers too, by the scheme
    that is nearest to the float32 file on training rows; where none is near enough, all stays float32.
    """

    width: Count = 32
    depth: Count = 2
    stages: Count = 3
    kernel: Count = 3
    dropout: Share = 0.1
    precision: RowPrecision = "int8"
    arithmetic: Precision = "float32"

    def __post_init__(self) -> None:
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel is {self.kernel}; an odd number is expected, so that it has a middle")
        if self.arithmetic == "int8" and self.precision != "int8":
            raise ValueError(
                f"arithmetic is int8 and precision {self.precision}; products in whole numbers have weights of int8"
            )

    @property
    def network(self) -> Precision:
        """In which numbers it computes."""
        return self.arithmetic

    @property
    def weights(self) -> RowPrecision:
        """In which its weights are written; where the network is to be in whole numbers, `limbeck.quantize` makes these."""
        return "float32" if self.arithmetic == "int8" else self.precision


class Separable(nn.Module):
    """One depthwise-separable convolution, beside which its input passes where the shapes are one:
    relu(pointwise(relu(depthwise(x))) + x).

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


class Inverted(nn.Module):
    """An inverted residual: `expand` times as many channels, a depthwise convolution over them, and few again, without a relu:
    narrow(relu(depthwise(relu(widen(x))))) + x.

    Source: Sandler et al. (2018), MobileNetV2: Inverted Residuals and Linear Bottlenecks, sections 3.2 and 3.3.
    """

    def __init__(self, channels: int, outputs: int, kernel: int, stride: int, expand: int) -> None:
        super().__init__()
        inner = expand * channels
        self.widen = Convolution(channels, inner, 1)
        self.depthwise = Convolution(inner, inner, kernel, stride, depthwise=True)
        self.narrow = Convolution(inner, outputs, 1)
        self.passes = stride == 1 and channels == outputs

    def forward(self, x_BCHW: Tensor, precision: RowPrecision) -> Tensor:
        """The next representation."""
        inner = F.relu(self.depthwise(F.relu(self.widen(x_BCHW, precision)), precision))
        made: Tensor = self.narrow(inner, precision)
        return made + x_BCHW if self.passes else made

    def emit(self, g: GraphBuilder, name: str, x_BCHW: str, precision: RowPrecision) -> str:
        """The same in a graph."""
        inner = g("Relu", self.widen.emit(g, f"{name}w", x_BCHW, precision))
        inner = g("Relu", self.depthwise.emit(g, f"{name}d", inner, precision))
        made = self.narrow.emit(g, f"{name}n", inner, precision)
        return g("Add", made, x_BCHW) if self.passes else made


def stages(sizes: Sizes, make: Make) -> nn.ModuleList:
    """All blocks; the first of each stage but the first one halves the sides."""
    blocks, channels = [], sizes.width
    for stage in range(sizes.stages):
        for place in range(sizes.depth):
            outputs = sizes.width * 2**stage
            blocks.append(make(channels, outputs, 2 if stage and not place else 1))
            channels = outputs
    return nn.ModuleList(blocks)


def last_width(sizes: Sizes) -> int:
    """Channels behind the last stage."""
    return int(sizes.width * 2 ** (sizes.stages - 1))


@torch.no_grad()
def begin(network: nn.Module, output: nn.Linear, seed: int) -> None:
    """Random weights for all convolutions of a network, and for its classifier."""
    generator = torch.Generator().manual_seed(seed)
    for part in network.modules():
        if isinstance(part, Convolution):
            part.begin(generator)
    bound = output.in_features**-0.5
    output.weight.uniform_(-bound, bound, generator=generator)
    output.bias.zero_()


@torch.no_grad()
def as_trained(network: nn.Module, generator: torch.Generator) -> None:
    """Norms as after some training: else folding them into a filter would be nothing. What the contract tests use."""
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            assert norm.running_mean is not None
            assert norm.running_var is not None
            norm.running_mean.normal_(0.0, 0.3, generator=generator)
            norm.running_var.uniform_(0.5, 2.0, generator=generator)
            norm.bias.normal_(0.2, 0.2, generator=generator)
