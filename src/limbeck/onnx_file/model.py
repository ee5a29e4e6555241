"""An ONNX file as plain data: nodes, constants, inputs, outputs. Knows what each field of the format means to us; runs nothing.

Fields of the format that could hold code, another file or another graph are refused by name: functions, training, sparse and
external tensors, subgraphs, text tensors, all types but dense tensors.

Source: onnx.proto of ONNX 1.17 (onnx/onnx.proto in its repository).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from limbeck.errors import listing, nearest
from limbeck.onnx_file.operators import OPERATORS, OPSETS
from limbeck.onnx_file.wire import Field, Message, Reader

MOST_NODES = 50_000
MOST_TENSORS = 50_000
MOST_AXES = 16
MOST_NAME = 4_000  # characters

DTYPES: dict[int, tuple[str, int, str]] = {
    # number in the format: (numpy's name, bytes of an element, the field that holds its values where raw_data does not)
    1: ("float32", 4, "float_data"), 2: ("uint8", 1, "int32_data"), 3: ("int8", 1, "int32_data"), 4: ("uint16", 2, "int32_data"),
    5: ("int16", 2, "int32_data"), 6: ("int32", 4, "int32_data"), 7: ("int64", 8, "int64_data"), 9: ("bool", 1, "int32_data"),
    10: ("float16", 2, "int32_data"), 11: ("float64", 8, "double_data"), 12: ("uint32", 4, "uint64_data"),
    13: ("uint64", 8, "uint64_data"), 16: ("bfloat16", 2, "int32_data"),
}  # fmt: skip
_DATA_FIELDS = ("raw_data", "float_data", "int32_data", "int64_data", "double_data", "uint64_data")

_TEXT_PAIR: Message = {1: Field("key", "text"), 2: Field("value", "text")}
_NOTES = Field("metadata_props", "message", many=True, message=_TEXT_PAIR)


def _no(name: str, reason: str) -> Field:
    return Field(name, "refused", reason=reason)


_TENSOR: Message = {
    1: Field("dims", "ints", many=True), 2: Field("data_type", "int"), 3: _no("segment", "a tensor lies in one piece"),
    4: Field("float_data", "floats"), 5: Field("int32_data", "ints"), 6: _no("string_data", "a tensor holds numbers"),
    7: Field("int64_data", "ints"), 8: Field("name", "text"), 9: Field("raw_data", "bytes"), 10: Field("double_data", "doubles"),
    11: Field("uint64_data", "ints"), 12: Field("doc_string", "text"),
    13: _no("external_data", "a model's weights lie in its own file and in no other"), 14: Field("data_location", "int"), 16: _NOTES,
}  # fmt: skip
_DIMENSION: Message = {1: Field("dim_value", "int"), 2: Field("dim_param", "text"), 3: Field("denotation", "text")}
_SHAPE: Message = {1: Field("dim", "message", many=True, message=_DIMENSION)}
_TENSOR_TYPE: Message = {1: Field("elem_type", "int"), 2: Field("shape", "message", message=_SHAPE)}
_DENSE = "values are dense tensors"
_TYPE: Message = {
    1: Field("tensor_type", "message", message=_TENSOR_TYPE), 4: _no("sequence_type", _DENSE), 5: _no("map_type", _DENSE),
    6: Field("denotation", "text"), 7: _no("opaque_type", _DENSE), 8: _no("sparse_tensor_type", _DENSE), 9: _no("optional_type", _DENSE),
}  # fmt: skip
_VALUE: Message = {
    1: Field("name", "text"),
    2: Field("type", "message", message=_TYPE),
    3: Field("doc_string", "text"),
    4: _NOTES,
}
_SUBGRAPH = "a subgraph: limbeck runs no control flow"
_ATTRIBUTE: Message = {
    1: Field("name", "text"), 2: Field("f", "float"), 3: Field("i", "int"), 4: Field("s", "bytes"),
    5: Field("t", "message", message=_TENSOR), 6: _no("g", _SUBGRAPH), 7: Field("floats", "floats", many=True), 8: Field("ints", "ints", many=True),
    9: Field("strings", "bytes", many=True), 10: _no("tensors", "no operator takes a list of tensors"), 11: _no("graphs", _SUBGRAPH),
    13: Field("doc_string", "text"), 14: _no("tp", "no operator takes a type"), 15: _no("type_protos", "no operator takes a type"),
    20: Field("type", "int"), 21: _no("ref_attr_name", "only functions have it"), 22: _no("sparse_tensor", _DENSE),
    23: _no("sparse_tensors", _DENSE),
}  # fmt: skip
_NODE: Message = {
    1: Field("input", "text", many=True), 2: Field("output", "text", many=True), 3: Field("name", "text"), 4: Field("op_type", "text"),
    5: Field("attribute", "message", many=True, message=_ATTRIBUTE), 6: Field("doc_string", "text"), 7: Field("domain", "text"),
    8: _no("overload", "only functions have it"), 9: _NOTES, 10: _no("device_configurations", "one device runs it"),
}  # fmt: skip
_GRAPH: Message = {
    1: Field("node", "message", many=True, message=_NODE), 2: Field("name", "text"),
    5: Field("initializer", "message", many=True, message=_TENSOR), 10: Field("doc_string", "text"),
    11: Field("input", "message", many=True, message=_VALUE), 12: Field("output", "message", many=True, message=_VALUE),
    13: Field("value_info", "message", many=True, message=_VALUE),
    14: _no("quantization_annotation", "scales belong to operators"), 15: _no("sparse_initializer", _DENSE), 16: _NOTES,
}  # fmt: skip
_OPSET: Message = {1: Field("domain", "text"), 2: Field("version", "int")}
MODEL: Message = {
    1: Field("ir_version", "int"), 2: Field("producer_name", "text"), 3: Field("producer_version", "text"), 4: Field("domain", "text"),
    5: Field("model_version", "int"), 6: Field("doc_string", "text"), 7: Field("graph", "message", message=_GRAPH),
    8: Field("opset_import", "message", many=True, message=_OPSET), 14: _NOTES,
    20: _no("training_info", "a shipped model does not train"), 25: _no("functions", "operators that the file itself defines are not run"),
    26: _no("configuration", "one device runs it"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tensor:
    """A constant. `values` are its bytes as they lie in the file, in the field `kept` of the format."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    kept: str
    values: memoryview = field(repr=False)


