"""Files that are there whole or not at all. Knows paths and bytes; knows nothing of what they hold."""

from __future__ import annotations

import os
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
