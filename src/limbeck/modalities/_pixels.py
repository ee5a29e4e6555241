"""Bytes of a file as pixels, and back. Knows Pillow; knows no payloads, models or specs.

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

import io
import struct
import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pil
from PIL import ImageOps, UnidentifiedImageError

from limbeck.errors import DataError, TooLargeError

Pixels = NDArray[np.uint8]
"""(H, W, 1) or (H, W, 3)."""
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
SUFFIXES = frozenset(
    [".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".dib", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm"]
)  # fmt: skip
UNREAD = frozenset({".heic", ".heif", ".avif", ".jxl", ".jp2", ".svg", ".psd", ".dng", ".cr2", ".nef", ".arw"})
"""Suffixes of pictures that are not decoded: among others in a folder they are set aside by name, and not passed over."""
MOST_PIXELS, MOST_BYTES = 2**25, 2**27
_TIFF = (b"II*\0", b"MM\0*")
_PLAIN, _FIRST = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR", 33  # how a PNG begins, and where its second block does
SMALL = 2**16
"""Pixels of a picture that is kept decoded, and decoded the short way: small ones are asked for again and again, in each of their views."""
_BIT_DEPTH = 24  # where the first block of a PNG says how many bits a colour has
_ROTATED = frozenset({"exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp"})
"""Where a file may say that it lies on its side; to look into it takes a third of the time of a small picture."""


def decoded(data: bytes, name: str = "", most: float = MOST_PIXELS) -> Pixels:
    """The pixels of a file's content; a picture of more than `most` is refused before any is decoded.

    Raises:
        TooLargeError: it has more pixels.
        DataError: it is none of the formats, cut off, or of numbers of which nobody says what is white.
    """
    if (plain := _plain_png(data, most)) is not None:
        return plain
    of = f" ({name})" if name else ""
    try:
        with Pil.open(io.BytesIO(data), formats=FORMATS) as opened:
            if opened.width * opened.height > most:
                raise TooLargeError(
                    f"holds a picture of {opened.width:,} x {opened.height:,} pixels{of}; at most {most:,.0f} are decoded"
                )
            opened.load()  # of an animation the frame that a file opens with, the first
            form = opened.format or ""
            if form == "PNG":
                _scale_transparency(opened, bits=data[_BIT_DEPTH])
            turned = ImageOps.exif_transpose(opened) if form == "TIFF" or not _ROTATED.isdisjoint(opened.info) else opened
            return _eight_bits(turned, form, of)
    except DataError:
        raise
    except UnidentifiedImageError as error:
        if data[:4] in _TIFF:  # its directory lies behind the pixels
            raise DataError(f"holds a picture that is cut off or damaged{of}: a TIFF without its end") from error
        raise DataError(f"holds no picture{of}: {len(data):,} bytes that are none of {', '.join(FORMATS)}") from error
    except (Pil.DecompressionBombError, Pil.DecompressionBombWarning) as error:
        raise TooLargeError(f"holds a picture of more than {MOST_PIXELS:,} pixels{of}: a decompression bomb") from error
    except Exception as error:  # Pillow's decoders raise many kinds at what is damaged
        raise DataError(f"holds a picture that is cut off or damaged{of}: {error}") from error


def _plain_png(data: bytes, most: float) -> Pixels | None:
    """The pixels of a small PNG of 8 bits, grey or red, green and blue, that holds nothing but these: by Pillow's decoder alone, in half of the time that
    opening a file takes. None: whoever looks with care decides."""
    if data[: len(_PLAIN)] != _PLAIN or len(data) < _FIRST + 24:
        return None
    if zlib.crc32(data[12 : _FIRST - 4]) != int.from_bytes(data[_FIRST - 4 : _FIRST]):
        return None
    width, height, bits, colours, method, filtering, interlaced = struct.unpack_from(">IIBBBBB", data, len(_PLAIN))
    if (
        (bits, method, filtering, interlaced) != (8, 0, 0, 0)
        or colours not in (0, 2)
        or not 0 < width * height <= min(most, SMALL)
    ):
        return None
    at, parts, mode = _FIRST, [], "RGB" if colours else "L"
    try:
        while True:
            length, name = struct.unpack_from(">I4s", data, at)
            if name == b"IEND":
                break
            if name != b"IDAT":
                return None
            parts.append(data[at + 8 : at + 8 + length])
            at += length + 12
        found = Pil.frombytes(mode, (width, height), b"".join(parts), "zip", mode, 0).tobytes()
    except (struct.error, ValueError, OSError):
        return None
    return np.frombuffer(found, np.uint8).reshape(height, width, -1)


def _scale_transparency(opened: Pil.Image, bits: int) -> None:
    """The one colour of a PNG that is seen through, in as many bits as Pillow's pixels have: it says it in those of the file."""
    behind = opened.info.get("transparency")
    if opened.mode == "L" and isinstance(behind, int) and bits in (2, 4):
        opened.info["transparency"] = behind * (255 // (2**bits - 1))
    if opened.mode == "RGB" and isinstance(behind, tuple) and bits == 16:
        opened.info["transparency"] = tuple(value >> 8 for value in behind)


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
        opened = opened.convert("L") if mode == "1" else opened  # of two colours Pillow sees through the black one alone
        opened = Pil.alpha_composite(behind, opened.convert("RGBA")).convert("L" if grey else "RGB")
    elif mode == "1":
        opened = opened.convert("L")
    elif mode not in ("L", "RGB"):
        opened = opened.convert("RGB")
    found = np.asarray(opened)
    return found[..., None] if found.ndim == 2 else found


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
