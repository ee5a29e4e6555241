"""A transformer of BERT's kind, made of some of the teacher's layers. Knows ids and masks; knows nothing of tokenizers or teachers.

    token embedding (+ projection) + position -> LayerNorm -> layers -> mean over the tokens -> linear head

Letters: B examples, T positions, V pieces, R rows of the table, E width of a row, S width, P positions, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from limbeck.errors import RecipeError
from limbeck.graph import Graph, GraphBuilder, GraphInput
from limbeck.settings import Count, CountOrZero, Share
from limbeck.students._rounding import Precision, RowPrecision, as_read
from limbeck.students._rows import emit_row_of, emit_rows, kept, principal, row_of_piece, tiny_batch
from limbeck.students._transformer import Chosen, Layer, array, chosen_layers, emit_norm
from limbeck.text import Reading
from limbeck.types import EncoderWeights, Json, Outputs, Shapes, Start, TrainingPlan

_FAR = 1e9  # subtracted from the score of a place without a token; finite, so that a text without any gives numbers
_WIDTH, _HEADS, _POSITIONS, _NORM_EPSILON = 256, 4, 512, 1e-12  # of an encoder whose teacher cannot be taken apart


class Encoder(nn.Module):
    """A transformer encoder of few layers, its table cut to the pieces in use and factorised.

    Args:
        settings: which layers, and how wide a row of the table is.
        pieces: size of the vocabulary, V.
        classes: C.
        start: the teacher's weights. Layers, positions, norms and head become the student's own; the table becomes the best
            approximation of the teacher's of its rank: principal components, and the projection back. Where the teacher's
            transformer is not of this kind, the rest starts from random numbers with width 256, 4 heads and 512 positions.
        used_V: which pieces the training texts hold; the others share one row, at the start the mean of the teacher's.
        seed: of the random weights.

    Raises:
        RecipeError: the settings name a layer that the teacher does not have.

    Source: Sanh et al. (2019), DistilBERT, section 2, for the start from the teacher's layers; Lan et al. (2020), ALBERT, section
    3.1, for the factorised table.

    Example:
        >>> Encoder(Encoder.Settings(layers=1), pieces=10, classes=3).shapes()
        Shapes(classes=3, width=256)
    """

    @dataclass(frozen=True, slots=True)
    class Settings:
        """Which layers, how wide, and how it is trained and written.

        `layers`: how many of the teacher's, or their numbers from 1. `choose` says which, where it is how many: "even", evenly spaced with
        the last among them, or "important", those that the teacher misses most on training texts, as measured before the student is made. `embedding_width` of a
        row of the table, 0: the whole width. `dropout` behind the embeddings and each half of a layer. `precision` of the table:
        "int8" writes each row as whole numbers and one scale, "int4" as numbers of four bits, which training then reckons with.
        `network`: "int8" writes the matrix products of the layers and the table of positions as whole numbers too, by the scheme that
        is nearest to the float32 file on training rows, and leaves a part float32 that does not bear it; attention's own products,
        norms and the head stay float32.
        """

        reading: ClassVar[Reading] = Reading(special_tokens=True)

        layers: Count | Chosen = 2
        choose: Literal["even", "important"] = "even"
        embedding_width: CountOrZero = 128
        dropout: Share = 0.1
        precision: RowPrecision = "int8"
        network: Precision = "int8"

    modality: ClassVar[str] = "text"
    plan: ClassVar[TrainingPlan] = TrainingPlan(epochs=2, batch_size=64, learning_rate=5e-4)

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
        generator = torch.Generator().manual_seed(seed)
        weights = start.encoder if start else None
        self.chosen = chosen_layers(settings.layers, len(weights.layers) if weights else None)
        width = len(weights.segment_S) if weights else _WIDTH
        shape = (weights.heads, len(weights.layers[0]["up.bias"])) if weights else (_HEADS, 4 * _WIDTH)
        activation, epsilon = (weights.activation, weights.epsilon) if weights else ("gelu", _NORM_EPSILON)
        narrow = settings.embedding_width if 0 < settings.embedding_width < width else 0
        self.row_of_piece: Tensor
        self.register_buffer("row_of_piece", row_of_piece(pieces, used_V))
        self.embedding = nn.Embedding(int(self.row_of_piece.max()) + 1, narrow or width)
        self.projection = nn.Linear(narrow, width) if narrow else None
        self.positions = nn.Parameter(torch.empty(len(weights.positions_PS) if weights else _POSITIONS, width))
        self.norm = nn.LayerNorm(width, eps=epsilon)
        self.layers = nn.ModuleList(Layer(width, *shape, activation, epsilon, settings.dropout) for _ in self.chosen)
        self.head = nn.Linear(width, classes)
        with torch.no_grad():
            for linear in (self.head, *([self.projection] if self.projection else [])):
                linear.weight.normal_(0.0, 0.02, generator=generator)
                linear.bias.zero_()
            for table in (self.embedding.weight, self.positions):
                table.normal_(0.0, 0.02, generator=generator)
            for layer in self.layers:
                assert isinstance(layer, Layer)
                layer.begin(generator)
            parts = self._take(start, used_V) if start else []
        self.origin = f"teacher's {', '.join(parts)}" if parts else "random"

    def _take(self, start: Start, used_V: NDArray[np.bool_] | None) -> list[str]:
        """Start from the teacher; returns what was taken."""
        parts = []
        if weights := start.encoder:
            parts.append(f"layers {', '.join(map(str, self.chosen))}")
            self._take_encoder(weights)
        tokens_RS = kept(start.tokens_VS, used_V)
        rest_S = kept(start.tokens_VS, ~used_V).mean(0) if used_V is not None and not used_V.all() else tokens_RS.mean(0)
        width = self.embedding.embedding_dim
        if self.projection is None and tokens_RS.shape[1] == width:
            self.embedding.weight[1:], self.embedding.weight[0] = tokens_RS, rest_S
            parts.append("token embeddings")
        else:
            found = principal(tokens_RS, width)
            self.embedding.weight[1:, : len(found.vectors_DS)] = found.values_RD
            self.embedding.weight[0, : len(found.vectors_DS)] = found.of(rest_S)
            if self.projection is not None and weights:
                self.projection.weight.zero_()[:, : len(found.vectors_DS)] = found.vectors_DS.T
                self.projection.bias.copy_(found.mean_S)
            parts.append(f"token embeddings ({len(found.vectors_DS)} principal components)")
        if start.head is not None and start.head[0].shape == tuple(self.head.weight.shape):
            self.head.weight.copy_(torch.from_numpy(start.head[0]))
            self.head.bias.copy_(torch.from_numpy(start.head[1]))
            parts.append("head")
        return parts

    def _take_encoder(self, weights: EncoderWeights) -> None:
        self.positions.copy_(torch.from_numpy(weights.positions_PS + weights.segment_S))
        self.norm.weight.copy_(torch.from_numpy(weights.norm[0]))
        self.norm.bias.copy_(torch.from_numpy(weights.norm[1]))
        for layer, number in zip(self.layers, self.chosen, strict=True):
            assert isinstance(layer, Layer)
            layer.copy(weights.layers[number - 1])

    @classmethod
    def ladder(cls) -> list[Settings]:
        """The sizes that a search tries, from small to large."""
        return [
            cls.Settings(layers=n, embedding_width=e) for n, e in ((1, 32), (1, 128), (2, 128), (3, 128), (4, 128), (6, 128))
        ]

    @classmethod
    def tiny(cls) -> tuple[Encoder, dict[str, NDArray[np.generic]]]:
        """A very small instance and a batch of inputs for it: what the contract tests use."""
        dice = np.random.default_rng(0)

        def some(*shape: int) -> NDArray[np.float32]:
            return dice.normal(0.0, 0.3, shape).astype(np.float32)

        width, inner = 8, 12
        square = ("query", "key", "value", "mixed")
        sizes: dict[str, tuple[int, ...]] = dict.fromkeys(square, (width, width))
        sizes |= {"up": (inner, width), "down": (width, inner), "attention_norm": (width,), "output_norm": (width,)}
        layers = [
            {f"{n}.weight": some(*s) for n, s in sizes.items()} | {f"{n}.bias": some(s[0]) for n, s in sizes.items()}
            for _ in range(3)
        ]
        encoder = EncoderWeights(
            some(128, width), some(width), (some(width), some(width)), tuple(layers), 2, "gelu", _NORM_EPSILON
        )
        start = Start(some(11, width), encoder, (some(3, width), some(3)))
        settings = cls.Settings(layers=2, embedding_width=4)
        return cls(settings, pieces=11, classes=3, start=start, used_V=np.arange(11) != 4, seed=1), tiny_batch()

    def forward(self, ids: Tensor, mask: Tensor) -> Outputs:
        """Logits (B, C), mean (B, S) and last hidden states (B, T, S); ids int64 and mask float32 are (B, T).

        Raises:
            RecipeError: a text is longer than there are positions.
        """
        if ids.shape[1] > len(self.positions):
            raise RecipeError(
                f"student.family encoder has {len(self.positions)} positions, but a text of {ids.shape[1]} tokens came. "
                f"Run again with --set teacher.max_tokens={len(self.positions)}"
            )
        x_BTS = as_read(self.embedding(self.row_of_piece[ids]), self.settings.precision, self.training)
        if self.projection is not None:
            x_BTS = self.projection(x_BTS)
        x_BTS = F.dropout(self.norm(x_BTS + self.positions[: ids.shape[1]]), self.settings.dropout, self.training)
        bias_B11T = ((mask - 1.0) * _FAR)[:, None, None, :]
        for layer in self.layers:
            x_BTS = layer(x_BTS, bias_B11T)
        mask_BT1 = mask.unsqueeze(-1)
        mean_BS = (x_BTS * mask_BT1).sum(1) / mask_BT1.sum(1).clamp_min(1.0)
        return Outputs(self.head(mean_BS), mean_BS, x_BTS)

    def shapes(self) -> Shapes:
        """Classes and width of the hidden states."""
        return Shapes(self.head.out_features, self.head.in_features)

    def graph(self) -> Graph:
        """The network; the table in the precision of its settings, the rest in float32 (`limbeck.quantize` makes it int8)."""
        g = GraphBuilder(GraphInput("ids", "int64", ("B", "T")), GraphInput("mask", "float32", ("B", "T")))
        rows_BT = emit_row_of(g, self.row_of_piece)
        x_BTS = emit_rows(g, "embedding", self.embedding.weight, rows_BT, self.settings.precision)
        if self.projection is not None:
            x_BTS = g.linear("projection", x_BTS, array(self.projection.weight), array(self.projection.bias))
        length = g("Slice", g("Shape", "ids"), g.whole(1), g.whole(2), axes=[0])
        positions_TS = g("Slice", g.constant("positions", array(self.positions)), g.whole(0), length, axes=[0])
        x_BTS = emit_norm(g, "norm", g("Add", x_BTS, positions_TS), self.norm)
        bias_BT = g("Mul", g("Sub", "mask", g.number(1.0)), g.number(_FAR))
        bias_B11T = g("Unsqueeze", bias_BT, axes=[1, 2])
        for place, layer in enumerate(self.layers):
            assert isinstance(layer, Layer)
            x_BTS = layer.emit(g, f"layer_{place}", x_BTS, bias_B11T)
        mask_BT1 = g("Unsqueeze", "mask", axes=[2])
        total_BS = g("ReduceSum", g("Mul", x_BTS, mask_BT1), axes=[1], keepdims=0)
        tokens_B1 = g("Max", g("ReduceSum", mask_BT1, axes=[1], keepdims=0), g.number(1.0))
        return g.build(g.linear("head", g("Div", total_BS, tokens_B1), array(self.head.weight), array(self.head.bias)))

    def describe(self) -> Json:
        """Family, sizes, parameters and origin."""
        layer = self.layers[0]
        assert isinstance(layer, Layer)
        return {
            "family": "encoder",
            "pieces": len(self.row_of_piece),
            "rows": self.embedding.num_embeddings,
            "embedding_width": self.embedding.embedding_dim,
            "width": self.head.in_features,
            "layers": len(self.layers),
            "heads": layer.heads,
            "precision": self.settings.precision,
            "network": self.settings.network,
            "classes": self.head.out_features,
            "parameters": sum(p.numel() for p in self.parameters()),
            "origin": self.origin,
        }
