"""A graph in float32 to the same graph in int8, part by part. Knows graphs, ranges and rounding; runs nothing and chooses nothing.

A product x @ W whose W is a constant, and a convolution of x with such a W, becomes, in ONNX's QDQ form,

    DequantizeLinear(QuantizeLinear(x)) @ DequantizeLinear(W as int8)

which ONNX Runtime computes in whole numbers, and whoever does not know the form computes as it stands, to the same numbers. The
ranges are static: an answer does not depend on who shares its batch, as it does where each batch's own range is taken. A table of
which rows are sliced becomes whole numbers and one scale for each row, which are sliced first and multiplied after.

Letters: N rows (places of texts), I inputs and O outputs of a product, D width of a table.

Source: Jacob et al. (2018), Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference, section 2;
Wu et al. (2020), Integer Quantization for Deep Learning Inference, section 3, for percentiles and for one scale per output.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from limbeck.errors import TrainingError, listing
from limbeck.graph import Graph, Node

Activations = Literal["uint8", "int8"]
Clipping = Literal["min-max", "99.99", "99.9", "mse"]
Floats = NDArray[np.float32]
_BINS, _SHRINKS = (
    2048,
    tuple(1.0 - 0.02 * step for step in range(36)),
)  # of the search for the range with the least squared error
_NARROW = 16  # a row of fewer numbers is not worth a scale of its own


@dataclass(frozen=True, slots=True)
class Scheme:
    """How the products' activations and weights become whole numbers.

    activations: "uint8" spans what was seen from lowest to highest (U8S8), "int8" is symmetric about zero (S8S8). Weights are int8 and
    symmetric, with one scale for each output (`per_channel`) or one for all. `reduce_range` keeps weights within 7 bits: x86
    processors without VNNI add two products uint8 * int8 in 16 signed bits, which 2 * 255 * 64 fits and 2 * 255 * 127 does not.
    `clipping`: what range of the activations is spanned: all of it, all but the share beyond a percentile on each side, or the one
    with the least squared error.
    """

    activations: Activations = "uint8"
    per_channel: bool = True
    reduce_range: bool = True
    clipping: Clipping = "min-max"

    @property
    def name(self) -> str:
        """Such as "U8S8, per channel, 7 bits, min-max"."""
        kind, channel = "U8S8" if self.activations == "uint8" else "S8S8", "channel" if self.per_channel else "tensor"
        return f"{kind}, per {channel}, {7 if self.reduce_range else 8} bits, {self.clipping}"


@dataclass(frozen=True, slots=True)
class Product:
    """A product x @ W with a constant W (I, O), or a convolution with one (O, I, ...): the names of both, and the axis of W's outputs."""

    weight: str
    x: str
    outputs: int = 1


def products(graph: Graph) -> tuple[Product, ...]:
    """The products and convolutions of a graph with a float32 weight that nothing else reads, in order."""
    read = _readers(graph)
    return tuple(
        Product(node.inputs[1], node.inputs[0], 1 if node.op == "MatMul" else 0)
        for node in graph.nodes
        if (_is_matrix(graph, node.inputs[1]) if node.op == "MatMul" else node.op == "Conv" and _is_filter(graph, node))
        and len(read[node.inputs[1]]) == 1
    )


def tables(graph: Graph) -> tuple[str, ...]:
    """The float32 tables of a graph of which nothing is read but slices of rows, in order of their constants."""
    read = _readers(graph)
    return tuple(
        name
        for name, value in graph.constants.items()
        if _is_matrix(graph, name)
        and value.shape[1] >= _NARROW
        and len(read.get(name, ())) == 1
        and _slices_rows(read[name][0])
    )


def tapped(graph: Graph, product: Product) -> Graph:
    """The part of a graph that makes a product's x, as rows (N, I); what a convolution reads, as numbers (N, 1)."""
    ends = next((place + 1 for place, node in enumerate(graph.nodes) if node.output == product.x), 0)
    nodes = (*graph.nodes[:ends], Node("Reshape", (product.x, "tap shape"), "tap"))
    used = {name for node in nodes for name in node.inputs}
    constants = {name: value for name, value in graph.constants.items() if name in used}
    width = len(graph.constants[product.weight]) if product.outputs else 1
    constants["tap shape"] = np.array([-1, width], np.int64)
    return Graph(graph.inputs, constants, nodes, "tap")


@dataclass(frozen=True, slots=True)
class Range:
    """The numbers that an activation is spanned over; it holds zero, so that zero stays zero."""

    low: float
    high: float

    def steps(self, activations: Activations) -> tuple[Floats, NDArray[Any]]:
        """The scale, and the whole number that means zero, both ()."""
        if activations == "int8":
            return _scale(max(-self.low, self.high) / 127.0), np.array(0, np.int8)
        scale = _scale((self.high - self.low) / 255.0)
        return scale, np.array(np.clip(np.rint(-self.low / float(scale)), 0, 255), np.uint8)


