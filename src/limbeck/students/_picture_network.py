"""What convolutional students of pictures have in common: bytes of pixels in, blocks, logits out. Knows no files, spec or teacher, and no block.

    pixels -> scaled -> 3 x 3 convolution -> stages of blocks -> mean over all places -> linear layer

Letters: B pictures, C channels, H height, W width, D width of the last stage, K classes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import Annotated, Any, ClassVar, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from limbeck.graph import Graph, GraphBuilder, GraphInput
from limbeck.patches import PatchWeights
from limbeck.settings import CountOrZero, Limits
from limbeck.students._blocks import Sizes, as_trained, begin, last_width
from limbeck.students._convolution import Convolution, emit_weight, weight_as_read
from limbeck.students._transformer import array
from limbeck.types import Json, Outputs, Shapes, TrainingPlan

Channels = Annotated[int, Limits((("ge", 0), ("le", 3)))]
Stride = Annotated[int, Limits((("ge", 0), ("le", 4)))]
_LARGE = 48  # pixels of a side from which on the first convolution halves it


@dataclass(frozen=True, slots=True)
class PictureSizes(Sizes):
    """What `Sizes` says; `stride` of the first convolution (2 leaves a quarter of the places, and of the time; 0: 2 from 48 pixels a side on); `size` of
    the pictures that it reads, `channels` (1 grey, 3 colours): 0 takes what the training pictures have."""

    stride: Stride = 0
    size: CountOrZero = 0
    channels: Channels = 0

    @property
    def reading(self) -> tuple[int, int]:
        """Size and channels of what it is given."""
        return self.size, self.channels

    def __post_init__(self) -> None:
        Sizes.__post_init__(self)  # a class with slots is made anew, so super() knows only the old one
        if self.channels == 2:
            raise ValueError("channels is 2; 1 (grey) or 3 (colours) is expected, or 0")


class PictureNetwork(nn.Module, ABC):
    """Blocks over pixels, in stages, each at half the sides of the one before.

    Args:
        settings: widths, depth, kernel and dropout.
        classes: K.
        channels: of a picture, 1 or 3.
        size: of its sides.
        mean, deviation: of each channel of the training pictures, from 0 to 255, by which pixels are scaled.
        start: of no use to convolutions.
        seed: of the initial weights.
    """

    Settings: ClassVar[type[PictureSizes]]
    family: ClassVar[str]
    modality: ClassVar[str] = "image"
    plan: ClassVar[TrainingPlan] = TrainingPlan(epochs=12, batch_size=128, learning_rate=4e-3, weight_decay=0.02)

    def __init__(
        self,
        settings: PictureSizes,
        classes: int,
        channels: int,
        size: int,
        mean: tuple[float, ...] = (),
        deviation: tuple[float, ...] = (),
        start: PatchWeights | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        del start
        self.settings, self.channels, self.size = settings, channels, size
        self.origin = "random"
        self.mean_C: Tensor
        self.deviation_C: Tensor
        self.register_buffer("mean_C", torch.tensor(mean or (127.5,) * channels), persistent=False)
        self.register_buffer("deviation_C", torch.tensor(deviation or (64.0,) * channels), persistent=False)
        self.stem = Convolution(channels, settings.width, 3, settings.stride or (2 if size >= _LARGE else 1))
        self.blocks = self.made(settings)
        self.output = nn.Linear(last_width(settings), classes)
        begin(self, self.output, seed)

    @classmethod
    @abstractmethod
    def made(cls, settings: PictureSizes) -> nn.ModuleList:
        """The blocks."""

    @classmethod
    def tiny(cls) -> tuple[Self, dict[str, NDArray[np.generic]]]:
        """A very small instance and a batch of inputs for it: what the contract tests use."""
        network = cls(cls.Settings(width=4, depth=2, stages=2), classes=3, channels=3, size=7, seed=1)
        as_trained(network, torch.Generator().manual_seed(2))
        pixels = np.random.default_rng(0).integers(0, 256, (4, 3, 7, 7)).astype(np.uint8)
        return network, {"pixels": pixels}

    def forward(self, pixels: Tensor) -> Outputs:
        """Logits (B, K) and the mean (B, D); pixels uint8 are (B, C, H, W)."""
        x = (pixels.float() - self.mean_C[:, None, None]) / self.deviation_C[:, None, None]
        precision = self.settings.weights
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
        precision = self.settings.weights
        g = GraphBuilder(GraphInput("pixels", "uint8", ("B", self.channels, self.size, self.size)))
        shift = g.constant("mean", array(self.mean_C)[:, None, None])
        scale = g.constant("scale", 1.0 / array(self.deviation_C)[:, None, None])
        x = g("Mul", g("Sub", g("Cast", "pixels", to="float32"), shift), scale)
        # Short names: each stands in the file several times, and bytes are counted.
        x = g("Relu", self.stem.emit(g, "s", x, precision))
        for place, block in enumerate(self.blocks):
            x = cast(Any, block).emit(g, f"{place}", x, precision)
        mean_BD = g("ReduceMean", x, axes=[2, 3], keepdims=0)
        weight_DK = g("Transpose", emit_weight(g, "o", self.output.weight, precision), perm=[1, 0])
        return g.build(g("Add", g("MatMul", mean_BD, weight_DK), g.constant("o.b", array(self.output.bias))))

    def describe(self) -> Json:
        """Family, sizes, parameters and origin."""
        return {
            "family": self.family,
            **asdict(self.settings),
            "channels": self.channels,
            "size": self.size,
            "stride": self.stem.stride,
            "classes": self.output.out_features,
            "parameters": sum(p.numel() for p in self.parameters()),
            "origin": self.origin,
        }
