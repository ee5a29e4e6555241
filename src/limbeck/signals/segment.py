"""A sorted run of entries: which shard and row a key's first bytes lead to. Knows prefixes and places; knows nothing of what lies there.

    00000007.index    blocks of [prefix uint64 …][place uint64 …], one for each value of the prefix's first bits,
                      then a footer (JSON): the shards it covers, where each block starts, and the crc32 of each

A place is shard number << 32 | row. Keys are hashes, so blocks by the first bits are even: a look-up touches the blocks that it needs,
and segments are merged block by block, so neither needs memory that grows with the store. A block is proven when it is first touched.

Letters: N keys, Q prefixes that are asked for, M candidates, S shards that a segment covers.
"""

from __future__ import annotations

import json
import mmap
import struct
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from limbeck.disk import write_whole
from limbeck.signals.shard import expanded, number_of

Words = NDArray[np.uint64]

_BLOCK = 1 << 16
"""Entries in a block, at most about: 1 MiB."""
_END = struct.Struct("<QQ8s")
_MAGIC = b"limbeck1"
_NONE: Words = np.zeros(0, np.uint64)


class DamagedIndexError(Exception):
    """A segment is not what was written. Its argument is the name of the file."""


@dataclass(frozen=True, slots=True)
class Cover:
    """One shard that a segment covers, by the name of its file, which holds the sha256 of its content."""

    name: str
    rows: int
    fields: tuple[str, ...]

    @property
    def number(self) -> int:
        """The number of the shard."""
        return number_of(self.name)


@dataclass(frozen=True, slots=True)
class Candidates:
    """Places where a key with the asked prefix lies: the number of the query, the place, and what its shard gives, each (M,)."""

    query_M: NDArray[np.int64]
    place_M: Words
    gives_M: Words


def prefixes(keys_N32: NDArray[np.uint8]) -> Words:
    """The first eight bytes of each key as a number, (N,)."""
    return np.ascontiguousarray(keys_N32[:, :8]).view(">u8").reshape(-1).astype(np.uint64)


class Segment:
    """A sorted run of entries, in memory or mapped from a file.

    `covers` are its shards, by number; `gives_S` says as bits which fields each of them has, 0 where it is gone. Whoever knows which
    shards are there keeps that up to date.
    """

    def __init__(
        self,
        data: bytes | mmap.mmap,
        covers: Sequence[Cover],
        starts: Sequence[int],
        sums: Sequence[int] | None = None,
        file: str = "",
    ) -> None:
        self.covers = sorted(covers, key=lambda c: c.number)
        self.rows = starts[-1]
        self._data, self._starts, self._sums, self._file = data, starts, sums, file
        self._bits = (len(starts) - 1).bit_length() - 1
        self._proven = bytearray(len(starts) - 1)
        self._numbers_S = np.array([c.number for c in self.covers], np.uint64)
        self.gives_S: Words = np.zeros(len(self.covers), np.uint64)

    @classmethod
    def of_shard(cls, cover: Cover, keys_N32: NDArray[np.uint8]) -> Segment:
        """The entries of one shard."""
        prefix = prefixes(keys_N32)
        order = np.argsort(prefix)
        place = np.uint64(cover.number << 32) | order.astype(np.uint64)
        return cls(prefix[order].tobytes() + place.tobytes(), [cover], [0, len(prefix)])

    @classmethod
    def open(cls, path: Path) -> Segment:
        """A segment from its file.

        Raises:
            FileNotFoundError: it is not there any more.
            DamagedIndexError: it is damaged.
        """
        with path.open("rb") as file:
            try:
                data = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
                size, crc, magic = _END.unpack(data[-_END.size :])
                footer = data[-_END.size - size : -_END.size]
                if magic != _MAGIC or zlib.crc32(footer) != crc:
                    raise DamagedIndexError(path.name)
                content = json.loads(footer)
                kinds = [tuple(fields) for fields in content["kinds"]]
                shards = zip(content["names"], content["rows"], content["kind"], strict=True)
                covers = [Cover(sys.intern(name), rows, kinds[kind]) for name, rows, kind in shards]
                return cls(data, covers, content["starts"], content["sums"], path.name)
            except (ValueError, struct.error, IndexError, KeyError) as error:
                raise DamagedIndexError(path.name) from error

    def keep(self, names: Mapping[int, str], bits: Callable[[Iterable[str]], int]) -> None:
        """Learn which of its shards are there, by number, and the bits of their fields."""
        self.gives_S[:] = [bits(c.fields) if names.get(c.number) == c.name else 0 for c in self.covers]

    def lose(self, number: int) -> None:
        """A shard is not there any more."""
        self.gives_S[self._numbers_S == number] = 0

    def alive(self) -> list[Cover]:
        """Those of its shards that are there."""
        return [c for c, gives in zip(self.covers, self.gives_S.tolist(), strict=True) if gives]

    def candidates(self, sorted_Q: Words) -> Candidates:
        """The places of all entries whose prefix is asked for; the prefixes come sorted.

        Raises:
            DamagedIndexError: a block is damaged.
        """
        found = []
        edges = np.searchsorted(sorted_Q, self._edges()) if self._bits else np.array([0, len(sorted_Q)])
        edges[-1] = len(sorted_Q)
        for block in np.flatnonzero(edges[1:] > edges[:-1]).tolist():
            prefix, place = self._block(block)
            asked = sorted_Q[edges[block] : edges[block + 1]]
            left = prefix.searchsorted(asked)
            lengths = prefix.searchsorted(asked, "right") - left
            query_M = np.repeat(np.arange(edges[block], edges[block + 1]), lengths)
            found.append((query_M, place[expanded(left, lengths)]))
            self._release()
        if not found:
            return Candidates(np.zeros(0, np.int64), _NONE, _NONE)
        query_M, place_M = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return Candidates(query_M, place_M, self._gives(place_M))

    def within(self, block: int, bits: int) -> tuple[Words, Words]:
        """The entries of shards that are there whose prefix's first bits (at least as many as its own) are `block`: prefix, place.

        Raises:
            DamagedIndexError: they are damaged.
        """
        prefix, place = self._block(block >> (bits - self._bits))
        left = np.searchsorted(prefix, np.uint64(block << (64 - bits))) if bits else 0
        last = block + 1 == 1 << bits
        right = len(prefix) if last else np.searchsorted(prefix, np.uint64((block + 1) << (64 - bits)))
        prefix, place = prefix[left:right], place[left:right]
        there = self._gives(place) != 0
        prefix, place = prefix[there], place[there]
        self._release()
        return prefix, place

    def prove(self) -> None:
        """Read all of it.

        Raises:
            DamagedIndexError: a block is damaged.
        """
        for block in range(len(self._proven)):
            self._block(block)
            self._release()

    def _edges(self) -> Words:
        return np.arange((1 << self._bits) + 1, dtype=np.uint64) << np.uint64(64 - self._bits)

    def _gives(self, place_M: Words) -> Words:
        return self.gives_S[np.searchsorted(self._numbers_S, place_M >> np.uint64(32))]

    def _block(self, block: int) -> tuple[Words, Words]:
        start, stop = self._starts[block], self._starts[block + 1]
        if self._sums is not None and not self._proven[block]:
            view = memoryview(self._data)[16 * start : 16 * stop]
            if zlib.crc32(view) != self._sums[block]:
                raise DamagedIndexError(self._file)
            self._proven[block] = 1
        prefix = np.frombuffer(self._data, np.uint64, stop - start, 16 * start)
        return prefix, np.frombuffer(self._data, np.uint64, stop - start, 16 * start + 8 * (stop - start))

    def _release(self) -> None:
        """Give mapped pages back, so that asking the whole index piece by piece takes no memory; they stay in the system's cache."""
        if isinstance(self._data, mmap.mmap):
            self._data.madvise(mmap.MADV_DONTNEED)


