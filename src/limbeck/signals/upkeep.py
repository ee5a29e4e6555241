"""The upkeep of a signal store: what it holds, whether it is whole, what may go and what must go. Knows entries; never calls a teacher."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from limbeck.disk import DRAFT
from limbeck.errors import InputFileError
from limbeck.signals.disk import explained
from limbeck.signals.entries import Entries, Found
from limbeck.signals.index import checked
from limbeck.signals.shard import DAMAGED, Place, Shard, shards_in
from limbeck.signals.store import SignalStore, described, is_store
from limbeck.types import Progress, silent


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the signals: in how many entries it is, and the type and shape of one; "W" stands for words, in which entries differ."""

    rows: int
    dtype: str
    shape: tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Contents:
    """What a store holds; bytes are those of shards and index."""

    folder: str
    teacher: Mapping[str, str]
    entries: int
    fields: Mapping[str, Field]
    shards: int
    bytes: int
    bytes_per_entry: float
    set_aside: int
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Checked:
    """How many files were read, and which of them are not what was written."""

    folder: str
    files: int
    damaged: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Removed:
    """What went: entries, drafts of processes that died, damaged shards that were set aside, and bytes in all."""

    folder: str
    entries: int
    drafts: int
    damaged: int
    bytes: int


def store_folder(folder: Path) -> Path:
    """The folder of a store: itself, or signals/ in that of a run.

    Raises:
        InputFileError: neither is one.
    """
    for place in (folder, folder / "signals"):
        if is_store(place):
            return place
    raise InputFileError(
        f"there is no signal store in {folder}, nor in {folder / 'signals'}. Give its folder, or that of a run."
    )


def contents(folder: Path) -> Contents:
    """What a store holds; changes nothing."""
    problems: list[str] = []
    with explained(folder):
        teacher = described(folder)
        entries = Entries(folder, problems.append, write=False)
        covers = list(entries.index.covers())
        fields = {}
        for name in sorted({name for c in covers for name in c.fields}):
            having = [c for c in covers if name in c.fields]
            shard = next((shard for c in having if (shard := entries.open(c.number))), None)
            if shard is not None:
                fields[name] = _field(sum(c.rows for c in having), shard.layout.places[name])
        size, count = _bytes(entries), len(entries)
        aside = sum(path.suffix == DAMAGED for path in entries.leftovers())
    return Contents(str(folder), teacher, count, fields, len(covers), size, size / max(1, count), aside, tuple(problems))


def verify(folder: Path, progress: Progress = silent) -> Checked:
    """Read every file of a store, and hold it against its checksum; changes nothing."""
    with explained(folder):
        described(folder)
        names = shards_in(folder / "shards")
        damaged = []
        for done, name in enumerate(names):
            progress("verify", done, len(names) + 1, "")
            with suppress(FileNotFoundError):  # removed or written again just now
                if Shard(str(folder / "shards"), name).proof is None:
                    damaged.append(str(folder / "shards" / name))
        segments = checked(folder / "index")
        damaged += [str(folder / "index" / name) for name, whole in segments.items() if not whole]
    files = len(names) + len(segments)
    progress("verify", len(names) + 1, len(names) + 1, f"{files:,} files, {len(damaged):,} damaged")
    return Checked(str(folder), files, tuple(damaged))


def collect_garbage(store: SignalStore, progress: Progress = silent) -> Removed:
    """Remove what nobody will read: drafts of dead processes, damaged shards, and entries that stand before in another shard."""

    def useless(number: int, shard: Shard) -> NDArray[np.bool_]:
        useful = np.zeros(shard.layout.rows, bool)

        def take(found: Found) -> None:
            if found.number == number:
                useful[found.row_M] = True

        store.entries.visit(shard.keys(), frozenset(shard.layout.fields), take)
        return ~useful

    with explained(store.folder), store.entries.alone():
        before = _bytes(store.entries)
        entries = sum(_drop(store.entries, number, useless(number, s)) for number, s in _each(store.entries, "gc", progress))
        return _swept(store, entries, before)


def forget(store: SignalStore, key: bytes, progress: Progress = silent) -> Removed:
    """Erase an entry: all shards are searched, and those that hold it are written again without it.

    Drafts and damaged shards go as well, since they may hold it too. Another run that has the teacher's answer in its hands while this
    runs can still commit it, so erase when no run is under way.
    """
    wanted = np.frombuffer(key, np.uint8)
    with explained(store.folder), store.entries.alone():
        before = _bytes(store.entries)
        entries = 0
        for number, shard in _each(store.entries, "forget", progress):
            entries += _drop(store.entries, number, (shard.keys() == wanted).all(axis=1))
        return _swept(store, entries, before)


def _each(entries: Entries, stage: str, progress: Progress) -> Iterator[tuple[int, Shard]]:
    """All shards that are whole, in order."""
    numbers = sorted(entries.index.names)
    for done, number in enumerate(numbers):
        progress(stage, done, len(numbers) + 1, "")
        if (shard := entries.open(number)) is not None:
            yield number, shard
    progress(stage, len(numbers) + 1, len(numbers) + 1, f"{len(numbers):,} shards read")


def _drop(entries: Entries, number: int, useless: NDArray[np.bool_]) -> int:
    if useless.any():
        entries.rewrite(number, np.flatnonzero(~useless))
    return int(useless.sum())


def _swept(store: SignalStore, entries: int, before: int) -> Removed:
    leftovers = store.entries.leftovers()
    size = before + sum(path.stat().st_size for path in leftovers)
    ends = [path.suffix for path in leftovers]
    for path in leftovers:
        path.unlink()
    store.entries.compact()
    freed = max(0, size - _bytes(store.entries))  # an index that is written for the first time may weigh more than what went
    return Removed(str(store.folder), entries, ends.count(DRAFT), ends.count(DAMAGED), freed)


def _bytes(entries: Entries) -> int:
    """The size of all shards and of the index."""
    files = [*entries.shards.glob("*.arrow"), *entries.index.folder.glob("*.index")]
    return sum(path.stat().st_size for path in files)


def _field(rows: int, place: Place) -> Field:
    words: tuple[int | str, ...] = () if place.starts is None else ("W",)
    return Field(rows, str(place.dtype), (*words, *place.shape))
