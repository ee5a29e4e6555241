"""Files that are there whole or not at all, and one writer at a time. Knows folders and bytes; knows nothing of what they hold."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from limbeck.errors import LimbeckError, SignalError

DRAFT = ".draft"
"""The end of the name of a file that is being written; without its writer's lock nobody will finish it."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def write_whole(path: Path, parts: Iterable[bytes | memoryview]) -> None:
    """Write a file beside its place, and move it there when all of it has reached the disk."""
    draft = path.with_name(path.name + DRAFT)
    try:
        with draft.open("wb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the name has to reach the disk as well
    finally:
        os.close(folder)


@contextmanager
def locked(path: Path) -> Iterator[BinaryIO]:
    """Hold a lock that only one process at a time can have; yields its file. The system frees it when the process dies."""
    import fcntl

    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield file
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)  # closing alone leaves it to a process that was forked meanwhile


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Turn what the system refuses into an error that says the next step.

    Raises:
        SignalError: in the place of an OSError.
    """
    try:
        yield
    except LimbeckError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in _FULL:
            step = "Make room there and run the same command again: what was committed stays, and is not asked again."
        else:
            step = "Check that the folder can be read and written."
        raise SignalError(f"the signal store {folder} cannot be used: {reason}. {step}") from error
