"""One writer at a time, and what the system refuses. Knows a folder; knows nothing of what lies in it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from limbeck.errors import LimbeckError, SignalError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


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
