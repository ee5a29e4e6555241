"""A picture as a payload: where its bytes lie, what it is called, and what is done to it. Knows seeds and operations; knows no model and no spec."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from limbeck.errors import DataError, InputFileError
from limbeck.modalities._pixels import MOST_BYTES, MOST_PIXELS, SMALL, Pixels, decoded, png
from limbeck.payloads import Stored
from limbeck.types import Operation

_PREFIX = "data:;base64,"


class Source:
    """The bytes of a picture, or where they lie, or (None) nothing but its pixels; and the key that these give it."""

    __slots__ = ("_at", "_key", "_pixels", "height", "width")

    def __init__(self, at: bytes | Stored | None, pixels: Pixels | None = None) -> None:
        self._at = at
        pixels = decoded(self.content(), str(at) if isinstance(at, Stored) else "") if pixels is None else pixels
        self.height, self.width = pixels.shape[:2]
        self._key = (
            _key_of(pixels) if isinstance(at, Stored) else None
        )  # else when it is asked for, which nobody does who serves
        self._pixels: Pixels | None = pixels if pixels.nbytes <= SMALL or not isinstance(at, Stored) else None

    @property
    def key(self) -> str:
        """Half of the sha256 of its shape and pixels."""
        if self._key is None:
            self._key = _key_of(self.pixels())
        return self._key

    def content(self) -> bytes:
        """The file's content; of pixels alone a PNG file's."""
        if self._at is None:
            return png(self.pixels())
        return self._at.read(MOST_BYTES) if isinstance(self._at, Stored) else self._at

    def pixels(self) -> Pixels:
        """What it decodes to; of a large one that was not asked for before, what was decoded when it was made."""
        if (found := self._pixels) is None:
            return decoded(self.content(), str(self._at) if isinstance(self._at, Stored) else "")
        if found.nbytes > SMALL and self._at is not None:
            self._pixels = None
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A picture as it is, or a view of it: operations in their order, whose dice follow from the seed; `second` is what a mix draws from.

    Nothing is computed until its pixels are asked for, so a million views take no more memory than their names.
    """

    source: Source
    operations: tuple[Operation, ...] = ()
    seed: int = 0
    second: Source | None = None

    modality: ClassVar[str] = "image"

    @property
    def identity(self) -> bytes:
        """What decides its pixels."""
        if not self.operations:
            return f"picture {self.source.key}".encode()
        told = [f"{o.name} {o.version} {sorted(o.parameters.items())}" for o in self.operations]
        of = f"picture {self.source.key} {self.second.key if self.second else ''} {self.seed} {told}"
        return of.encode()

    @property
    def size(self) -> int:
        """Pixels."""
        return int(self.source.height * self.source.width)

    def plain(self) -> Pixels:
        """Its pixels, after its operations."""
        found = self.source.pixels()
        if self.operations:
            dice = Random(self.seed)
            other = None if self.second is None else self.second.pixels()
            for operation in self.operations:
                found = OPERATIONS[operation.name](found, other, dice, **operation.parameters)
        return found

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Picture) and self.identity == other.identity

    def __hash__(self) -> int:
        return hash(self.identity)

    def __str__(self) -> str:
        view = f", a view by {', '.join(o.name for o in self.operations)}" if self.operations else ""
        return f"picture {self.source.key[:8]} of {self.source.width} x {self.source.height}{view}"

    def to_json(self) -> str:
        """Its file in base64; of a view a file of its pixels."""
        return _PREFIX + base64.b64encode(png(self.plain()) if self.operations else self.source.content()).decode("ascii")


Apply = Callable[..., Pixels]
OPERATIONS: dict[str, Apply] = {}
"""What views are made by, by name: (pixels, other pixels or None, dice, its parameters) -> pixels. `_image_views` fills it."""


def _key_of(pixels: Pixels) -> str:
    return hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()[:32]


def by(payload: Picture, operation: str) -> Picture:
    """A picture as one more operation without parameters leaves it."""
    return replace(payload, operations=(*payload.operations, Operation(operation, 1)))


def picture(value: Any) -> Picture:
    """A picture from what somebody has: its file (a path, or `Stored`), its bytes, a base64 text of these, an array of uint8.

    Raises:
        DataError: it is no picture, or one that is refused; the message is what the value does, as "names a file that is cut off".
        TypeError: it is something else.
    """
    if isinstance(value, Picture):
        return value
    if isinstance(value, str) and value.startswith("data:"):
        return sent(value)
    if isinstance(value, str):
        value = Stored(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return Picture(Source(bytes(value)))
    if isinstance(value, np.ndarray):
        return Picture(Source(None, _of_array(value)))
    if not isinstance(value, Stored):
        raise TypeError(
            f"a picture is expected: a path, bytes, or an array (height, width, colours) of uint8; got {type(value).__name__}"
        )
    try:
        return Picture(Source(value))
    except InputFileError as error:
        raise DataError(f"names a file that cannot be read: {error}") from error


def received(data: bytes, most: float) -> Picture:
    """A picture from the bytes of a file that somebody sent, of at most so many pixels.

    Raises:
        DataError: as `decoded`.
    """
    return Picture(Source(data, decoded(data, most=min(most, MOST_PIXELS))))


def sent(value: Any) -> Picture:
    """A picture from a base64 text of its file, which may come from a stranger: no path is read.

    Raises:
        DataError: it is none.
    """
    if not isinstance(value, str) or not value.startswith("data:") or ";base64," not in value[:100]:
        raise DataError(f"must hold a picture as data:;base64,…; got {value!r:.40}")
    try:
        return Picture(Source(base64.b64decode(value.partition(",")[2], validate=True)))
    except ValueError as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"holds a picture that is not base64: {error}") from error


def _of_array(value: NDArray[Any]) -> Pixels:
    pixels = value[..., None] if value.ndim == 2 else value
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in (1, 3) or 0 in pixels.shape:
        raise DataError(
            f"must hold an array (height, width) or (height, width, 3) of uint8; got {value.dtype} of shape {value.shape}. "
            "Colours come last, red first, from 0 to 255."
        )
    if pixels.shape[0] * pixels.shape[1] > MOST_PIXELS:
        raise DataError(
            f"holds a picture of {pixels.shape[1]:,} x {pixels.shape[0]:,} pixels; at most {MOST_PIXELS:,} are read"
        )
    return np.ascontiguousarray(pixels)


def pixels_of(pictures: Sequence[Picture]) -> list[Pixels]:
    """The pixels of each."""
    return [p.plain() for p in pictures]
