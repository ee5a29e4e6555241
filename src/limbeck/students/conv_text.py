"""Convolutions over token embeddings: a small student that knows the order of words. Knows ids and masks; knows no tokenizer or teacher.

    token embeddings -> depth times: x + pointwise(relu(depthwise(norm(x)))) -> weighted mean and max -> two linear layers

Letters: B examples, T positions, V pieces, R rows of the table, D width, H hidden width, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from limbeck.graph import Graph, GraphBuilder, GraphInput
from limbeck.settings import Count, Share
from limbeck.students._rounding import Precision, RowPrecision, as_read
from limbeck.students._rows import (
    EPSILON,
    emit_mean,
    emit_row_of,
    emit_rows,
    row_of_piece,
    start_rows,
    start_token_weights,
    tiny_batch,
)
from limbeck.students._transformer import array, emit_norm
from limbeck.text import Reading
from limbeck.types import Json, Outputs, Shapes, Start, TrainingPlan


class Convolution(nn.Module):
    """x + pointwise(relu(depthwise(norm(x)))), where places without a token are zero to their neighbours.

    The depthwise part is written as a sum of shifted products, which ONNX Runtime computes in half the time of its Conv at batch 1.

    Source: Chollet (2017), Xception, section 2; Kaiser et al. (2018), Depthwise Separable Convolutions for Neural Machine
    Translation, section 2.1.
    """

    def __init__(self, width: int, kernel: int, normed: bool, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.norm = nn.LayerNorm(width) if normed else None
        self.depthwise = nn.Parameter(torch.empty(kernel, width))
        self.bias = nn.Parameter(torch.zeros(width))
        self.pointwise = nn.Linear(width, width)

    @torch.no_grad()
    def begin(self, generator: torch.Generator) -> None:
        """Random filters behind which nothing is added yet, so that a student starts as its embeddings say."""
        bound = len(self.depthwise) ** -0.5
        self.depthwise.uniform_(-bound, bound, generator=generator)
        self.pointwise.weight.zero_()
        self.pointwise.bias.zero_()

    def forward(self, x_BTD: Tensor, mask_BT1: Tensor) -> Tensor:
        """The next representation of each place, (B, T, D)."""
        length, kernel = x_BTD.shape[1], len(self.depthwise)
        seen_BTD = (x_BTD if self.norm is None else self.norm(x_BTD)) * mask_BT1
        padded = F.pad(seen_BTD, (0, 0, (kernel - 1) // 2, kernel // 2))
        mixed_BTD: Tensor = self.bias
        for place in range(kernel):
            mixed_BTD = mixed_BTD + padded[:, place : place + length] * self.depthwise[place]
        mixed_BTD = F.dropout(F.relu(mixed_BTD), self.dropout, self.training)
        moved: Tensor = x_BTD + self.pointwise(mixed_BTD)
        return moved

    def emit(self, g: GraphBuilder, name: str, x_BTD: str, mask_BT1: str) -> str:
        """The same in a graph."""
        kernel = len(self.depthwise)
        seen_BTD = g("Mul", x_BTD if self.norm is None else emit_norm(g, f"{name}.norm", x_BTD, self.norm), mask_BT1)
        padded = g("Pad", seen_BTD, g.whole(0, (kernel - 1) // 2, 0, 0, kernel // 2, 0))
        mixed_BTD = g.constant(f"{name}.bias", array(self.bias))
        for place in range(kernel):
            shifted_BTD = g.part(padded, 1, place, place - kernel + 1 or None)
            weight_D = g.constant(f"{name}.depthwise.{place}", array(self.depthwise[place]))
            mixed_BTD = g("Add", mixed_BTD, g("Mul", shifted_BTD, weight_D))
        weight_DD, bias_D = array(self.pointwise.weight), array(self.pointwise.bias)
        return g("Add", x_BTD, g.linear(f"{name}.pointwise", g("Relu", mixed_BTD), weight_DD, bias_D))


class ConvText(nn.Module):
    """Depthwise-separable convolutions over the embeddings of a vocabulary of `pieces`.

    The weighted mean over the tokens (weights as in the student bag) and the maximum of each number, if it is positive, go to the
    classifier side by side; a text without tokens has zeros for both.

    Args:
        settings: widths, kernel, depth and dropout.
        pieces: size of the vocabulary, V.
        classes: C.
        start: what to start from: the `width` strongest principal components of its token embeddings become the first D columns.
            None starts from small random numbers.
        used_V: which pieces the training texts hold; the others share one row, whose weight in the mean is zero.
        seed: of the initial weights.

    Source: Kim (2014), Convolutional Neural Networks for Sentence Classification, section 2, for the maximum over time.

    Example:
        >>> ConvText(ConvText.Settings(width=4, hidden=8), pieces=10, classes=3).shapes()
        Shapes(classes=3, width=4)
    """

    @dataclass(frozen=True, slots=True)
    class Settings:
        """How large, and how it is trained and written.

        `width` of an embedding and of all convolutions, `kernel`: how many tokens one convolution sees, `depth`: how many there are,
        `norm` in front of each, `hidden` width of the classifier, `dropout` on hidden units. `precision` of the embeddings: "int8"
        writes each row as whole numbers and one scale, "int4" as numbers of four bits, which training then reckons with. `network`:
        "int8" writes the pointwise convolutions as whole numbers too, by the scheme that is nearest to the float32 file on training
        rows; all else is float32.
        """

        reading: ClassVar[Reading] = Reading()

        width: Count = 128
        kernel: Count = 3
        depth: Count = 2
        norm: Literal["layer", "none"] = "layer"
        hidden: Count = 256
        dropout: Share = 0.1
        precision: RowPrecision = "int8"
        network: Precision = "int8"

    modality: ClassVar[str] = "text"
    plan: ClassVar[TrainingPlan] = TrainingPlan(epochs=12, batch_size=128, learning_rate=2e-3)

    def __init__(
        self,
        settings: Settings,
        pieces: int,
        classes: int,
        start: Start | None = None,
        used_V: NDArray[np.bool_] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.settings = settings
        self.origin = "random" if start is None else "teacher's token embeddings, principal components"
        generator = torch.Generator().manual_seed(seed)
        self.row_of_piece: Tensor
        self.register_buffer("row_of_piece", row_of_piece(pieces, used_V))
        rows = int(self.row_of_piece.max()) + 1
        self.embedding = nn.Embedding(rows, settings.width)
        self.token_weight = nn.Embedding(rows, 1)
        self.convolutions = nn.ModuleList(
            Convolution(settings.width, settings.kernel, settings.norm == "layer", settings.dropout)
            for _ in range(settings.depth)
        )
        self.hidden = nn.Linear(2 * settings.width, settings.hidden)
        self.output = nn.Linear(settings.hidden, classes)
        start_rows(self.embedding, start, used_V, generator)
        self.embedding.weight.data[0] = 0.0
        start_token_weights(self.token_weight)
        for convolution in self.convolutions:
            assert isinstance(convolution, Convolution)
            convolution.begin(generator)
        with torch.no_grad():
            for layer in (self.hidden, self.output):
                bound = layer.in_features**-0.5
                layer.weight.uniform_(-bound, bound, generator=generator)
                layer.bias.zero_()

    @classmethod
    def ladder(cls) -> list[Settings]:
        """The sizes that a search tries, from small to large."""
        return [cls.Settings(width=w, hidden=2 * w, depth=d) for w, d in ((32, 1), (64, 1), (64, 2), (128, 2), (192, 3))]

    @classmethod
    def tiny(cls) -> tuple[ConvText, dict[str, NDArray[np.generic]]]:
        """A very small instance and a batch of inputs for it: what the contract tests use."""
        network = cls(cls.Settings(width=6, kernel=4, hidden=7), pieces=11, classes=3, used_V=np.arange(11) != 4, seed=1)
        dice = torch.Generator().manual_seed(2)
        with torch.no_grad():
            for parameter in network.convolutions.parameters():  # those that start as zeros too
                parameter.normal_(0.0, 0.5, generator=dice)
        return network, tiny_batch()

    def forward(self, ids: Tensor, mask: Tensor) -> Outputs:
        """Logits (B, C), the weighted mean (B, D) and each place (B, T, D); ids int64 and mask float32 are (B, T)."""
        rows_BT = self.row_of_piece[ids]
        mask_BT1 = mask.unsqueeze(-1)
        x_BTD = as_read(self.embedding(rows_BT), self.settings.precision, self.training)
        for convolution in self.convolutions:
            x_BTD = convolution(x_BTD, mask_BT1)
        weight_BT1 = F.softplus(self.token_weight(rows_BT)) * mask_BT1 * (rows_BT > 0).unsqueeze(-1)
        mean_BD = (x_BTD * weight_BT1).sum(1) / (weight_BT1.sum(1) + EPSILON)
        highest_BD = (F.relu(x_BTD) * mask_BT1).amax(1)
        pooled_B2D = F.dropout(torch.cat([mean_BD, highest_BD], dim=1), self.settings.dropout, self.training)
        hidden_BH = F.dropout(F.relu(self.hidden(pooled_B2D)), self.settings.dropout, self.training)
        return Outputs(self.output(hidden_BH), mean_BD, x_BTD)

    def shapes(self) -> Shapes:
        """Classes and width of the mean."""
        return Shapes(self.output.out_features, self.settings.width)

    def graph(self) -> Graph:
        """The network; the table in the precision of its settings, the rest in float32 (`limbeck.quantize` makes it int8)."""
        g = GraphBuilder(GraphInput("ids", "int64", ("B", "T")), GraphInput("mask", "float32", ("B", "T")))
        mask_BT1 = g("Unsqueeze", "mask", axes=[2])
        rows_BT = emit_row_of(g, self.row_of_piece)
        x_BTD = emit_rows(g, "embedding", self.embedding.weight, rows_BT, self.settings.precision)
        for place, convolution in enumerate(self.convolutions):
            assert isinstance(convolution, Convolution)
            x_BTD = convolution.emit(g, f"convolution_{place}", x_BTD, mask_BT1)
        weight_R1 = F.softplus(self.token_weight.weight.detach()).cpu()
        weight_R1[0] = 0.0
        weight_BT1 = g("Mul", g("Gather", g.constant("token_weight", weight_R1.numpy()), rows_BT, axis=0), mask_BT1)
        total_BD = g("ReduceSum", g("Mul", x_BTD, weight_BT1), axes=[1], keepdims=0)
        mean_BD = emit_mean(g, total_BD, weight_BT1)
        highest_BD = g("ReduceMax", g("Mul", g("Relu", x_BTD), mask_BT1), axes=[1], keepdims=0)
        pooled_B2D = g("Concat", mean_BD, highest_BD, axis=1)
        hidden_BH = g("Relu", g.linear("hidden", pooled_B2D, array(self.hidden.weight), array(self.hidden.bias)))
        return g.build(g.linear("output", hidden_BH, array(self.output.weight), array(self.output.bias)))

    def describe(self) -> Json:
        """Family, sizes, parameters and origin."""
        return {
            "family": "conv_text",
            "pieces": len(self.row_of_piece),
            "rows": self.embedding.num_embeddings,
            "width": self.settings.width,
            "kernel": self.settings.kernel,
            "depth": self.settings.depth,
            "precision": self.settings.precision,
            "network": self.settings.network,
            "hidden": self.settings.hidden,
            "classes": self.output.out_features,
            "parameters": sum(p.numel() for p in self.parameters()),
            "origin": self.origin,
        }
