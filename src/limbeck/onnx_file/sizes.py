"""How large the tensors of an ONNX file become. Knows limits, and follows shapes through a graph; computes no tensor.

A file of a few bytes can ask for any amount of memory: a Tile by a million, forty Concats of a tensor with itself, the product of a
column and a row. So the shapes of a small batch are followed through the graph, and the whole numbers that shapes are made from with
them (Shape, Gather, Concat, Mul ...). What cannot be followed is unknown, and what comes of it too: this stops what a file says, not
what a text brings.
"""

from __future__ import annotations

import math

from limbeck.onnx_file.model import OnnxFile
from limbeck.onnx_file.shapes import UNKNOWN, Known, constant, made
from limbeck.onnx_file.wire import Reader

FREE = 8
"""What stands for a free dimension of an input: a batch of 8 texts of 8 tokens."""
MOST_ELEMENTS = 2**26
"""Of one tensor in that batch; the largest table of a teacher of 335 million parameters has half as many."""
MOST_TOGETHER = 2**29
"""Of all tensors that operators make in that batch."""


def check_sizes(file: OnnxFile, reader: Reader) -> None:
    """Follow the shapes of a small batch through the graph.

    Raises:
        ModelFileError: a tensor has more than `MOST_ELEMENTS` elements, or all of them together more than `MOST_TOGETHER`.
    """
    known: dict[str, Known] = {"": UNKNOWN}
    for value in file.inputs:
        shape = None if value.shape is None else tuple(d if isinstance(d, int) and d else FREE for d in value.shape)
        known[value.name] = Known(shape)
        _check(known[value.name], f"the input '{value.name:.80}'", reader)
    for tensor in file.constants:
        known[tensor.name] = constant(tensor)
    together = 0
    for node in file.nodes:
        try:
            found = made(node, [known[name] for name in node.inputs])
        except (ValueError, IndexError, TypeError, KeyError, ZeroDivisionError, OverflowError):
            found = []  # it does not fit this batch, or not at all, which ONNX Runtime will say
        for position, name in enumerate(node.outputs):
            known[name] = found[position] if position < len(found) else UNKNOWN
            together += _check(known[name], f"the {node.label}", reader)
        if together > MOST_TOGETHER:
            raise reader.refuse(f"its tensors have more than {MOST_TOGETHER:,} elements together for {FREE} short inputs")


def _check(value: Known, what: str, reader: Reader) -> int:
    elements = 0 if value.shape is None else math.prod(value.shape)
    if elements > MOST_ELEMENTS:
        raise reader.refuse(
            f"{what} has {min(elements, 10**18):,} elements ({list(value.shape or ())[:8]}) for {FREE} short inputs; at most {MOST_ELEMENTS:,} are run"
        )
    return elements
