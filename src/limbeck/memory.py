"""Memory that a process keeps or gives back to the system. Knows Python's free lists and glibc's malloc; where there is another, only the former."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGE, _LEARNED, _HUGE, _ALL = 1 << 20, 32 << 20, 1 << 30, (1 << 31) - 1
_KEPT = 64 << 10


def settle() -> None:
    """From now on arrays of more than a megabyte are mapped on their own, and returned when they are freed.

    By default glibc learns from the first large array that is freed to take the next ones from its heap; there a small object behind
    each keeps it from shrinking, and a server grows with the largest batches that it ever saw.
    """
    _mallopt(_MMAP_THRESHOLD, _LARGE)


@contextmanager
def kept() -> Iterator[None]:
    """While this is open, what is freed stays with the process for what comes next: arrays of up to a gigabyte, and up to two gigabytes at the
    end of the heap. Behind it that is returned. It helps the main thread, under glibc; where an older one refuses so much, arrays of up to 32 MB.

    A step of training takes and frees the same arrays as the one before. By default glibc returns them between, and the system fills their
    pages with zeros each time (`benchmarks/kept_memory.py` has what that costs). It is for such steps alone: where sizes grow, what is kept is soon too small,
    and a process has more than it needs; and what is timed within would be quicker than where it serves.

    Thresholds are the process's, so of two that are open the first to close ends it for both. Behind it they are the highest that glibc learns by
    itself on 64 bits (32 MB, and twice that), whatever they were: it cannot be asked, and does not learn again once it is told.
    """
    told = _mallopt(_MMAP_THRESHOLD, _HUGE) or _mallopt(_MMAP_THRESHOLD, _LEARNED)
    if told:
        _mallopt(_TRIM_THRESHOLD, _ALL)
    try:
        yield
    finally:
        if told:
            _mallopt(_MMAP_THRESHOLD, _LEARNED)
            _mallopt(_TRIM_THRESHOLD, 2 * _LEARNED)
            _call("malloc_trim", _KEPT)


def trim() -> None:
    """Return what is free; takes about two milliseconds.

    Python keeps up to 2,000 freed tuples of each length below 20, which fill up over a million requests. Only a full collection lets go of
    them, and none comes by itself where what was loaded is frozen and nothing else stays.
    """
    gc.collect()
    _call("malloc_trim", _KEPT)


def _mallopt(name: int, value: int) -> bool:
    """Whether malloc took it."""
    return bool(_call("mallopt", name, value))


def _call(name: str, *arguments: int) -> int:
    """What the function returns; 0 where there is none."""
    found: Any = getattr(_libc, name, None)
    return 0 if found is None else int(found(*arguments))


try:
    _libc: Any = ctypes.CDLL(None)
except (OSError, TypeError):  # no such system
    _libc = None
