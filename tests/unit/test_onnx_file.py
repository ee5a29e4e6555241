"""What our reader of ONNX files accepts is what the onnx package sees, and what the package calls broken is refused."""

import random

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from bundles import KEPT
from limbeck import find, names
from limbeck.errors import ModelFileError
from limbeck.onnx_file.check import check
from limbeck.onnx_file.model import DTYPES
from limbeck.onnx_file.operators import MANY, OPERATORS, OPSETS
from limbeck.onnx_file.sizes import FREE, check_sizes
from limbeck.onnx_file.wire import Reader
from limbeck.targets.onnx import Onnx

SMALL = (KEPT / "v1" / "model.onnx").read_bytes()
LETTERS = {"FLOAT": "f", "INT": "i", "STRING": "s", "TENSOR": "t", "FLOATS": "F", "INTS": "I", "STRINGS": "S"}


def test_the_table_of_operators_is_that_of_the_onnx_package() -> None:
    for op, (fewest, most, outputs, declared) in OPERATORS.items():
        schemas = []
        for version in range(OPSETS[0], OPSETS[1] + 1):
            try:
                schemas.append(onnx.defs.get_schema(op, version, ""))
            except onnx.defs.SchemaError:
                assert op == "Gelu"  # since version 20
        attributes = {
            f"{a.name}:{LETTERS[a.type.name]}{'!' if a.required else ''}"
            for schema in schemas
            for a in schema.attributes.values()
            if a.type.name != "SPARSE_TENSOR"
        }
        assert set(declared.split()) == attributes, op
        assert fewest == min(s.min_input for s in schemas), op
        assert most == min(MANY, max(s.max_input for s in schemas)), op
        assert outputs == min(MANY, max(s.max_output for s in schemas)), op
        assert not any(a.type.name in ("GRAPH", "GRAPHS") for s in schemas for a in s.attributes.values()), op


def test_the_table_of_dtypes_is_that_of_the_onnx_package() -> None:
    for number, (name, size, field) in DTYPES.items():
        assert TensorProto.DataType.Name(number) == {"float32": "FLOAT", "float64": "DOUBLE"}.get(name, name.upper())
        assert helper.tensor_dtype_to_np_dtype(number).itemsize == size
        assert helper.tensor_dtype_to_field(number) == field


def agree(data: bytes) -> None:
    """The onnx package sees the same nodes and constants."""
    ours, theirs = check(data), onnx.load_model_from_string(data)
    assert [(n.op, n.inputs, n.outputs) for n in ours.nodes] == [
        (n.op_type, tuple(n.input), tuple(n.output)) for n in theirs.graph.node
    ]
    assert [(t.name, t.shape) for t in ours.constants] == [(t.name, tuple(t.dims)) for t in theirs.graph.initializer]
    for mine, other in zip(ours.constants, theirs.graph.initializer, strict=True):
        array = numpy_helper.to_array(other)
        assert array.dtype.name == mine.dtype
        if mine.kept == "raw_data":
            assert bytes(mine.values) == array.tobytes()
    for node, other in zip(ours.nodes, theirs.graph.node, strict=True):
        for attribute in other.attribute:
            value = helper.get_attribute_value(attribute)
            if not isinstance(value, TensorProto):
                np.testing.assert_array_equal(node.attributes[attribute.name], value)
    onnx.checker.check_model(theirs)  # what it calls broken has been refused before


