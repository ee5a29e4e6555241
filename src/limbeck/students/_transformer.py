"""One layer of a transformer of BERT's kind, in torch and in a graph. Knows attention; knows nothing of pieces, pooling or classes.

    x = LayerNorm(x + attention(x));  x = LayerNorm(x + down(activation(up(x))))

Letters: B examples, T positions, S width, H heads, K width of a head, F width of the feed-forward block.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from limbeck.graph import GraphBuilder

Activation = Literal["gelu", "relu"]


class Layer(nn.Module):
    """Self-attention and a feed-forward block, a LayerNorm behind each.

    Query, key and value are one matrix product, and the attention is torch's fused one.

    Source: Vaswani et al. (2017), Attention Is All You Need, section 3; Devlin et al. (2019), BERT, section 3.
    """

    def __init__(self, width: int, heads: int, inner: int, activation: Activation, epsilon: float, dropout: float) -> None:
        super().__init__()
        assert width % heads == 0, (width, heads)
        self.heads, self.activation, self.dropout = heads, activation, dropout
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

    def forward(self, x_BTS: Tensor, bias_B11T: Tensor) -> Tensor:
        """The next hidden states; `bias_B11T` is added to the scores of each key."""
        batch, length, width = x_BTS.shape
        q_BHTK, k_BHTK, v_BHTK = (
            part.view(batch, length, self.heads, -1).transpose(1, 2) for part in self.qkv(x_BTS).chunk(3, dim=-1)
        )
        mixed_BHTK = F.scaled_dot_product_attention(q_BHTK, k_BHTK, v_BHTK, bias_B11T.to(q_BHTK.dtype))
        mixed_BTS = self.mixed(mixed_BHTK.transpose(1, 2).reshape(batch, length, width))
        x_BTS = self.attention_norm(x_BTS + F.dropout(mixed_BTS, self.dropout, self.training))
        bent_BTF = (F.gelu if self.activation == "gelu" else F.relu)(self.up(x_BTS))
        normed: Tensor = self.output_norm(x_BTS + F.dropout(self.down(bent_BTF), self.dropout, self.training))
        return normed

    def emit(self, g: GraphBuilder, name: str, x_BTS: str, bias_B11T: str) -> str:
        """The same in a graph. The scale of the scores is multiplied into the query's weights."""
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
        scores_BHTT = g("Add", g("MatMul", parts["query"], parts["key"]), bias_B11T)
        mixed_BHTK = g("MatMul", g("Softmax", scores_BHTT, axis=-1), parts["value"])
        joined_BTS = g("Reshape", g("Transpose", mixed_BHTK, perm=[0, 2, 1, 3]), g.whole(0, 0, width))
        x_BTS = g("Add", x_BTS, g.linear(f"{name}.mixed", joined_BTS, array(self.mixed.weight), array(self.mixed.bias)))
        x_BTS = emit_norm(g, f"{name}.attention_norm", x_BTS, self.attention_norm)
        up_BTF = g.linear(f"{name}.up", x_BTS, array(self.up.weight), array(self.up.bias))
        bent_BTF = g.gelu(up_BTF) if self.activation == "gelu" else g("Relu", up_BTF)
        x_BTS = g("Add", x_BTS, g.linear(f"{name}.down", bent_BTF, array(self.down.weight), array(self.down.bias)))
        return emit_norm(g, f"{name}.output_norm", x_BTS, self.output_norm)


def emit_norm(g: GraphBuilder, name: str, x: str, norm: nn.LayerNorm) -> str:
    """A LayerNorm over the last axis in a graph."""
    return g.normalized(name, x, array(norm.weight), array(norm.bias), norm.eps)


def array(parameter: Tensor) -> NDArray[np.float32]:
    """A parameter as numpy's, outside the tape."""
    found: NDArray[np.float32] = parameter.detach().cpu().numpy()
    return found
