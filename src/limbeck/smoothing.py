"""Scales moved from the inputs of products to the weights behind them. Knows graphs; runs nothing and chooses nothing.

    x @ W  =  (x / s) @ (s * W),   s_i = max |x_i| ** share / max |W_i| ** (1 - share)

In a transformer a few inputs are a hundred times as large as the others, the same ones in every text; one range for all leaves the
others a handful of whole numbers. Divided by a scale of its own each fits; weights have one scale for each output and bear it.

Letters: N rows (places of texts), I inputs of a product, O outputs.

Source: Xiao et al. (2023), SmoothQuant, section 4, equation 4; its share of 0.5 is right where weights are as hard as inputs, which those of
all-MiniLM are not (docs/diary.md).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from limbeck.graph import Graph, Node
from limbeck.quantize import products

Floats = NDArray[np.float32]
SHARE = 0.85
_LEAST = 1e-5
SMOOTH = ".smooth"
"""What the name of a smoothed input ends with."""


def factors(rows_NI: Floats, weights_IO: Sequence[Floats], share: float = SHARE) -> Floats:
    """The scale of each input, (I,), with a geometric mean of 1; `weights_IO`: of all products that read these rows.

    Example:
        >>> scale_I = factors(np.array([[100.0, 1.0]], np.float32), [np.ones((2, 1), np.float32)], share=0.5)
        >>> [round(float(scale), 3) for scale in scale_I]
        [3.162, 0.316]
    """
    inputs_I = np.maximum(np.abs(rows_NI).max(axis=0), _LEAST)
    weight_I = np.maximum(np.max([np.abs(weight_IO).max(axis=1) for weight_IO in weights_IO], axis=0), _LEAST)
    log_I = share * np.log(inputs_I) - (1.0 - share) * np.log(weight_I)
    scale_I: Floats = np.exp(log_I - log_I.mean()).astype(np.float32)
    return scale_I


def smoothed(graph: Graph, scales: Mapping[str, Floats], excluded: Collection[str] = ()) -> Graph:
    """The graph with the inputs of its products divided by their scales, and its weights multiplied; it says the same.

    Args:
        graph: in float32.
        scales: (I,), by the name of a product's x. The divided x is called the same with `SMOOTH` behind.
        excluded: names of weights whose products stay as they are.
    """
    chosen = {p.weight: p.x for p in products(graph) if p.weight not in excluded and p.x in scales}
    constants, nodes = dict(graph.constants), list[Node]()
    for node in graph.nodes:
        if node.op != "MatMul" or node.inputs[1] not in chosen:
            nodes.append(node)
            continue
        x, weight = node.inputs
        if f"{x}.inverse" not in constants:  # of several products of one x the first divides it for all
            constants[f"{x}.inverse"] = (1.0 / scales[x]).astype(np.float32)
            nodes.append(Node("Mul", (x, f"{x}.inverse"), f"{x}{SMOOTH}"))
        constants[weight] = (graph.constants[weight] * scales[x][:, None]).astype(np.float32)
        nodes.append(Node("MatMul", (f"{x}{SMOOTH}", weight), node.output))
    return Graph(graph.inputs, constants, tuple(nodes), graph.output)
