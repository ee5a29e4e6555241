"""One layer of a transformer, in torch and in a graph. Knows attention; knows nothing of pieces, patches, pooling or classes.

    BERT's kind:  x = LayerNorm(x + attention(x));  x = LayerNorm(x + down(activation(up(x))))
    ViT's kind:   x = x + attention(LayerNorm(x));  x = x + down(activation(up(LayerNorm(x))))

Letters: B examples, T positions, S width, H heads, K width of a head, F width of the feed-forward block.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from limbeck.errors import RecipeError
from limbeck.graph import GraphBuilder
from limbeck.settings import Count

Activation = Literal["gelu", "relu"]
Chosen = Annotated[tuple[Count, ...], Field(strict=False, min_length=1)]


class Layer(nn.Module):
    """Self-attention and a feed-forward block, a LayerNorm behind each, or `before` each.

    Query, key and value are one matrix product, and the attention is torch's fused one.

    Source: Vaswani et al. (2017), Attention Is All You Need, section 3; Devlin et al. (2019), BERT, section 3; Dosovitskiy et al. (2021),
    An Image is Worth 16x16 Words, section 3.1, for norms before.
    """

    def __init__(
        self, width: int, heads: int, inner: int, activation: Activation, epsilon: float, dropout: float, before: bool = False
    ) -> None:
        super().__init__()
        assert width % heads == 0, (width, heads)
        self.heads, self.activation, self.dropout, self.before = heads, activation, dropout, before
        self.qkv = nn.Linear(width, 3 * width)
        self.mixed = nn.Linear(width, width)
        self.attention_norm = nn.LayerNorm(width, eps=epsilon)
        self.up = nn.Linear(width, inner)
        self.down = nn.Linear(inner, width)
        self.output_norm = nn.LayerNorm(width, eps=epsilon)

    @torch.no_grad()
    def begin(self, generator: torch.Generator) -> None:
        """Start from random numbers of BERT's deviation."""
        for linear in (self.qkv, self.mixed, self.up, self.down):
            linear.weight.normal_(0.0, 0.02, generator=generator)
            linear.bias.zero_()

    @torch.no_grad()
    def copy(self, weights: Mapping[str, NDArray[np.float32]]) -> None:
        """Start from a layer of `EncoderWeights`."""
        for kind in ("weight", "bias"):
            qkv = [weights[f"{part}.{kind}"] for part in ("query", "key", "value")]
            getattr(self.qkv, kind).copy_(torch.from_numpy(np.concatenate(qkv)))
            for part in ("mixed", "attention_norm", "up", "down", "output_norm"):
                getattr(getattr(self, part), kind).copy_(torch.from_numpy(weights[f"{part}.{kind}"]))

    def forward(self, x_BTS: Tensor, bias_B11T: Tensor | None = None) -> Tensor:
        """The next hidden states; `bias_B11T` is added to the scores of each key."""
        if self.before:
            x_BTS = x_BTS + self._dropped(self._attended(self.attention_norm(x_BTS), bias_B11T))
            return x_BTS + self._dropped(self._bent(self.output_norm(x_BTS)))
        x_BTS = self.attention_norm(x_BTS + self._dropped(self._attended(x_BTS, bias_B11T)))
        normed: Tensor = self.output_norm(x_BTS + self._dropped(self._bent(x_BTS)))
        return normed

    def _attended(self, x_BTS: Tensor, bias_B11T: Tensor | None) -> Tensor:
        batch, length, width = x_BTS.shape
        q_BHTK, k_BHTK, v_BHTK = (
            part.view(batch, length, self.heads, -1).transpose(1, 2) for part in self.qkv(x_BTS).chunk(3, dim=-1)
        )
        bias = None if bias_B11T is None else bias_B11T.to(q_BHTK.dtype)
        mixed_BHTK = F.scaled_dot_product_attention(q_BHTK, k_BHTK, v_BHTK, bias)
        mixed_BTS: Tensor = self.mixed(mixed_BHTK.transpose(1, 2).reshape(batch, length, width))
        return mixed_BTS

    def _bent(self, x_BTS: Tensor) -> Tensor:
        made: Tensor = self.down((F.gelu if self.activation == "gelu" else F.relu)(self.up(x_BTS)))
        return made

    def _dropped(self, x_BTS: Tensor) -> Tensor:
        return F.dropout(x_BTS, self.dropout, self.training)

    def emit(self, g: GraphBuilder, name: str, x_BTS: str, bias_B11T: str | None = None) -> str:
        """The same in a graph. The scale of the scores is multiplied into the query's weights."""
        if self.before:
            normed = emit_norm(g, f"{name}.attention_norm", x_BTS, self.attention_norm)
            x_BTS = g("Add", x_BTS, self._emit_attended(g, name, normed, bias_B11T))
            normed = emit_norm(g, f"{name}.output_norm", x_BTS, self.output_norm)
            return g("Add", x_BTS, self._emit_bent(g, name, normed))
        x_BTS = g("Add", x_BTS, self._emit_attended(g, name, x_BTS, bias_B11T))
        x_BTS = emit_norm(g, f"{name}.attention_norm", x_BTS, self.attention_norm)
        x_BTS = g("Add", x_BTS, self._emit_bent(g, name, x_BTS))
        return emit_norm(g, f"{name}.output_norm", x_BTS, self.output_norm)

    def _emit_attended(self, g: GraphBuilder, name: str, x_BTS: str, bias_B11T: str | None) -> str:
        width = self.mixed.in_features
        size = width // self.heads
        split = g.whole(0, 0, self.heads, size)
        parts = {}
        for place, part in enumerate(("query", "key", "value")):
            rows = slice(place * width, (place + 1) * width)
            scale = size**-0.5 if part == "query" else 1.0
            weight_SS, bias_S = self.qkv.weight[rows] * scale, self.qkv.bias[rows] * scale
            projected = g.linear(f"{name}.{part}", x_BTS, array(weight_SS), array(bias_S))
            turned = [0, 2, 3, 1] if part == "key" else [0, 2, 1, 3]
            parts[part] = g("Transpose", g("Reshape", projected, split), perm=turned)
        scores_BHTT = g("MatMul", parts["query"], parts["key"])
        scores_BHTT = scores_BHTT if bias_B11T is None else g("Add", scores_BHTT, bias_B11T)
        mixed_BHTK = g("MatMul", g("Softmax", scores_BHTT, axis=-1), parts["value"])
        joined_BTS = g("Reshape", g("Transpose", mixed_BHTK, perm=[0, 2, 1, 3]), g.whole(0, 0, width))
        return g.linear(f"{name}.mixed", joined_BTS, array(self.mixed.weight), array(self.mixed.bias))

    def _emit_bent(self, g: GraphBuilder, name: str, x_BTS: str) -> str:
        up_BTF = g.linear(f"{name}.up", x_BTS, array(self.up.weight), array(self.up.bias))
        bent_BTF = g.gelu(up_BTF) if self.activation == "gelu" else g("Relu", up_BTF)
        return g.linear(f"{name}.down", bent_BTF, array(self.down.weight), array(self.down.bias))


