"""The weights of a ViT in neutral names. Knows how transformers names them; knows nothing of students."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from limbeck.patches import PatchWeights
from limbeck.types import EncoderWeights

_NAMES = {  # as transformers 5 calls them, and as version 4 did
    "query": ("attention.q_proj", "attention.attention.query"),
    "key": ("attention.k_proj", "attention.attention.key"),
    "value": ("attention.v_proj", "attention.attention.value"),
    "mixed": ("attention.o_proj", "attention.output.dense"),
    "attention_norm": ("layernorm_before",) * 2,
    "up": ("mlp.fc1", "intermediate.dense"),
    "down": ("mlp.fc2", "output.dense"),
    "output_norm": ("layernorm_after",) * 2,
}
_LAYERS = ("layers", "encoder.layer")


def patch_weights(
    model: nn.Module, factor: float, mean: tuple[float, ...], deviation: tuple[float, ...]
) -> PatchWeights | None:
    """The ViT inside a model of transformers; None for other kinds, and for variants that compute something else.

    Args:
        model: with or without a head.
        factor, mean, deviation: how its processor scales bytes.
    """
    base: Any = getattr(model, "base_model", model)
    config: Any = getattr(base, "config", None)
    if getattr(config, "model_type", None) != "vit" or config.hidden_act not in ("gelu", "relu") or not config.qkv_bias:
        return None
    state: Mapping[str, Any] = base.state_dict()
    now = int(f"{_LAYERS[0]}.0.layernorm_before.weight" not in state)

    def find(name: str) -> NDArray[np.float32]:
        found: NDArray[np.float32] = state[name].detach().float().cpu().numpy().copy()
        return found

    positions_PS = find("embeddings.position_embeddings")[0]
    positions_PS[0] += find("embeddings.cls_token")[0, 0]
    layers = tuple(
        {
            f"{ours}.{kind}": find(f"{_LAYERS[now]}.{place}.{theirs[now]}.{kind}")
            for ours, theirs in _NAMES.items()
            for kind in ("weight", "bias")
        }
        for place in range(config.num_hidden_layers)
    )
    norm = (find("layernorm.weight"), find("layernorm.bias"))
    encoder = EncoderWeights(
        positions_PS,
        np.zeros_like(norm[0]),
        norm,
        layers,
        config.num_attention_heads,
        config.hidden_act,
        float(config.layer_norm_eps),
    )
    classifier: Any = getattr(model, "classifier", None)
    head = None
    if isinstance(classifier, nn.Linear):
        head = (classifier.weight.detach().cpu().numpy().copy(), classifier.bias.detach().cpu().numpy().copy())
    bytes_mean, bytes_deviation = (tuple(value / factor for value in values) for values in (mean, deviation))
    projection = "embeddings.patch_embeddings.projection"
    return PatchWeights(find(f"{projection}.weight"), find(f"{projection}.bias"), encoder, bytes_mean, bytes_deviation, head)
