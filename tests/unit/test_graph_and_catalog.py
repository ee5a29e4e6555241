"""A graph is checked when it is made; each operator means the same to numpy and to ONNX Runtime; names are found or explained."""

import numpy as np
import pytest

from limbeck import find, names
from limbeck.errors import UnknownNameError
from limbeck.graph import OPERATORS, GraphBuilder, GraphInput, Node
from limbeck.targets.numpy import evaluate

X = GraphInput("x", "float32", ("B", 3))
LAST = 2**63 - 1
FLOATS = np.random.default_rng(1).normal(size=(3, 3)).astype(np.float32)
WHOLE = np.array([[-7, 3, 2**40 + 5], [0, 8, -1], [9, 2**31, 4]], np.int64)
BYTES = np.array([[0, 255, 171], [16, 15, 128], [1, 240, 90]], np.uint8)
HALVES = np.array([[0.25, 0.75, -0.25], [1e9, -1e9, 1.25]], np.float32)  # between two whole numbers, and far beyond all
PICTURES = np.random.default_rng(2).normal(size=(3, 4, 5, 6)).astype(np.float32)
CLIPS = PICTURES[..., 0]  # one axis of places


def filters(*shape: int) -> tuple:
    """Weight and bias of a convolution."""
    dice = np.random.default_rng(3)
    return dice.normal(size=shape).astype(np.float32), dice.normal(size=shape[0]).astype(np.float32)


# Each case: attributes, then the inputs behind the first, which is x unless it is given too.
CASES: dict[str, list[tuple]] = {
    "BitShift": [({"direction": way}, np.array([4, 0, 7], np.uint8), BYTES) for way in ("RIGHT", "LEFT")],
    "BitwiseAnd": [({}, np.array(15, np.uint8), BYTES), ({}, np.array([[2**31], [-1], [0]], np.int64), WHOLE)],
    "Cast": [({"to": "float32"},), ({"to": "int64"},)],
    "Concat": [({"axis": 1}, FLOATS)],
    "AveragePool": [({"kernel_shape": [3, 2], "pads": [1, 0, 1, 1], "strides": [2, 1]}, PICTURES)],
    "Conv": [
        ({"dilations": [1, 1], "group": 1, "pads": [1, 1, 1, 1], "strides": [1, 1]}, *filters(7, 4, 3, 3), PICTURES),
        ({"dilations": [1, 1], "group": 4, "pads": [1, 1, 1, 1], "strides": [2, 2]}, *filters(4, 1, 3, 3), PICTURES),
        ({"dilations": [1, 2], "group": 2, "pads": [0, 1, 2, 3], "strides": [2, 1]}, *filters(6, 2, 2, 3), PICTURES),
        ({"dilations": [1, 1], "group": 1, "pads": [0, 0, 0, 0], "strides": [1, 1]}, *filters(5, 4, 1, 1), PICTURES),
        ({"dilations": [2], "group": 1, "pads": [2, 2], "strides": [1]}, *filters(3, 4, 3), CLIPS),
    ],
    "MaxPool": [
        ({"kernel_shape": [3, 2], "pads": [1, 0, 1, 1], "strides": [2, 1]}, PICTURES),
        ({"kernel_shape": [2], "pads": [0, 0], "strides": [2]}, CLIPS),
    ],
    "DequantizeLinear": [
        ({"axis": 1}, np.float32(0.1), np.uint8(7), np.array([[0, 255, 7]], np.uint8)),
        ({"axis": 1}, np.array([0.1, 2.0, 1e-3], np.float32), np.zeros(3, np.int8), np.array([[-128, 127, 5]], np.int8)),
        ({"axis": 0}, np.array([0.1, 2.0], np.float32), np.array([3, -4], np.int8), np.array([[1, 2, 3], [-9, 0, 9]], np.int8)),
    ],
    "Gather": [({"axis": axis}, np.array([[2, 0], [1, 1]], np.int32)) for axis in (0, 1)],
    "LayerNormalization": [
        ({"axis": -1, "epsilon": 1e-12}, FLOATS[0], FLOATS[1]),
        ({"axis": 1, "epsilon": 0.5}, FLOATS[0], FLOATS[1]),
        ({"axis": 0, "epsilon": 1e-5}, FLOATS, FLOATS.T),
    ],
    "Mod": [({}, np.array([[7], [-5], [2**31 - 1]], np.int64), WHOLE), ({}, np.array([4], np.int64), WHOLE)],
    "Mul": [({}, FLOATS), ({}, np.array([2654435761], np.int64), WHOLE)],
    "Pad": [({}, np.array(pads, np.int64)) for pads in ([0, 1, 0, 2], [1, 0, 0, 0])] + [({}, np.array([0, 0, 0, 1]), WHOLE)],
    "QuantizeLinear": [
        ({"axis": 1}, np.float32(0.5), np.uint8(3), HALVES),
        ({"axis": 1}, np.float32(0.5), np.int8(0), HALVES),
        ({"axis": 1}, np.array([0.5, 2.0, 1e-3], np.float32), np.array([0, 1, 200], np.uint8), HALVES),
        ({"axis": 0}, np.array([0.5, 2.0], np.float32), np.array([-9, 9], np.int8), HALVES),
    ],
    "Reshape": [({}, np.array(shape, np.int64)) for shape in ([9], [0, 1, -1], [-1, 9], [0, 3, 1])],
    "Slice": [
        ({"axes": [1]}, np.array([1]), np.array([LAST])),
        ({"axes": [0]}, np.array([0]), np.array([-1])),
        ({"axes": [-1, 0]}, np.array([-2, 1]), np.array([9, 3])),
        ({"axes": [1]}, np.array([2]), np.array([1])),
    ],
    "Softmax": [({"axis": 1},), ({"axis": -1},)],
    "Transpose": [({"perm": [1, 0]},)],
    "Unsqueeze": [({"axes": [0]},), ({"axes": [1, 3]},)],
    **{op: [({"axes": [1], "keepdims": k},) for k in (0, 1)] for op in ("ReduceMax", "ReduceMean", "ReduceSum")},
}
DEFAULT = {1: [({},)], 2: [({}, FLOATS)]}


