"""How operators change shapes. Knows the meaning of each operator for shapes and for small whole numbers; computes no tensor.

A `Known` is what is known of a value: its shape (None: unknown) and, of a small tensor of whole numbers, its values in order: what
shapes are made from (Shape, Gather, Concat, Mul ...). A rule raises ValueError, IndexError or the like where something it needs is not
known or does not fit.

Source: the operators' own pages of the ONNX documentation (Operators.md), opset 18 to 20.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from limbeck.onnx_file.model import OnnxNode, Tensor
from limbeck.onnx_file.wire import Reader

_MOST_VALUES = 64
_WHOLE = ("int64", "int32")


@dataclass(frozen=True, slots=True)
class Known:
    """Shape and values, as far as they are known."""

    shape: tuple[int, ...] | None = None
    values: tuple[int, ...] | None = None


UNKNOWN = Known()


def constant(tensor: Tensor) -> Known:
    """What is known of a constant."""
    if tensor.dtype not in _WHOLE or math.prod(tensor.shape) > _MOST_VALUES:
        return Known(tensor.shape)
    if tensor.kept == "raw_data":
        return Known(
            tensor.shape, tuple(int(v) for v in np.frombuffer(tensor.values, np.dtype(tensor.dtype).newbyteorder("<")))
        )
    return Known(tensor.shape, tuple(Reader("").integers(tensor.values, tensor.name)))


def made(node: OnnxNode, inputs: Sequence[Known]) -> list[Known]:
    """What is known of the outputs of a node."""
    op, first = node.op, inputs[0] if inputs else UNKNOWN
    if op in _AS_FIRST:
        values = first.values if op in ("Cast", "Identity") else None
        return [Known(first.shape, values)] * (1 if op != "BatchNormalization" else len(node.outputs))
    if op in _BROADCAST:
        return [_broadcast(op, inputs)]
    if op in _RULES:
        return _RULES[op](node.attributes, list(inputs))
    if op.startswith(("Reduce", "Arg")):
        return [_reduced(node, inputs)]
    return []


_AS_FIRST = frozenset(
    {
        "Abs", "BatchNormalization", "Cast", "Ceil", "Clip", "Cos", "CumSum", "DequantizeLinear", "Elu", "Erf", "Exp", "Floor", "Gelu",
        "HardSigmoid", "HardSwish", "Identity", "IsInf", "IsNaN", "LayerNormalization", "LeakyRelu", "Log", "LogSoftmax", "Neg", "Not",
        "QuantizeLinear", "Reciprocal", "Relu", "Round", "ScatterElements", "ScatterND", "Selu", "Sigmoid", "Sign", "Sin", "Softmax",
        "Softplus", "Softsign", "Sqrt", "Tan", "Tanh", "Trilu",
    }
)  # fmt: skip
_BROADCAST = frozenset(
    {
        "Add", "And", "BitShift", "BitwiseAnd", "Div", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Mean", "Min",
        "Mod", "Mul", "Or", "PRelu", "Pow", "Sub", "Sum", "Where", "Xor",
    }
)  # fmt: skip
_ARITHMETIC: dict[str, Callable[[int, int], int]] = {
    "Add": lambda a, b: a + b, "Sub": lambda a, b: a - b, "Mul": lambda a, b: a * b, "Max": max, "Min": min,
    "Div": lambda a, b: abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1), "Mod": lambda a, b: a % b,
}  # fmt: skip


def _shape(value: Known) -> tuple[int, ...]:
    if value.shape is None:
        raise ValueError("its shape is not known")
    return value.shape


def _values(value: Known) -> tuple[int, ...]:
    if value.values is None:
        raise ValueError("its values are not known")
    return value.values


def _broadcast_shapes(shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    longest = max(map(len, shapes))
    columns = zip(*((1,) * (longest - len(shape)) + shape for shape in shapes), strict=True)
    return tuple(0 if 0 in column else max(column) for column in columns)


def _broadcast(op: str, inputs: Sequence[Known]) -> Known:
    shape = _broadcast_shapes([_shape(i) for i in inputs])
    if op not in _ARITHMETIC or len(inputs) != 2 or inputs[0].values is None or inputs[1].values is None:
        return Known(shape)
    a, b = inputs[0].values, inputs[1].values
    if len(a) != len(b) and 1 not in (len(a), len(b)):
        return Known(shape)
    count = max(len(a), len(b))
    pairs = zip(a * (count // len(a)), b * (count // len(b)), strict=True)
    wrapped = tuple((_ARITHMETIC[op](x, y) + 2**63) % 2**64 - 2**63 for x, y in pairs)  # as int64 does
    return Known(shape, wrapped if math.prod(shape) == count else None)


def _matmul(_: Mapping[str, Any], i: list[Known]) -> list[Known]:
    a, b = _shape(i[0]), _shape(i[1])
    rows, columns = a[-2:-1], b[-1:] if len(b) > 1 else ()
    return [Known((*_broadcast_shapes([a[:-2], b[:-2]]), *rows, *columns))]


def _gemm(a: Mapping[str, Any], i: list[Known]) -> list[Known]:
    x, y = _shape(i[0]), _shape(i[1])
    return [Known((x[1 if a.get("transA") else 0], y[0 if a.get("transB") else 1]))]


def _shape_of(a: Mapping[str, Any], i: list[Known]) -> list[Known]:
    dims = _shape(i[0])[a.get("start", 0) : a.get("end")]
    return [Known((len(dims),), dims)]


def _size_of(_: Mapping[str, Any], i: list[Known]) -> list[Known]:
    return [Known((), (math.prod(_shape(i[0])),))]


def _gather(a: Mapping[str, Any], i: list[Known]) -> list[Known]:
    table, ids = _shape(i[0]), _shape(i[1])
    axis = a.get("axis", 0) % len(table)
    values = None
    if len(table) == 1 and i[0].values is not None and i[1].values is not None:
        values = tuple(i[0].values[v] for v in i[1].values)
    return [Known((*table[:axis], *ids, *table[axis + 1 :]), values)]


def _gather_nd(a: Mapping[str, Any], i: list[Known]) -> list[Known]:
    table, ids = _shape(i[0]), _shape(i[1])
    return [Known((*ids[:-1], *table[a.get("batch_dims", 0) + ids[-1] :]))]


def _concat(a: Mapping[str, Any], i: list[Known]) -> list[Known]:
    shapes = [_shape(x) for x in i]
    axis = a["axis"] % len(shapes[0])
    total = sum(shape[axis] for shape in shapes)
    values = None
    if len(shapes[0]) == 1 and total <= _MOST_VALUES and all(x.values is not None for x in i):
        values = tuple(v for x in i for v in x.values or ())
    return [Known((*shapes[0][:axis], total, *shapes[0][axis + 1 :]), values)]


def _reshape(a: Mapping[str, Any], i: list[Known]) -> list[Known]:
    old, wanted = _shape(i[0]), _values(i[1])
    dims = [old[axis] if dim == 0 and not a.get("allowzero") else dim for axis, dim in enumerate(wanted)]
    if -1 in dims:
        dims[dims.index(-1)] = math.prod(old) // max(1, math.prod(d for d in dims if d != -1))
    return [Known(tuple(dims), i[0].values)]


def _unsqueeze(_: Mapping[str, Any], i: list[Known]) -> list[Known]:
    old, axes = list(_shape(i[0])), _values(i[1])
    for axis in sorted(axis % (len(old) + len(axes)) for axis in axes):
        old.insert(axis, 1)
    return [Known(tuple(old), i[0].values)]


def _squeeze(_: Mapping[str, Any], i: list[Known]) -> list[Known]:
    old = _shape(i[0])
    axes = {axis % len(old) for axis in _values(i[1])} if len(i) > 1 else {n for n, d in enumerate(old) if d == 1}
    return [Known(tuple(d for n, d in enumerate(old) if n not in axes), i[0].values)]


def _transpose(a: Mapping[str, Any], i: list[Known]) -> list[Known]:
    old = _shape(i[0])
    return [Known(tuple(old[axis] for axis in a.get("perm") or reversed(range(len(old)))))]


def _slice(_: Mapping[str, Any], i: list[Known]) -> list[Known]:
    dims, starts, ends = list(_shape(i[0])), _values(i[1]), _values(i[2])
    axes = _values(i[3]) if len(i) > 3 and i[3] != UNKNOWN else tuple(range(len(starts)))
    steps = _values(i[4]) if len(i) > 4 else (1,) * len(starts)
    values = i[0].values
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        part = slice(start, None if step < 0 and end < -dims[axis] else end, step)
        values = values[part] if values is not None and len(dims) == 1 else None
        dims[axis] = len(range(*part.indices(dims[axis])))
    return [Known(tuple(dims), values)]


def _expand(_: Mapping[str, Any], i: list[Known]) -> list[Known]:
    return [Known(_broadcast_shapes([_shape(i[0]), _values(i[1])]))]


def _tile(_: Mapping[str, Any], i: list[Known]) -> list[Known]:
    return [Known(tuple(d * r for d, r in zip(_shape(i[0]), _values(i[1]), strict=True)))]


def _constant_of_shape(_: Mapping[str, Any], i: list[Known]) -> list[Known]:
    return [Known(_values(i[0]))]


def _pad(_: Mapping[str, Any], i: list[Known]) -> list[Known]:
    dims, pads = list(_shape(i[0])), _values(i[1])
    axes = _values(i[3]) if len(i) > 3 else tuple(range(len(dims)))
    for number, axis in enumerate(axes):
        dims[axis] += pads[number] + pads[number + len(axes)]
    return [Known(tuple(dims))]


def _range(_: Mapping[str, Any], i: list[Known]) -> list[Known]:
    (start,), (limit,), (step,) = _values(i[0]), _values(i[1]), _values(i[2])
    count = max(0, -(-(limit - start) // step))
    return [Known((count,), tuple(range(start, limit, step)) if count <= _MOST_VALUES else None)]


def _resize(_: Mapping[str, Any], i: list[Known]) -> list[Known]:
    return [Known(_values(i[3]))]  # by factors: not followed


def _split(a: Mapping[str, Any], i: list[Known]) -> list[Known]:
    dims, axis = _shape(i[0]), a.get("axis", 0)
    return [Known((*dims[: axis % len(dims)], part, *dims[axis % len(dims) + 1 :])) for part in _values(i[1])]


def _flatten(a: Mapping[str, Any], i: list[Known]) -> list[Known]:
    dims, axis = _shape(i[0]), a.get("axis", 1)
    return [Known((math.prod(dims[:axis]), math.prod(dims[axis:])))]


def _one_hot(a: Mapping[str, Any], i: list[Known]) -> list[Known]:
    dims, (depth,) = _shape(i[0]), _values(i[1])
    axis = a.get("axis", -1) % (len(dims) + 1)
    return [Known((*dims[:axis], depth, *dims[axis:]))]


def _top_k(a: Mapping[str, Any], i: list[Known]) -> list[Known]:
    dims, (most,), axis = list(_shape(i[0])), _values(i[1]), a.get("axis", -1)
    dims[axis] = most
    return [Known(tuple(dims))] * 2


def _window(a: Mapping[str, Any], dims: tuple[int, ...], kernel: Sequence[int]) -> tuple[int, ...]:
    n = len(kernel)
    pads, strides, dilations = a.get("pads") or [0] * 2 * n, a.get("strides") or [1] * n, a.get("dilations") or [1] * n
    if a.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        return tuple(-(-d // s) for d, s in zip(dims, strides, strict=True))
    whole = [d + pads[x] + pads[x + n] - dilations[x] * (kernel[x] - 1) - 1 for x, d in enumerate(dims)]
    return tuple(w // s + 1 for w, s in zip(whole, strides, strict=True))


def _conv(a: Mapping[str, Any], i: list[Known], weight: int = 1) -> list[Known]:
    x, w = _shape(i[0]), _shape(i[weight])
    return [Known((x[0], w[0], *_window(a, x[2:], w[2:])))]


def _pool(a: Mapping[str, Any], i: list[Known]) -> list[Known]:
    x = _shape(i[0])
    return [Known((*x[:2], *_window(a, x[2:], a["kernel_shape"])))] * 2


def _global_pool(_: Mapping[str, Any], i: list[Known]) -> list[Known]:
    x = _shape(i[0])
    return [Known((*x[:2], *(1 for _ in x[2:])))]


def _reduced(node: OnnxNode, inputs: Sequence[Known]) -> Known:
    dims, keep = _shape(inputs[0]), node.attributes.get("keepdims", 1)
    if node.op.startswith("Arg"):
        axes: set[int] = {node.attributes.get("axis", 0) % len(dims)}
    elif len(inputs) > 1 and inputs[1] != UNKNOWN:
        axes = {axis % len(dims) for axis in _values(inputs[1])}
    else:
        axes = set(range(len(dims)))
    return Known(tuple(1 if axis in axes else d for axis, d in enumerate(dims) if keep or axis not in axes))


def _literal(a: Mapping[str, Any], _: list[Known]) -> list[Known]:
    ((name, value),) = a.items()
    if isinstance(value, Tensor):
        return [constant(value)]
    if name == "value_ints":
        return [Known((len(value),), tuple(value) if len(value) <= _MOST_VALUES else None)]
    return [Known((), (value,))] if name == "value_int" else [Known((len(value),) if name == "value_floats" else ())]


_RULES: dict[str, Callable[[Mapping[str, Any], list[Known]], list[Known]]] = {
    "AveragePool": _pool, "Concat": _concat, "Constant": _literal, "ConstantOfShape": _constant_of_shape, "Conv": _conv,
    "Expand": _expand, "Flatten": _flatten, "Gather": _gather, "GatherElements": lambda _, i: [Known(i[1].shape)],
    "GatherND": _gather_nd, "Gemm": _gemm, "GlobalAveragePool": _global_pool, "GlobalMaxPool": _global_pool, "MatMul": _matmul,
    "MatMulInteger": _matmul, "MaxPool": _pool, "OneHot": _one_hot, "Pad": _pad, "QLinearConv": lambda a, i: _conv(a, i, 3),
    "QLinearMatMul": lambda a, i: _matmul(a, [i[0], i[3]]), "Range": _range, "Reshape": _reshape, "Resize": _resize, "Shape": _shape_of,
    "Size": _size_of, "Slice": _slice, "Split": _split, "Squeeze": _squeeze, "Tile": _tile, "TopK": _top_k, "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}  # fmt: skip
