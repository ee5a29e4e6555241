"""A graph is checked when it is made; each operator means the same to numpy and to ONNX Runtime; names are found or explained."""

import numpy as np
import pytest

from limbeck import find, names
from limbeck.errors import UnknownNameError
from limbeck.graph import OPERATORS, GraphBuilder, GraphInput, Node
from limbeck.targets.numpy import evaluate

X = GraphInput("x", "float32", ("B", 3))
CASES = {
    "Cast": [{"to": "float32"}],
    "Concat": [{"axis": 1}],
    "Gather": [{"axis": 0}, {"axis": 1}],
    "Softmax": [{"axis": 1}, {"axis": -1}],
    "Transpose": [{"perm": [1, 0]}],
    "Unsqueeze": [{"axes": [0]}, {"axes": [1, 3]}],
    **{op: [{"axes": [1], "keepdims": k} for k in (0, 1)] for op in ("ReduceMax", "ReduceMean", "ReduceSum")},
}


@pytest.mark.parametrize(("op", "attributes"), [(op, a) for op in OPERATORS for a in CASES.get(op, [{}])])
def test_an_operator_means_the_same_everywhere(op: str, attributes: dict, tmp_path) -> None:
    dice = np.random.default_rng(0)
    x = dice.normal(size=(3, 3)).astype(np.float32) + (3.0 if op == "Sqrt" else 0.0)
    g = GraphBuilder(X)
    inputs = ["x"]
    if op == "Gather":
        inputs.append(g.constant("ids", np.array([[2, 0], [1, 1]], np.int32)))
    elif OPERATORS[op][0] == 2:
        inputs.append(g.constant("y", dice.normal(size=(3, 3)).astype(np.float32)))
    graph = g.build(g(op, *inputs, **attributes))
    target = find("targets", "onnx")()
    # The declared output is (B, C); an operator's own output may have another rank, which ONNX Runtime gives as it is.
    import onnx

    checker, onnx.checker.check_model = onnx.checker.check_model, lambda *a, **k: None
    try:
        target.write(graph, tmp_path / "m.onnx")
    finally:
        onnx.checker.check_model = checker
    found = target.load(tmp_path / "m.onnx")({"x": x})
    expected = evaluate(graph, {"x": x})
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


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


def test_the_catalog() -> None:
    assert names("students") == ["bag"]
    assert find("objectives", "soft-targets").__name__ == "SoftTargets"
    with pytest.raises(UnknownNameError, match="Did you mean 'soft_targets'"):
        find("objectives", "soft_target")
    with pytest.raises(UnknownNameError, match="Did you mean 'students'"):
        names("student")