def ranges(rows_NI: Floats) -> dict[Clipping, Range]:
    """The range of what was seen of a product's x, by each way of clipping.

    Raises:
        ValueError: nothing was seen.
        TrainingError: something was seen that is not a finite number.
    """
    if not rows_NI.size:
        raise ValueError("no values were observed: int8 needs at least one calibration row")
    if not np.isfinite(rows_NI).all():
        raise TrainingError(
            "the student's values are not finite on a training row, so they have no range. Lower training.learning_rate."
        )
    low, high = min(0.0, float(rows_NI.min())), max(0.0, float(rows_NI.max()))
    found: dict[Clipping, Range] = {"min-max": Range(low, high), "mse": _least_squares(rows_NI, low, high)}
    for share in ("99.99", "99.9"):
        lower, upper = np.percentile(rows_NI, (100.0 - float(share), float(share)))
        found[share] = Range(min(0.0, float(lower)), max(0.0, float(upper)))
    assert set(found) == set(get_args(Clipping))
    return found


def whole_weights(weight: Floats, scheme: Scheme, outputs: int = 1) -> tuple[NDArray[np.int8], Floats]:
    """A weight as int8, in its own shape, and its scales, (O,) or (); weight = whole numbers * scales along the axis of its outputs.
    Those of an output that are all zeros stay zeros."""
    most = 64.0 if scheme.reduce_range else 127.0
    others = tuple(axis for axis in range(weight.ndim) if axis != outputs)
    scale = _scale(np.abs(weight).max(axis=others if scheme.per_channel else None) / most)
    along = np.expand_dims(scale, others) if scheme.per_channel else scale
    return np.clip(np.rint(weight / along), -most, most).astype(np.int8), scale


def quantized(
    graph: Graph, scheme: Scheme, seen: Mapping[str, Mapping[Clipping, Range]], excluded: Collection[str] = ()
) -> Graph:
    """The graph with its products and tables in whole numbers.

    Args:
        graph: in float32.
        scheme: of its products.
        seen: the ranges of each product's x, by the name of x.
        excluded: names of weights and tables that stay float32.

    Raises:
        ValueError: an x was not observed, or an excluded name is neither a weight nor a table.
    """
    chosen = {p.weight: p for p in products(graph)}
    rows = set(tables(graph))
    if unknown := sorted(set(excluded) - set(chosen) - rows):
        raise ValueError(
            f"{listing(unknown)} is no weight of a product and no table; there are {listing([*chosen, *sorted(rows)])}"
        )
    chosen = {name: p for name, p in chosen.items() if name not in excluded}
    if missing := sorted({p.x for p in chosen.values()} - set(seen)):
        raise ValueError(f"nothing was observed of {listing(missing)}")
    constants, nodes = dict(graph.constants), list[Node]()
    for node in graph.nodes:
        if node.op in ("MatMul", "Conv") and node.inputs[1] in chosen:
            x, weight = node.inputs[:2]
            outputs = chosen[weight].outputs
            if f"{x}.scale" not in constants:  # of several products of one x the first rounds it for all
                constants[f"{x}.scale"], constants[f"{x}.zero"] = seen[x][scheme.clipping].steps(scheme.activations)
                nodes += (
                    _rounded(x, f"{x}.whole", "QuantizeLinear"),
                    _rounded(f"{x}.whole", f"{x}.rounded", "DequantizeLinear", x),
                )
            constants[weight], constants[f"{weight}.scale"] = whole_weights(constants[weight], scheme, outputs)
            constants[f"{weight}.zero"] = np.zeros(constants[f"{weight}.scale"].shape, np.int8)
            nodes.append(_rounded(weight, f"{weight}.rounded", "DequantizeLinear", axis=outputs))
            rest = node.inputs[2:]
            if rest:  # the bias of a convolution, in the steps of its products: else no runtime computes it in whole numbers
                (bias,) = rest
                steps = constants[f"{x}.scale"] * constants[f"{weight}.scale"] * np.ones(len(constants[bias]), np.float32)
                constants[f"{bias}.scale"] = steps
                constants[bias] = np.rint(np.asarray(constants[bias], np.float64) / steps).astype(np.int32)
                constants[f"{bias}.zero"] = np.zeros(len(steps), np.int32)
                nodes.append(_rounded(bias, f"{bias}.rounded", "DequantizeLinear", axis=0))
                rest = (f"{bias}.rounded",)
            nodes.append(Node(node.op, (f"{x}.rounded", f"{weight}.rounded", *rest), node.output, node.attributes))
        elif node.op == "Slice" and node.inputs[0] in rows - set(excluded):
            name = node.inputs[0]
            scale_N1 = _scale(np.abs(constants[name]).max(axis=1, keepdims=True) / 127.0)
            constants[name], constants[f"{name}.scale"] = np.rint(constants[name] / scale_N1).astype(np.int8), scale_N1
            nodes.append(Node("Slice", node.inputs, f"{name}.whole", node.attributes))
            nodes.append(Node("Cast", (f"{name}.whole",), f"{name}.cast", {"to": "float32"}))
            nodes.append(Node("Slice", (f"{name}.scale", *node.inputs[1:]), f"{name}.scales", node.attributes))
            nodes.append(Node("Mul", (f"{name}.cast", f"{name}.scales"), node.output))
        else:
            nodes.append(node)
    return Graph(graph.inputs, constants, tuple(nodes), graph.output)


