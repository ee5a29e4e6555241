"""A picture as a payload: where its bytes lie, what they decode to, and what is done to it. Knows Pillow; knows no model and no spec.

What every picture becomes, for teacher and student alike: (H, W, 1) bytes if it is grey, else (H, W, 3) in the order red, green, blue.

    EXIF rotation         undone
    palette               its colours
    alpha, transparency   on white
    16 bits               the upper eight, rounded
    CMYK, YCbCr           to RGB, as Pillow does it
    animated              the first frame
    cut off, not a picture, more than 2**25 pixels, 32-bit whole numbers, floats: refused, by name

Only formats that Pillow decodes by itself are tried; none that starts another program.
"""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pil
from PIL import ImageOps, UnidentifiedImageError

from limbeck.errors import DataError, InputFileError, TooLargeError
from limbeck.payloads import Stored
from limbeck.types import Operation

Pixels = NDArray[np.uint8]
"""(H, W, 1) or (H, W, 3)."""
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
MOST_PIXELS, MOST_BYTES = 2**25, 2**27
_KEPT = 2**16
"""Bytes of a decoded picture up to which it is kept: small ones are asked for again and again, in each of their views."""
_ROTATED = frozenset({"exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp"})
"""Where a file may say that it lies on its side; to look into it takes a third of the time of a small picture."""
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
        self._pixels: Pixels | None = pixels if pixels.nbytes <= _KEPT or not isinstance(at, Stored) else None

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
        if found.nbytes > _KEPT and self._at is not None:
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


def decoded(data: bytes, name: str = "", most: float = MOST_PIXELS) -> Pixels:
    """The pixels of a file's content; a picture of more than `most` is refused before any is decoded.

    Raises:
        TooLargeError: it has more pixels.
        DataError: it is none of the formats, cut off, or of numbers of which nobody says what is white.
    """
    of = f" ({name})" if name else ""
    try:
        with Pil.open(io.BytesIO(data), formats=FORMATS) as opened:
            if opened.width * opened.height > most:
                raise TooLargeError(
                    f"holds a picture of {opened.width:,} x {opened.height:,} pixels{of}; at most {most:,.0f} are decoded"
                )
            opened.load()  # of an animation the frame that a file opens with, the first
            form = opened.format or ""
            turned = ImageOps.exif_transpose(opened) if form == "TIFF" or not _ROTATED.isdisjoint(opened.info) else opened
            return _eight_bits(turned, form, of)
    except DataError:
        raise
    except UnidentifiedImageError as error:
        raise DataError(f"holds no picture{of}: {len(data):,} bytes that are none of {', '.join(FORMATS)}") from error
    except (Pil.DecompressionBombError, Pil.DecompressionBombWarning) as error:
        raise TooLargeError(f"holds a picture of more than {MOST_PIXELS:,} pixels{of}: a decompression bomb") from error
    except Exception as error:  # Pillow's decoders raise many kinds at what is damaged
        raise DataError(f"holds a picture that is cut off or damaged{of}: {error}") from error


def _eight_bits(opened: Pil.Image, form: str, of: str) -> Pixels:
    mode = opened.mode
    if mode.startswith("I;16") or (mode == "I" and form in ("PNG", "PPM")):  # I: as older versions of Pillow call 16 bits
        wide = np.array(opened, dtype=np.int64)
        if isinstance(behind := opened.info.get("transparency"), int):  # the one grey that is seen through
            wide[wide == behind] = 65535
        return np.asarray((np.clip(wide, 0, 65535) + 128) // 257, np.uint8)[..., None]
    if mode in ("I", "F"):
        raise DataError(
            f"holds a picture of {'whole numbers of 32 bits' if mode == 'I' else 'floats'}{of}: nobody says what is white there"
        )
    if mode in ("LA", "La", "RGBA", "RGBa", "PA") or "transparency" in opened.info:
        behind = Pil.new("RGBA", opened.size, (255, 255, 255, 255))
        grey = mode in ("LA", "La", "L", "1")
        opened = Pil.alpha_composite(behind, opened.convert("RGBA")).convert("L" if grey else "RGB")
    elif mode == "1":
        opened = opened.convert("L")
    elif mode not in ("L", "RGB"):
        opened = opened.convert("RGB")
    found = np.asarray(opened)
    return found[..., None] if found.ndim == 2 else found


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


def as_pil(pixels: Pixels) -> Pil.Image:
    """Pixels as Pillow's own."""
    return Pil.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


def png(pixels: Pixels) -> bytes:
    """A PNG file of them."""
    buffer = io.BytesIO()
    as_pil(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def saved_like(pixels: Pixels, data: bytes) -> bytes:
    """A file of them in the format of another, whose content is given: with its alpha, palette, bits and compression where Pillow can write them."""
    with Pil.open(io.BytesIO(data), formats=FORMATS) as like:
        form = like.format if like.format in FORMATS else "JPEG"  # a phone's picture of several
        mode = like.mode
        asked = {name: like.info[name] for name in ("progressive", "compression") if like.info.get(name)}
    asked |= {"lossless": True} if b"VP8L" in data[:64] else {}
    buffer = io.BytesIO()
    try:
        as_pil(pixels).convert(mode).save(buffer, form, **asked)
    except (OSError, ValueError, KeyError):
        buffer = io.BytesIO()
        as_pil(pixels).save(buffer, form)
    return buffer.getvalue()


def coloured(pixels: Pixels, channels: int) -> Pixels:
    """The pixels with so many channels: grey three times, or the luma of colours (ITU-R BT.601, as Pillow)."""
    if pixels.shape[2] == channels:
        return pixels
    return np.repeat(pixels, 3, axis=2) if channels == 3 else np.asarray(as_pil(pixels).convert("L"))[..., None]


def resized(pixels: Pixels, height: int, width: int) -> Pixels:
    """The pixels at another size: bilinear, over all pixels that fall into one where it shrinks (Pillow's BILINEAR)."""
    if pixels.shape[:2] == (height, width):
        return pixels
    found = np.asarray(as_pil(pixels).resize((width, height), Pil.Resampling.BILINEAR))
    return found[..., None] if found.ndim == 2 else found


def pixels_of(pictures: Sequence[Picture]) -> list[Pixels]:
    """The pixels of each."""
    return [p.plain() for p in pictures]