@pytest.mark.parametrize(
    ("op", "case"), [(op, case) for op in OPERATORS for case in CASES.get(op, DEFAULT.get(OPERATORS[op][0]))]
)
def test_an_operator_means_the_same_everywhere(op: str, case: tuple, tmp_path) -> None:
    attributes, *constants = case
    dice = np.random.default_rng(0)
    x = dice.normal(size=(3, 3)).astype(np.float32) + (3.0 if op == "Sqrt" else 0.0)
    if len(constants) == OPERATORS[op][0]:
        x = constants.pop()
    g = GraphBuilder(GraphInput("x", str(x.dtype), ("B", *x.shape[1:])))
    inputs = ["x", *(g.constant(f"constant {place}", value) for place, value in enumerate(constants))]
    graph = g.build(g(op, *inputs, **attributes))
    target = find("targets", "onnx")()
    expected = evaluate(graph, {"x": x})
    # The output is declared as (B, C), float32; an operator's own output may be of another rank and type.
    import onnx

    checker, onnx.checker.check_model = onnx.checker.check_model, lambda *a, **k: None
    try:
        target.write(graph, tmp_path / "m.onnx")
    finally:
        onnx.checker.check_model = checker
    model = onnx.load(tmp_path / "m.onnx")
    model.graph.output[0].type.tensor_type.elem_type = onnx.helper.np_dtype_to_tensor_dtype(expected.dtype)
    onnx.save(model, tmp_path / "m.onnx")
    found = target.load(tmp_path / "m.onnx")({"x": x})
    assert found.dtype == expected.dtype
    if np.issubdtype(expected.dtype, np.integer):
        np.testing.assert_array_equal(found, expected)
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("op", ["QuantizeLinear", "DequantizeLinear"])
def test_rounding_means_what_onnx_says(op: str) -> None:
    from onnx import TensorProto, helper
    from onnx.reference import ReferenceEvaluator

    opset = helper.make_opsetid("", 19)  # the reference has none older; 19 only adds types
    for attributes, scale, zero, x in CASES[op]:
        g = GraphBuilder(GraphInput("x", str(x.dtype), x.shape))
        graph = g.build(g(op, "x", g.constant("scale", scale), g.constant("zero", zero), **attributes))
        values = [
            helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape)
            for n, v in {"x": x, "scale": np.asarray(scale), "zero": np.asarray(zero)}.items()
        ]
        output = helper.make_tensor_value_info("y", TensorProto.UNDEFINED, None)
        node = helper.make_node(op, ["x", "scale", "zero"], ["y"], **attributes)
        model = helper.make_model(helper.make_graph([node], "g", values, [output]), opset_imports=[opset])
        expected = ReferenceEvaluator(model).run(None, {"x": x, "scale": np.asarray(scale), "zero": np.asarray(zero)})[0]
        found = evaluate(graph, {"x": x})
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda g: g("Mull", "x", "x"), "unknown operator 'Mull'.*Did you mean 'Mul'"),
        (lambda g: g("Add", "x"), "takes 2 inputs"),
        (lambda g: g("Relu", "z"), "uses 'z' before it is made"),
        (lambda g: g("Softmax", "x"), "needs exactly the attributes"),
        (lambda g: "nothing", "nothing makes the output"),
    ],
)
def test_a_wrong_graph_is_refused(build, message: str) -> None:
    g = GraphBuilder(X)
    with pytest.raises(ValueError, match=message):
        g.build(build(g))


def test_names_are_made_once() -> None:
    from limbeck.graph import Graph

    with pytest.raises(ValueError, match="made twice"):
        Graph((X,), {}, (Node("Relu", ("x",), "y"), Node("Relu", ("x",), "y")), "y")
    g = GraphBuilder(X)
    g.constant("c", np.zeros(1))
    with pytest.raises(ValueError, match="exists already"):
        g.constant("c", np.zeros(1))


def test_the_same_numbers_are_written_once() -> None:
    g = GraphBuilder(X)
    halved = g("Mul", g("Mul", "x", g.number(0.5)), g.number(0.5))
    graph = g.build(g.part(g.part(halved, 1, 1), 1, 0, -1))
    assert sorted(len(value) for value in graph.constants.values()) == [1] * 5  # 0.5, and 1, the end, 0 and -1
    np.testing.assert_array_equal(evaluate(graph, {"x": np.array([[4.0, 8.0, 12.0]], np.float32)}), [[2.0]])


def test_the_catalog() -> None:
    assert names("students") == ["bag", "conv_audio", "conv_image", "conv_text", "encoder", "mobile_image", "vit_image"]
    assert find("objectives", "soft-targets").__name__ == "SoftTargets"
    with pytest.raises(UnknownNameError, match="Did you mean 'soft_targets'"):
        find("objectives", "soft_target")
    with pytest.raises(UnknownNameError, match="Did you mean 'students'"):
        names("student")
