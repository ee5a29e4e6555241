"""A small network as plain data: operators with ONNX's names and meanings. Knows what a graph is; runs and writes nothing.

A student emits a `Graph`, a target consumes one, so N students and M targets cost N + M pieces of code. Constants carry their
own dtype: precision is part of the graph. The meaning of each operator is ONNX's (opset 18) with one simplification:
`axes` is always an attribute.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.errors import listing, nearest

OPERATORS: dict[str, tuple[int, frozenset[str]]] = {
    # name: (number of inputs, attributes, all of them required)
    "Add": (2, frozenset()),
    "AveragePool": (1, frozenset({"kernel_shape", "pads", "strides"})),  # (B, C, ...); what is padded does not count
    "BitShift": (2, frozenset({"direction"})),  # "RIGHT" or "LEFT"; both inputs unsigned and of one type
    "BitwiseAnd": (2, frozenset()),
    "Cast": (1, frozenset({"to"})),
    "Concat": (2, frozenset({"axis"})),
    "Conv": (3, frozenset({"dilations", "group", "pads", "strides"})),  # (B, C, ...), weight (O, C / group, ...), bias (O,)
    "DequantizeLinear": (3, frozenset({"axis"})),  # (x - zero) * scale; scale and zero () for all, or (N,) along the axis
    "Div": (2, frozenset()),
    "Erf": (1, frozenset()),
    "Exp": (1, frozenset()),
    "Gather": (2, frozenset({"axis"})),
    "LayerNormalization": (3, frozenset({"axis", "epsilon"})),  # scale and bias of the shape of what is normalised
    "MatMul": (2, frozenset()),
    "Max": (2, frozenset()),
    "MaxPool": (1, frozenset({"kernel_shape", "pads", "strides"})),  # (B, C, ...); what is padded is never the highest
    "Mod": (2, frozenset()),  # integers; the result has the divisor's sign
    "Mul": (2, frozenset()),
    "Pad": (2, frozenset()),  # with zeros: so many before each axis, then so many behind each
    "QuantizeLinear": (3, frozenset({"axis"})),  # round(x / scale) + zero, half to even, kept within the type of zero
    "ReduceMax": (1, frozenset({"axes", "keepdims"})),
    "ReduceMean": (1, frozenset({"axes", "keepdims"})),
    "ReduceSum": (1, frozenset({"axes", "keepdims"})),
    "Relu": (1, frozenset()),
    "Reshape": (2, frozenset()),  # 0 keeps an axis, -1 takes the rest
    "Shape": (1, frozenset()),
    "Sigmoid": (1, frozenset()),
    "Slice": (3, frozenset({"axes"})),  # from starts to ends; negative counts from the end
    "Softmax": (1, frozenset({"axis"})),
    "Sqrt": (1, frozenset()),
    "Sub": (2, frozenset()),
    "Tanh": (1, frozenset()),
    "Transpose": (1, frozenset({"perm"})),
    "Unsqueeze": (1, frozenset({"axes"})),
}
_END = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Node:
    """One operator: names of its inputs, the name of its output, its attributes."""

    op: str
    inputs: tuple[str, ...]
    output: str
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GraphInput:
    """A named input: numpy dtype name, and a shape whose free dimensions are names."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Graph:
    """Inputs, constants, and nodes in the order of execution; `output` names the logits (B, C), float32.

    Raises:
        ValueError: when an operator is unknown, an attribute is missing, or a name is used before it is made or made twice.
    """

    inputs: tuple[GraphInput, ...]
    constants: Mapping[str, NDArray[Any]]
    nodes: tuple[Node, ...]
    output: str

    def __post_init__(self) -> None:
        made = {i.name for i in self.inputs} | set(self.constants)
        if len(made) != len(self.inputs) + len(self.constants):
            raise ValueError("an input and a constant of the graph have the same name")
        for node in self.nodes:
            if node.op not in OPERATORS:
                raise ValueError(f"unknown operator '{node.op}' makes '{node.output}'.{nearest(node.op, OPERATORS)}")
            arity, attributes = OPERATORS[node.op]
            if len(node.inputs) != arity:
                raise ValueError(f"{node.op} ('{node.output}') takes {arity} inputs; got {listing(node.inputs)}")
            if set(node.attributes) != attributes:
                raise ValueError(
                    f"{node.op} ('{node.output}') needs exactly the attributes {sorted(attributes)}; got {sorted(node.attributes)}"
                )
            if missing := [name for name in node.inputs if name not in made]:
                raise ValueError(f"{node.op} ('{node.output}') uses {listing(missing)} before it is made")
            if node.output in made:
                raise ValueError(f"'{node.output}' is made twice")
            made.add(node.output)
        if self.output not in made:
            raise ValueError(f"nothing makes the output '{self.output}'")

    @property
    def parameters(self) -> int:
        """Number of values in floating-point or integer tables of more than one element."""
        return sum(int(c.size) for c in self.constants.values() if c.size > 1)

    @property
    def bytes(self) -> int:
        """Bytes of all constants as they will be written."""
        return sum(int(c.nbytes) for c in self.constants.values())


