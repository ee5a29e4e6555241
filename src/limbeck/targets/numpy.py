"""A graph as a .npz file, run by numpy alone: the reference that other targets are compared with, and a fallback everywhere.

Knows what each operator of a graph means; knows nothing of students or bundles.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.graph import Graph
from limbeck.targets._npz import LAYOUT, graph_of
from limbeck.types import Runner

Array = NDArray[Any]


class Numpy:
    """One `model.npz`: the constants, and the graph's nodes as JSON. No pickle."""

    filename = "model.npz"
    tolerance = 1e-4

    def write(self, graph: Graph, path: Path) -> None:
        """Write the graph; the same graph gives the same bytes."""
        layout = {
            "inputs": [asdict(i) for i in graph.inputs],
            "nodes": [asdict(n) for n in graph.nodes],
            "output": graph.output,
            "constants": list(graph.constants),
        }
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            # A fixed date, so that the same graph gives the same file.
            archive.writestr(zipfile.ZipInfo(LAYOUT), json.dumps(layout))
            for number, value in enumerate(graph.constants.values()):
                with archive.open(zipfile.ZipInfo(f"{number}.npy"), "w") as file:
                    np.lib.format.write_array(file, np.asarray(value), allow_pickle=False)

    def load(self, file: Path | bytes, threads: int = 1) -> Runner:
        """A function from named arrays to logits (B, C). numpy chooses its own threads; `threads` is not used.

        Raises:
            ModelFileError: the file is not one that `write` could have written.
        """
        del threads
        graph = graph_of(file if isinstance(file, bytes) else file.read_bytes(), self.filename)

        def run(inputs: Mapping[str, Array]) -> NDArray[np.float32]:
            return evaluate(graph, inputs)

        return run


def evaluate(graph: Graph, inputs: Mapping[str, Array]) -> NDArray[np.float32]:
    """The output of a graph for named inputs."""
    values: dict[str, Array] = {**graph.constants, **{i.name: inputs[i.name] for i in graph.inputs}}
    for node in graph.nodes:
        operator = _OPERATORS[node.op]
        values[node.output] = np.asarray(operator(*(values[name] for name in node.inputs), **node.attributes))
    return values[graph.output]


def _softmax(x: Array, axis: int) -> Array:
    shifted: Array = np.exp(x - x.max(axis=axis, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=axis, keepdims=True))