def emit_norm(g: GraphBuilder, name: str, x: str, norm: nn.LayerNorm) -> str:
    """A LayerNorm over the last axis in a graph."""
    return g.normalized(name, x, array(norm.weight), array(norm.bias), norm.eps)


def array(parameter: Tensor) -> NDArray[np.float32]:
    """A parameter as numpy's, outside the tape."""
    found: NDArray[np.float32] = parameter.detach().cpu().numpy()
    return found


def chosen_layers(wanted: int | tuple[int, ...], there: int | None) -> tuple[int, ...]:
    """The numbers, from 1, of the teacher's layers that a student takes.

    A number of layers is spread evenly with the last among them, since the teacher's head was trained on what the last one says: of
    6 layers 2 are (3, 6), as g(m) = 3m of Jiao et al. (2020), TinyBERT, section 4.2, and 3 are (2, 4, 6), one of each two as in
    DistilBERT.

    Args:
        wanted: how many, or which.
        there: how many the teacher has; None: it gives none, and the numbers only count.

    Raises:
        RecipeError: the teacher does not have so many.

    Example:
        >>> chosen_layers(2, 6), chosen_layers(4, 6), chosen_layers((1, 2), 6)
        ((3, 6), (2, 3, 5, 6), (1, 2))
    """
    if there is not None and max((wanted,) if isinstance(wanted, int) else wanted) > there:
        raise RecipeError(
            f"student.layers is {wanted if isinstance(wanted, int) else list(wanted)}, but the teacher has {there} layers"
        )
    if not isinstance(wanted, int):
        return wanted
    return tuple((2 * number * (there or wanted) + wanted) // (2 * wanted) for number in range(1, wanted + 1))
