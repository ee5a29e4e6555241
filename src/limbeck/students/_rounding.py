"""Rows of numbers as whole numbers and scales. Knows how many bits a number gets; knows nothing of tables, graphs or networks.

Letters: D width of a row.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Precision = Literal["int8", "float32"]
RowPrecision = Literal["int8", "int4", "float32"]
ZERO = 8
"""The number of four bits that means zero."""
_LEAST = 1e-12


def int8(rows_xD: Tensor) -> tuple[Tensor, Tensor]:
    """Rows (…, D) as whole numbers in [-127, 127], still float, and the scale of each row (…, 1); rows = whole numbers * scale."""
    scale_x1 = rows_xD.abs().amax(-1, keepdim=True).clamp_min(_LEAST) / 127.0
    return (rows_xD / scale_x1).round(), scale_x1


def int4(rows_xD: Tensor) -> tuple[Tensor, Tensor]:
    """Rows (…, D) as whole numbers in [-8, 7], still float, and the scale of each row (…, 1); rows = whole numbers * scale.

    Eight of the sixteen numbers lie below zero and seven above, so the scale has the sign that makes a row's largest number -8. On a
    trained table the answers move two fifths less by it than with [-7, 7] (docs/diary.md).

    Source: the format Q4_0 of ggml, which does the same for each 32 numbers.
    """
    low_x1, high_x1 = rows_xD.amin(-1, keepdim=True), rows_xD.amax(-1, keepdim=True)
    # By comparison and not by argmax: of two that are equal it may take one in the table and the other in a gathered row.
    scale_x1 = torch.where(high_x1 > -low_x1, high_x1, low_x1) / -ZERO
    scale_x1 = torch.where(scale_x1.abs() < _LEAST, torch.full_like(scale_x1, _LEAST), scale_x1)
    return (rows_xD / scale_x1).round().clamp(-ZERO, ZERO - 1), scale_x1


def in_bytes(precision: RowPrecision) -> Precision:
    """The precision of a network's other weights beside a table of this one: of four bits only tables are."""
    return "float32" if precision == "float32" else "int8"


def as_written(rows_xD: Tensor, precision: RowPrecision) -> Tensor:
    """Rows as the written file holds them."""
    if precision == "float32":
        return rows_xD
    whole_xD, scale_x1 = int8(rows_xD) if precision == "int8" else int4(rows_xD)
    return whole_xD * scale_x1


def as_read(rows_xD: Tensor, precision: RowPrecision, training: bool) -> Tensor:
    """Rows as a network reads them: answering, as the written file holds them.

    In training rows of 8 bits are left as they are: what they lose cannot be seen. Rows of 4 bits are rounded, and the gradient goes
    through to the row as if they were not, so that the network learns with what the file will hold (docs/diary.md has the figures).

    Source: Bengio et al. (2013), Estimating or Propagating Gradients Through Stochastic Neurons, section 4, for the gradient.
    """
    if not training:
        return as_written(rows_xD, precision)
    if precision != "int4":
        return rows_xD
    return rows_xD + (as_written(rows_xD, precision) - rows_xD).detach()


def packed(whole_RD: Tensor) -> NDArray[np.uint8]:
    """Whole numbers in [-8, 7], plus 8, two to a byte, (R, D/2 rounded up): the first half of the columns in the low bits, the rest in
    the high, so that both halves are unpacked whole and lie side by side without being woven. With an odd D the last high bits are free."""
    whole = (whole_RD + ZERO).numpy().astype(np.uint8)
    half = -(-whole.shape[1] // 2)
    low, high = whole[:, :half], np.pad(whole[:, half:], ((0, 0), (0, whole.shape[1] % 2)))
    return np.asarray(low | high << 4)
