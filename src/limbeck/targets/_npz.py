"""The .npz file of the numpy target, read strictly. Knows zip entries, .npy headers and a graph's layout; computes nothing."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.errors import ModelFileError
from limbeck.graph import Graph, GraphInput, Node
from limbeck.plain_json import parse

LAYOUT = "graph.json"
DTYPES = ("float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool")
_MOST_HEADER = 10_000
_MOST_AXES = 16


def graph_of(data: bytes, where: str) -> Graph:
    """The graph that a .npz file holds.

    Args:
        data: the whole file.
        where: its name, for messages.

    Raises:
        ModelFileError: it is not such a file, or holds what no graph holds: objects, compressed entries, names twice, other dtypes.
    """
    try:
        return _graph(data)
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        zipfile.BadZipFile,
        EOFError,
        OSError,
        NotImplementedError,
    ) as error:
        raise ModelFileError(f"{where} is not a graph that limbeck wrote: {error}") from error


def _graph(data: bytes) -> Graph:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
        names = [entry.filename for entry in entries]
        if sum(entry.file_size for entry in entries) > len(data):
            raise ValueError("its entries have more bytes than the file")
        for entry in entries:
            if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
                raise ValueError(f"the entry '{entry.filename:.80}' is compressed or encrypted")
        layout = parse(archive.read(LAYOUT))
        if not isinstance(layout, dict) or set(layout) != {"inputs", "nodes", "output", "constants"}:
            raise ValueError(f"{LAYOUT} must hold inputs, nodes, output and constants")
        expected = [LAYOUT, *(f"{number}.npy" for number in range(len(layout["constants"])))]
        if names != expected:
            raise ValueError(
                f"it holds the entries {', '.join(names)[:200]}; {LAYOUT} and {len(expected) - 1} constants are expected"
            )
        constants = {name: _array(archive.read(entry)) for name, entry in zip(layout["constants"], expected[1:], strict=True)}
    if len(constants) != len(layout["constants"]):
        raise ValueError("it names a constant twice")
    inputs = tuple(GraphInput(_text(i["name"]), _dtype(i["dtype"]), tuple(i["shape"])) for i in layout["inputs"])
    nodes = tuple(
        Node(_text(n["op"]), tuple(n["inputs"]), _text(n["output"]), _attributes(n["attributes"])) for n in layout["nodes"]
    )
    return Graph(inputs, constants, nodes, _text(layout["output"]))


def _array(data: bytes) -> NDArray[Any]:
    """The array of a .npy file, whose header is held against the bytes that are there before anything is made."""
    file = io.BytesIO(data)
    version = np.lib.format.read_magic(file)
    if version != (1, 0):
        raise ValueError(f"a constant is a .npy file of version {version}; 1.0 is expected")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(file, max_header_size=_MOST_HEADER)
    if dtype.hasobject or dtype.name not in DTYPES:
        raise ValueError(f"a constant has the dtype {dtype}; known: {', '.join(DTYPES)}")
    if len(shape) > _MOST_AXES or any(dim < 0 for dim in shape):
        raise ValueError(f"a constant has the shape {shape[:_MOST_AXES]}")
    left = len(data) - file.tell()
    if math.prod(shape) * dtype.itemsize != left:
        raise ValueError(f"a constant of shape {shape} and dtype {dtype} has {left:,} bytes")
    flat = np.frombuffer(data, dtype, offset=file.tell())
    if dtype.kind == "f" and np.isnan(flat).any():
        raise ValueError("a constant holds NaN")
    return flat.reshape(shape, order="F" if fortran else "C")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"a name is expected; got {value!r:.60}")
    return value


def _dtype(value: Any) -> str:
    if value not in DTYPES:
        raise ValueError(f"the dtype {value!r:.60} is not known; known: {', '.join(DTYPES)}")
    return str(value)


def _attributes(found: Any) -> Mapping[str, Any]:
    if not isinstance(found, dict):
        raise ValueError(f"attributes must be an object; got {found!r:.60}")
    for name, value in found.items():
        numbers = value if isinstance(value, list) else [value]
        if name == "to":
            _dtype(value)
        elif name == "direction":
            if value not in ("LEFT", "RIGHT"):
                raise ValueError(f"the attribute 'direction' is {value!r:.60}; LEFT or RIGHT is expected")
        elif len(numbers) > _MOST_AXES or any(type(v) not in (int, float) or abs(v) > 2**31 for v in numbers):
            raise ValueError(f"the attribute '{name:.60}' is {value!r:.60}; numbers are expected")
    return found
