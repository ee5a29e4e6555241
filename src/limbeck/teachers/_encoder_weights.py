"""The weights of a transformer of BERT's kind in neutral names. Knows how transformers names them; knows nothing of students.

Letters: S width, F width of the feed-forward block, P positions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from limbeck.types import EncoderWeights

_BERT = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "mixed": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "up": "intermediate.dense",
    "down": "output.dense",
    "output_norm": "output.LayerNorm",
}
_DISTILBERT = {
    "query": "attention.q_lin",
    "key": "attention.k_lin",
    "value": "attention.v_lin",
    "mixed": "attention.out_lin",
    "attention_norm": "sa_layer_norm",
    "up": "ffn.lin1",
    "down": "ffn.lin2",
    "output_norm": "output_layer_norm",
}
_ROBERTA_KIND = ("roberta", "xlm-roberta", "camembert")

Find = Callable[[str], NDArray[np.float32]]


def encoder_weights(backbone: nn.Module) -> EncoderWeights | None:
    """The encoder inside a model of transformers, with or without a head behind it.

    BERT, RoBERTa, XLM-RoBERTa, CamemBERT, DistilBERT, and ELECTRA where its embeddings are as wide as its layers. None for others,
    and for variants that compute something else: relative positions, other activations, a decoder.
    """
    base: Any = getattr(backbone, "base_model", backbone)
    config: Any = getattr(base, "config", None)
    kind = getattr(config, "model_type", None)
    if kind not in ("bert", "electra", "distilbert", *_ROBERTA_KIND):
        return None
    activation = config.activation if kind == "distilbert" else config.hidden_act
    relative = getattr(config, "position_embedding_type", None) or "absolute"
    if activation not in ("gelu", "relu") or relative != "absolute" or getattr(config, "is_decoder", False):
        return None
    if kind == "electra" and config.embedding_size != config.hidden_size:
        return None
    state: Mapping[str, Any] = base.state_dict()

    def find(name: str) -> NDArray[np.float32]:
        found: NDArray[np.float32] = state[name].detach().float().cpu().numpy().copy()
        return found

    positions_PS = find("embeddings.position_embeddings.weight")
    if kind in _ROBERTA_KIND:  # they count positions from behind the padding index
        positions_PS = positions_PS[base.embeddings.position_embeddings.padding_idx + 1 :]
    norm = (find("embeddings.LayerNorm.weight"), find("embeddings.LayerNorm.bias"))
    if kind == "distilbert":
        layers = _layers(find, "transformer.layer", config.n_layers, _DISTILBERT)
        epsilon = float(base.embeddings.LayerNorm.eps)
        return EncoderWeights(positions_PS, np.zeros_like(norm[0]), norm, layers, config.n_heads, activation, epsilon)
    return EncoderWeights(
        positions_PS,
        find("embeddings.token_type_embeddings.weight")[0],
        norm,
        _layers(find, "encoder.layer", config.num_hidden_layers, _BERT),
        config.num_attention_heads,
        activation,
        float(config.layer_norm_eps),
    )


def _layers(find: Find, where: str, number: int, names: Mapping[str, str]) -> tuple[Mapping[str, NDArray[np.float32]], ...]:
    return tuple(
        {
            f"{ours}.{kind}": find(f"{where}.{place}.{theirs}.{kind}")
            for ours, theirs in names.items()
            for kind in ("weight", "bias")
        }
        for place in range(number)
    )
