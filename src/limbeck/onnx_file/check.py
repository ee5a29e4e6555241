"""Whether ONNX Runtime may see a file. Knows what makes a file harmless: parts that fit together, and no tensor that explodes.

It stops what is known to go wrong in a file: it does not make a stranger's model trustworthy. For that there is the signature.
"""

from __future__ import annotations

import numpy as np

from limbeck.onnx_file.model import OnnxFile, OnnxNode, Tensor, parsed
from limbeck.onnx_file.sizes import check_sizes
from limbeck.onnx_file.wire import Reader

_ORT_MARK = b"ORTM"
"""At byte 4 of ONNX Runtime's own format, which it prefers to ONNX wherever it finds this, even where the same bytes are valid ONNX."""


def check(data: bytes, where: str = "the model file") -> OnnxFile:
    """The content of an ONNX file that may be run.

    Args:
        data: the whole file.
        where: its name, for messages.

    Raises:
        ModelFileError: it holds what limbeck does not hand on; the message names it.
    """
    reader = Reader(where)
    if data[4:8] == _ORT_MARK:
        raise reader.refuse("it is in ONNX Runtime's own format (ORTM), which can hold any operator; an ONNX file is expected")
    file = parsed(data, reader)
    _check_names(file, reader)
    for tensor in file.constants:
        _check_numbers(tensor, reader, f"the constant '{tensor.name:.80}'")
    for node in file.nodes:
        _check_attributes(node, reader)
    check_sizes(file, reader)
    return file


def _check_names(file: OnnxFile, reader: Reader) -> None:
    """Every name is made once, and before it is used."""
    made: set[str] = set()

    def make(name: str, what: str) -> None:
        if name in made:
            raise reader.refuse(f"{what} '{name:.80}' has a name that is made twice")
        made.add(name)

    for value in file.inputs:
        make(value.name, "the input")
    for tensor in file.constants:
        make(tensor.name, "the constant")
    for node in file.nodes:
        for name in node.inputs:
            if name and name not in made:
                raise reader.refuse(f"the {node.label} uses '{name:.80}' before anything makes it")
        for name in filter(None, node.outputs):
            make(name, "the output")
    if not file.inputs or not file.outputs:
        raise reader.refuse("it has no inputs or no outputs")
    for output in file.outputs:
        if output.name not in made:
            raise reader.refuse(f"nothing makes its output '{output.name:.80}'")
    if len({o.name for o in file.outputs}) != len(file.outputs):
        raise reader.refuse("it names an output twice")


def _check_numbers(tensor: Tensor, reader: Reader, what: str) -> None:
    if tensor.dtype in ("float32", "float64", "float16") and tensor.kept != "int32_data" and len(tensor.values):
        numbers = np.frombuffer(tensor.values, np.dtype(tensor.dtype).newbyteorder("<"))
        if np.isnan(numbers.max()):  # the largest is NaN where any is
            raise reader.refuse(f"{what} holds NaN")
    if tensor.dtype == "bool" and tensor.kept == "raw_data" and np.frombuffer(tensor.values, np.uint8).max(initial=0) > 1:
        raise reader.refuse(f"{what} holds booleans that are neither 0 nor 1")


_MOST_STEP = 65_536
"""Of a kernel, a stride, a dilation, a pad: anything larger is no layer of a network."""


def _check_attributes(node: OnnxNode, reader: Reader) -> None:
    for name, value in node.attributes.items():
        if isinstance(value, Tensor):
            _check_numbers(value, reader, f"the attribute '{name}' of the {node.label}")
        if name in ("kernel_shape", "strides", "dilations", "pads") and any(not 0 <= v <= _MOST_STEP for v in value):
            raise reader.refuse(f"the {node.label} has {name} {value[:8]}; numbers from 0 to {_MOST_STEP:,} are expected")
        if name == "group" and not 1 <= value <= _MOST_STEP:
            raise reader.refuse(f"the {node.label} has group {value}")
    if node.op == "Constant" and (len(node.attributes) != 1 or {"value_string", "value_strings"} & set(node.attributes)):
        raise reader.refuse(f"the {node.label} must hold one value of numbers; it holds {', '.join(node.attributes) or 'none'}")
