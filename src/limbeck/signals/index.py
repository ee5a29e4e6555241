"""Where all entries of a store lie, kept in step with the shards that are there. Knows segments; knows nothing of what a shard holds.

New shards are held in memory, and written as a segment when there are enough of them. Segments of like size are merged, so there are few
of them and each entry is written a few times (as in a log-structured merge tree). What the index says, it says of a shard's name, which
holds the sha256 of its content; so what is behind, damaged or lost here is made again from the shards, and can never mislead.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from limbeck.signals.segment import Candidates, Cover, DamagedIndexError, Segment, Words, distinct, merged, write_merged


class Index:
    """The segments of a store.

    `names` are the shards that are there, by number.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files: dict[str, Segment] = {}
        self._damaged: set[str] = set()
        self._recent: list[Segment] = []
        self._bits: dict[str, int] = {}
        self.names: dict[int, str] = {}

    def __len__(self) -> int:
        return distinct(self._segments())

    @property
    def unwritten(self) -> int:
        """Shards that only the memory knows."""
        return sum(len(s.covers) for s in self._recent)

    def bits(self, fields: Iterable[str]) -> int:
        """Fields as a number, one bit for each."""
        return sum(self._bits.setdefault(name, 1 << len(self._bits)) for name in fields)

    def covers(self) -> Iterator[Cover]:
        """What is known of each shard that is there."""
        for segment in self._segments():
            yield from segment.alive()

    def step(self, names: Mapping[int, str], *, alone: bool) -> list[int]:
        """Learn which shards are there; returns the numbers of those that are not covered. Removes useless files if `alone`."""
        self.names = dict(names)
        loaded = {}
        for file in _files(self.folder):
            if file not in self._damaged:
                try:
                    loaded[file] = self._files.get(file) or Segment.open(self.folder / file)
                except FileNotFoundError:  # another process has merged it just now
                    continue
                except DamagedIndexError:
                    self._damaged.add(file)
        self._files, covered = {}, set[str]()
        for file, segment in sorted(loaded.items(), key=lambda item: -item[1].rows):
            segment.keep(self.names, self.bits)
            useful = {c.name for c in segment.alive()} - covered
            if useful:  # else a merge was cut off before it removed its parts, or all shards are gone
                self._files[file] = segment
                covered |= useful
        if alone:
            for file in (self._damaged | loaded.keys()) - self._files.keys():
                (self.folder / file).unlink(missing_ok=True)
            self._damaged.clear()  # another file may get the name
        for segment in self._recent:
            segment.keep(self.names, self.bits)
        self._recent = [s for s in self._recent if {c.name for c in s.alive()} - covered]
        covered.update(c.name for s in self._recent for c in s.alive())
        return sorted(number for number, name in names.items() if name not in covered)

    def add(self, cover: Cover, keys_N32: NDArray[np.uint8]) -> None:
        """Hold a new shard in memory."""
        self.names[cover.number] = cover.name
        self._recent.append(Segment.of_shard(cover, keys_N32))
        self._recent[-1].keep(self.names, self.bits)
        while len(self._recent) > 1 and self._recent[-1].rows >= self._recent[-2].rows:
            self._recent[-2:] = [merged(self._recent[-2:])]
            self._recent[-1].keep(self.names, self.bits)

    def lose(self, number: int) -> None:
        """A shard is not there any more."""
        self.names.pop(number, None)
        for segment in self._segments():
            segment.lose(number)

    def write(self, *, whole: bool = False) -> None:
        """Write what only the memory knows, together with segments that are no larger, or with all; nobody else may write now.

        With `whole`, nothing is left on the disk of shards that are gone.

        Raises:
            DamagedIndexError: a segment is; `step` then tells which shards are to be read again.
        """
        rows = sum(s.rows for s in self._recent)
        old = []
        for file, segment in sorted(self._files.items(), key=lambda item: item[1].rows):
            if whole or segment.rows <= rows:
                old.append(file)
                rows += segment.rows
        number = max((int(file.partition(".")[0]) for file in _files(self.folder)), default=-1) + 1
        path = self.folder / f"{number:08d}.index"
        with self._noticing_damage():
            write_merged(path, [*(self._files[file] for file in old), *self._recent])
        self._recent = []
        for file in old:
            del self._files[file]
            (self.folder / file).unlink(missing_ok=True)
        self._files[path.name] = Segment.open(path)
        self._files[path.name].keep(self.names, self.bits)

    def candidates(self, prefix_N: Words) -> Candidates:
        """All places where entries with these prefixes lie, by query, and for each query by place.

        Raises:
            DamagedIndexError: a segment is; `step` then tells which shards are to be read again.
        """
        order = np.argsort(prefix_N)
        with self._noticing_damage():
            found = [segment.candidates(prefix_N[order]) for segment in self._segments()]
        query_M = order[np.concatenate([np.zeros(0, np.int64), *(c.query_M for c in found)])]
        place_M = np.concatenate([np.zeros(0, np.uint64), *(c.place_M for c in found)])
        gives_M = np.concatenate([np.zeros(0, np.uint64), *(c.gives_M for c in found)])
        by_query = np.lexsort((place_M, query_M))
        return Candidates(query_M[by_query], place_M[by_query], gives_M[by_query])

    @contextmanager
    def _noticing_damage(self) -> Iterator[None]:
        try:
            yield
        except DamagedIndexError as error:
            self._damaged.add(error.args[0])
            raise

    def _segments(self) -> list[Segment]:
        return [*self._files.values(), *self._recent]


def checked(folder: Path) -> dict[str, bool]:
    """Whether each segment of a folder is what was written, after reading all of it."""
    whole = {}
    for file in _files(folder):
        try:
            Segment.open(folder / file).prove()
            whole[file] = True
        except DamagedIndexError:
            whole[file] = False
        except FileNotFoundError:  # merged just now
            continue
    return whole


def _files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.index") if path.stem.isdigit())
