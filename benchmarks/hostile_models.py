"""ONNX files that must not reach ONNX Runtime; every hash is right. Adds to the cases of `hostile_cases`."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from hostile_cases import Content, Made, add, case, good, plain, resealed
from limbeck.onnx_file.operators import OPERATORS

Change = Callable[[Any], object]


def _model() -> Any:
    return onnx.load_model_from_string(good()["model.onnx"])


def _onnx(change: Change) -> Callable[[Path], Made]:
    """The good model after a change of its parts."""

    def build() -> Content:
        model = _model()
        change(model)
        return resealed({"model.onnx": model.SerializeToString()})

    return plain(build)


def _bytes(change: Callable[[bytes], bytes]) -> Callable[[Path], Made]:
    return plain(lambda: resealed({"model.onnx": change(good()["model.onnx"])}))


def _first(model: Any, *nodes: Any, constants: Sequence[Any] = ()) -> None:
    """Nodes before all others; what they make is not used, so only a check that looks at all of a file finds them."""
    rest = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *rest])
    model.graph.initializer.extend(constants)


def _node(op: str, inputs: Sequence[str] = ("mask",), output: str = "odd", **attributes: Any) -> Any:
    return helper.make_node(op, list(inputs), [output], **attributes)


def _ints(name: str, *values: int) -> Any:
    return numpy_helper.from_array(np.array(values, np.int64), name)


def _subgraph() -> Any:
    value = helper.make_tensor_value_info("inner", TensorProto.FLOAT, None)
    return helper.make_graph([helper.make_node("Identity", ["mask"], ["inner"])], "inner", [], [value])


def _external(model: Any) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../../etc/passwd")


def _set(path: str, value: Any) -> Change:
    def change(model: Any) -> None:
        owner = model.graph
        *parts, last = path.split(".")
        for part in parts:
            owner = owner[int(part)] if part.isdigit() else getattr(owner, part)
        field = getattr(owner, last)
        if isinstance(value, list):
            del field[:]
            field.extend(value)
        else:
            setattr(owner, last, value)

    return change


def _append(field: str, make: Callable[[Any], Any]) -> Change:
    return lambda model: getattr(model.graph, field).append(make(model))


add("external_data", "external_data", _onnx(_external))
add("external_data_location", "external data", _onnx(lambda m: setattr(m.graph.initializer[0], "data_location", 1)))
add("external_data_in_attribute", "external data", _onnx(lambda m: _first(m, _node("Constant", (), value=helper.make_tensor(
    "t", 1, [0], [])), ) or setattr(m.graph.node[0].attribute[0].t, "data_location", 1)))  # fmt: skip
add("custom_operator", "'Steal' is of the domain 'evil'", _onnx(lambda m: _first(m, _node("Steal", domain="evil"))))
add(
    "microsoft_operator",
    "'BiasGelu' is of the domain 'com.microsoft'",
    _onnx(lambda m: _first(m, _node("BiasGelu", domain="com.microsoft"))),
)
add("custom_domain", "domain 'evil'", _onnx(lambda m: m.opset_import.append(helper.make_opsetid("evil", 1))))
add("unknown_operator", "'Divv' is not one", _onnx(lambda m: _first(m, _node("Divv"))))
add("function", "functions", _onnx(lambda m: m.functions.append(helper.make_function(
    "evil", "F", ["x"], ["y"], [helper.make_node("Identity", ["x"], ["y"])], [helper.make_opsetid("", 18)]))))  # fmt: skip
add("training_info", "training_info", _onnx(lambda m: m.training_info.add()))
add("sparse_initializer", "sparse_initializer", _onnx(lambda m: m.graph.sparse_initializer.add(dims=[2**40])))
add(
    "subgraph_if",
    "'If' is not one|subgraph",
    _onnx(lambda m: _first(m, _node("If", then_branch=_subgraph(), else_branch=_subgraph()))),
)
add(
    "subgraph_loop", "'Loop' is not one|subgraph", _onnx(lambda m: _first(m, _node("Loop", ("", "", "mask"), body=_subgraph())))
)
add(
    "subgraph_scan",
    "'Scan' is not one|subgraph",
    _onnx(lambda m: _first(m, _node("Scan", body=_subgraph(), num_scan_inputs=1))),
)
add("subgraph_in_add", "subgraph", _onnx(lambda m: _first(m, _node("Identity", body=_subgraph()))))
add("control_flow_without_graph", "'If' is not one", _onnx(lambda m: _first(m, _node("If"))))
for _op in ("RandomNormal", "DynamicQuantizeLinear", "SequenceEmpty", "StringNormalizer", "Optional", "Multinomial", "Dropout"):
    add(f"operator_{_op}", f"'{_op}' is not one", _onnx(lambda m, op=_op: _first(m, _node(op))))
add("ref_attribute", "ref_attr_name", _onnx(lambda m: _first(m, _node("Identity")) or m.graph.node[0].attribute.add(
    name="x", ref_attr_name="y", type=2)))  # fmt: skip
add("unknown_attribute", "attribute 'evil'", _onnx(lambda m: _first(m, _node("Identity", evil=1))))
add("attribute_of_wrong_type", "attribute 'axis'", _onnx(lambda m: _first(m, _node("Softmax", axis=1.5))))
add("attribute_twice", "attribute 'axis'", _onnx(lambda m: _first(m, _node("Softmax", axis=1)) or m.graph.node[0].attribute.add(
    name="axis", i=0, type=2)))  # fmt: skip
add("too_many_inputs", "Relu takes", _onnx(lambda m: _first(m, _node("Relu", ("mask", "mask")))))
add("sequence_input", "sequence_type", _onnx(_append("input", lambda m: helper.make_tensor_sequence_value_info("s", 1, None))))
add(
    "text_tensor",
    "string_data",
    _onnx(_append("initializer", lambda m: helper.make_tensor("s", TensorProto.STRING, [1], [b"x"]))),
)
add("text_tensor_empty", "data type 8", _onnx(_append("initializer", lambda m: TensorProto(name="s", data_type=8, dims=[0]))))
add("tensor_of_no_type", "data type 0", _onnx(_append("initializer", lambda m: TensorProto(name="s", dims=[0]))))
add("tensor_of_complex", "data type 14", _onnx(_append("initializer", lambda m: TensorProto(name="s", data_type=14, dims=[0]))))
add("tensor_too_short", "has the shape", _onnx(_set("initializer.0.dims", [12, 400])))
add("tensor_too_long", "has the shape", _onnx(_set("initializer.0.dims", [12, 3])))
add("tensor_of_2_to_64", "has the shape", _onnx(_set("initializer.0.dims", [2**32, 2**32])))
add("tensor_of_2_to_62", "has the shape", _onnx(_set("initializer.0.dims", [2**62])))
add("tensor_negative", "has the shape", _onnx(_set("initializer.0.dims", [-12, -4])))
add("tensor_of_300_axes", "has the shape", _onnx(_set("initializer.0.dims", [1] * 300)))
add("tensor_in_two_fields", "keeps its values in", _onnx(lambda m: m.graph.initializer[0].int32_data.extend([1])))
add(
    "weights_nan",
    "holds NaN",
    _onnx(_append("initializer", lambda m: numpy_helper.from_array(np.full(3, np.nan, np.float32), "n"))),
)
add("constant_twice", "made twice", _onnx(_append("initializer", lambda m: m.graph.initializer[0])))
add("constant_over_input", "made twice", _onnx(_append("initializer", lambda m: _ints("ids", 1))))
add("output_twice", "made twice", _onnx(_append("node", lambda m: m.graph.node[0])))
add("input_from_nowhere", "'nowhere' before anything makes it", _onnx(lambda m: _first(m, _node("Relu", ("nowhere",)))))
add("cycle", "before anything makes it", _onnx(lambda m: _first(m, _node("Relu", ("a",), "b"), _node("Relu", ("b",), "a"))))
add("out_of_order", "before anything makes it", _onnx(lambda m: _set("node", list(reversed(m.graph.node)))(m)))
add("no_output", "no inputs or no outputs", _onnx(_set("output", [])))
add("output_from_nowhere", "nothing makes its output", _onnx(_set("output.0.name", "nowhere")))
add("no_graph", "no graph", _onnx(lambda m: m.ClearField("graph")))
add("opset_99", r"\[99\]", _onnx(lambda m: setattr(m.opset_import[0], "version", 99)))
add("opset_twice", r"\[18, 18\]", _onnx(lambda m: m.opset_import.append(helper.make_opsetid("", 18))))
add("opset_missing", r"as \[\]", _onnx(lambda m: m.ClearField("opset_import")))
add("ir_version_99", "ir_version is 99", _onnx(lambda m: setattr(m, "ir_version", 99)))
add("trailing_bytes", "model.onnx", _bytes(lambda b: b + b"\0\0"))
add("trailing_zip", "model.onnx", _bytes(lambda b: b + b"PK\3\4" + b"\0" * 26))
add("half_a_model", "model.onnx.*has .* bytes by its length", _bytes(lambda b: b[: len(b) // 2]))
add("unknown_field", "unknown field 99", _bytes(lambda b: b + b"\x9a\x06\x01x"))
add("graph_twice", "graph twice", _bytes(lambda b: b + b"\x3a\x00"))
add("ir_version_twice", "ir_version twice", _bytes(lambda b: b + b"\x08\x09"))
add("number_too_long", "more bytes than it needs", _bytes(lambda b: b"\x08\x89\x00" + b[2:]))
add("number_without_end", "does not end", _bytes(lambda b: b"\x08" + b"\xff" * 11 + b[2:]))
add("wrong_wire_type", "stored as", _bytes(lambda b: b"\x0d\0\0\0\0" + b[2:]))
add("a_group", "stored as", _bytes(lambda b: b"\x0b\x0c" + b[2:]))
add("name_not_utf8", "not UTF-8", _bytes(lambda b: b"\x12\x02\xff\xfe" + b))
add("pickle_named_onnx", "model.onnx", _bytes(lambda b: pickle.dumps({"weights": [1.0]})))
add("empty_model_with_hash", "model.onnx", _bytes(lambda b: b""))
add("runtime_format", "own format", _bytes(lambda b: b"\x18\0\0\0ORTM" + b"\0" * 100))
add("runtime_format_in_onnx", "own format", _bytes(lambda b: b"\x08\x09\x12\x07ORTMxyz" + b.split(b"limbeck", 1)[1]))

# --- files of a few bytes that ask for gigabytes ---------------------------------------------------------------
_HUGE = (2**20, 2**20)


def _bomb(op: str, inputs: Sequence[str], *constants: Any, **attributes: Any) -> Callable[[Path], Made]:
    return _onnx(lambda m: _first(m, _node(op, inputs, **attributes), constants=constants))


add("bomb_constant_of_shape", "ConstantOfShape.* elements", _bomb("ConstantOfShape", ["n"], _ints("n", *_HUGE)))
add("bomb_expand", "Expand.* elements", _bomb("Expand", ["mask", "n"], _ints("n", 2**30, 1, 1)))
add("bomb_tile", "Tile.* elements", _bomb("Tile", ["mask", "n"], _ints("n", *_HUGE)))
add("bomb_pad", "Pad.* elements", _bomb("Pad", ["mask", "n"], _ints("n", 0, 0, 2**40, 2**10)))
add("bomb_resize", "Resize.* elements", _bomb("Resize", ["mask", "", "", "n"], _ints("n", *_HUGE)))
add("bomb_one_hot", "OneHot.* elements", _bomb("OneHot", ["ids", "n", "v"], _ints("n", 2**40), _ints("v", 0, 1)))
add("bomb_conv_pads", "Conv.* pads", _bomb("Conv", ["mask", "mask"], pads=[2**40, 2**40]))
add("bomb_stride", "AveragePool.* strides", _bomb("AveragePool", ["mask"], kernel_shape=[1], strides=[2**50]))
add("bomb_range", "Range.* elements", _bomb("Range", ["a", "b", "c"], *(
    numpy_helper.from_array(np.array(v, np.int64), n) for n, v in (("a", 0), ("b", 2**40), ("c", 1)))))  # fmt: skip
add(
    "bomb_input",
    "input 'ids' has",
    _onnx(lambda m: setattr(m.graph.input[0].type.tensor_type.shape.dim[0], "dim_value", 2**39)),
)


@case("Concat.* elements")
def bomb_doubling(folder: Path) -> Made:
    nodes = [_node("Concat", [f"d{i}" if i else "mask"] * 2, f"d{i + 1}", axis=1) for i in range(60)]
    return _onnx(lambda m: _first(m, *nodes))(folder)


@case("Mul.* elements")
def bomb_column_by_row(folder: Path) -> Made:
    long = np.ones(100_000, np.int8)
    constants = [numpy_helper.from_array(long.reshape(-1, 1), "column"), numpy_helper.from_array(long.reshape(1, -1), "row")]
    return _onnx(lambda m: _first(m, _node("Mul", ["column", "row"]), constants=constants))(folder)


@case("ConstantOfShape.* elements")
def bomb_computed(folder: Path) -> Made:
    nodes = [_node("Mul", ["n", "n"], "n2"), _node("Concat", ["n2", "n2"], "n3", axis=0), _node("ConstantOfShape", ["n3"])]
    return _onnx(lambda m: _first(m, *nodes, constants=[_ints("n", 2**15)]))(folder)


@case("together")
def bomb_of_many(folder: Path) -> Made:
    nodes = [_node("ConstantOfShape", ["n"], f"m{i}") for i in range(40)]
    return _onnx(lambda m: _first(m, *nodes, constants=[_ints("n", 2**25)]))(folder)


# --- models that are whole, but not of this bundle ---------------------------------------------------------------


@case("logits for 3 labels")
def model_of_other_classes(folder: Path) -> Made:
    def change(model: Any) -> None:
        for tensor in model.graph.initializer:
            if tensor.name.startswith("output."):
                wide = np.repeat(numpy_helper.to_array(tensor), 2, axis=-1)
                tensor.CopyFrom(numpy_helper.from_array(wide, tensor.name))

    return _onnx(change)(folder)


@case("model.onnx")
def model_with_other_inputs(folder: Path) -> Made:
    return _onnx(lambda m: m.graph.input.append(helper.make_tensor_value_info("pixels", 1, ["B", 3, 224, 224])))(folder)


@case("model.onnx|golden examples differ")
def model_with_other_weights(folder: Path) -> Made:
    return _onnx(lambda m: setattr(m.graph.initializer[0], "raw_data", bytes(48)))(folder)


@case("model.onnx")
def model_of_wrong_types(folder: Path) -> Made:
    return _onnx(lambda m: _first(m, _node("And", ["mask", "mask"])))(folder)


# --- models that are well-formed, and of which nobody knows what they do -----------------------------------------


def restructured(dice: random.Random) -> tuple[str, bytes]:
    """The good model after one to three changes that an attacker makes with the onnx package: operators, inputs, numbers, shapes."""
    model, made = _model(), []
    for _ in range(dice.choice((1, 1, 2, 3))):
        nodes, tensors = model.graph.node, model.graph.initializer
        node, tensor = dice.choice(nodes), dice.choice(tensors)
        kind = dice.choice(("operator", "input", "attribute", "new_node", "shape", "dtype", "numbers", "declared"))
        made.append(kind)
        names = [*(t.name for t in tensors), *(n.output[0] for n in nodes), "ids", "mask"]
        match kind:
            case "operator":
                node.op_type = dice.choice(sorted(OPERATORS))
            case "input" if node.input:
                node.input[dice.randrange(len(node.input))] = dice.choice(names)
            case "attribute" if node.attribute:
                attribute = dice.choice(node.attribute)
                number = dice.choice((-(2**63), -(2**31), -2, -1, 0, 1, 2, 3, 7, 2**31, 2**63 - 1))
                if attribute.type == 2:
                    attribute.i = number
                elif attribute.type == 7:
                    attribute.ints[:] = [number] * dice.randrange(4)
            case "new_node":
                op = dice.choice(sorted(OPERATORS))
                fewest, most, _, declared = OPERATORS[op]
                inputs = [dice.choice(names) for _ in range(dice.randint(fewest, min(most, fewest + 2)))]
                attributes = {
                    name: _ANY[letter[0]](dice)
                    for name, letter in (a.split(":") for a in declared.split())
                    if "!" in letter or dice.random() < 0.3
                }
                nodes.insert(
                    dice.randrange(len(nodes) + 1), helper.make_node(op, inputs, [f"new{dice.random()}"], **attributes)
                )
            case "shape":
                size = int(np.prod(tensor.dims)) if len(tensor.dims) else 1
                tensor.dims[:] = dice.choice(([size], [1, size], [size, 1], [1] * 8 + [size], [size, 0][:1]))
            case "dtype":
                tensor.data_type = dice.choice((1, 2, 3, 6, 7, 9, 10, 11, 12, 13, 16))
            case "numbers":
                length = len(tensor.raw_data)
                tensor.raw_data = dice.choice((bytes(length), b"\xff" * length, dice.randbytes(length)))
            case "declared":
                value = dice.choice((*model.graph.input, *model.graph.output))
                value.type.tensor_type.elem_type = dice.choice((1, 3, 7, 9))
    data = model.SerializeToString()
    return ("+".join(made), data) if data != good()["model.onnx"] else restructured(dice)


_NUMBERS = (-(2**31), -3, -1, 0, 1, 2, 3, 65_536)
_ANY: dict[str, Callable[[random.Random], Any]] = {
    "i": lambda dice: dice.choice(_NUMBERS),
    "f": lambda dice: dice.choice((-1.0, 0.0, 1e-30, 1.0, 1e30, float("inf"))),
    "s": lambda dice: dice.choice(("", "linear", "constant", "edge", "SAME_UPPER", "none", "add", "x" * 1_000)),
    "t": lambda dice: numpy_helper.from_array(np.array([dice.choice(_NUMBERS)], dice.choice((np.float32, np.int64, np.int32)))),
    "I": lambda dice: [dice.choice(_NUMBERS) for _ in range(dice.randint(1, 4))],
    "F": lambda dice: [dice.choice((0.0, 1.0, 1e30)) for _ in range(dice.randint(1, 3))],
    "S": lambda dice: ["x"],
}