def corrected(graph: Graph, candidate: Graph, mean: Callable[[Graph, str], Floats]) -> Graph:
    """A quantized graph whose convolutions' biases take back what rounding moved their outputs by on average, one convolution after the other.

    Args:
        graph: in float32.
        candidate: the same by `quantized`.
        mean: of what a graph makes under a name, for each output of a convolution (O,), on calibration rows.

    Returns:
        The candidate itself where no convolution has a bias in whole numbers.

    Source: Nagel et al. (2019), Data-Free Quantization through Weight Equalization and Bias Correction, section 4.2; the means by what is seen.
    """
    for node in candidate.nodes:
        bias = node.inputs[2].removesuffix(".rounded") if node.op == "Conv" else ""
        if bias == node.inputs[-1] or bias not in candidate.constants:
            continue
        moved_O = mean(graph, node.output) - mean(candidate, node.output)
        taken_back_O = candidate.constants[bias] + np.rint(moved_O / candidate.constants[f"{bias}.scale"])
        candidate = replace(candidate, constants={**candidate.constants, bias: taken_back_O.astype(np.int32)})
    return candidate


def averaged(graph: Graph, name: str) -> Graph:
    """The part of a graph that makes what a convolution of that name gives, and its mean over all places, (B, O)."""
    end = next(place for place, node in enumerate(graph.nodes) if node.output == name)
    weight = graph.nodes[end].inputs[1].removesuffix(".rounded")
    axes = list(range(2, graph.constants[weight].ndim))
    nodes = (*graph.nodes[: end + 1], Node("ReduceMean", (name,), "mean of all", {"axes": axes, "keepdims": 0}))
    used = {x for node in nodes for x in node.inputs}
    return Graph(graph.inputs, {n: value for n, value in graph.constants.items() if n in used}, nodes, "mean of all")


def _rounded(x: str, output: str, op: str, of: str | None = None, axis: int = 1) -> Node:
    return Node(op, (x, f"{of or x}.scale", f"{of or x}.zero"), output, {"axis": axis})


def _readers(graph: Graph) -> dict[str, list[Node]]:
    found: dict[str, list[Node]] = {}
    for node in graph.nodes:
        for name in node.inputs:
            found.setdefault(name, []).append(node)
    return found


def _is_matrix(graph: Graph, name: str) -> bool:
    value = graph.constants.get(name)
    return value is not None and value.dtype == np.float32 and value.ndim == 2


def _is_filter(graph: Graph, node: Node) -> bool:
    """Whether a convolution has a weight and a bias that are constants."""
    weight, bias = (graph.constants.get(name) for name in node.inputs[1:])
    return weight is not None and weight.dtype == np.float32 and bias is not None


def _slices_rows(node: Node) -> bool:
    return node.op == "Slice" and list(node.attributes["axes"]) == [0]


def _scale(size: Any) -> Floats:
    """A step; 1 where there is nothing to span, so that zeros stay zeros and nothing is divided by a number too small for it."""
    step = np.asarray(size, np.float32)
    return np.asarray(np.where(step > np.finfo(np.float32).tiny, step, np.float32(1.0)), np.float32)


def _least_squares(values: Floats, low: float, high: float) -> Range:
    """The shrunken range under which the values, in a histogram, are rounded and clipped with the least squared error."""
    if high - low < _BINS * np.finfo(np.float32).tiny:
        return Range(low, high)
    counts, edges = np.histogram(values, _BINS, (low, high))
    middle = (edges[:-1] + edges[1:]) / 2

    def error(shrink: float) -> float:
        inside = (middle >= low * shrink) & (middle <= high * shrink)
        clipped = middle - np.clip(middle, low * shrink, high * shrink)
        rounding = ((high - low) * shrink / 255.0) ** 2 / 12.0  # of a number that falls anywhere within a step
        return float((counts * np.where(inside, rounding, clipped**2)).sum())

    best = min(_SHRINKS, key=error)
    return Range(low * best, high * best)
