"""A transformer over patches of a picture, made of some of the teacher's layers. Knows bytes of pixels; knows no files, spec or teacher.

    pixels -> scaled -> a vector for each patch, and a first one (+ position) -> layers -> LayerNorm of the first one -> linear head

Letters: B pictures, C channels, H height, W width, P side of a patch, T vectors, S width, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from limbeck.errors import RecipeError
from limbeck.graph import Graph, GraphBuilder, GraphInput
from limbeck.patches import PatchWeights
from limbeck.settings import Count, CountOrZero, Share
from limbeck.students._picture_network import Channels
from limbeck.students._rounding import Precision
from limbeck.students._transformer import Chosen, Layer, array, chosen_layers, emit_norm
from limbeck.types import Json, Outputs, Shapes, TrainingPlan

_WIDTH, _HEADS, _PATCH, _EPSILON = 96, 3, 8, 1e-6  # of one whose teacher is no ViT


class VitImage(nn.Module):
    """A ViT of few layers.

    Args:
        settings: which layers.
        classes: K.
        channels, size: of a picture.
        mean, deviation: of each channel of the training pictures, from 0 to 255, by which pixels are scaled; a start brings its own.
        start: the teacher's weights: patches, layers, positions (drawn out to other sizes) and norms become the student's own, and so does the head
            where it has as many classes. Without one all starts from random numbers, with width 96, 3 heads and patches of 8.
        seed: of the random weights.

    Raises:
        RecipeError: the settings name a layer that the teacher does not have, or the size is no multiple of a patch.

    Source: Dosovitskiy et al. (2021), An Image is Worth 16x16 Words, section 3.1; Sanh et al. (2019), DistilBERT, section 2, for the start
    from the teacher's layers.

    Example:
        >>> VitImage(VitImage.Settings(layers=1), classes=3, channels=1, size=16).shapes()
        Shapes(classes=3, width=96)
    """

    @dataclass(frozen=True, slots=True)
    class Settings:
        """`layers`: how many of the teacher's, evenly spaced with the last among them, or their numbers from 1. `dropout` behind each half of a layer.
        `size` of the pictures that it reads, `channels` (1 grey, 3 colours): 0 takes what the training pictures have. `network`: "int8" writes the matrix
        products of the layers as whole numbers, by the scheme that is nearest to the float32 file on training pictures."""

        layers: Count | Chosen = 2
        dropout: Share = 0.1
        size: CountOrZero = 0
        channels: Channels = 0
        network: Precision = "int8"

        @property
        def reading(self) -> tuple[int, int]:
            """Size and channels of what it is given."""
            return self.size, self.channels

    modality: ClassVar[str] = "image"
    plan: ClassVar[TrainingPlan] = TrainingPlan(epochs=10, batch_size=64, learning_rate=5e-4, weight_decay=0.02)

    def __init__(
        self,
        settings: Settings,
        classes: int,
        channels: int,
        size: int,
        mean: tuple[float, ...] = (),
        deviation: tuple[float, ...] = (),
        start: PatchWeights | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.settings, self.channels, self.size = settings, channels, size
        weights = start.encoder if start is not None and start.patch_SCPP.shape[1] == channels else None
        lent = start if weights is not None else None
        width, heads = (len(weights.segment_S), weights.heads) if weights else (_WIDTH, _HEADS)
        inner = len(weights.layers[0]["up.bias"]) if weights else 4 * width
        activation, epsilon = (weights.activation, weights.epsilon) if weights else ("gelu", _EPSILON)
        side = lent.patch_SCPP.shape[2] if lent else _PATCH
        if size % side:
            raise RecipeError(
                f"student.family vit_image reads pictures in patches of {side} x {side}, and theirs is a side of {size}. "
                f"Give a multiple: --set student.size={max(1, round(size / side)) * side}"
            )
        self.chosen = chosen_layers(settings.layers, len(weights.layers) if weights else None)
        self.mean_C: Tensor
        self.deviation_C: Tensor
        self.register_buffer("mean_C", torch.tensor((lent.mean if lent else mean) or (127.5,) * channels), persistent=False)
        scale = (lent.deviation if lent else deviation) or (64.0,) * channels
        self.register_buffer("deviation_C", torch.tensor(scale), persistent=False)
        self.patch = nn.Conv2d(channels, width, side, side)
        self.positions = nn.Parameter(torch.empty(1 + (size // side) ** 2, width))
        self.layers = nn.ModuleList(
            Layer(width, heads, inner, activation, epsilon, settings.dropout, before=True) for _ in self.chosen
        )
        self.norm = nn.LayerNorm(width, eps=epsilon)
        self.head = nn.Linear(width, classes)
        self._begin(torch.Generator().manual_seed(seed))
        self.origin = self._taken(lent) if lent else "random"

    @torch.no_grad()
    def _begin(self, generator: torch.Generator) -> None:
        for weight, bias in ((self.patch.weight, self.patch.bias), (self.head.weight, self.head.bias)):
            assert bias is not None
            weight.normal_(0.0, weight[0].numel() ** -0.5, generator=generator)
            bias.zero_()
        self.positions.normal_(0.0, 0.02, generator=generator)
        for layer in self.layers:
            assert isinstance(layer, Layer)
            layer.begin(generator)

    @torch.no_grad()
    def _taken(self, start: PatchWeights) -> str:
        """Start from the teacher; returns what was taken."""
        self.patch.weight.copy_(torch.from_numpy(start.patch_SCPP))
        assert self.patch.bias is not None
        self.patch.bias.copy_(torch.from_numpy(start.bias_S))
        self.positions.copy_(_drawn_out(torch.from_numpy(start.encoder.positions_PS), len(self.positions)))
        for layer, number in zip(self.layers, self.chosen, strict=True):
            assert isinstance(layer, Layer)
            layer.copy(start.encoder.layers[number - 1])
        self.norm.weight.copy_(torch.from_numpy(start.encoder.norm[0]))
        self.norm.bias.copy_(torch.from_numpy(start.encoder.norm[1]))
        parts = ["patches", f"layers {', '.join(map(str, self.chosen))}"]
        if start.head is not None and start.head[0].shape == tuple(self.head.weight.shape):
            self.head.weight.copy_(torch.from_numpy(start.head[0]))
            self.head.bias.copy_(torch.from_numpy(start.head[1]))
            parts.append("head")
        return f"teacher's {', '.join(parts)}"

    @classmethod
    def ladder(cls) -> list[Settings]:
        """The sizes that a search tries, from small to large."""
        return [cls.Settings(layers=n) for n in (1, 2, 3, 4, 6)]

    @classmethod
    def tiny(cls) -> tuple[VitImage, dict[str, NDArray[np.generic]]]:
        """A very small instance and a batch of inputs for it: what the contract tests use."""
        network = cls(cls.Settings(layers=1), classes=3, channels=3, size=16, seed=1)
        with torch.no_grad():
            network.positions.normal_(0.0, 0.5, generator=torch.Generator().manual_seed(2))
        pixels = np.random.default_rng(0).integers(0, 256, (4, 3, 16, 16)).astype(np.uint8)
        return network, {"pixels": pixels}

    def forward(self, pixels: Tensor) -> Outputs:
        """Logits (B, K), the first vector behind the last norm (B, S) and the hidden states (B, T, S); pixels uint8 are (B, C, H, W)."""
        x = (pixels.float() - self.mean_C[:, None, None]) / self.deviation_C[:, None, None]
        patches_BTS = self.patch(x).flatten(2).transpose(1, 2)
        x_BTS = F.pad(patches_BTS, (0, 0, 1, 0)) + self.positions
        for layer in self.layers:
            x_BTS = layer(x_BTS)
        first_BS = self.norm(x_BTS[:, 0])
        return Outputs(self.head(first_BS), first_BS, x_BTS)

    def shapes(self) -> Shapes:
        """Classes and width."""
        return Shapes(self.head.out_features, self.head.in_features)

    def graph(self) -> Graph:
        """The network in float32 (`limbeck.quantize` makes it int8)."""
        side, width, places = self.patch.stride[0], self.head.in_features, len(self.positions) - 1
        assert self.patch.bias is not None
        g = GraphBuilder(GraphInput("pixels", "uint8", ("B", self.channels, self.size, self.size)))
        shift = g.constant("mean", array(self.mean_C)[:, None, None])
        scale = g.constant("scale", 1.0 / array(self.deviation_C)[:, None, None])
        x = g("Mul", g("Sub", g("Cast", "pixels", to="float32"), shift), scale)
        weight, bias = g.constant("patch.weight", array(self.patch.weight)), g.constant("patch.bias", array(self.patch.bias))
        patches = g("Conv", x, weight, bias, dilations=[1, 1], group=1, pads=[0] * 4, strides=[side] * 2)
        patches_BTS = g("Transpose", g("Reshape", patches, g.whole(0, width, places)), perm=[0, 2, 1])
        x_BTS = g("Add", g("Pad", patches_BTS, g.whole(0, 1, 0, 0, 0, 0)), g.constant("positions", array(self.positions)))
        for place, layer in enumerate(self.layers):
            assert isinstance(layer, Layer)
            x_BTS = layer.emit(g, f"layer_{place}", x_BTS)
        first_BS = g("ReduceSum", g("Slice", x_BTS, g.whole(0), g.whole(1), axes=[1]), axes=[1], keepdims=0)
        return g.build(
            g.linear("head", emit_norm(g, "norm", first_BS, self.norm), array(self.head.weight), array(self.head.bias))
        )

    def describe(self) -> Json:
        """Family, sizes, parameters and origin."""
        return {
            "family": "vit_image",
            "channels": self.channels,
            "size": self.size,
            "patch": self.patch.stride[0],
            "width": self.head.in_features,
            "layers": len(self.layers),
            "network": self.settings.network,
            "classes": self.head.out_features,
            "parameters": sum(p.numel() for p in self.parameters()),
            "origin": self.origin,
        }


def _drawn_out(positions_PS: Tensor, wanted: int) -> Tensor:
    """Positions of so many vectors: the first stays, the others are a square that is drawn out or together."""
    if len(positions_PS) == wanted:
        return positions_PS
    old, new = round((len(positions_PS) - 1) ** 0.5), round((wanted - 1) ** 0.5)
    square = positions_PS[1:].T.reshape(1, -1, old, old)
    drawn = F.interpolate(square, size=new, mode="bicubic", align_corners=False, antialias=new < old)
    return torch.cat([positions_PS[:1], drawn.flatten(2)[0].T])
