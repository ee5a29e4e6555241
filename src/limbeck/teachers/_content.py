"""What a fitted Python object holds: its numbers, texts and settings, as one hash and a size. Knows objects; knows no library's classes.

Where an object lies in memory, and in which order a dict was filled, is no part of it, so the same model has the same hash in any process.
"""

from __future__ import annotations

import hashlib
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

_DEEPEST = 200


@dataclass(frozen=True, slots=True)
class Content:
    """sha256 (hex); how many numbers its arrays hold; bytes of arrays and texts."""

    sha256: str
    numbers: int
    bytes: int


def content_of(value: object) -> Content:
    """The content of an object and of all that it holds.

    Example:
        >>> content_of({"a": 1, "b": [2]}) == content_of({"b": [2], "a": 1})
        True
    """
    total, numbers, size = hashlib.sha256(), 0, 0
    for part, count in _parts(value, 0, set()):
        total.update(len(part).to_bytes(8, "little") + part)
        numbers += count
        size += len(part)
    return Content(total.hexdigest(), numbers, size)


def _parts(value: Any, depth: int, above: set[int]) -> Iterator[tuple[bytes, int]]:
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        yield f"{type(value).__name__}:{value!r}".encode("utf-8", "surrogatepass"), 0
    elif isinstance(value, np.ndarray | np.generic):
        array = np.asarray(value)
        if array.dtype.hasobject:
            yield from _parts([array.shape, array.tolist()], depth + 1, above)
        else:
            yield f"{array.dtype}{array.shape}".encode(), 0
            yield np.ascontiguousarray(array).tobytes(), array.size
    elif id(value) in above or depth > _DEEPEST:  # it holds itself
        yield b"again", 0
    else:
        yield type(value).__qualname__.encode(), 0
        for held in _held(value):
            yield from _parts(held, depth + 1, above | {id(value)})


def _held(value: Any) -> Iterator[Any]:
    """What an object is made of, in an order of its own."""
    if isinstance(value, Mapping):
        yield from sorted(value.items(), key=lambda item: repr(item[0]))
    elif isinstance(value, set | frozenset):
        yield from sorted(value, key=repr)
    elif isinstance(value, list | tuple):
        yield from value
    elif isinstance(value, type | types.FunctionType | types.BuiltinFunctionType | types.ModuleType):
        yield getattr(value, "__qualname__", value.__name__)
    else:
        state = (
            value.__getstate__() if hasattr(value, "__getstate__") else vars(value)
        )  # every object has one since Python 3.11
        if isinstance(state, dict):
            # scikit-learn remembers where in memory a list of stop words lay.
            state = {key: held for key, held in state.items() if not (str(key).startswith("_") and str(key).endswith("_id"))}
        yield state
        if state is None and hasattr(value, "__reduce__"):
            yield from value.__reduce__()[1:2]
