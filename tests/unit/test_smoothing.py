"""Scales move from inputs to weights: the graph says the same, and its inputs have room."""

import numpy as np
import pytest

from limbeck.graph import Graph, GraphBuilder, GraphInput
from limbeck.quantize import products
from limbeck.smoothing import SMOOTH, factors, smoothed
from limbeck.targets.numpy import evaluate

DICE = np.random.default_rng(0)
ROWS_NI = (DICE.normal(size=(64, 8)) * np.array([100, 1, 1, 1, 0.1, 1, 1, 1])).astype(np.float32)
FIRST_IO, SECOND_IO = (DICE.normal(size=(8, 5)).astype(np.float32) for _ in range(2))


def two_products() -> Graph:
    g = GraphBuilder(GraphInput("x", "float32", ("B", 8)))
    sides = [g("MatMul", "x", g.constant(name, value)) for name, value in (("first", FIRST_IO), ("second", SECOND_IO))]
    return g.build(g("Add", *sides))


def test_a_smoothed_graph_says_the_same_and_divides_once() -> None:
    graph = two_products()
    scales = {"x": factors(ROWS_NI, [FIRST_IO, SECOND_IO])}
    found = smoothed(graph, scales)
    assert [node.op for node in found.nodes] == ["Mul", "MatMul", "MatMul", "Add"]
    assert {p.x for p in products(found)} == {"x" + SMOOTH}
    before, after = (evaluate(g, {"x": ROWS_NI}) for g in (graph, found))
    assert np.abs(before - after).max() < 1e-5 * np.abs(before).max()


def test_a_loud_input_is_as_loud_as_the_others_and_scales_have_a_mean_of_one() -> None:
    scale_I = factors(ROWS_NI, [FIRST_IO])
    assert np.log(scale_I).mean() == pytest.approx(0.0, abs=1e-6)
    loud = np.abs(ROWS_NI).max(axis=0)
    even = np.abs(ROWS_NI / scale_I).max(axis=0)
    assert even.max() / even.min() < 0.01 * loud.max() / loud.min()
    # By hand, equation 4: max |x|, 4 and 1, to the power of a half over max |W|, 1 and 4, to the same power; then a mean of 1.
    by_hand = factors(np.array([[4.0, -1.0]], np.float32), [np.array([[1.0], [-4.0]], np.float32)], share=0.5)
    assert by_hand == pytest.approx([2.0, 0.5])


def test_excluded_products_and_silent_inputs_stay_as_they_are() -> None:
    graph = two_products()
    found = smoothed(graph, {"x": factors(ROWS_NI, [FIRST_IO])}, ["second"])
    assert found.constants["second"] is graph.constants["second"]
    assert {p.weight: p.x for p in products(found)} == {"first": "x" + SMOOTH, "second": "x"}
    assert np.isfinite(factors(np.zeros((3, 8), np.float32), [np.zeros((8, 5), np.float32)])).all()
