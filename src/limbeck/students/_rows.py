"""Tables of embedding rows, in torch and in a graph. Knows rows, pieces and precision; knows nothing of what reads the rows.

Letters: B examples, T positions, V pieces, R rows of a table, D width of a row, H bytes of a row of four bits, S width of the teacher's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from limbeck.graph import GraphBuilder
from limbeck.students._rounding import ZERO, Precision, RowPrecision, int4, int8, packed
from limbeck.types import Start

EPSILON = 1e-6
"""Added to the sum of a text's weights, so that a text without tokens has a mean of zero."""
_START = 2.0
_SOFTPLUS_OF_1 = 0.5413248546  # log(e - 1): all tokens weigh 1 at the start


def row_of_piece(pieces: int, used_V: NDArray[np.bool_] | None) -> Tensor:
    """The row of each piece, (V,): row 0 for all that are not used, a row of its own for each other."""
    used_V = np.ones(pieces, bool) if used_V is None else used_V
    return torch.from_numpy(np.where(used_V, np.cumsum(used_V), 0).astype(np.int32))


def emit_row_of(g: GraphBuilder, row_of_id: Tensor, ids_BT: str = "ids") -> str:
    """The row of each id, (B, T). Where all ids without a row come first, as a pruned vocabulary has them, that is a difference; else a table."""
    rows_V = row_of_id.cpu().numpy()
    bare = int((rows_V == 0).sum())
    if not np.array_equal(rows_V, np.maximum(np.arange(len(rows_V)) + 1 - bare, 0)):
        return g("Gather", g.constant("row_of_id", rows_V), ids_BT, axis=0)
    if bare == 1:
        return ids_BT
    rows_BT = g("Sub", ids_BT, g.whole(bare - 1))
    return g("Max", rows_BT, g.whole(0)) if bare else rows_BT


def emit_rows(g: GraphBuilder, name: str, table_RD: Tensor, rows_BT: str, precision: RowPrecision) -> str:
    """The rows of a table that `rows_BT` names, (B, T, D)."""
    steps_BTD, scale_R = _emit_steps(g, name, table_RD, rows_BT, precision)
    if scale_R is None:
        return steps_BTD
    scales_BT1 = g("Gather", g.constant(f"{name}.scale", scale_R[:, None].numpy()), rows_BT, axis=0)
    return g("Mul", steps_BTD, scales_BT1)


def emit_sum(
    g: GraphBuilder, name: str, table_RD: Tensor, rows_BT: str, precision: RowPrecision, weight_R: Tensor, mask_BT: str
) -> str:
    """The sum of the rows of a table that `rows_BT` names, each times its weight and its place in the mask, (B, D).

    Weights are multiplied into the scales here, and a product of matrices scales and adds at once.
    """
    steps_BTD, scale_R = _emit_steps(g, name, table_RD, rows_BT, precision)
    times_R = weight_R if scale_R is None else weight_R * scale_R
    times_BT = g("Mul", g("Gather", g.constant(f"{name}.scale", times_R.numpy()), rows_BT, axis=0), mask_BT)
    sum_B1D = g("MatMul", g("Unsqueeze", times_BT, axes=[1]), steps_BTD)
    return g("Reshape", sum_B1D, g.whole(-1, table_RD.shape[1]))


def emit_linear(g: GraphBuilder, name: str, x: str, layer: nn.Linear, precision: Precision) -> str:
    """A linear layer whose weights lie in the file as whole numbers and one scale for each output.

    They hang on no input, so ONNX Runtime multiplies them once, when it loads the file: a quarter of the bytes at the speed of float32.
    """
    weight_OI, bias_O = layer.weight.detach().cpu(), layer.bias.detach().cpu().numpy()
    if precision == "float32":
        return g.linear(name, x, weight_OI.numpy(), bias_O)
    whole_OI, scale_O1 = int8(weight_OI)
    whole_IO = g("Cast", g.constant(f"{name}.weight", whole_OI.T.to(torch.int8).numpy()), to="float32")
    weight_IO = g("Mul", whole_IO, g.constant(f"{name}.scale", scale_O1[:, 0].numpy()))
    return g("Add", g("MatMul", x, weight_IO), g.constant(f"{name}.bias", bias_O))


