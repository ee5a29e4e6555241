"""What a sound file's own headers say: where samples lie, and whether the file ends before its end. Knows wav's blocks, Ogg's pages, and what encoders
put before an MP3; decodes nothing.

libsndfile takes what is there for all there was: of half an Ogg it decodes whole pages, of half an MP3 whole frames. An Ogg that ends between two
pages is taken for whole, since encoders that forget to mark their last page are not rare.

Source: RFC 3533, section 6 (Ogg pages); EBU Tech 3306, section 4 (RF64); the Xing and Info headers as LAME writes them (VbrTag.c).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

_UNKNOWN = 0x7FFFF000
"""Bytes of samples from which on a wav's header says only that nobody knew: SoX writes this to a pipe, arecord 2**31, ffmpeg 2**32 - 1."""
_LONGEST_PAGE = 27 + 255 + 255 * 255
_HEAD, _COUNT = 27, 26  # of an Ogg page: the bytes of its head, and where the number of its pieces stands
_SEARCHED = 64  # bytes of an MP3's first frame in which the encoder's header begins

Read = Callable[[int, int], bytes]
"""Bytes of a file from a place on, so many, or fewer at its end."""


def of_bytes(data: bytes) -> Read:
    """A file's content as something to read from."""
    return lambda at, count: data[at : at + count]


@dataclass(frozen=True, slots=True)
class WavHeader:
    """kind (1: whole numbers, 3: floats), channels, rate and bits of its samples; `at`: where they begin; how many bytes of them are `promised`, and how
    many are there. Where nobody knew how many, as many are promised as are there."""

    kind: int
    channels: int
    rate: int
    bits: int
    at: int
    promised: int
    there: int


def wav_header(read: Read, size: int) -> WavHeader | None:
    """The header of a wav or RF64 of so many bytes; None where it is none, and of `promised` 1 where it ends before its samples."""
    begin = read(0, 12)
    if begin[:4] not in (b"RIFF", b"RF64") or begin[8:] != b"WAVE":
        return None
    at, form, long = 12, (0, 0, 0, 0, 0, 0), 0
    while at + 8 <= size:
        name, promised = struct.unpack("<4sI", read(at, 8))
        at += 8
        if name == b"fmt " and at + 16 <= size:
            form = struct.unpack("<HHIIHH", read(at, 16))
        if name == b"ds64" and at + 16 <= size:  # of an RF64, whose own size of samples says nothing
            long = struct.unpack("<Q", read(at + 8, 8))[0]
        if name == b"data":
            there = size - at
            known = long or (promised if promised < _UNKNOWN else min(promised, there))
            return WavHeader(form[0], form[1], form[2], form[5], at, known, there)
        at += promised + promised % 2
    return WavHeader(form[0], form[1], form[2], form[5], size, 1, 0)


def ends_early(read: Read, size: int) -> bool:
    """Whether the last page of an Ogg is not whole, or a wav or MP3 has fewer bytes than it says.

    Args:
        read: a file.
        size: its bytes.
    """
    if (wav := wav_header(read, size)) is not None:
        return wav.promised > wav.there
    if read(0, 4) == b"OggS":
        return _page_is_cut(read(max(0, size - _LONGEST_PAGE), _LONGEST_PAGE))
    return _mp3_is_cut(read, size)


def _page_is_cut(tail: bytes) -> bool:
    at = tail.rfind(b"OggS")
    if at < 0 or len(tail) < at + _HEAD:
        return at >= 0
    behind = at + _HEAD + tail[at + _COUNT]
    return len(tail) < behind or behind + sum(tail[at + _HEAD : behind]) > len(tail)


def _mp3_is_cut(read: Read, size: int) -> bool:
    at, begin = 0, read(0, 10)
    if begin[:3] == b"ID3" and len(begin) == 10:  # a tag before the sound; its length has seven bits a byte
        at = 10 + sum((byte & 127) << shift for byte, shift in zip(begin[6:], (21, 14, 7, 0), strict=True))
    frame = read(at, _SEARCHED + 16)
    for name in (b"Xing", b"Info"):
        place = frame.find(name, 0, _SEARCHED)
        if place < 0 or place + 16 > len(frame):
            continue
        flags = struct.unpack_from(">I", frame, place + 4)[0]
        if flags & 2:  # the bytes of all frames, this one too; behind the number of frames where that is there
            return bool(at + struct.unpack_from(">I", frame, place + (12 if flags & 1 else 8))[0] > size)
    return False
