"""What each process last said of itself, for the others to read. Knows memory that processes share; knows nothing of what is said.

One block of memory, a part for each process, made before they are forked. No file, no lock: a writer changes a number before and after, and a reader
who sees it odd or changed reads again.
"""

from __future__ import annotations

import mmap
import struct
from typing import Any

import orjson

_PART = 1 << 18
_HEAD = struct.Struct("<QQ")  # the number, the length
_TRIES = 100


class Board:
    """Room for the words of several processes.

    Args:
        processes: how many write.

    Example:
        >>> board = Board(2)
        >>> board.write(1, {"ready": True})
        >>> board.read()
        [None, {'ready': True}]
    """

    def __init__(self, processes: int) -> None:
        self.processes = processes
        self._memory = mmap.mmap(-1, processes * _PART)

    def write(self, process: int, said: Any) -> None:
        """Say something; what this process said before is forgotten. What is too long to be kept is not."""
        data = orjson.dumps(said)
        if len(data) > _PART - _HEAD.size:
            return
        start = process * _PART
        number = _HEAD.unpack_from(self._memory, start)[0]
        number += number % 2  # a writer that was killed left it odd
        _HEAD.pack_into(self._memory, start, number + 1, len(data))
        self._memory[start + _HEAD.size : start + _HEAD.size + len(data)] = data
        _HEAD.pack_into(self._memory, start, number + 2, len(data))

    def clear(self, process: int) -> None:
        """Forget what a process said that is no more."""
        self.write(process, None)

    def read(self) -> list[Any]:
        """What each process said last; None where it said nothing."""
        return [self._read(process * _PART) for process in range(self.processes)]

    def _read(self, start: int) -> Any:
        for _ in range(_TRIES):
            number, length = _HEAD.unpack_from(self._memory, start)
            data = self._memory[start + _HEAD.size : start + _HEAD.size + length]
            if number % 2 == 0 and number == _HEAD.unpack_from(self._memory, start)[0]:
                return orjson.loads(data) if length else None
        return None
