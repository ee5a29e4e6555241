"""Encoded payloads that are made when they are first asked for. Knows arrays of one shape and how many bytes they take; knows no payload.

A run asks for the same views again and again: the teacher, the student, each further seed of it, the control. Of views what was made last is kept
for all of them; what nobody made a view of, such as what a user sends, is kept by nobody but who asked.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_KEPT = 2**30
"""Bytes that the arrays of one sequence may take to be kept, and those of all views in this process."""
_AT_ONCE = 64
Array = NDArray[Any]


def arrays(payloads: Sequence[Any], make: Callable[[Any], Array], shape: tuple[int, ...], dtype: Any) -> Sequence[Array]:
    """Encoded payloads: a few at once, many when they are asked for."""
    return [make(one) for one in payloads] if len(payloads) <= _AT_ONCE else Lazy(payloads, make, shape, dtype)


class Lazy(Sequence[Array]):
    """Arrays of one shape, kept if all of them fit. `lengths` is known beforehand.

    Args:
        payloads: what arrays are made of.
        make: an array of a payload.
        shape: of each array.
        dtype: of their numbers.
    """

    def __init__(self, payloads: Sequence[Any], make: Callable[[Any], Array], shape: tuple[int, ...], dtype: Any) -> None:
        self._payloads, self._make, self._shape, self._dtype = payloads, make, shape, np.dtype(dtype)
        self.lengths = np.full(len(payloads), shape[0], np.int64)
        self._keeps = self._dtype.itemsize * math.prod(shape) * len(payloads) <= MOST_KEPT
        self._made: dict[int, Array] = {}

    def __len__(self) -> int:
        return len(self._payloads)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return Lazy(self._payloads[index], self._make, self._shape, self._dtype)
        index = range(len(self))[index]
        found = self._made.get(index)
        if found is None:
            found = self._make(self._payloads[index])
            if self._keeps:
                self._made[index] = found
        return found

    def __iter__(self) -> Iterator[Array]:
        return (self[index] for index in range(len(self)))


class Recent:
    """Arrays by a key: those that were made or asked for last, up to so many bytes in all.

    Example:
        >>> recent = Recent(most=16)
        >>> for number in (1, 2, 1, 3, 1):
        ...     value = recent.get(number, lambda: np.full(1, number))
        >>> list(recent.kept)
        [3, 1]
    """

    def __init__(self, most: int = MOST_KEPT) -> None:
        self.kept: OrderedDict[Hashable, Array] = OrderedDict()
        self._most, self._bytes = most, 0

    def get(self, key: Hashable, make: Callable[[], Array]) -> Array:
        """The array of a key, made if it is not there."""
        found = self.kept.get(key)
        if found is not None:
            self.kept.move_to_end(key)
            return found
        found = self.kept[key] = make()
        self._bytes += found.nbytes
        while self._bytes > self._most:
            self._bytes -= self.kept.popitem(last=False)[1].nbytes
        return found
