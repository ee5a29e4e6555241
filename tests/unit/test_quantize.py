"""The pass to int8: numbers by hand, what cannot be spanned, and how far a product may move."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from limbeck import find
from limbeck.errors import TrainingError
from limbeck.graph import Graph, GraphBuilder, GraphInput
from limbeck.quantize import (
    Clipping,
    Range,
    Scheme,
    averaged,
    corrected,
    products,
    quantized,
    ranges,
    tables,
    tapped,
    whole_weights,
)
from limbeck.targets.numpy import evaluate

X = GraphInput("x", "float32", ("B", 2))
WEIGHT = np.array([[0.5, -1.0], [0.25, 0.0]], np.float32)
BITS8 = Scheme(reduce_range=False)


def product_graph(weight: np.ndarray, activation: str | None = None) -> Graph:
    g = GraphBuilder(GraphInput("x", "float32", ("B", len(weight))))
    x = g(activation, "x") if activation else "x"
    return g.build(g("MatMul", x, g.constant("w", weight)))


def test_a_product_by_hand() -> None:
    """Steps of 0.01 from -1: 0.504 is 150 or 0.50; weights 127 and 64 of 0.5/127, -127 and 0 of 1/127."""
    seen = {"x": {"min-max": Range(-1.0, 1.55)}}
    graph = quantized(product_graph(WEIGHT), BITS8, seen)
    assert graph.constants["w"].dtype == np.int8
    assert graph.constants["w"].tolist() == [[127, -127], [64, 0]]
    assert int(graph.constants["x.zero"]) == 100
    found = evaluate(graph, {"x": np.array([[0.504, -0.2]], np.float32)})
    np.testing.assert_allclose(found, [[0.5 * 0.5 - 0.2 * 64 * 0.5 / 127, -0.5]], atol=1e-6)


def test_what_lies_outside_the_range_is_its_border() -> None:
    graph = quantized(product_graph(np.eye(2, dtype=np.float32)), BITS8, {"x": {"min-max": Range(-1.0, 1.55)}})
    np.testing.assert_allclose(evaluate(graph, {"x": np.array([[99.0, -99.0]], np.float32)}), [[1.55, -1.0]], atol=1e-6)


def test_signed_activations_are_symmetric() -> None:
    scale, zero = Range(-1.0, 2.54).steps("int8")
    assert float(scale) == pytest.approx(0.02)
    assert (zero.dtype, int(zero)) == (np.int8, 0)


@pytest.mark.parametrize("scheme", [Scheme(), Scheme("int8", per_channel=False)])
def test_channels_of_zeros_and_activations_without_a_range_stay_zero(scheme: Scheme) -> None:
    weight = np.array([[0.0, 1.0], [0.0, 2.0]], np.float32)
    zeros = np.zeros((3, 2), np.float32)
    found = evaluate(quantized(product_graph(weight), scheme, {"x": ranges(zeros)}), {"x": zeros})
    assert found.tolist() == [[0.0, 0.0]] * 3
    ones = np.ones((3, 2), np.float32)
    found = evaluate(quantized(product_graph(weight), scheme, {"x": ranges(ones)}), {"x": ones})
    np.testing.assert_allclose(found, [[0.0, 3.0]] * 3, rtol=1e-2)


def test_tiny_weights_give_finite_numbers() -> None:
    whole, scale = whole_weights(np.full((2, 2), 1e-45, np.float32), Scheme())
    assert whole.tolist() == [[0, 0], [0, 0]]
    assert np.isfinite(whole / scale).all()


@given(arrays(np.float32, (4, 3), elements=st.floats(-100, 100, width=32)))
def test_seven_bits_fit_two_products_into_sixteen(weight: np.ndarray) -> None:
    whole, _ = whole_weights(weight, Scheme(reduce_range=True))
    assert 2 * 255 * np.abs(whole.astype(int)).max() <= 2**15 - 1


@given(
    arrays(np.float32, (5, 4), elements=st.floats(-50, 50, width=32)),
    arrays(np.float32, (4, 3), elements=st.floats(-2, 2, width=32)),
    st.sampled_from(["uint8", "int8"]),
    st.booleans(),
    st.booleans(),
)
def test_a_product_moves_by_no_more_than_its_steps_say(x, weight, activations, per_channel, reduce_range) -> None:
    scheme = Scheme(activations, per_channel, reduce_range)
    graph = quantized(product_graph(weight), scheme, {"x": ranges(x)})
    step = float(graph.constants["x.scale"])
    steps = np.broadcast_to(graph.constants["w.scale"], weight.shape[1])
    # Half a step each, and what zero's own rounding pushes over a border.
    bound = step * np.abs(weight).sum(0) + 4 * 0.5 * steps * (np.abs(x).max() + step)
    assert (np.abs(evaluate(graph, {"x": x}) - x @ weight) <= bound * 1.01 + 1e-4).all()


def test_ranges_hold_zero_and_leave_out_what_is_rare() -> None:
    rows = np.random.default_rng(0).normal(5.0, 0.5, (20_000, 2)).astype(np.float32)
    rows[0, 0] = 1000.0
    found = ranges(rows)
    assert found["min-max"] == Range(0.0, 1000.0)
    assert found["99.99"].high < 10.0
    assert found["99.9"].high < found["99.99"].high
    assert found["mse"].high < 1000.0
    assert {r.low for r in found.values()} == {0.0}


def test_the_least_squares_range_of_two_far_points() -> None:
    """Half of the numbers at each end: nothing can be clipped."""
    assert ranges(np.array([[-1.0, 1.0]] * 50, np.float32))["mse"] == Range(-1.0, 1.0)


def test_ranges_of_nothing_or_of_no_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one calibration row"):
        ranges(np.zeros((0, 2), np.float32))
    for wrong in (np.nan, np.inf):
        with pytest.raises(TrainingError, match="not finite on a training row"):
            ranges(np.array([[1.0, wrong]], np.float32))


def test_wrong_names_are_refused() -> None:
    graph = product_graph(WEIGHT)
    with pytest.raises(ValueError, match="'v' is no weight of a product and no table; there are 'w'"):
        quantized(graph, Scheme(), {"x": ranges(WEIGHT)}, ["v"])
    with pytest.raises(ValueError, match="nothing was observed of 'x'"):
        quantized(graph, Scheme(), {})
    assert quantized(graph, Scheme(), {}, ["w"]).nodes == graph.nodes


def test_what_several_products_read_is_rounded_once() -> None:
    g = GraphBuilder(X)
    first, second = (g("MatMul", "x", g.constant(name, WEIGHT)) for name in ("v", "w"))
    graph = quantized(g.build(g("Add", first, second)), Scheme(), {"x": ranges(WEIGHT)})
    assert [n.op for n in graph.nodes].count("QuantizeLinear") == 1
    assert {c.dtype.name for n, c in graph.constants.items() if n in "vw"} == {"int8"}


def test_products_of_two_activations_and_shared_weights_stay() -> None:
    g = GraphBuilder(X)
    shared = g.constant("w", WEIGHT)
    twice = g("MatMul", g("MatMul", "x", shared), shared)
    graph = g.build(g("MatMul", twice, g("Transpose", twice, perm=[1, 0])))
    assert products(graph) == ()
    assert quantized(graph, Scheme(), {}).nodes == graph.nodes


def test_a_table_of_which_rows_are_sliced_becomes_rows_with_a_scale_each() -> None:
    table = np.random.default_rng(0).normal(size=(50, 32)).astype(np.float32) * np.arange(50, dtype=np.float32)[:, None]
    g = GraphBuilder(GraphInput("x", "float32", ("B", 32)))
    sliced = g("Slice", g.constant("positions", table), g.whole(0), g.whole(9), axes=[0])
    graph = g.build(g("Add", "x", sliced))
    assert tables(graph) == ("positions",)
    small = quantized(graph, Scheme(), {})
    assert small.constants["positions"].dtype == np.int8
    x = np.zeros((9, 32), np.float32)
    moved = np.abs(evaluate(small, {"x": x}) - table[:9])
    assert (moved <= 0.501 * np.abs(table[:9]).max(1, keepdims=True) / 127).all()
    assert not moved[0].any()
    assert quantized(graph, Scheme(), {}, ["positions"]).nodes == graph.nodes


def test_the_tap_is_what_the_product_reads() -> None:
    graph = product_graph(WEIGHT, "Relu")
    x = np.array([[1.0, -2.0], [-3.0, 4.0]], np.float32)
    assert evaluate(tapped(graph, products(graph)[0]), {"x": x}).tolist() == [[1.0, 0.0], [0.0, 4.0]]
    bare = product_graph(WEIGHT)
    assert evaluate(tapped(bare, products(bare)[0]), {"x": x}).tolist() == x.tolist()


def test_a_scheme_has_a_name() -> None:
    assert Scheme().name == "U8S8, per channel, 7 bits, min-max"
    assert Scheme("int8", False, False, "mse").name == "S8S8, per tensor, 8 bits, mse"


def convolved(groups: int) -> Graph:
    """A convolution of pictures, and a pointwise one behind it."""
    dice = np.random.default_rng(4)
    g = GraphBuilder(GraphInput("x", "float32", ("B", 4, 5, 5)))

    def conv(name: str, x: str, shape: tuple[int, ...], group: int) -> str:
        weight = g.constant(f"{name}.weight", dice.normal(size=shape).astype(np.float32))
        bias = g.constant(f"{name}.bias", dice.normal(size=shape[0]).astype(np.float32))
        return g("Conv", x, weight, bias, dilations=[1, 1], group=group, pads=[shape[-1] // 2] * 4, strides=[1, 1])

    made = conv("second", g("Relu", conv("first", "x", (4, 4 // groups, 3, 3), groups)), (6, 4, 1, 1), 1)
    return g.build(g("ReduceMean", made, axes=[2, 3], keepdims=0))


@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize("scheme", [Scheme(), Scheme("int8", reduce_range=False), Scheme(per_channel=False)])
def test_convolutions_become_whole_numbers_with_a_scale_for_each_output(groups: int, scheme: Scheme, tmp_path) -> None:
    graph, x = convolved(groups), np.random.default_rng(5).normal(size=(8, 4, 5, 5)).astype(np.float32)
    found = products(graph)
    assert [(p.weight, p.outputs) for p in found] == [("first.weight", 0), ("second.weight", 0)]
    assert evaluate(tapped(graph, found[0]), {"x": x}).shape == (8 * 4 * 25, 1)
    whole = quantized(graph, scheme, {p.x: ranges(evaluate(tapped(graph, p), {"x": x})) for p in found})
    assert whole.constants["first.weight"].dtype == np.int8
    assert whole.constants["first.weight.scale"].shape == ((4,) if scheme.per_channel else ())
    assert whole.constants["first.bias"].dtype == np.int32
    expected, rounded = (evaluate(g, {"x": x}) for g in (graph, whole))
    assert np.abs(rounded - expected).max() < (0.03 if scheme.per_channel else 0.06) * np.ptp(expected)
    assert np.abs(rounded - expected).max() > 0
    target = find("targets", "onnx")()
    target.write(whole, tmp_path / "m.onnx")
    np.testing.assert_allclose(target.load(tmp_path / "m.onnx")({"x": x}), rounded, atol=1e-4)


@pytest.mark.parametrize("groups", [1, 4])
def test_corrected_biases_take_back_what_rounding_moves_on_average(groups: int) -> None:
    graph, x = convolved(groups), np.random.default_rng(6).normal(size=(16, 4, 5, 5)).astype(np.float32) ** 2
    seen = {p.x: dict.fromkeys(get_args(Clipping), Range(0.0, 3.0)) for p in products(graph)}  # so what is larger is cut off
    rough = quantized(graph, Scheme(), seen)

    def mean(of: Graph, name: str) -> np.ndarray:
        return evaluate(averaged(of, name), {"x": x}).mean(axis=0)

    mended = corrected(graph, rough, mean)
    for name in (node.output for node in graph.nodes if node.op == "Conv"):
        expected, before, after = (mean(g, name) for g in (graph, rough, mended))
        assert np.abs(before - expected).max() > 0.05
        assert np.abs(after - expected).max() < 0.01
    plain = np.abs(evaluate(rough, {"x": x}) - evaluate(graph, {"x": x})).mean()
    assert np.abs(evaluate(mended, {"x": x}) - evaluate(graph, {"x": x})).mean() < 0.7 * plain
    assert corrected(graph, graph, mean) is graph
