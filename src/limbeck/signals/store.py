"""The signal store: the teacher's answers on disk, found by what was asked. Knows arrays and keys; never calls a teacher.

    signals/
      store.json                      the teacher's fingerprint, field by field
      shards/<name>.safetensors       keys (N, 32) and one column per field (N, …)

An entry's key is sha256(teacher fingerprint, realised teacher input), so any run that asks the same thing shares the answer. A shard
is a fixed set of keys, made whole or not at all: it is written beside its place and linked into it, and the first to commit wins.
Its sha256 is part of its name, so a damaged shard is found before it is read. This first version reads shards into memory.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from limbeck.errors import SignalError
from limbeck.types import Fingerprint, Signal, digest

_KEYS = "keys"


class SignalStore:
    """The answers of one teacher.

    Args:
        folder: where it lies; made when absent.
        fingerprint: of the teacher whose answers it holds.

    Raises:
        SignalError: the folder holds the answers of another teacher (names the field that differs), or a damaged shard.
    """

    def __init__(self, folder: Path, fingerprint: Fingerprint) -> None:
        self._shards = folder / "shards"
        self._shards.mkdir(parents=True, exist_ok=True)
        self._identity = digest(dict(fingerprint))
        self._places: dict[str, dict[bytes, tuple[int, int]]] = {}  # field -> key -> (shard, row)
        self._loaded: list[dict[str, NDArray[Any]]] = []
        self._open(folder / "store.json", dict(fingerprint))
        for path in sorted(self._shards.glob("*.safetensors")):
            self._add(_proven(path))

    def __len__(self) -> int:
        return len(set().union(*self._places.values()))

    def key(self, payload: str) -> bytes:
        """The key of what the teacher is asked, 32 bytes."""
        return hashlib.sha256(f"{self._identity}\n".encode() + payload.encode("utf-8", "surrogatepass")).digest()

    def missing(self, payloads: Sequence[str], needs: frozenset[str]) -> list[str]:
        """The payloads, each once and in order, that have no entry with all the needed fields."""
        columns = [self._places.get(name, {}) for name in needs]
        return [p for p in dict.fromkeys(payloads) if not all(self.key(p) in column for column in columns)]

    def commit(self, payloads: Sequence[str], signal: Signal) -> None:
        """Add one shard, whole or not at all."""
        columns = {name: np.asarray(value) for name, value in signal.given().items()}
        for name, column in columns.items():
            if len(column) != len(payloads):
                raise SignalError(f"the teacher gave {len(column)} rows of {name} for {len(payloads)} inputs")
            if not np.isfinite(column).all():
                row = int(np.argmax(~np.isfinite(column).reshape(len(column), -1).all(axis=1)))
                raise SignalError(f"the teacher gave {name} that is not finite for the input {payloads[row]!r:.80}")
        keys = np.frombuffer(b"".join(self.key(p) for p in payloads), dtype=np.uint8).reshape(-1, 32)
        content = {_KEYS: keys, **columns}
        data = save(content)
        place = self._shards / f"{hashlib.sha256(data).hexdigest()}.safetensors"
        handle, draft = tempfile.mkstemp(dir=self._shards, suffix=".draft")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):  # another run has committed the same shard: the first one stands
                os.link(draft, place)
        finally:
            Path(draft).unlink()
        self._add(content)

    def get(self, payloads: Sequence[str], needs: frozenset[str]) -> Signal:
        """The signals of payloads, in order, (B, …) per field.

        Raises:
            SignalError: an entry or a field is missing.
        """
        if absent := self.missing(payloads, needs):
            raise SignalError(f"{len(absent)} of {len(payloads)} inputs have no {', '.join(sorted(needs))} in the store")
        keys = [self.key(p) for p in payloads]
        return Signal(**{name: np.stack([self._row(name, key) for key in keys]) for name in sorted(needs)})

    def _row(self, name: str, key: bytes) -> NDArray[Any]:
        shard, row = self._places[name][key]
        return np.asarray(self._loaded[shard][name][row])

    def _add(self, shard: Mapping[str, NDArray[Any]]) -> None:
        number = len(self._loaded)
        self._loaded.append(dict(shard))
        keys = [key.tobytes() for key in np.asarray(shard[_KEYS])]
        for name in shard:
            if name != _KEYS:
                self._places.setdefault(name, {}).update((key, (number, row)) for row, key in enumerate(keys))

    def _open(self, path: Path, fingerprint: dict[str, str]) -> None:
        if not path.is_file():
            draft = path.with_suffix(f".{os.getpid()}")
            draft.write_text(json.dumps(fingerprint, indent=1, sort_keys=True), encoding="utf-8")
            draft.replace(path)
            return
        try:
            stored = dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise SignalError(f"{path} is damaged, so nobody knows whose answers lie there. Remove {path.parent}.") from error
        differing = [name for name in sorted({*stored, *fingerprint}) if stored.get(name) != fingerprint.get(name)]
        if differing:
            details = "; ".join(f"{n}: {stored.get(n)!s:.16} there, {fingerprint.get(n)!s:.16} now" for n in differing)
            raise SignalError(
                f"{path.parent} holds the answers of another teacher ({details}). Use another folder, or remove this one."
            )


def stored_fingerprint(folder: Path) -> Fingerprint:
    """The fingerprint of the teacher whose answers lie in a folder; empty where none do, or where it cannot be read."""
    try:
        return dict(json.loads((folder / "store.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def _proven(path: Path) -> dict[str, NDArray[Any]]:
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != path.stem:
        raise SignalError(f"the shard {path} is damaged (its sha256 is not its name). Remove it; the same command asks again.")
    return load(data)
