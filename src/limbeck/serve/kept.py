"""Escalations that tomorrow's student may learn from, in a file that `limbeck distill` reads. Knows rows, time and bytes; off unless somebody asks.

    {"text": "[e-mail] never got my refund", "label": "refund_status", "student": "track_order", "confidence": 0.41, "at": 1795884000}

`label` is the teacher's, null where it did not answer: then the text trains without one, and the teacher labels it. What points to a person is
replaced before anything is written. No row stays longer than its time to live, the file is never larger than it may be (the oldest rows go first), and
only its owner may read it. Several processes may keep into one file: each waits for the lock beside it, in a thread of its own.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from limbeck.disk import DRAFT
from limbeck.errors import InputFileError
from limbeck.redact import redacted
from limbeck.serve.answer import Answer
from limbeck.serve.figure import Figure

_MOST_WAITING = 1000
_SWEEPS = 24  # in a time to live
_CHARACTERS = 4000
_OWNER_ONLY = 0o600


class Kept:
    """The file.

    Args:
        path: of a .jsonl file, made where it is absent.
        days: that a row lives.
        bytes_: that the file may have.
        clock: seconds since 1970.

    Raises:
        InputFileError: it cannot be written.
    """

    def __init__(
        self, path: Path, days: float = 30.0, bytes_: int = 50_000_000, clock: Callable[[], float] = time.time
    ) -> None:
        self._path, self._life, self._most, self._clock = path, days * 86_400, bytes_, clock
        self._lock_path = path.with_name(path.name + ".lock")
        self._kept = self._lost = 0
        self._room = threading.Semaphore(_MOST_WAITING)
        self._swept = 0.0
        if path.suffix != ".jsonl":
            raise InputFileError(f"escalations are kept in a .jsonl file, which limbeck distill reads; got {path}")
        try:
            with self._locked():
                self._sweep()
        except OSError as error:
            raise InputFileError(f"escalations cannot be kept in {path}: {error.strerror}. Give another file.") from error
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="limbeck-kept")

    def add(self, text: str, student: Answer, label: str | None) -> None:
        """Keep one, soon; where the disk is too slow it is lost, and counted.

        Args:
            text: as it came.
            student: what the student said of it.
            label: the teacher's; None: it did not answer.
        """
        if not self._room.acquire(blocking=False):
            self._lost += 1
            return
        try:
            self._pool.submit(self._write, text, student, label)
        except RuntimeError:  # it was closed while somebody was asked
            self._room.release()
            self._lost += 1

    def _write(self, text: str, student: Answer, label: str | None) -> None:
        try:
            row = {
                "text": redacted(text, _CHARACTERS),
                "label": label,
                "student": student.label,
                "confidence": round(student.confidence, 4),
                "at": int(self._clock()),
            }
            line = json.dumps(row, ensure_ascii=False).encode() + b"\n"
            with self._locked():
                if self._clock() - self._swept > self._life / _SWEEPS or self._size() + len(line) > self._most:
                    self._sweep(len(line))
                with os.fdopen(self._open(os.O_APPEND), "ab") as file:
                    file.write(line)
            self._kept += 1
        except OSError:  # a full disk is no reason to answer nobody
            self._lost += 1
        finally:
            self._room.release()

    def _sweep(self, room: int = 0) -> None:
        """Drop rows that are too old, and where there is no room for `room` bytes the older half of what there may be."""
        self._swept = self._clock()
        with os.fdopen(self._open(0), "rb") as file:
            before = file.readlines()
        after = [line for line in before if self._lives(line)]
        size = sum(map(len, after)) + room
        if size > self._most:
            cut, left = 0, size
            while cut < len(after) and left > self._most // 2:
                left -= len(after[cut])
                cut += 1
            after = after[cut:]
        if len(after) == len(before):
            return
        draft = self._path.with_name(self._path.name + DRAFT)
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY), "wb") as file:
            file.writelines(after)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)

    def _lives(self, line: bytes) -> bool:
        """Whether a row is young enough; what is no row of ours cannot say so, and goes."""
        try:
            return float(json.loads(line)["at"]) > self._clock() - self._life
        except (ValueError, KeyError, TypeError):
            return False

    def _open(self, flags: int) -> int:
        """The file, open, readable by its owner alone whoever made it; a link is refused."""
        found = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | flags, _OWNER_ONLY)
        os.fchmod(found, _OWNER_ONLY)
        return found

    def _size(self) -> int:
        return self._path.stat().st_size if self._path.exists() else 0

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        handle = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, _OWNER_ONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def figures(self) -> Iterator[Figure]:
        """What this process has kept, and what it lost."""
        yield "limbeck_escalations_kept_total", {}, self._kept
        yield "limbeck_escalations_lost_total", {}, self._lost

    def close(self) -> None:
        """Write what waits."""
        self._pool.shutdown(wait=True)