def _emit_steps(
    g: GraphBuilder, name: str, table_RD: Tensor, rows_BT: str, precision: RowPrecision
) -> tuple[str, Tensor | None]:
    """Rows before they are scaled, (B, T, D), and the scales of the table (R,); None: there are none. Whole numbers are gathered
    first, so no operator touches the table."""
    table_RD = table_RD.detach().cpu()
    if precision == "float32":
        return g("Gather", g.constant(name, table_RD.numpy()), rows_BT, axis=0), None
    whole_RD, scale_R1 = int8(table_RD) if precision == "int8" else int4(table_RD)
    if precision == "int8":
        gathered_BTD = g("Gather", g.constant(name, whole_RD.to(torch.int8).numpy()), rows_BT, axis=0)
        return g("Cast", gathered_BTD, to="float32"), scale_R1[:, 0]
    both_BTH = g("Gather", g.constant(name, packed(whole_RD)), rows_BT, axis=0)
    return _emit_unpacked(g, both_BTH, table_RD.shape[1]), scale_R1[:, 0]


def _emit_unpacked(g: GraphBuilder, both_BTH: str, width: int) -> str:
    """The numbers of four bits that `packed` put two to a byte, (B, T, D)."""
    low_BTH = g("BitwiseAnd", both_BTH, g.byte(15))
    high_BTH = g("BitShift", both_BTH, g.byte(4), direction="RIGHT")
    whole_BTD = g("Concat", low_BTH, high_BTH, axis=2)
    if width % 2:
        whole_BTD = g.part(whole_BTD, 2, 0, width)
    return g("Sub", g("Cast", whole_BTD, to="float32"), g.number(float(ZERO)))


@dataclass(frozen=True, slots=True)
class Components:
    """Principal components of some rows: rows ≈ mean_S + values_RD @ vectors_DS, the nearest of rank D."""

    values_RD: Tensor
    vectors_DS: Tensor
    mean_S: Tensor

    def of(self, rows_xS: Tensor) -> Tensor:
        """The values of other rows."""
        return (rows_xS - self.mean_S) @ self.vectors_DS.T


def principal(rows_RS: Tensor, width: int) -> Components:
    """The `width` strongest principal components, strongest first; fewer where the rows are narrower."""
    mean_S = rows_RS.mean(0)
    centred_RS = rows_RS - mean_S
    _, vectors_SS = torch.linalg.eigh(centred_RS.T @ centred_RS)
    vectors_DS = vectors_SS.flip(1)[:, :width].T
    return Components(centred_RS @ vectors_DS.T, vectors_DS, mean_S)


@torch.no_grad()
def start_rows(
    embedding: nn.Embedding, start: Start | None, used_V: NDArray[np.bool_] | None, generator: torch.Generator
) -> None:
    """Start a table from small random numbers, then from the strongest principal components of the teacher's embeddings.

    These are scaled to a deviation of 2 over all numbers: Adam moves each number by about the learning rate a step, whatever its
    size, so components with a deviation of 0.1 are forgotten within an epoch, and larger ones are kept where the texts say nothing
    against them (docs/diary.md has the figures).
    """
    embedding.weight.normal_(0.0, 0.1, generator=generator)
    if start is not None:
        values_RD = principal(kept(start.tokens_VS, used_V), embedding.embedding_dim).values_RD
        scale = _START / values_RD.std(correction=0).clamp_min(1e-8)
        embedding.weight[1 : 1 + len(values_RD), : values_RD.shape[1]] = values_RD * scale


@torch.no_grad()
def start_token_weights(token_weight: nn.Embedding) -> None:
    """Start with tokens that all weigh the same."""
    token_weight.weight.fill_(_SOFTPLUS_OF_1)


def emit_mean(g: GraphBuilder, total_BD: str, weight_BT1: str) -> str:
    """A weighted sum over the tokens, divided by the sum of the weights, (B, D)."""
    return g("Div", total_BD, g("Add", g("ReduceSum", weight_BT1, axes=[1], keepdims=0), g.number(EPSILON)))


def kept(start_VS: NDArray[np.float32], used_V: NDArray[np.bool_] | None) -> Tensor:
    """The rows of the pieces that are used, (R - 1, S), float32."""
    rows_VS = torch.from_numpy(np.asarray(start_VS, np.float32))
    return rows_VS if used_V is None else rows_VS[torch.from_numpy(used_V)]


def tiny_batch(length: int = 5) -> dict[str, NDArray[np.generic]]:
    """Ids of up to 11 pieces and their mask, one text of them empty: what the contract tests use."""
    dice = np.random.default_rng(0)
    lengths = np.array([1, length, 3, 0])
    mask_BT = (np.arange(length)[None, :] < lengths[:, None]).astype(np.float32)
    return {"ids": dice.integers(0, 11, mask_BT.shape) * mask_BT.astype(np.int64), "mask": mask_BT}
