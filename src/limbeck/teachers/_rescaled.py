"""What makes a network's inputs of pictures, watched from outside: whether it scales bytes evenly, and the same inputs as if it scaled otherwise.

    input = (factor * byte - mean_c) / deviation_c        for each channel c, at every place

Pictures of one grey each say so of any code that does that, however it resizes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.payloads import plain
from limbeck.teachers._scalings import SCALINGS, Scaling
from limbeck.types import Signal

_GREYS = (0, 60, 255)
_NEAR, _SAME = 1e-3, 0.05


class Rescaled:
    """A callable from arrays of uint8 (height, width, colours) to inputs, which can scale otherwise for a while.

    Args:
        encode: a user's.

    Example:
        >>> encode = Rescaled(lambda pictures: np.stack(pictures).transpose(0, 3, 1, 2) / 255)
        >>> float(encode([np.full((2, 2, 3), 51, np.uint8)]).max())
        0.2
    """

    def __init__(self, encode: Callable[[list[Any]], Any]) -> None:
        self._encode = encode
        self._as: tuple[NDArray[np.float64], NDArray[np.float64], int] | None = None

    @property
    def source(self) -> str:
        """The code that it is, as far as anybody can see it: for a fingerprint where no example shows what it makes."""
        try:
            return inspect.getsource(self._encode)
        except (OSError, TypeError):
            return getattr(self._encode, "__qualname__", type(self._encode).__qualname__)

    def __call__(self, payloads: list[Any]) -> Any:
        """The inputs."""
        made = self._encode(payloads)
        if self._as is None:
            return made
        factor_C, added_C, axis = self._as
        name, array = _only(made)
        shape = [1] * array.ndim
        shape[axis] = -1
        changed = (array * factor_C.reshape(shape) + added_C.reshape(shape)).astype(array.dtype)
        return changed if name is None else {**made, name: changed}

    def otherwise(self, payloads: Sequence[Any], ask: Callable[[], Signal]) -> dict[str, Callable[[], Signal]]:
        """What is answered where it scales in other usual ways, by their names; nothing where it does not scale evenly.

        Args:
            payloads: what is asked.
            ask: asks it of whoever reads by this.
        """
        if not payloads or (own := self._own(plain(payloads[0]).shape)) is None:
            return {}
        slope_C, offset_C, axis = own
        found = dict[str, Callable[[], Signal]]()
        for name, scaling in SCALINGS.items():
            slope, offset = _line(scaling, len(slope_C))
            reach = 255 * np.abs(slope_C)
            if (np.abs(255 * (slope - slope_C)) + np.abs(offset - offset_C) < _SAME * reach).all():
                continue
            found[name] = partial(self._as_if, (slope / slope_C, offset - offset_C * slope / slope_C, axis), ask)
        return found

    def _as_if(self, scaling: tuple[NDArray[np.float64], NDArray[np.float64], int], ask: Callable[[], Signal]) -> Signal:
        self._as = scaling
        try:
            return ask()
        finally:
            self._as = None

    def _own(self, shape: Sequence[int]) -> tuple[NDArray[np.float64], NDArray[np.float64], int] | None:
        """Slope and offset of each channel, and the axis of these."""
        rows = []
        try:
            for grey in _GREYS:
                array = _only(self._encode([np.full(tuple(shape), grey, np.uint8)]))[1]
                if array.dtype.kind != "f" or array.ndim != 4:
                    return None
                axis = 1 if array.shape[1] in (1, 3) else 3
                if array.shape[axis] not in (1, 3):
                    return None
                moved = np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1).astype(np.float64)
                if np.ptp(moved, axis=1).max() > _NEAR * max(1.0, float(np.abs(moved).max())):
                    return None
                rows.append(moved.mean(axis=1))
        except Exception:  # it is anybody's code, and perhaps takes no picture of one grey
            return None
        low, middle, high = rows
        slope_C = (high - low) / (_GREYS[2] - _GREYS[0])
        line = low + slope_C * (_GREYS[1] - _GREYS[0])
        if not (np.abs(slope_C) > 0).all() or np.abs(line - middle).max() > _NEAR * float(np.abs(high - low).max()):
            return None
        return slope_C, low - slope_C * _GREYS[0], axis


def _only(made: Any) -> tuple[str | None, NDArray[Any]]:
    """The one input, and its name.

    Raises:
        ValueError: there are several.
    """
    if not isinstance(made, Mapping):
        return None, np.asarray(made)
    (name,) = made
    return str(name), np.asarray(made[name])


def _line(scaling: Scaling, channels: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    factor, mean, deviation = scaling
    mean_C, deviation_C = np.asarray(mean[:channels]), np.asarray(deviation[:channels])
    return factor / deviation_C, -mean_C / deviation_C