@dataclass(frozen=True, slots=True)
class OnnxNode:
    """One operator; an attribute is a number, a text (bytes), a `Tensor` or a list of numbers or texts."""

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]

    @property
    def label(self) -> str:
        """How a message names it."""
        return f"{self.op} that makes '{self.outputs[0] if self.outputs else '':.80}'"


@dataclass(frozen=True, slots=True)
class Value:
    """An input or output: numpy's dtype name, and its shape with names (or "") for what is free; None where nothing is said."""

    name: str
    dtype: str
    shape: tuple[int | str, ...] | None


@dataclass(frozen=True, slots=True)
class OnnxFile:
    """What a file holds, in its order."""

    opset: int
    nodes: tuple[OnnxNode, ...]
    constants: tuple[Tensor, ...]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]


def parsed(data: bytes, reader: Reader) -> OnnxFile:
    """The content of a file, each part checked by itself.

    Raises:
        ModelFileError: it is not well-formed, or holds what limbeck does not run.
    """
    model = reader.message(memoryview(data), MODEL, "the model")
    opset = _opset(model.get("opset_import", []), model.get("ir_version"), reader)
    graph = model.get("graph")
    if graph is None or not graph.get("name"):
        raise reader.refuse("it holds no graph with a name")
    if len(graph.get("node", [])) > MOST_NODES or len(graph.get("initializer", [])) > MOST_TENSORS:
        raise reader.refuse(f"it holds more than {MOST_NODES:,} nodes or {MOST_TENSORS:,} constants")
    for value in graph.get("value_info", []):
        _value(value, reader)
    return OnnxFile(
        opset,
        tuple(_node(n, reader) for n in graph.get("node", [])),
        tuple(_tensor(t, reader) for t in graph.get("initializer", [])),
        tuple(_value(v, reader) for v in graph.get("input", [])),
        tuple(_value(v, reader) for v in graph.get("output", [])),
    )


def _opset(imports: Sequence[Mapping[str, Any]], ir_version: object, reader: Reader) -> int:
    if not isinstance(ir_version, int) or not 3 <= ir_version <= 13:
        raise reader.refuse(f"its ir_version is {ir_version}; 3 to 13 is expected. Is it an ONNX file?")
    for found in imports:
        if found.get("domain", "") not in ("", "ai.onnx"):
            raise reader.refuse(f"it imports operators of the domain '{found['domain']:.60}'; only the standard ones are run")
    if len(imports) != 1 or not OPSETS[0] <= imports[0].get("version", 0) <= OPSETS[1]:
        versions = [found.get("version") for found in imports]
        raise reader.refuse(
            f"it imports the standard operators as {versions}; one version from {OPSETS[0]} to {OPSETS[1]} is expected"
        )
    return int(imports[0]["version"])


def _tensor(found: Mapping[str, Any], reader: Reader, owner: str = "") -> Tensor:
    name = _name(found.get("name", ""), reader, "a constant", empty=bool(owner))
    what, number = owner or f"the constant '{name:.80}'", found.get("data_type", 0)
    if number not in DTYPES:
        raise reader.refuse(f"{what} has data type {number}; known: {', '.join(d for d, _, _ in DTYPES.values())}")
    if found.get("data_location", 0) != 0:
        raise reader.refuse(f"{what} has its data in another place (data_location {found['data_location']}): external data")
    dtype, size, field_name = DTYPES[number]
    shape = tuple(found.get("dims", ()))
    if len(shape) > MOST_AXES or any(dim < 0 for dim in shape):
        raise reader.refuse(f"{what} has the shape {list(shape[:MOST_AXES])}; up to {MOST_AXES} axes from 0 on are expected")
    elements = 1
    for dim in shape:
        elements *= dim
    kept = [name for name in _DATA_FIELDS if name in found]
    if len(kept) > 1 or (kept and kept[0] not in ("raw_data", field_name)):
        raise reader.refuse(f"{what} ({dtype}) keeps its values in {listing(kept)}; raw_data or {field_name} is expected")
    values = found[kept[0]] if kept else memoryview(b"")
    have = len(values) // size if kept == ["raw_data"] else _elements(values, field_name)
    if have != elements or (kept == ["raw_data"] and len(values) % size):
        raise reader.refuse(f"{what} ({dtype}) has the shape {list(shape)} and so {elements:,} elements, but holds {have:,}")
    return Tensor(name, dtype, shape, kept[0] if kept else "raw_data", values)