class GraphBuilder:
    """Writes a graph as one writes arithmetic; each call returns the name of what it made."""

    def __init__(self, *inputs: GraphInput) -> None:
        self._inputs = inputs
        self._constants: dict[str, NDArray[Any]] = {}
        self._nodes: list[Node] = []

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """A constant array under a name of its own."""
        if name in self._constants:
            raise ValueError(f"the constant '{name}' exists already")
        self._constants[name] = np.asarray(value, order="C")
        return name

    def __call__(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Append one operator and return the name of its output."""
        output = f"{op.lower()}_{len(self._nodes)}"
        self._nodes.append(Node(op, inputs, output, attributes))
        return output

    def linear(self, name: str, x: str, weight_OI: NDArray[Any], bias_O: NDArray[Any]) -> str:
        """x @ weight.T + bias, with torch's layout of the weight (out, in)."""
        product = self("MatMul", x, self.constant(f"{name}.weight", weight_OI.T))
        return self("Add", product, self.constant(f"{name}.bias", bias_O))

    def number(self, value: float) -> str:
        """A float32 constant of one element; the same number is written once."""
        return self._once(f"number {value!r}", np.array([value], np.float32))

    def whole(self, *values: int) -> str:
        """An int64 constant of whole numbers (N,), as shapes and indices are; the same numbers are written once."""
        return self._once(f"whole {values!r}", np.array(values, np.int64))

    def byte(self, value: int) -> str:
        """A uint8 constant of one element; the same number is written once."""
        return self._once(f"byte {value}", np.array([value], np.uint8))

    def part(self, x: str, axis: int, start: int, stop: int | None = None) -> str:
        """x from `start` to `stop` along an axis; a negative number counts from the end, None is the end."""
        return self("Slice", x, self.whole(start), self.whole(_END if stop is None else stop), axes=[axis])

    def normalized(self, name: str, x: str, weight_D: NDArray[Any], bias_D: NDArray[Any], epsilon: float) -> str:
        """LayerNormalization over the last axis."""
        scale, shift = self.constant(f"{name}.weight", weight_D), self.constant(f"{name}.bias", bias_D)
        return self("LayerNormalization", x, scale, shift, axis=-1, epsilon=epsilon)

    def gelu(self, x: str) -> str:
        """x / 2 * (1 + erf(x / sqrt 2)), in the order of operators that ONNX Runtime knows as one."""
        bent = self("Add", self("Erf", self("Div", x, self.number(2**0.5))), self.number(1.0))
        return self("Mul", self("Mul", x, bent), self.number(0.5))

    def _once(self, name: str, value: NDArray[Any]) -> str:
        return name if name in self._constants else self.constant(name, value)

    def build(self, output: str) -> Graph:
        """The finished, checked graph."""
        return Graph(self._inputs, dict(self._constants), tuple(self._nodes), output)
