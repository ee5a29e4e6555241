"""A bag of token embeddings: the smallest student for text. Knows ids and masks; knows nothing of tokenizers or teachers.

    embeddings of tokens and n-grams, each with a learned weight -> sum -> layer norm -> two linear layers with a ReLU between

Letters: B examples, T positions, V pieces, R rows of the table, D width, H hidden width, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from limbeck.graph import Graph, GraphBuilder, GraphInput
from limbeck.settings import Count, Limits, Share
from limbeck.students._rounding import RowPrecision, as_read, in_bytes
from limbeck.students._rows import (
    emit_linear,
    emit_row_of,
    emit_sum,
    row_of_piece,
    start_rows,
    start_token_weights,
    tiny_batch,
)
from limbeck.students._transformer import array
from limbeck.text import Reading
from limbeck.types import Json, Outputs, Shapes, Start, TrainingPlan

Width = Annotated[int, Limits((("ge", 2),))]
"""Of what a layer norm can tell apart: of one number nothing is left."""


class Bag(nn.Module):
    """Bag of embeddings over a vocabulary of `pieces`.

    pooled = layer_norm(sum_t w[id_t] e[id_t]), w = softplus(learned logit); of a text without tokens the sum is 0.

    With `ngrams` the text also has ids behind those of the pieces, for its runs of two (and of three) used pieces, hashed into
    `buckets` rows. These rows start as zeros, so the start is the teacher's.

    Args:
        settings: widths, n-grams and dropout.
        pieces: size of the vocabulary, V.
        classes: C.
        start: what to start from: the `width` strongest principal components of its token embeddings become the first D columns.
            None starts from small random numbers.
        used_V: which pieces the training texts hold; the others share one row that says nothing, so that a vocabulary which can
            spell every word costs rows only for the pieces that it has learned. None: all.
        seed: of the initial weights.

    Source: Iyyer et al. (2015), Deep Unordered Composition Rivals Syntactic Methods, section 2; the weights are learned as in
    Arora et al. (2017), A Simple but Tough-to-Beat Baseline for Sentence Embeddings, section 3, are computed; hashed n-grams as in
    Joulin et al. (2016), Bag of Tricks for Efficient Text Classification, section 2.2. The norm of Ba et al. (2016), Layer
    Normalization, section 3, in place of a mean over the weights: as good, and one operator for four (docs/diary.md).

    Example:
        >>> Bag(Bag.Settings(width=4, hidden=8), pieces=10, classes=3).shapes()
        Shapes(classes=3, width=4)
    """

    @dataclass(frozen=True, slots=True)
    class Settings:
        """How large, and how it is trained and written.

        `width` of an embedding, `hidden` width of the classifier, `dropout` on the pooled and the hidden units, `token_dropout` of
        whole tokens and n-grams. `ngrams`: the longest run of tokens that has a row, of which there are `buckets`; 1 is none. `precision` of
        the embeddings: "int8" writes each row as whole numbers and one scale, a quarter of the bytes, "int4" as numbers of four bits, an
        eighth, which training then reckons with. With both the classifier's weights are int8 in the file and float32 once it is loaded, since
        products in int8 are three times slower for one text (docs/diary.md).
        """

        width: Width = 192
        hidden: Count = 256
        dropout: Share = 0.1
        token_dropout: Share = 0.0
        ngrams: Literal[1, 2, 3] = 2
        buckets: Count = 4096
        precision: RowPrecision = "int8"

        @property
        def reading(self) -> Reading:
            """The tokens of the text and its n-grams."""
            return Reading(ngrams=self.ngrams, buckets=self.buckets if self.ngrams > 1 else 0)

    modality: ClassVar[str] = "text"
    plan: ClassVar[TrainingPlan] = TrainingPlan(epochs=12, batch_size=128, learning_rate=5e-3)

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
        # Row 0 is for all unused pieces; its weight is never counted.
        own_V = row_of_piece(pieces, used_V)
        self.rows = int(own_V.max()) + 1
        self.pieces = pieces
        buckets = settings.reading.buckets
        self.row_of_id: Tensor
        self.register_buffer("row_of_id", torch.cat([own_V, torch.arange(self.rows, self.rows + buckets, dtype=own_V.dtype)]))
        self.embedding = nn.Embedding(self.rows + buckets, settings.width)
        self.token_weight = nn.Embedding(self.rows + buckets, 1)
        self.norm = nn.LayerNorm(settings.width)
        self.hidden = nn.Linear(settings.width, settings.hidden)
        self.output = nn.Linear(settings.hidden, classes)
        start_rows(self.embedding, start, used_V, generator)
        start_token_weights(self.token_weight)
        with torch.no_grad():
            self.embedding.weight[self.rows :] = 0.0
            for layer in (self.hidden, self.output):
                bound = layer.in_features**-0.5
                layer.weight.uniform_(-bound, bound, generator=generator)
                layer.bias.zero_()

    @classmethod
    def ladder(cls) -> list[Settings]:
        """The sizes that a search tries, from small to large."""
        alone = [cls.Settings(width=w, hidden=2 * w, ngrams=1) for w in (16, 32, 64, 128)]
        pairs = [cls.Settings(width=w, hidden=min(256, 2 * w), buckets=2048 if w < 128 else 4096) for w in (64, 96, 128, 160)]
        return [*alone, cls.Settings(ngrams=1), *pairs, cls.Settings(), cls.Settings(width=256, hidden=512, buckets=8192)]

    @classmethod
    def tiny(cls) -> tuple[Bag, dict[str, NDArray[np.generic]]]:
        """A very small instance and a batch of inputs for it: what the contract tests use."""
        settings = cls.Settings(width=6, hidden=7, ngrams=3, buckets=13)
        network = cls(settings, pieces=11, classes=3, used_V=np.arange(11) != 4, seed=1)
        network.embedding.weight.data[network.rows :].normal_(generator=torch.Generator().manual_seed(2))
        return network, tiny_batch()

    def forward(self, ids: Tensor, mask: Tensor) -> Outputs:
        """Logits (B, C), the normalised sum (B, D) and the embeddings (B, T, D); ids int64 and mask float32 are (B, T)."""
        if self.training and self.settings.token_dropout:
            mask = mask * (torch.rand_like(mask) >= self.settings.token_dropout)
        rows_BT = self.row_of_id[ids]
        weight_BT = F.softplus(self.token_weight(rows_BT)[..., 0]) * mask * (rows_BT > 0)
        embedding_BTD = as_read(self.embedding(rows_BT), self.settings.precision, self.training)
        pooled_BD = self.norm((embedding_BTD * weight_BT.unsqueeze(-1)).sum(1))  # no matrix product, which bfloat16 would round
        hidden_BH = F.relu(self._linear(self.hidden, pooled_BD))
        return Outputs(self._linear(self.output, hidden_BH), pooled_BD, embedding_BTD)

    def _linear(self, layer: nn.Linear, x_BI: Tensor) -> Tensor:
        """A layer after dropout, its weights as they are written."""
        x_BI = F.dropout(x_BI, self.settings.dropout, self.training)
        return F.linear(x_BI, as_read(layer.weight, in_bytes(self.settings.precision), self.training), layer.bias)

    def shapes(self) -> Shapes:
        """Classes and width of an embedding."""
        return Shapes(self.output.out_features, self.settings.width)

    def graph(self) -> Graph:
        """The network in the precision of its settings. What needs to be computed only once is computed here: a row's weight after the
        softplus is multiplied into its scale. For one text each operator costs more than what it computes."""
        weight_R = F.softplus(self.token_weight.weight.detach()).cpu()[:, 0]
        weight_R[0] = 0.0
        g = GraphBuilder(GraphInput("ids", "int64", ("B", "T")), GraphInput("mask", "float32", ("B", "T")))
        rows_BT = emit_row_of(g, self.row_of_id)
        sum_BD = emit_sum(g, "embedding", self.embedding.weight, rows_BT, self.settings.precision, weight_R, "mask")
        pooled_BD = g.normalized("norm", sum_BD, array(self.norm.weight), array(self.norm.bias), self.norm.eps)
        precision = in_bytes(self.settings.precision)
        hidden_BH = g("Relu", emit_linear(g, "hidden", pooled_BD, self.hidden, precision))
        return g.build(emit_linear(g, "output", hidden_BH, self.output, precision))

    def describe(self) -> Json:
        """Family, sizes, parameters and origin."""
        return {
            "family": "bag",
            "pieces": self.pieces,
            "rows": self.rows,
            "width": self.settings.width,
            "precision": self.settings.precision,
            "hidden": self.settings.hidden,
            "ngrams": self.settings.ngrams,
            "buckets": self.embedding.num_embeddings - self.rows,
            "classes": self.output.out_features,
            "parameters": sum(p.numel() for p in self.parameters()),
            "origin": self.origin,
        }