def _reduce(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, axes, keepdims: function(x, axis=tuple(axes), keepdims=bool(keepdims)).astype(x.dtype)


def _layer_normalization(x: Array, scale: Array, bias: Array, axis: int, epsilon: float) -> Array:
    axes = tuple(range(axis % x.ndim, x.ndim))
    centred = x - x.mean(axis=axes, keepdims=True)
    deviation = np.sqrt((centred * centred).mean(axis=axes, keepdims=True) + x.dtype.type(epsilon))
    return np.asarray(centred / deviation * scale + bias)


def _reshape(x: Array, shape: Array) -> Array:
    return x.reshape([x.shape[axis] if size == 0 else int(size) for axis, size in enumerate(shape)])


def _slice(x: Array, starts: Array, ends: Array, axes: list[int]) -> Array:
    chosen = {axis % x.ndim: slice(int(a), int(b)) for axis, a, b in zip(axes, starts, ends, strict=True)}
    return x[tuple(chosen.get(axis, slice(None)) for axis in range(x.ndim))]


def _divide(a: Array, b: Array) -> Array:
    return a / b if np.issubdtype(a.dtype, np.floating) else np.trunc(a / b).astype(a.dtype)


def _along(x: Array, steps: Array, axis: int) -> Array:
    """Scales or zeros in a shape that meets x: () for all of it, (N,) along the axis."""
    return steps if steps.ndim == 0 else np.expand_dims(steps, [a for a in range(x.ndim) if a != axis % x.ndim])


def _quantize(x: Array, scale: Array, zero: Array, axis: int) -> Array:
    limits = np.iinfo(zero.dtype)
    steps = np.rint(x / _along(x, scale, axis)) + _along(x, zero, axis).astype(np.float32)
    return np.asarray(np.clip(steps, limits.min, limits.max).astype(zero.dtype))


def _dequantize(x: Array, scale: Array, zero: Array, axis: int) -> Array:
    shifted = x.astype(np.int32) - _along(x, zero, axis).astype(np.int32)
    return np.asarray(shifted.astype(scale.dtype) * _along(x, scale, axis))


def _windows(x: Array, kernel: Sequence[int], pads: Sequence[int], strides: Sequence[int], fill: float) -> Array:
    """All places of a kernel in (B, C, ...), padded with `fill` before and behind each axis: (B, C, places of each axis, kernel)."""
    n = len(kernel)
    padded = np.pad(x, [(0, 0), (0, 0), *zip(pads[:n], pads[n:], strict=True)], constant_values=fill)
    found = np.lib.stride_tricks.sliding_window_view(padded, tuple(kernel), axis=tuple(range(2, 2 + n)))
    return found[(slice(None), slice(None), *(slice(None, None, s) for s in strides))]


def _conv(x: Array, weight: Array, bias: Array, dilations: list[int], group: int, pads: list[int], strides: list[int]) -> Array:
    n = weight.ndim - 2
    spread = [1 + d * (k - 1) for d, k in zip(dilations, weight.shape[2:], strict=True)]
    seen = _windows(x, spread, pads, strides, 0.0)
    steps: tuple[Any, ...] = (..., *(slice(None, None, d) for d in dilations))
    seen = seen[steps]
    batch, channels, places = len(x), x.shape[1] // group, seen.shape[2 : 2 + n]
    seen = seen.reshape(batch, group, channels, math.prod(places), -1).transpose(1, 0, 3, 2, 4)
    flat = weight.reshape(group, len(weight) // group, -1).transpose(0, 2, 1)
    made = seen.reshape(group, batch * math.prod(places), -1) @ flat  # (group, B * places, O / group)
    made = made.reshape(group, batch, math.prod(places), -1).transpose(1, 0, 3, 2)
    return np.asarray(made.reshape(batch, len(weight), *places) + bias.reshape(-1, *[1] * n))


def _pool(function: Callable[..., Any], fill: float) -> Callable[..., Any]:
    def pooled(x: Array, kernel_shape: list[int], pads: list[int], strides: list[int]) -> Array:
        seen = _windows(x, kernel_shape, pads, strides, fill)
        return np.asarray(function(seen, axis=tuple(range(-len(kernel_shape), 0)))).astype(x.dtype)

    return pooled


_erf = np.vectorize(math.erf, otypes=[np.float64])

_OPERATORS: dict[str, Callable[..., Any]] = {
    "Add": np.add,
    "AveragePool": _pool(np.nanmean, math.nan),
    "BitShift": lambda x, by, direction: (np.right_shift if direction == "RIGHT" else np.left_shift)(x, by),
    "BitwiseAnd": np.bitwise_and,
    "Cast": lambda x, to: x.astype(to),
    "Concat": lambda a, b, axis: np.concatenate([a, b], axis=axis),
    "Conv": _conv,
    "DequantizeLinear": _dequantize,
    "Div": _divide,
    "Erf": lambda x: _erf(x).astype(x.dtype),
    "Exp": np.exp,
    "Gather": lambda table, ids, axis: np.take(table, ids, axis=axis),
    "LayerNormalization": _layer_normalization,
    "MatMul": np.matmul,
    "Max": np.maximum,
    "MaxPool": _pool(np.max, -math.inf),
    "Mod": np.mod,
    "Mul": np.multiply,
    "Pad": lambda x, pads: np.pad(x, [(int(a), int(b)) for a, b in pads.reshape(2, -1).T]),
    "QuantizeLinear": _quantize,
    "ReduceMax": _reduce(np.max),
    "ReduceMean": _reduce(np.mean),
    "ReduceSum": _reduce(np.sum),
    "Relu": lambda x: np.maximum(x, 0),
    "Reshape": _reshape,
    "Shape": lambda x: np.array(x.shape, np.int64),
    "Sigmoid": lambda x: (0.5 * (1 + np.tanh(0.5 * x))).astype(x.dtype),
    "Slice": _slice,
    "Softmax": _softmax,
    "Sqrt": np.sqrt,
    "Sub": np.subtract,
    "Tanh": np.tanh,
    "Transpose": lambda x, perm: np.transpose(x, perm),
    "Unsqueeze": lambda x, axes: np.expand_dims(x, tuple(axes)),
}