def merged(segments: Sequence[Segment]) -> Segment:
    """Several segments as one, in memory, without what is gone."""
    blocks = list(_blocks(segments, bits := _bits_for(segments)))
    starts = np.cumsum([0, *(len(prefix) for prefix, _ in blocks)]).tolist()
    assert len(starts) == (1 << bits) + 1
    data = b"".join(prefix.tobytes() + place.tobytes() for prefix, place in blocks)
    return Segment(data, [c for s in segments for c in s.alive()], starts)


def write_merged(path: Path, segments: Sequence[Segment]) -> None:
    """Write several segments as one file, block by block, without what is gone."""
    starts, sums = [0], []

    def parts() -> Iterator[bytes]:
        for prefix, place in _blocks(segments, _bits_for(segments)):
            starts.append(starts[-1] + len(prefix))
            sums.append(zlib.crc32(place.tobytes(), zlib.crc32(prefix.tobytes())))
            yield prefix.tobytes()
            yield place.tobytes()
        covers = [c for s in segments for c in s.alive()]
        kinds = sorted({c.fields for c in covers})
        content = {
            "kinds": kinds,
            "names": [c.name for c in covers],
            "rows": [c.rows for c in covers],
            "kind": [kinds.index(c.fields) for c in covers],
            "starts": starts,
            "sums": sums,
        }
        footer = json.dumps(content).encode("ascii")
        yield footer
        yield _END.pack(len(footer), zlib.crc32(footer), _MAGIC)

    write_whole(path, parts())


def distinct(segments: Sequence[Segment]) -> int:
    """How many keys there are, those in several shards counted once."""
    bits = _bits_for(segments)
    return sum(len(np.unique(prefix)) for prefix, _ in _blocks(segments, bits))


def _bits_for(segments: Sequence[Segment]) -> int:
    """The number of first bits by which the entries of several segments make blocks of a good size."""
    rows = sum(s.rows for s in segments)
    return max([(rows // _BLOCK).bit_length(), *(s._bits for s in segments)])


def _blocks(segments: Sequence[Segment], bits: int) -> Iterator[tuple[Words, Words]]:
    for block in range(1 << bits):
        parts = [s.within(block, bits) for s in segments] or [(_NONE, _NONE)]
        prefix, place = (np.concatenate(p) for p in zip(*parts, strict=True))
        order = np.argsort(prefix)
        yield prefix[order], place[order]
