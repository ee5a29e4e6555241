"""Rows of IDX files, the form of MNIST and its kin: one file of arrays, one of labels beside it. Knows bytes and shapes; knows no pictures.

    train-images-idx3-ubyte.gz     the source; each row is an array of bytes
    train-labels-idx1-ubyte.gz     found by its name

Source: Y. LeCun, "The MNIST database": "The IDX file format".
"""

from __future__ import annotations

import gzip
import math
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.data.files import readable
from limbeck.data.lines import Row
from limbeck.errors import DataError, InputFileError

_NAME = re.compile(r"(?P<before>.*?)(?P<what>images|labels)(?P<dash>[-.])idx(?P<axes>[1-4])-ubyte(?P<gz>\.gz)?", re.IGNORECASE)
_MOST_BYTES = 2**31
_UNSIGNED_BYTES = 0x08


def is_idx(file: Path) -> bool:
    """Whether a file is of this form, by its name."""
    return _NAME.fullmatch(file.name) is not None


def idx_labels(file: Path) -> Path:
    """The file of labels that belongs to a file of arrays.

    Raises:
        InputFileError: there is none, or the source is itself one of labels.
    """
    parts = _NAME.fullmatch(file.name)
    assert parts is not None, file
    if parts["what"].lower() != "images":
        raise InputFileError(f"{file} holds labels. Give the file of images, beside which they lie.")
    for gz in (".gz", ""):
        found = file.with_name(f"{parts['before']}labels{parts['dash']}idx1-ubyte{gz}")
        if found.is_file():
            return found
    raise InputFileError(f"{file}: its labels are expected beside it, in {found.name} or the same with .gz; neither is there.")


def idx(file: Path, column: str) -> Iterator[Row]:
    """Each array (uint8) with its label, a whole number.

    Args:
        file: of the arrays.
        column: under which a row holds its array, beside `label`.

    Raises:
        DataError: a file is not IDX, not whole, or the two do not have as many rows.
    """
    labels_file = idx_labels(file)
    arrays, labels = _read(file), _read(labels_file)
    if arrays.ndim < 3 or labels.ndim != 1 or len(arrays) != len(labels):
        raise DataError(
            f"{file} holds an array of shape {arrays.shape}, and {labels_file.name} one of {labels.shape}; images and as many labels are expected."
        )
    for number, (array, label) in enumerate(zip(arrays, labels.tolist(), strict=True), 1):
        yield f"{file}, row {number}", {column: array, "label": label}


def _read(file: Path) -> NDArray[Any]:
    with readable(file), gzip.open(file, "rb") if file.suffix.lower() == ".gz" else file.open("rb") as handle:
        head = handle.read(4)
        if len(head) < 4 or head[:2] != b"\0\0" or head[2] != _UNSIGNED_BYTES or not 1 <= head[3] <= 4:
            raise DataError(f"{file}: not an IDX file of unsigned bytes (it begins with {head.hex()}). Copy it again.")
        shape = struct.unpack(f">{head[3]}I", handle.read(4 * head[3]).ljust(4 * head[3], b"\0"))
        if math.prod(shape) > _MOST_BYTES:
            raise DataError(f"{file}: it promises {math.prod(shape):,} bytes; at most {_MOST_BYTES:,} are read.")
        data = handle.read(math.prod(shape) + 1)
    if len(data) != math.prod(shape):
        raise DataError(
            f"{file}: {math.prod(shape):,} bytes of {list(shape)} are promised, {len(data):,} are there. Copy it again."
        )
    return np.frombuffer(data, np.uint8).reshape(shape)