def _elements(values: memoryview, field_name: str) -> int:
    width = {"float_data": 4, "double_data": 8}.get(field_name)
    return len(values) // width if width else int(np.count_nonzero(np.frombuffer(values, np.uint8) < 0x80))


def _value(found: Mapping[str, Any], reader: Reader) -> Value:
    name = _name(found.get("name", ""), reader, "a value")
    kind = found.get("type", {}).get("tensor_type")
    if kind is None or kind.get("elem_type", 0) not in DTYPES:
        raise reader.refuse(f"'{name:.80}' is declared as something else than a tensor of numbers")
    dims = kind.get("shape", {}).get("dim", [])
    if len(dims) > MOST_AXES:
        raise reader.refuse(f"'{name:.80}' is declared with {len(dims)} axes; at most {MOST_AXES} are expected")
    for dim in dims:
        if not 0 <= dim.get("dim_value", 0) < 2**40 or {"dim_value", "dim_param"} <= set(dim):
            raise reader.refuse(f"'{name:.80}' is declared with a dimension {dim}")
    shape = tuple(dim.get("dim_value", dim.get("dim_param", "")) for dim in dims) if "shape" in kind else None
    return Value(name, DTYPES[kind["elem_type"]][0], shape)


_ATTRIBUTE_TYPES = {
    1: ("f", "f"),
    2: ("i", "i"),
    3: ("s", "s"),
    4: ("t", "t"),
    6: ("F", "floats"),
    7: ("I", "ints"),
    8: ("S", "strings"),
}
_ATTRIBUTE_VALUES = ("f", "i", "s", "t", "floats", "ints", "strings")


def _node(found: Mapping[str, Any], reader: Reader) -> OnnxNode:
    op, domain = found.get("op_type", ""), found.get("domain", "")
    inputs = tuple(_name(n, reader, "an input", empty=True) for n in found.get("input", ()))
    outputs = tuple(_name(n, reader, "an output", empty=True) for n in found.get("output", ()))
    if domain not in ("", "ai.onnx"):
        raise reader.refuse(f"the operator '{op:.60}' is of the domain '{domain:.60}'; only the standard ones are run")
    if op not in OPERATORS:
        raise reader.refuse(f"the operator '{op:.60}' is not one that limbeck runs.{nearest(op[:60], OPERATORS)}")
    fewest, most, most_outputs, declared = OPERATORS[op]
    if (
        not fewest <= len(inputs) <= max(most, 0)
        or not (1 if op != "TopK" else 2) <= len(outputs) <= most_outputs
        or not all(inputs[:fewest])
        or not outputs[0]
    ):
        raise reader.refuse(
            f"{op} takes {fewest} to {most} inputs and gives 1 to {most_outputs} outputs; it has {len(inputs)} and {len(outputs)}"
        )
    known = {text.split(":")[0]: text.split(":")[1] for text in declared.split()}
    attributes: dict[str, Any] = {}
    for attribute in found.get("attribute", ()):
        name, number = attribute.get("name", ""), attribute.get("type", 0)
        letter, place = _ATTRIBUTE_TYPES.get(number, ("", ""))
        if name not in known or known[name][0] != letter or name in attributes:
            raise reader.refuse(
                f"{op} has an attribute '{name:.60}' of type {number}; it takes {declared or 'none'}, each once"
            )
        if set(attribute) & set(_ATTRIBUTE_VALUES) - {place}:
            raise reader.refuse(f"{op}: the attribute '{name}' holds more than its value")
        value = attribute.get(place, [] if letter.isupper() else None)
        if value is None:
            raise reader.refuse(f"{op}: the attribute '{name}' holds no value")
        if place == "t":
            value = _tensor(value, reader, f"the attribute '{name}' of {op}")
        elif letter in "sS":
            value = bytes(value) if letter == "s" else [bytes(text) for text in value]
        attributes[name] = value
    if missing := [name for name, letter in known.items() if letter.endswith("!") and name not in attributes]:
        raise reader.refuse(f"{op} needs the attribute {listing(missing)}")
    return OnnxNode(op, inputs, outputs, attributes)


def _name(name: str, reader: Reader, what: str, empty: bool = False) -> str:
    if not (name or empty) or len(name) > MOST_NAME or "\0" in name:
        raise reader.refuse(f"{what} has the name {name!r:.60}; 1 to {MOST_NAME:,} characters are expected")
    return name
