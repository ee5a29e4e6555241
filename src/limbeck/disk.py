"""Files that are there whole or not at all. Knows paths and bytes; knows nothing of what they hold."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

DRAFT = ".draft"
"""The end of the name of a file that is being written; without its writer's lock nobody will finish it."""


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


def read_whole(path: Path, most: int) -> bytes:
    """The content of a regular file that lies at this very place, read once.

    Raises:
        OSError: it is not there.
        ValueError: it is a link, a device or a pipe, or has more than `most` bytes; the message says which.
    """
    size_of(path)
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags), "rb") as file:
        state = os.fstat(file.fileno())  # what was opened, whatever happened to the name since
        if not stat.S_ISREG(state.st_mode):
            raise ValueError("it is not a regular file")
        if state.st_size > most:
            raise ValueError(f"it has {state.st_size:,} bytes; at most {most:,} are read")
        data = file.read(state.st_size + 1)
        if len(data) != state.st_size:
            raise ValueError("it changed while it was read")
        return data


def size_of(path: Path) -> int:
    """The size in bytes of a regular file.

    Raises:
        OSError: it is not there.
        ValueError: it is not a regular file; the message says what it is.
    """
    state = path.lstat()
    for test, name in _KINDS:
        if test(state.st_mode):
            raise ValueError(f"it is {name}")
    return state.st_size


_KINDS = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISCHR, "a device"),
)
