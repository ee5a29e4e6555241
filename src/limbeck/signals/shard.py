"""One shard: a fixed set of entries in an Arrow file that is named by its number and its sha256. Knows bytes and columns; knows no teacher.

    00000042-9f86d081884c7d659a2feaa0c55ad015.arrow

A column `key` (32 bytes) and one column for each field, uncompressed, so that a row is found in the mapped file by its place. The name
holds the first half of the file's sha256: any bit that differs is found before Arrow reads the file, and `sha256sum` finds it too. What
an index says of a shard, it says of that name, so it can never be applied to other content.

Letters: N entries of the shard, M of any entries.
"""

from __future__ import annotations

import hashlib
import math
import mmap
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.disk import write_whole
from limbeck.errors import missing_extra

KEY_BYTES = 32
DAMAGED = ".damaged"
"""The end of the name of a shard that was found damaged and set aside."""
_WORTH_A_MAP = 16
"""Rows for which it is worth to map a shard and unmap it again."""
_NAME = re.compile(r"(\d{8,})-([0-9a-f]{32})\.arrow")


def shards_in(folder: Path) -> list[str]:
    """The names of all shards in a folder, sorted; each is one string however often it is listed."""
    try:
        with os.scandir(folder) as found:
            return sorted(sys.intern(entry.name) for entry in found if _NAME.fullmatch(entry.name))
    except FileNotFoundError:
        return []


def number_of(name: str) -> int:
    """The number of a shard by the name of its file."""
    return int(name.partition("-")[0])


def renumbered(name: str, number: int) -> str:
    """The name of the same content under another number."""
    return f"{number:08d}-{name.partition('-')[2]}"


@dataclass(frozen=True, slots=True)
class Column:
    """One field of some entries: values (M, …), or for ragged entries the values of all one behind the other, and lengths (M,)."""

    values: NDArray[Any]
    lengths_M: NDArray[np.int64] | None = None

    def take(self, rows: NDArray[np.int64]) -> Column:
        """Some entries, copied."""
        if self.lengths_M is None:
            return Column(self.values[rows])
        starts_M = np.cumsum(self.lengths_M) - self.lengths_M
        return Column(self.values[expanded(starts_M[rows], self.lengths_M[rows])], self.lengths_M[rows])


@dataclass(frozen=True, slots=True)
class Place:
    """Where a column lies in the file, in bytes: its values, and for a ragged column the N + 1 starts. `shape` is of one value."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    values: int
    starts: int | None


@dataclass(frozen=True, slots=True)
class Layout:
    """What lies where in a shard. Shards of one size and kind have one layout."""

    rows: int
    keys: Place
    places: Mapping[str, Place]

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of its fields."""
        return tuple(self.places)


@dataclass(frozen=True, slots=True)
class Proof:
    """That a file was found to be what its name says, with what lies where in it; `stamp` tells whether it is still that file."""

    stamp: tuple[int, int, int]
    layout: Layout


