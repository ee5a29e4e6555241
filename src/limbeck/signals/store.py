"""The signal store: one teacher's answers on disk, found by what was asked. Knows payloads, keys and signals; never calls a teacher.

    signals/
      store.json                the teacher's fingerprint, field by field
      shards/  index/  lock     the entries, see entries.py

An entry's key is sha256(teacher's identity, realised teacher input), so any run that asks the same thing shares the answer. A shard is a
fixed set of entries, committed whole or not at all. Shards are Arrow files that are mapped for as long as a row is read from them; opening
reads no shard that is in the index, so ten million rows open at once and take no memory.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.disk import write_whole
from limbeck.errors import InputFileError, SignalError
from limbeck.payloads import identity
from limbeck.signals.disk import explained, locked
from limbeck.signals.entries import Entries, Found
from limbeck.signals.shard import KEY_BYTES, Column
from limbeck.types import Fingerprint, Signal, digest

_FORMAT = 1
_DESCRIPTION = "store.json"


def _warn(message: str) -> None:
    warnings.warn(message, stacklevel=2)


class SignalStore:
    """The answers of one teacher.

    Args:
        folder: where it lies; made when absent.
        fingerprint: of the teacher whose answers it holds.
        warn: told of each damaged shard that is set aside; its entries are missing from then on.

    Raises:
        SignalError: the folder holds the answers of another teacher (names the field that differs), or cannot be used.
    """

    def __init__(self, folder: Path, fingerprint: Fingerprint, warn: Callable[[str], None] = _warn) -> None:
        self.folder, self.fingerprint = folder, dict(fingerprint)
        self._identity = f"{digest(self.fingerprint)}\n".encode()
        with explained(folder):
            folder.mkdir(parents=True, exist_ok=True)
            if not is_store(folder):
                _describe(folder, self.fingerprint)
            _check_same(folder, described(folder), self.fingerprint)
            self.entries = Entries(folder, warn)

    @classmethod
    def at(cls, folder: Path, warn: Callable[[str], None] = _warn) -> SignalStore:
        """The store that lies in a folder, whichever teacher's it is.

        Raises:
            InputFileError: there is none.
            SignalError: it is damaged.
        """
        return cls(folder, described(folder), warn)

    def __len__(self) -> int:
        with explained(self.folder):
            return len(self.entries)

    def key(self, payload: Any) -> bytes:
        """The key of what the teacher is asked, 32 bytes."""
        return hashlib.sha256(self._identity + identity(payload)).digest()

    def missing(self, payloads: Sequence[Any], needs: frozenset[str]) -> list[Any]:
        """The payloads, each once and in order, that have no entry with all the needed fields.

        What is not missing was read and found whole.
        """
        each = list(dict.fromkeys(payloads))
        with explained(self.folder):
            lacking_N = self.entries.find(self._keys(each), needs)
        return [each[i] for i in np.flatnonzero(lacking_N).tolist()]

    def commit(self, payloads: Sequence[Any], signal: Signal) -> None:
        """Add one shard, whole or not at all. Where an entry has a field already, that stays.

        Raises:
            SignalError: the signal does not fit the payloads or is not finite, or it cannot be written.
        """
        given = {name: _native(value) for name, value in signal.given().items()}
        for name, array in given.items():
            _check(name, array, payloads)
        lengths_N = _lengths(given)
        columns = {name: _column(name, array, lengths_N) for name, array in given.items()}
        keys = self._keys(payloads)
        first = {payload: row for row, payload in reversed(list(enumerate(payloads)))}
        if len(first) < len(payloads):
            rows = np.array(sorted(first.values()), np.int64)
            keys, columns = keys[rows], {name: column.take(rows) for name, column in columns.items()}
        with explained(self.folder):
            self.entries.add(keys, columns)

    def get(self, payloads: Sequence[Any], needs: frozenset[str]) -> Signal:
        """The signals of payloads, in order, (B, …) per field; words are padded with 0 to the longest that was asked for.

        Raises:
            SignalError: an entry or a field is missing.
        """
        gathered = _Gathered(len(payloads))
        with explained(self.folder):
            lacking = int(self.entries.find(self._keys(payloads), needs, gathered.take).sum())
        if lacking:
            raise SignalError(
                f"{lacking} of {len(payloads)} inputs have no {', '.join(sorted(needs))} in the store {self.folder}. "
                "Run the same command again: the teacher is asked for what is missing."
            )
        return gathered.signal()

    def _keys(self, payloads: Sequence[Any]) -> NDArray[np.uint8]:
        """The keys of payloads, (N, 32)."""
        keys = b"".join(map(self.key, payloads))
        return np.frombuffer(keys, np.uint8).reshape(-1, KEY_BYTES)


def is_store(folder: Path) -> bool:
    """Whether a signal store lies in a folder."""
    return (folder / _DESCRIPTION).is_file()


def _describe(folder: Path, fingerprint: dict[str, str]) -> None:
    content = json.dumps({"format": _FORMAT, "teacher": fingerprint}, indent=1, sort_keys=True)
    with locked(folder / "lock"):
        if not is_store(folder):  # else another run has been quicker
            write_whole(folder / _DESCRIPTION, [content.encode()])


def described(folder: Path) -> dict[str, str]:
    """The fingerprint of the teacher whose answers lie in a folder.

    Raises:
        InputFileError: there is no store.
        SignalError: nobody can tell.
    """
    path = folder / _DESCRIPTION
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        teacher, form = dict(content["teacher"]), content["format"]
    except FileNotFoundError as error:
        raise InputFileError(
            f"there is no signal store in {folder} (no {_DESCRIPTION}). Give its folder, or that of a run."
        ) from error
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise SignalError(f"{path} is damaged, so nobody knows whose answers lie there. Remove {folder}.") from error
    if form != _FORMAT:
        raise SignalError(
            f"{path} speaks of format {form}, and this limbeck reads format {_FORMAT}. Use another folder, or the limbeck that wrote it."
        )
    return teacher


def _check_same(folder: Path, stored: dict[str, str], now: dict[str, str]) -> None:
    differing = [name for name in sorted({*stored, *now}) if stored.get(name) != now.get(name)]
    if differing:
        details = "; ".join(f"{n}: {_short(stored.get(n))} there, {_short(now.get(n))} now" for n in differing)
        raise SignalError(f"{folder} holds the answers of another teacher ({details}). Use another folder, or remove this one.")


def _short(value: str | None) -> str:
    """A hash is told by its beginning, words by all of them."""
    return f"{value!s:.120}" if " " in f"{value}" else f"{value!s:.16}"


def _native(value: Any) -> NDArray[Any]:
    array = np.asarray(value)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _check(name: str, array: NDArray[Any], payloads: Sequence[Any]) -> None:
    if array.dtype.kind not in "biuf":
        raise SignalError(f"the teacher gave {name} of type {array.dtype}; expected numbers")
    if len(array) != len(payloads):
        raise SignalError(f"the teacher gave {len(array)} rows of {name} for {len(payloads)} inputs")
    if not np.isfinite(array).all():
        row = int(np.argmax(~np.isfinite(array).reshape(len(array), -1).all(axis=1)))
        raise SignalError(f"the teacher gave {name} that is not finite for the input {str(payloads[row])!r:.80}")


def _by_word(name: str) -> bool:
    """Whether a field has one value for each word, which its name says, as in hidden_BWD."""
    return "W" in name.rpartition("_")[2]


def _lengths(given: dict[str, NDArray[Any]]) -> NDArray[np.int64] | None:
    """The number of words of each entry, (N,): up to the last one that the mask knows."""
    if "mask_BW" not in given:
        return None
    there_NW = given["mask_BW"] != 0
    return (there_NW * np.arange(1, there_NW.shape[1] + 1)).max(axis=1, initial=0).astype(np.int64)  # type: ignore[no-any-return]


def _column(name: str, array: NDArray[Any], lengths_N: NDArray[np.int64] | None) -> Column:
    if not _by_word(name):
        return Column(array)
    if lengths_N is None:
        lengths_N = np.full(len(array), array.shape[1], np.int64)
    return Column(array[np.arange(array.shape[1]) < lengths_N[:, None]], lengths_N)


class _Gathered:
    """Arrays that are filled shard by shard."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._arrays: dict[str, NDArray[Any]] = {}
        self._pieces: dict[str, list[tuple[NDArray[np.int64], Column]]] = {}

    def take(self, found: Found) -> None:
        """Copy what was found."""
        for name in found.fields:
            column = found.shard.take(name, found.row_M)
            if column.lengths_M is not None:
                self._pieces.setdefault(name, []).append((found.query_M, column))
                continue
            shape, dtype = column.values.shape[1:], column.values.dtype
            if name not in self._arrays:
                self._arrays[name] = np.empty((self._count, *shape), dtype)
            array = self._arrays[name]
            if (array.shape[1:], array.dtype) != (shape, dtype):
                raise SignalError(
                    f"{name} lies there as {array.dtype} {array.shape[1:]} and as {dtype} {shape}, so the two cannot be used together"
                )
            array[found.query_M] = column.values

    def signal(self) -> Signal:
        """What was gathered; words padded to the longest."""
        columns = (column for pieces in self._pieces.values() for _, column in pieces)
        longest = max((int(c.lengths_M.max(initial=0)) for c in columns if c.lengths_M is not None), default=0)
        for name, pieces in self._pieces.items():
            values = pieces[0][1].values
            self._arrays[name] = np.zeros((self._count, longest, *values.shape[1:]), values.dtype)
            for query_M, column in pieces:
                assert column.lengths_M is not None, name
                padded = np.zeros((len(query_M), longest, *values.shape[1:]), values.dtype)
                padded[np.arange(longest) < column.lengths_M[:, None]] = column.values
                self._arrays[name][query_M] = padded
        return Signal(**self._arrays)