@pytest.mark.parametrize("family", names("students"))
def test_what_students_write_is_accepted_and_followed(family: str, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    from limbeck.onnx_file import sizes

    network, _ = find("students", family).tiny()
    Onnx().write(network.eval().graph(), tmp_path / "m.onnx")
    data = (tmp_path / "m.onnx").read_bytes()
    agree(data)
    missed = []
    made = sizes.made

    def spy(node, inputs):
        try:
            found = made(node, inputs)
        except ValueError:
            found = []
        missed.extend([node.op] if not found or found[0].shape is None else [])
        return found

    monkeypatch.setattr(sizes, "made", spy)
    check_sizes(check(data), Reader("here"))
    assert missed == []  # every shape of our own graphs is known, so a bomb cannot hide behind one that is not


@pytest.mark.parametrize("family", names("students"))
def test_the_shapes_that_are_followed_are_those_that_onnx_infers(
    family: str, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from limbeck.onnx_file import sizes

    network, _ = find("students", family).tiny()
    Onnx().write(network.eval().graph(), tmp_path / "m.onnx")
    model = onnx.load(tmp_path / "m.onnx")
    for value in model.graph.input:
        for dim in value.type.tensor_type.shape.dim:
            dim.dim_value = dim.dim_value or FREE  # pictures and clips have a shape of their own
    del model.graph.output[0].type.tensor_type.shape.dim[:]
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    theirs = {v.name: [d.dim_value or None for d in v.type.tensor_type.shape.dim] for v in inferred.graph.value_info}
    found: dict[str, tuple[int, ...]] = {}
    made = sizes.made

    def spy(node, inputs):
        result = made(node, inputs)
        found[node.outputs[0]] = result[0].shape
        return result

    monkeypatch.setattr(sizes, "made", spy)
    check_sizes(check((tmp_path / "m.onnx").read_bytes()), Reader("here"))
    compared = 0
    for name, dims in theirs.items():
        if name in found and all(dims):
            assert list(found[name]) == dims, name
            compared += 1
    assert compared > len(found) / 2


def mutations(data: bytes, count: int, dice: random.Random):
    for _ in range(count):
        at, other, length = dice.randrange(len(data)), dice.randrange(len(data)), dice.choice((1, 2, 4, 8, 32))
        yield dice.choice(
            (
                data[:at] + bytes([data[at] ^ 1 << dice.randrange(8)]) + data[at + 1 :],
                data[:at] + bytes([dice.randrange(256)]) + data[at + 1 :],
                data[:at],
                data[:at] + data[at + length :],
                data[:at] + data[other : other + length] + data[at:],
                data[:at] + data[other : other + length] + data[at + length :],
                data[:at] + dice.randbytes(length) + data[at:],
            )
        )


def test_mutations_that_are_accepted_are_read_alike() -> None:
    accepted = 0
    for changed in mutations(SMALL, 1_500, random.Random(0)):
        try:
            check(changed)
        except ModelFileError:
            continue
        accepted += 1
        agree(changed)
    assert accepted > 50  # changed weights and names: the test is not empty


def test_mutations_of_the_parts_that_are_no_weights() -> None:
    """The same where most bytes mean something: all kinds of attributes and fields, hardly a weight."""
    tensor = helper.make_tensor("t", TensorProto.FLOAT, [2], [0.0, 1.0])
    nodes = [
        helper.make_node("Constant", [], ["a"], value=tensor, name="n"),
        helper.make_node("Conv", ["x", "w"], ["c"], kernel_shape=[1], pads=[0, 0], auto_pad="NOTSET"),
        helper.make_node("Resize", ["x", "", "", "s"], ["r"], mode="nearest", cubic_coeff_a=-0.5),
        helper.make_node("Constant", [], ["f"], value_floats=[1.5, 2.5]),
        helper.make_node("Split", ["x"], ["p", "q"], axis=1, num_outputs=2),
        helper.make_node("Clip", ["c", "", "lim"], ["y"]),
    ]
    constants = [
        helper.make_tensor("w", TensorProto.FLOAT, [2, 2, 1], [1.0, 2.0, 3.0, 4.0]),
        helper.make_tensor("s", TensorProto.INT64, [3], [1, 2, 4]),
        helper.make_tensor("i", TensorProto.INT8, [3], [-1, 2, 3]),
        helper.make_tensor("lim", TensorProto.FLOAT, [], [6.0]),
    ]
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, ["B", 2, None]) for n in "xy")
    graph = helper.make_graph(
        nodes, "g", [x], [y], constants, doc_string="d", value_info=[helper.make_tensor_value_info("c", 1, None)]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9, producer_name="p")
    helper.set_model_props(model, {"key": "value"})
    data = model.SerializeToString()
    agree(data)
    for changed in mutations(data, 3_000, random.Random(1)):
        try:
            check(changed)
        except ModelFileError:
            continue
        agree(changed)


def test_onnx_runtime_takes_what_is_accepted_as_onnx_and_as_nothing_else() -> None:
    with pytest.raises(ModelFileError, match="ONNX Runtime's own format"):
        Onnx().load(b"\x08\x09\x12\x07ORTMxyz" + SMALL.split(b"limbeck", 1)[1])
    assert Onnx().load(SMALL)({"ids": np.ones((1, 2), np.int64), "mask": np.ones((1, 2), np.float32)}).shape == (1, 3)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 5])
def test_packed_numbers_are_counted(size: int) -> None:
    values = [0, -1, 127, 128, -(2**31)][:size]
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", 1, ["B"])],
        [helper.make_tensor_value_info("y", 1, ["B"])],
        [
            helper.make_tensor("c", TensorProto.INT32, [size], values),
            helper.make_tensor("d", TensorProto.DOUBLE, [size], values),
        ],
    )
    file = check(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9).SerializeToString())
    assert [t.shape for t in file.constants] == [(size,), (size,)]
