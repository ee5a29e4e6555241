"""The row of each id in a graph."""

from __future__ import annotations

import numpy as np
import pytest

from limbeck.graph import GraphBuilder, GraphInput
from limbeck.students._rows import emit_row_of, row_of_piece
from limbeck.targets.numpy import evaluate


@pytest.mark.parametrize(
    ("used", "operators"),
    [
        ([False, False, True, True, True], ["Sub", "Max"]),
        ([False, True, True], []),
        ([True, True, True], ["Sub"]),
        ([False, False, False], ["Sub", "Max"]),
        ([False, True, False, True], ["Gather"]),
        ([True, False], ["Gather"]),
    ],
)
def test_a_difference_where_the_unused_ones_come_first(used: list[bool], operators: list[str]) -> None:
    rows_V = row_of_piece(len(used), np.array(used))
    g = GraphBuilder(GraphInput("ids", "int64", ("B", "T")))
    row = emit_row_of(g, rows_V)
    graph = g.build(g("Cast", row, to="float32"))
    ids_BT = np.arange(len(used))[None]
    np.testing.assert_array_equal(evaluate(graph, {"ids": ids_BT})[0], rows_V.numpy())
    assert [node.op for node in graph.nodes] == [*operators, "Cast"]