class Shard:
    """An open shard; it is closed with the last reference.

    Rows are taken from the memory map, unless they are few: then it is quicker to read just those.

    Raises:
        FileNotFoundError: it is not there any more.
    """

    _file = -1
    _map: mmap.mmap | None = None

    def __init__(self, folder: str, name: str, proof: Proof | None = None) -> None:
        """Open a shard, and read all of it first if its proof is not at hand; `proof` is None then where it is damaged."""
        self._file = os.open(f"{folder}/{name}", os.O_RDONLY)  # no Path: rows drawn at random open a shard for nearly each
        state = os.fstat(self._file)
        stamp = (state.st_ino, state.st_size, state.st_mtime_ns)
        self.proof = proof if proof is not None and proof.stamp == stamp else None
        if self.proof is None:
            if not _is_what_its_name_says(self._file, name):
                return
            self.proof = Proof(stamp, _layout(self._mapped()))
        self.layout = self.proof.layout

    def __del__(self) -> None:
        if self._file >= 0:
            os.close(self._file)

    def keys(self) -> NDArray[np.uint8]:
        """The keys of its entries, (N, 32)."""
        return self._all(self.layout.keys, self.layout.rows)

    def keys_of(self, rows_M: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The keys of some rows, (M, 32)."""
        return self._some(self.layout.keys, rows_M)

    def take(self, name: str, rows_M: NDArray[np.int64]) -> Column:
        """A field of some rows, copied."""
        place, rows = self.layout.places[name], self.layout.rows
        if place.starts is None:
            return Column(self._some(place, rows_M))
        starts = np.frombuffer(self._mapped(), np.int64, rows + 1, place.starts)
        return Column(self._all(place, int(starts[-1])), np.diff(starts)).take(rows_M)

    def _some(self, place: Place, rows_M: NDArray[np.int64]) -> NDArray[Any]:
        if len(rows_M) >= _WORTH_A_MAP:
            return self._all(place, self.layout.rows)[rows_M]
        size = place.dtype.itemsize * math.prod(place.shape)
        data = b"".join([os.pread(self._file, size, place.values + row * size) for row in rows_M.tolist()])
        return np.frombuffer(data, place.dtype, len(rows_M) * math.prod(place.shape)).reshape(len(rows_M), *place.shape)

    def _all(self, place: Place, count: int) -> NDArray[Any]:
        numbers = np.frombuffer(self._mapped(), place.dtype, count * math.prod(place.shape), place.values)
        return numbers.reshape(count, *place.shape)

    def _mapped(self) -> mmap.mmap:
        if self._map is None:
            self._map = mmap.mmap(self._file, 0, prot=mmap.PROT_READ)
        return self._map


def expanded(starts_M: NDArray[np.int64], lengths_M: NDArray[np.int64]) -> NDArray[np.int64]:
    """The positions of M stretches one behind the other.

    Example:
        >>> expanded(np.array([10, 3]), np.array([2, 3])).tolist()
        [10, 11, 3, 4, 5]
    """
    ends_M = np.cumsum(lengths_M)
    return np.repeat(starts_M - ends_M + lengths_M, lengths_M) + np.arange(ends_M[-1] if len(ends_M) else 0)


def write(folder: Path, number: int, keys_N32: NDArray[np.uint8], columns: Mapping[str, Column]) -> str:
    """Write a shard, whole or not at all, and return the name of its file."""
    content = memoryview(_encoded(keys_N32, columns))
    name = f"{number:08d}-{hashlib.sha256(content).hexdigest()[:32]}.arrow"
    write_whole(folder / name, [content])
    return sys.intern(name)


def _is_what_its_name_says(file: int, name: str) -> bool:
    try:
        with os.fdopen(os.dup(file), "rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()[:32] == name.partition("-")[2].partition(".")[0]
    except OSError:  # the disk cannot read it
        return False


def _arrow() -> Any:
    try:
        import pyarrow
        import pyarrow.ipc
    except ImportError as error:
        raise missing_extra("pyarrow", "train", "the signal store") from error
    return pyarrow


def _encoded(keys_N32: NDArray[np.uint8], columns: Mapping[str, Column]) -> Any:
    pa = _arrow()
    arrays = [_made(pa, pa.binary(KEY_BYTES), len(keys_N32), np.ascontiguousarray(keys_N32))]
    schema = [pa.field("key", arrays[0].type, nullable=False)]
    for name, column in columns.items():
        array = _nested(pa, column.values)
        if column.lengths_M is not None:
            starts = np.concatenate([[0], np.cumsum(column.lengths_M)]).astype(np.int64)
            array = _made(pa, pa.large_list(array.type), len(keys_N32), starts, array)
        arrays.append(array)
        schema.append(pa.field(name, array.type, nullable=False, metadata={"dtype": column.values.dtype.str}))
    batch = pa.record_batch(arrays, schema=pa.schema(schema))
    size = pa.MockOutputStream()
    _write_batch(pa, size, batch)
    content = pa.allocate_buffer(size.size())
    _write_batch(pa, pa.FixedSizeBufferWriter(content), batch)
    return content


def _write_batch(pa: Any, sink: Any, batch: Any) -> None:
    with pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)


def _nested(pa: Any, values: NDArray[Any]) -> Any:
    """An array (N, …) as Arrow's lists of fixed size around the numbers."""
    flat = np.ascontiguousarray(values).reshape(-1)
    # Arrow packs bits, and then rows have no place.
    array = _made(pa, pa.from_numpy_dtype(np.uint8 if flat.dtype == np.bool_ else flat.dtype), len(flat), flat)
    for axis in range(values.ndim - 1, 0, -1):
        array = _made(pa, pa.list_(array.type, values.shape[axis]), math.prod(values.shape[:axis]), None, array)
    return array


def _made(pa: Any, kind: Any, count: int, numbers: NDArray[Any] | None, *children: Any) -> Any:
    """An Arrow array without nulls over memory that is there already (pa.array would import pandas first)."""
    buffers = [None] if numbers is None else [None, pa.py_buffer(numbers)]
    return pa.Array.from_buffers(kind, count, buffers, children=list(children))


def _layout(data: mmap.mmap) -> Layout:
    pa = _arrow()
    base = pa.py_buffer(data)
    batch = pa.ipc.open_file(base).get_batch(0)

    def offset(buffer: Any) -> int:
        return int(buffer.address - base.address) if buffer is not None and buffer.size else 0

    places = {}
    for field, array in zip(list(batch.schema)[1:], batch.columns[1:], strict=True):
        kind, starts, shape = field.type, None, []
        if pa.types.is_large_list(kind):
            kind, starts = kind.value_type, offset(array.buffers()[1])
        while pa.types.is_fixed_size_list(kind):
            shape.append(kind.list_size)
            kind = kind.value_type
        dtype = np.dtype(field.metadata[b"dtype"].decode())
        places[field.name] = Place(dtype, tuple(shape), offset(array.buffers()[-1]), starts)
    keys = Place(np.dtype(np.uint8), (KEY_BYTES,), offset(batch.column(0).buffers()[1]), None)
    return Layout(batch.num_rows, keys, places)
