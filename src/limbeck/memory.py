"""Memory that a process keeps or gives back to the system. Knows Python's free lists and glibc's malloc; where there is another, only the former."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGE, _LEARNED, _HUGE = 1 << 20, 32 << 20, 1 << 30
_KEPT = 64 << 10
_keeping = 0


def settle() -> None:
    """From now on arrays of more than a megabyte are mapped on their own, and returned when they are freed.

    By default glibc learns from the first large array that is freed to take the next ones from its heap; there a small object behind
    each keeps it from shrinking, and a server grows with the largest batches that it ever saw.
    """
    _call("mallopt", _MMAP_THRESHOLD, _LARGE)


@contextmanager
def kept() -> Iterator[None]:
    """While this is open, freed arrays of up to a gigabyte stay with the process, for the next ones; behind it they are returned.

    A step of training takes and frees the same arrays as the one before. By default glibc returns them between, and the system fills their
    pages with zeros each time, which can take half as long as to compute the step (`benchmarks/kept_memory.py`). May be nested.

    Behind it the thresholds are the highest that glibc would have learned by itself (32 MB, and twice that): it does not learn again once it is told.
    """
    global _keeping
    _keeping += 1
    if _keeping == 1:
        _thresholds(_HUGE, _HUGE)
    try:
        yield
    finally:
        _keeping -= 1
        if not _keeping:
            _thresholds(_LEARNED, 2 * _LEARNED)
            trim()


def trim() -> None:
    """Return what is free; takes about two milliseconds.

    Python keeps up to 2,000 freed tuples of each length below 20, which fill up over a million requests. Only a full collection lets go of
    them, and none comes by itself where what was loaded is frozen and nothing else stays.
    """
    gc.collect()
    _call("malloc_trim", _KEPT)


def _thresholds(mapped: int, trimmed: int) -> None:
    _call("mallopt", _MMAP_THRESHOLD, mapped)
    _call("mallopt", _TRIM_THRESHOLD, trimmed)


def _call(name: str, *arguments: int) -> None:
    found: Any = getattr(_libc, name, None)
    if found is not None:
        found(*arguments)


try:
    _libc: Any = ctypes.CDLL(None)
except (OSError, TypeError):  # no such system
    _libc = None
