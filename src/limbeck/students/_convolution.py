"""Convolutions with batch norm, and the same in a graph. Knows shapes, weights and running means; knows no blocks and no family of students.

Letters: B examples, C channels of the input, O of the output, H height, W width.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from limbeck.graph import GraphBuilder
from limbeck.students._rounding import ZERO, RowPrecision, as_read, int4, int8, packed


class Convolution(nn.Module):
    """Batch norm of a convolution without a bias, which the written file folds into its weights.

    Args:
        channels: C.
        outputs: O.
        kernel: side of the filters, odd.
        stride: 2 halves the sides.
        depthwise: whether each channel has a filter of its own; then C = O.

    Source: Ioffe and Szegedy (2015), Batch Normalization, section 3.1; Jacob et al. (2018), Quantization and Training of Neural Networks
    for Efficient Integer-Arithmetic-Only Inference, section 3.2, for the folding.
    """

    def __init__(self, channels: int, outputs: int, kernel: int, stride: int = 1, depthwise: bool = False) -> None:
        super().__init__()
        assert not depthwise or channels == outputs, (channels, outputs)
        self.stride, self.padding, self.groups = stride, kernel // 2, channels if depthwise else 1
        self.weight = nn.Parameter(torch.empty(outputs, channels // self.groups, kernel, kernel))
        self.norm = nn.BatchNorm2d(outputs)

    @torch.no_grad()
    def begin(self, generator: torch.Generator) -> None:
        """Random filters whose outputs are as large as their inputs (He et al. 2015, section 2.2)."""
        self.weight.normal_(0.0, (2.0 / self.weight[0].numel()) ** 0.5, generator=generator)

    def forward(self, x_BCHW: Tensor, precision: RowPrecision) -> Tensor:
        """(B, O, H / stride, W / stride); answering, with the weights that the written file holds."""
        if self.training:
            # Rounding does not hang on the size of a filter, so it is the same before the norm is folded into it and after.
            made: Tensor = self.norm(self._over(x_BCHW, weight_as_read(self.weight, precision, True), None))
            return made
        weight, bias_O = self.folded()
        return self._over(x_BCHW, weight_as_read(weight, precision, False), bias_O)

    def _over(self, x_BCHW: Tensor, weight: Tensor, bias_O: Tensor | None) -> Tensor:
        return F.conv2d(x_BCHW, weight, bias_O, self.stride, self.padding, 1, self.groups)

    def folded(self) -> tuple[Tensor, Tensor]:
        """Weights and bias of a convolution that needs no norm behind it."""
        norm = self.norm
        assert norm.running_var is not None, "a norm without running means cannot be folded"
        assert norm.running_mean is not None, "a norm without running means cannot be folded"
        scale_O = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        return self.weight * scale_O[:, None, None, None], norm.bias - norm.running_mean * scale_O

    @torch.no_grad()
    def emit(self, g: GraphBuilder, name: str, x_BCHW: str, precision: RowPrecision) -> str:
        """The same in a graph, weights and norm in one."""
        folded, bias_O = self.folded()
        weight, bias = emit_weight(g, name, folded, precision), g.constant(f"{name}.b", _array(bias_O))
        pads, strides = [self.padding] * 4, [self.stride] * 2
        return g("Conv", x_BCHW, weight, bias, dilations=[1, 1], group=self.groups, pads=pads, strides=strides)


def weight_as_read(weight_Oxxx: Tensor, precision: RowPrecision, training: bool) -> Tensor:
    """A weight as a network computes with it: answering, as the written file holds it; in training rounded where it has four bits."""
    return as_read(weight_Oxxx.flatten(1), precision, training).reshape(weight_Oxxx.shape)


def emit_weight(g: GraphBuilder, name: str, weight_Oxxx: Tensor, precision: RowPrecision) -> str:
    """A weight as a constant; in int8 and int4 as whole numbers and a scale for each output, which a runtime multiplies once, as it loads."""
    weight_Oxxx = weight_Oxxx.detach().float().cpu()
    if precision == "float32":
        return g.constant(f"{name}.w", _array(weight_Oxxx))
    if precision == "int4":
        whole_OI, scale_O1 = int4(weight_Oxxx.flatten(1))
        both = g.constant(f"{name}.w", packed(whole_OI))
        halves = g("Concat", g("BitwiseAnd", both, g.byte(15)), g("BitShift", both, g.byte(4), direction="RIGHT"), axis=1)
        steps_OI = g("Sub", g("Cast", g.part(halves, 1, 0, whole_OI.shape[1]), to="float32"), g.number(float(ZERO)))
        scaled_OI = g("Mul", steps_OI, g.constant(f"{name}.s", _array(scale_O1)))
        return g("Reshape", scaled_OI, g.whole(*weight_Oxxx.shape))
    whole_OI, scale_O1 = int8(weight_Oxxx.flatten(1))
    whole = g.constant(f"{name}.w", whole_OI.reshape(weight_Oxxx.shape).numpy().astype(np.int8))
    scale = g.constant(f"{name}.s", _array(scale_O1.reshape(-1, *[1] * (weight_Oxxx.ndim - 1))))
    return g("Mul", g("Cast", whole, to="float32"), scale)


def _array(value: Tensor) -> NDArray[np.float32]:
    return np.asarray(value.detach().float().cpu().numpy(), np.float32)
