"""The entries of a store by their keys: shards, and the index over them. Knows keys and fields; knows no teacher and no payload.

    shards/00000042-<sha256>.arrow   see shard.py; besides, what was set aside (….damaged) or not finished (….draft)
    index/00000007.index             see segment.py
    lock                             held by whoever writes; its content is the number of the next shard

Shards are only ever added, under the lock and with growing numbers, and an entry is written only if it does not stand yet: the first
commit wins, and what a look-up says once it always says. (Where a key stands twice all the same, since shards of another store of this
teacher were copied here, the lowest number speaks.) Whoever reads takes no lock, and whoever dies leaves at most a draft.

Letters: N keys that are asked for or added, M candidates for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray

from limbeck.disk import DRAFT
from limbeck.signals.disk import locked
from limbeck.signals.index import Index
from limbeck.signals.segment import Candidates, Cover, DamagedIndexError, Words, prefixes
from limbeck.signals.shard import DAMAGED, Column, Layout, Proof, Shard, number_of, renumbered, shards_in, write

T = TypeVar("T")
_UNWRITTEN = 64
"""Shards that may be known to the memory only, before the index is written."""


@dataclass(frozen=True, slots=True)
class Found:
    """Rows of a shard that may answer queries. A query may come again with a field; then the last time counts."""

    number: int
    shard: Shard
    fields: tuple[str, ...]
    row_M: NDArray[np.int64]
    query_M: NDArray[np.int64]


class Entries:
    """All entries of a store.

    Args:
        folder: of the store.
        warn: told of each shard that is found damaged.
        write: whether damaged shards are set aside and the index is kept up; without it nothing on the disk changes.
    """

    def __init__(self, folder: Path, warn: Callable[[str], None], *, write: bool = True) -> None:
        self.shards, self._lock = folder / "shards", folder / "lock"
        self._place = str(self.shards)
        self._warn, self._write = warn, write
        self._proofs: dict[int, Proof] = {}
        self._layouts: dict[str, Layout] = {}
        self._holds_lock = False
        self._next = -1
        if write:
            self.shards.mkdir(parents=True, exist_ok=True)
            (folder / "index").mkdir(exist_ok=True)
        self.index = Index(folder / "index")
        self.refresh()

    def __len__(self) -> int:
        return self._mended(lambda: len(self.index))

    def open(self, number: int) -> Shard | None:
        """A shard that is what its name says; None where it has gone, or is damaged, and so was set aside."""
        name = self.index.names.get(number)
        if name is None:
            return None
        known = self._proofs.get(number)
        try:
            shard = Shard(self._place, name, known)
        except FileNotFoundError:
            self.index.lose(number)
            return None
        if shard.proof is None:
            self._set_aside(number, self.shards / name)
            return None
        if shard.proof is not known:
            layout = self._layouts.setdefault(repr(shard.layout), shard.layout)  # one for all shards that are alike
            self._proofs[number] = Proof(shard.proof.stamp, layout)
        return shard

    def visit(self, keys_N32: NDArray[np.uint8], needs: frozenset[str], take: Callable[[Found], None] | None = None) -> Words:
        """Find entries, shard by shard; returns the bits of the fields that each key lacks, (N,)."""
        lacking_N = np.full(len(keys_N32), self.index.bits(needs), np.uint64)
        found = self._mended(lambda: self.index.candidates(prefixes(keys_N32)))
        query_M, place_M, gives_M = found.query_M, found.place_M, found.gives_M
        while True:
            gives_M = gives_M & lacking_N[query_M]
            useful_M = gives_M != 0
            query_M, place_M, gives_M = query_M[useful_M], place_M[useful_M], gives_M[useful_M]
            if not len(query_M):
                return lacking_N
            first_M = np.concatenate([[True], query_M[1:] != query_M[:-1]])
            first = Candidates(query_M[first_M], place_M[first_M], gives_M[first_M])
            self._visit_first(keys_N32, first, lacking_N, take)
            query_M, place_M, gives_M = query_M[~first_M], place_M[~first_M], gives_M[~first_M]

    def find(
        self, keys_N32: NDArray[np.uint8], needs: frozenset[str], take: Callable[[Found], None] | None = None
    ) -> NDArray[np.bool_]:
        """Find entries; returns which of the keys lack a needed field, (N,). Looks for what others did if any does."""
        lacking_N = self.visit(keys_N32, needs, take)
        rest = np.flatnonzero(lacking_N)
        if len(rest) and self.refresh():
            again = None if take is None else lambda found: take(replace(found, query_M=rest[found.query_M]))
            lacking_N[rest] = self.visit(keys_N32[rest], needs, again)
        return np.asarray(lacking_N != 0)

    def add(self, keys_N32: NDArray[np.uint8], columns: Mapping[str, Column]) -> None:
        """Commit a shard: those entries that do not stand yet, with those fields that any of them lacks."""
        with self._locked() as file:
            if _number(file) != self._next:  # somebody else has committed
                self.refresh()
            lacking_N = self.visit(keys_N32, frozenset(columns))
            rows = np.flatnonzero(lacking_N)
            if not len(rows):
                return
            lacked = int(np.bitwise_or.reduce(lacking_N))
            kept = {name: column for name, column in columns.items() if lacked & self.index.bits([name])}
            if len(rows) < len(keys_N32):
                keys_N32, kept = keys_N32[rows], {name: column.take(rows) for name, column in kept.items()}
            number = max(self._next, _number(file))
            self._announce(file, number + 1)
            self._write_shard(number, keys_N32, kept)
            if self.index.unwritten >= _UNWRITTEN:
                self.refresh()

    def refresh(self) -> bool:
        """Learn what others have committed or removed; returns whether there was any."""
        names = self._listing()
        changed = names != self.index.names
        fresh = self.index.step(names, alone=self._holds_lock)
        if self._write and not self._holds_lock and len(fresh) >= _UNWRITTEN:
            with self._locked():
                return self.refresh() or changed
        if self._holds_lock:
            self._next = max(self._next, max(names, default=-1) + 1)
        try:
            for number in fresh:
                if (shard := self.open(number)) is not None:
                    self.index.add(Cover(names[number], shard.layout.rows, shard.layout.fields), shard.keys())
                self._write_index()
            self._write_index()
        except DamagedIndexError:
            return self.refresh() or changed
        return changed

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Be the only one who writes, see all that others have written, and have them look again before they write."""
        with self._locked() as file:
            self.refresh()
            self._announce(file, max(self._next, _number(file)) + 1)
            yield

    def rewrite(self, number: int, rows: NDArray[np.int64]) -> None:
        """Write a shard again with some of its rows only, under its number; inside of `alone`."""
        old, shard = self.shards / self.index.names[number], self.open(number)
        assert shard is not None, old
        self.index.lose(number)
        if len(rows):
            columns = {name: shard.take(name, rows) for name in shard.layout.fields}
            self._write_shard(number, shard.keys_of(rows), columns)
        old.unlink()

    def leftovers(self) -> list[Path]:
        """What was set aside as damaged, and drafts; inside of `alone` the drafts are those of processes that died."""
        folders = (self.shards, self.index.folder, self.shards.parent)
        return sorted(path for f in folders if f.is_dir() for path in f.iterdir() if path.suffix in (DAMAGED, DRAFT))

    def compact(self) -> None:
        """Write the index as one file, with nothing of shards that are gone; inside of `alone`."""
        self._mended(lambda: self.index.write(whole=True))

    def _visit_first(
        self, keys_N32: NDArray[np.uint8], first: Candidates, lacking_N: Words, take: Callable[[Found], None] | None
    ) -> None:
        """Take one candidate for each of some queries, and strike off what was found under the whole key."""
        order = np.argsort(first.place_M)
        query_M, place_M, gives_M = first.query_M[order], first.place_M[order], first.gives_M[order]
        number_M = (place_M >> np.uint64(32)).astype(np.int64)
        row_M = (place_M & np.uint64(0xFFFFFFFF)).astype(np.int64)
        found_M32 = np.zeros((len(query_M), keys_N32.shape[1]), np.uint8)
        edges = np.flatnonzero((number_M[1:] != number_M[:-1]) | (gives_M[1:] != gives_M[:-1])) + 1
        for start, stop in pairwise([0, *edges.tolist(), len(query_M)]):
            number, gives = int(number_M[start]), int(gives_M[start])
            if (shard := self.open(number)) is None:
                continue
            found_M32[start:stop] = shard.keys_of(row_M[start:stop])
            if take is not None:
                fields = tuple(name for name in shard.layout.fields if gives & self.index.bits([name]))
                take(Found(number, shard, fields, row_M[start:stop], query_M[start:stop]))
        right_M = (found_M32 == keys_N32[query_M]).all(axis=1)
        lacking_N[query_M[right_M]] &= ~gives_M[right_M]

    @contextmanager
    def _locked(self) -> Iterator[BinaryIO]:
        with locked(self._lock) as file:
            self._holds_lock = True
            try:
                yield file
            finally:
                self._holds_lock = False

    def _write_shard(self, number: int, keys_N32: NDArray[np.uint8], columns: Mapping[str, Column]) -> None:
        name = write(self.shards, number, keys_N32, columns)
        self.index.add(Cover(name, len(keys_N32), tuple(columns)), keys_N32)

    def _mended(self, ask: Callable[[], T]) -> T:
        """What the index says; where it is found damaged, it is made again from the shards first."""
        while True:
            try:
                return ask()
            except DamagedIndexError:
                self.refresh()

    def _write_index(self) -> None:
        if self._holds_lock and self.index.unwritten >= _UNWRITTEN:
            self.index.write()

    def _set_aside(self, number: int, path: Path) -> None:
        self.index.lose(number)
        aside = path.with_name(path.name + DAMAGED)
        if self._write:
            with suppress(FileNotFoundError):  # another process was quicker
                path.rename(aside)
            self._warn(
                f"the shard {path} is damaged (its sha256 is not its name); it was set aside as {aside.name}, and what it held "
                "counts as missing, so that the teacher is asked again"
            )
        else:
            self._warn(f"the shard {path} is damaged (its sha256 is not its name)")

    def _listing(self) -> dict[int, str]:
        """The shards that are there, by number."""
        names: dict[int, str] = {}
        spare = []
        for name in shards_in(self.shards):
            number = number_of(name)
            if number in names:  # shards of two stores: the older file is taken for the earlier commit
                older, newer = sorted((names[number], name), key=lambda n: _written(self.shards / n))
                names[number] = older
                spare.append(newer)
            else:
                names[number] = name
        for name in spare if self._holds_lock else ():
            number = max(names) + 1
            names[number] = renumbered(name, number)
            (self.shards / name).rename(self.shards / names[number])
        return names

    def _announce(self, file: BinaryIO, number: int) -> None:
        """Say the number of the next shard before the shard is there: a number may be left out, and none is taken twice."""
        file.seek(0)
        file.write(f"{number:020d}".encode("ascii"))
        file.flush()
        self._next = number


def _number(file: BinaryIO) -> int:
    file.seek(0)
    content = file.read()
    return int(content) if content.isdigit() else 0


def _written(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:  # it has gone since it was listed
        return 0
