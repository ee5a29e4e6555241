"""A bag of token embeddings: the smallest student for text. Knows ids and masks; knows nothing of tokenizers or teachers.

    token embeddings, each with a learned weight -> weighted mean -> two linear layers with a ReLU between

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
from limbeck.types import Json, Outputs, Shapes, Start, TrainingPlan

_EPSILON = 1e-6
_START = 2.0  # deviation of the numbers that an embedding starts with when it starts from the teacher's


class Bag(nn.Module):
    """Bag of embeddings over a vocabulary of `pieces`.

    mean = sum_t w[id_t] e[id_t] / (sum_t w[id_t] + epsilon), w = softplus(learned logit); a text without tokens has mean 0.

    Args:
        settings: widths and dropout.
        pieces: size of the vocabulary, V.
        classes: C.
        start: what to start from: the `width` strongest principal components of its token embeddings become the first D columns.
            None starts from small random numbers.
        used_V: which pieces the training texts hold; the others share one row that says nothing, so that a vocabulary which can
            spell every word costs rows only for the pieces that it has learned. None: all.
        seed: of the initial weights.

    Source: Iyyer et al. (2015), Deep Unordered Composition Rivals Syntactic Methods, section 2; the weights are learned as in
    Arora et al. (2017), A Simple but Tough-to-Beat Baseline for Sentence Embeddings, section 3, are computed.

    Example:
        >>> Bag(Bag.Settings(width=4, hidden=8), pieces=10, classes=3).shapes()
        Shapes(classes=3, width=4)
    """

    @dataclass(frozen=True, slots=True)
    class Settings:
        """How large, and how it is trained and written.

        `width` of an embedding, `hidden` width of the classifier, `dropout` on the mean and the hidden units, `token_dropout` of
        whole tokens. `precision` of the embeddings: "int8" writes each row as whole numbers and one scale, a quarter of the bytes;
        the classifier stays float32.
        """

        width: Count = 128
        hidden: Count = 256
        dropout: Share = 0.1
        token_dropout: Share = 0.0
        precision: Literal["int8", "float32"] = "int8"

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
        used_V = np.ones(pieces, bool) if used_V is None else used_V
        # Row 0 is for all unused pieces; its weight is never counted.
        row_of_piece_V = np.where(used_V, np.cumsum(used_V), 0).astype(np.int32)
        self.row_of_piece: Tensor
        self.register_buffer("row_of_piece", torch.from_numpy(row_of_piece_V))
        rows = int(used_V.sum()) + 1
        self.embedding = nn.Embedding(rows, settings.width)
        self.token_weight = nn.Embedding(rows, 1)
        self.hidden = nn.Linear(settings.width, settings.hidden)
        self.output = nn.Linear(settings.hidden, classes)
        with torch.no_grad():
            self.embedding.weight.normal_(0.0, 0.1, generator=generator)
            self.token_weight.weight.fill_(0.5413)  # softplus gives 1: all tokens weigh the same at the start
            for layer in (self.hidden, self.output):
                bound = layer.in_features**-0.5
                layer.weight.uniform_(-bound, bound, generator=generator)
                layer.bias.zero_()
            if start is not None:
                components_UD = _principal(torch.from_numpy(np.asarray(start.tokens_VS, np.float32)[used_V]), settings.width)
                self.embedding.weight[1:, : components_UD.shape[1]] = components_UD

    @classmethod
    def tiny(cls) -> tuple[Bag, dict[str, NDArray[np.generic]]]:
        """A very small instance and a batch of inputs for it: what the contract tests use."""
        dice = np.random.default_rng(0)
        lengths = np.array([1, 5, 3, 0])
        mask_BT = (np.arange(5)[None, :] < lengths[:, None]).astype(np.float32)
        ids_BT = dice.integers(0, 11, (4, 5)) * mask_BT.astype(np.int64)
        return cls(cls.Settings(width=6, hidden=7), pieces=11, classes=3, used_V=np.arange(11) != 4, seed=1), {
            "ids": ids_BT,
            "mask": mask_BT,
        }

    def forward(self, ids: Tensor, mask: Tensor) -> Outputs:
        """Logits (B, C) and the weighted mean (B, D); ids int64 and mask float32 are (B, T)."""
        if self.training and self.settings.token_dropout:
            mask = mask * (torch.rand_like(mask) >= self.settings.token_dropout)
        rows_BT = self.row_of_piece[ids]
        weight_BT1 = F.softplus(self.token_weight(rows_BT)) * (mask * (rows_BT > 0)).unsqueeze(-1)
        embedding_BTD = self.embedding(rows_BT)
        if not self.training and self.settings.precision == "int8":  # answers as the written file does
            whole_BTD, scale_BT1 = _int8(embedding_BTD)
            embedding_BTD = whole_BTD * scale_BT1
        mean_BD = (embedding_BTD * weight_BT1).sum(1) / (weight_BT1.sum(1) + _EPSILON)
        hidden_BH = F.relu(self.hidden(F.dropout(mean_BD, self.settings.dropout, self.training)))
        return Outputs(self.output(F.dropout(hidden_BH, self.settings.dropout, self.training)), mean_BD)

    def shapes(self) -> Shapes:
        """Classes and width of the mean."""
        return Shapes(self.output.out_features, self.settings.width)

    def graph(self) -> Graph:
        """The network in the precision of its settings. What needs to be computed only once is computed here: the table
        `token_weight` holds the weights after the softplus, and a row's scale is multiplied by its weight."""
        weight_R1 = F.softplus(self.token_weight.weight.detach()).cpu()
        weight_R1[0] = 0.0
        table_RD = self.embedding.weight.detach().cpu()
        g = GraphBuilder(GraphInput("ids", "int64", ("B", "T")), GraphInput("mask", "float32", ("B", "T")))
        mask_BT1 = g("Unsqueeze", "mask", axes=[2])
        rows_BT = g("Gather", g.constant("row_of_piece", self.row_of_piece.cpu().numpy()), "ids", axis=0)
        weights_BT1 = g("Mul", g("Gather", g.constant("token_weight", weight_R1.numpy()), rows_BT, axis=0), mask_BT1)
        if self.settings.precision == "int8":
            whole_RD, scale_R1 = _int8(table_RD)
            scales_BT1 = g("Gather", g.constant("scale", (scale_R1 * weight_R1).numpy()), rows_BT, axis=0)
            gathered_BTD = g("Gather", g.constant("embedding", whole_RD.to(torch.int8).numpy()), rows_BT, axis=0)
            rows_BTD = g("Mul", g("Cast", gathered_BTD, to="float32"), g("Mul", scales_BT1, mask_BT1))
        else:
            gathered_BTD = g("Gather", g.constant("embedding", (table_RD * weight_R1).numpy()), rows_BT, axis=0)
            rows_BTD = g("Mul", gathered_BTD, mask_BT1)
        total_B1 = g("ReduceSum", weights_BT1, axes=[1], keepdims=0)
        total_B1 = g("Add", total_B1, g.constant("epsilon", np.array([_EPSILON], np.float32)))
        mean_BD = g("Div", g("ReduceSum", rows_BTD, axes=[1], keepdims=0), total_B1)
        hidden_BH = g("Relu", g.linear("hidden", mean_BD, *_arrays(self.hidden)))
        return g.build(g.linear("output", hidden_BH, *_arrays(self.output)))

    def describe(self) -> Json:
        """Family, sizes, parameters and origin."""
        return {
            "family": "bag",
            "pieces": len(self.row_of_piece),
            "rows": self.embedding.num_embeddings,
            "width": self.settings.width,
            "precision": self.settings.precision,
            "hidden": self.settings.hidden,
            "classes": self.output.out_features,
            "parameters": sum(p.numel() for p in self.parameters()),
            "origin": self.origin,
        }


def _int8(rows_xD: Tensor) -> tuple[Tensor, Tensor]:
    """Rows (…, D) as whole numbers in [-127, 127], still float, and the scale of each row (…, 1); rows = whole numbers * scale."""
    scale_x1 = rows_xD.abs().amax(-1, keepdim=True).clamp_min(1e-12) / 127.0
    return (rows_xD / scale_x1).round(), scale_x1


def _principal(start_VS: Tensor, width: int) -> Tensor:
    """The `width` strongest principal components of the rows, scaled to a deviation of 2 over all numbers.

    Adam moves each number by about the learning rate a step, whatever its size: components with a deviation of 0.1 are
    forgotten within an epoch, larger ones are kept where the texts say nothing against them (docs/diary.md has the figures).
    """
    centred_VS = start_VS - start_VS.mean(0)
    _, vectors_SS = torch.linalg.eigh(centred_VS.T @ centred_VS)
    components_VD: Tensor = centred_VS @ vectors_SS.flip(1)[:, :width]
    return components_VD * (_START / components_VD.std(correction=0).clamp_min(1e-8))


def _arrays(layer: nn.Linear) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return layer.weight.detach().cpu().numpy(), layer.bias.detach().cpu().numpy()
