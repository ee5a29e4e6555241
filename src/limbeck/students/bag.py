"""A bag of token embeddings: the smallest student for text. Knows ids and masks; knows nothing of tokenizers or teachers.

    token embeddings, each with a learned weight (+ rows of n-grams) -> weighted mean -> two linear layers with a ReLU between

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
from limbeck.students._rounding import RowPrecision, as_read
from limbeck.students._rows import (
    EPSILON,
    emit_mean,
    emit_rows,
    row_of_piece,
    start_rows,
    start_token_weights,
    tiny_batch,
)
from limbeck.students._transformer import array
from limbeck.types import Json, Outputs, Shapes, Start, TrainingPlan

_PRIME = 2**31 - 1
_FACTORS = (1_103_515_245, 668_265_263, 374_761_393)
"""What the ids of an n-gram are multiplied with; below 2^31, so that sums of products with ids below 2^30 stay in int64."""


class Bag(nn.Module):
    """Bag of embeddings over a vocabulary of `pieces`.

    mean = sum_t w[id_t] e[id_t] / (sum_t w[id_t] + epsilon), w = softplus(learned logit); a text without tokens has mean 0.

    With `ngrams` the sum also has, for each run of two (and of three) tokens, the row of a second table at the run's hash

        ((sum_k factor_k id_{t+k}) mod (2^31 - 1)) mod buckets

    times the weights of its tokens. These rows start as zeros, so the start stays the teacher's.

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
    Joulin et al. (2016), Bag of Tricks for Efficient Text Classification, section 2.2, after Weinberger et al. (2009), Feature
    Hashing for Large Scale Multitask Learning.

    Example:
        >>> Bag(Bag.Settings(width=4, hidden=8), pieces=10, classes=3).shapes()
        Shapes(classes=3, width=4)
    """

    @dataclass(frozen=True, slots=True)
    class Settings:
        """How large, and how it is trained and written.

        `width` of an embedding, `hidden` width of the classifier, `dropout` on the mean and the hidden units, `token_dropout` of
        whole tokens. `ngrams`: the longest run of tokens that has a row, of which there are `buckets`; 1 is none. `precision` of
        the embeddings: "int8" writes each row as whole numbers and one scale, a quarter of the bytes, "int4" as numbers of four bits, an
        eighth, which training then reckons with; the classifier stays float32, since int8 makes it three times slower (docs/diary.md).
        """

        width: Count = 192
        hidden: Count = 256
        dropout: Share = 0.1
        token_dropout: Share = 0.0
        ngrams: Literal[1, 2, 3] = 2
        buckets: Count = 4096
        precision: RowPrecision = "int8"

    special_tokens: ClassVar[bool] = False
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
        self.row_of_piece: Tensor
        self.register_buffer("row_of_piece", row_of_piece(pieces, used_V))
        rows = int(self.row_of_piece.max()) + 1
        self.embedding = nn.Embedding(rows, settings.width)
        self.token_weight = nn.Embedding(rows, 1)
        self.ngram = nn.Embedding(settings.buckets, settings.width) if settings.ngrams > 1 else None
        self.hidden = nn.Linear(settings.width, settings.hidden)
        self.output = nn.Linear(settings.hidden, classes)
        start_rows(self.embedding, start, used_V, generator)
        start_token_weights(self.token_weight)
        with torch.no_grad():
            if self.ngram is not None:
                self.ngram.weight.zero_()
            for layer in (self.hidden, self.output):
                bound = layer.in_features**-0.5
                layer.weight.uniform_(-bound, bound, generator=generator)
                layer.bias.zero_()

    @classmethod
    def ladder(cls) -> list[Settings]:
        """The sizes that a search tries, from small to large."""
        sizes = [cls.Settings(width=w, hidden=2 * w, ngrams=1) for w in (16, 32, 64, 128)]
        return [*sizes, cls.Settings(ngrams=1), cls.Settings(), cls.Settings(width=256, hidden=512, buckets=8192)]

    @classmethod
    def tiny(cls) -> tuple[Bag, dict[str, NDArray[np.generic]]]:
        """A very small instance and a batch of inputs for it: what the contract tests use."""
        settings = cls.Settings(width=6, hidden=7, ngrams=3, buckets=13)
        network = cls(settings, pieces=11, classes=3, used_V=np.arange(11) != 4, seed=1)
        assert network.ngram is not None
        network.ngram.weight.data.normal_(generator=torch.Generator().manual_seed(2))
        return network, tiny_batch()

    def forward(self, ids: Tensor, mask: Tensor) -> Outputs:
        """Logits (B, C), the weighted mean (B, D) and the embeddings (B, T, D); ids int64 and mask float32 are (B, T)."""
        if self.training and self.settings.token_dropout:
            mask = mask * (torch.rand_like(mask) >= self.settings.token_dropout)
        rows_BT = self.row_of_piece[ids]
        weight_BT1 = F.softplus(self.token_weight(rows_BT)) * (mask * (rows_BT > 0)).unsqueeze(-1)
        embedding_BTD = self._rows(self.embedding, rows_BT)
        total_BD = (embedding_BTD * weight_BT1).sum(1)
        if self.ngram is not None:
            hash_BT, run_BT1 = ids * _FACTORS[0], weight_BT1
            for more in range(1, self.settings.ngrams):
                hash_BT = hash_BT + F.pad(ids, (0, more))[:, more:] * _FACTORS[more]
                run_BT1 = run_BT1 * F.pad(weight_BT1, (0, 0, 0, more))[:, more:]
                total_BD = total_BD + (self._rows(self.ngram, hash_BT % _PRIME % self.settings.buckets) * run_BT1).sum(1)
        mean_BD = total_BD / (weight_BT1.sum(1) + EPSILON)
        hidden_BH = F.relu(self.hidden(F.dropout(mean_BD, self.settings.dropout, self.training)))
        return Outputs(self.output(F.dropout(hidden_BH, self.settings.dropout, self.training)), mean_BD, embedding_BTD)

    def _rows(self, table: nn.Embedding, rows_BT: Tensor) -> Tensor:
        return as_read(table(rows_BT), self.settings.precision, self.training)

    def shapes(self) -> Shapes:
        """Classes and width of the mean."""
        return Shapes(self.output.out_features, self.settings.width)

    def graph(self) -> Graph:
        """The network in the precision of its settings. What needs to be computed only once is computed here: `token_weight` holds each
        piece's weight after the softplus, and a row's scale is multiplied by its weight. The rows of n-grams stand before the others in
        one table, so that all are gathered, scaled and summed at once: for one text each operator costs more than what it computes."""
        precision = self.settings.precision
        weight_R1 = F.softplus(self.token_weight.weight.detach()).cpu()
        weight_R1[0] = 0.0
        g = GraphBuilder(GraphInput("ids", "int64", ("B", "T")), GraphInput("mask", "float32", ("B", "T")))
        mask_BT1 = g("Unsqueeze", "mask", axes=[2])
        row_V = self.row_of_piece.cpu()
        weight_BT1 = g("Mul", g("Gather", g.constant("token_weight", weight_R1[row_V].numpy()), "ids", axis=0), mask_BT1)
        table_RD, times_BT1 = self.embedding.weight.detach().cpu(), mask_BT1
        if self.ngram is None:
            rows_BT = g("Gather", g.constant("row_of_piece", row_V.numpy()), "ids", axis=0)
        else:
            buckets_BT, runs_BT1 = self._emit_runs(g, weight_BT1)
            first = self.settings.buckets
            pieces_BT = g("Gather", g.constant("row_of_piece", row_V.numpy().astype(np.int64) + first), "ids", axis=0)
            rows_BT = g("Concat", pieces_BT, buckets_BT, axis=1)
            times_BT1 = g("Concat", mask_BT1, runs_BT1, axis=1)
            table_RD = torch.cat([self.ngram.weight.detach().cpu(), table_RD])
            weight_R1 = torch.cat([torch.ones(first, 1), weight_R1])
        weighted_BTD = emit_rows(g, "embedding", table_RD, rows_BT, precision, weight_R1=weight_R1, times_BT1=times_BT1)
        total_BD = g("ReduceSum", weighted_BTD, axes=[1], keepdims=0)
        mean_BD = emit_mean(g, total_BD, weight_BT1)
        hidden_BH = g("Relu", g.linear("hidden", mean_BD, array(self.hidden.weight), array(self.hidden.bias)))
        return g.build(g.linear("output", hidden_BH, array(self.output.weight), array(self.output.bias)))

    def _emit_runs(self, g: GraphBuilder, weight_BT1: str) -> tuple[str, str]:
        """The bucket of each run of tokens, (B, T or 2T), and its weight, (B, T or 2T, 1)."""
        hash_BT, run_BT1 = g("Mul", "ids", g.whole(_FACTORS[0])), weight_BT1
        buckets, runs = [], []
        for more in range(1, self.settings.ngrams):
            later_BT = g.part(g("Pad", "ids", g.whole(0, 0, 0, more)), 1, more)
            hash_BT = g("Add", hash_BT, g("Mul", later_BT, g.whole(_FACTORS[more])))
            run_BT1 = g("Mul", run_BT1, g.part(g("Pad", weight_BT1, g.whole(0, 0, 0, 0, more, 0)), 1, more))
            buckets.append(g("Mod", g("Mod", hash_BT, g.whole(_PRIME)), g.whole(self.settings.buckets)))
            runs.append(run_BT1)
        if len(runs) == 1:
            return buckets[0], runs[0]
        return g("Concat", *buckets, axis=1), g("Concat", *runs, axis=1)

    def describe(self) -> Json:
        """Family, sizes, parameters and origin."""
        return {
            "family": "bag",
            "pieces": len(self.row_of_piece),
            "rows": self.embedding.num_embeddings,
            "width": self.settings.width,
            "precision": self.settings.precision,
            "hidden": self.settings.hidden,
            "ngrams": self.settings.ngrams,
            "buckets": self.settings.buckets if self.settings.ngrams > 1 else 0,
            "classes": self.output.out_features,
            "parameters": sum(p.numel() for p in self.parameters()),
            "origin": self.origin,
        }
