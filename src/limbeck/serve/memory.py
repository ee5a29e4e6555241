"""Memory that a process gives back to the system. Knows Python's free lists and glibc's malloc; where there is another, only the former."""

from __future__ import annotations

import ctypes
import gc
from typing import Any

_MMAP_THRESHOLD = -3
_LARGE = 1 << 20
_KEPT = 64 << 10


def settle() -> None:
    """From now on arrays of more than a megabyte are mapped on their own, and returned when they are freed.

    By default glibc learns from the first large array that is freed to take the next ones from its heap; there a small object behind
    each keeps it from shrinking, and a server grows with the largest batches that it ever saw.
    """
    _call("mallopt", _MMAP_THRESHOLD, _LARGE)


def trim() -> None:
    """Return what is free; takes about two milliseconds.

    Python keeps up to 2,000 freed tuples of each length below 20, which fill up over a million requests. Only a full collection lets go of
    them, and none comes by itself where what was loaded is frozen and nothing else stays.
    """
    gc.collect()
    _call("malloc_trim", _KEPT)


def _call(name: str, *arguments: int) -> None:
    found: Any = getattr(_libc, name, None)
    if found is not None:
        found(*arguments)


try:
    _libc: Any = ctypes.CDLL(None)
except (OSError, TypeError):  # no such system
    _libc = None
