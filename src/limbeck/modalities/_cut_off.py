"""Whether a compressed sound ends before its end. Knows Ogg's pages and the header that encoders put before an MP3; decodes nothing.

libsndfile takes what is there for all there was: of half an Ogg it decodes whole pages, of half an MP3 whole frames.

Source: RFC 3533, section 6 (Ogg pages); the Xing and Info headers as LAME writes them (LAME's INSTALL and VbrTag.c).
"""

from __future__ import annotations

import struct

LONGEST_PAGE = 27 + 255 + 255 * 255
"""Bytes of an Ogg page, at most."""
_HEADER, _COUNT = 27, 26  # of a page's head: bytes, and where the number of its pieces stands
_SEARCHED = 64  # bytes behind the head of an MP3's first frame in which the encoder's header begins


def ends_early(data: bytes, tail_only: bool = False) -> bool:
    """Whether the last page of an Ogg is not whole, or an MP3 has fewer bytes than its encoder wrote.

    Args:
        data: a file's content.
        tail_only: it is but the end of it, `LONGEST_PAGE` bytes or more.
    """
    if data[:4] == b"OggS" or tail_only:
        return _page_is_cut(data)
    return _mp3_is_cut(data)


def _page_is_cut(data: bytes) -> bool:
    at = data.rfind(b"OggS")
    if at < 0:
        return False
    pieces = data[at + _HEADER : at + _HEADER + data[at + _COUNT]] if at + _HEADER <= len(data) else b""
    if not pieces:
        return at + _HEADER > len(data)
    return at + _HEADER + data[at + _COUNT] + sum(pieces) > len(data)


def _mp3_is_cut(data: bytes) -> bool:
    at = 0
    if data[:3] == b"ID3" and len(data) > 10:  # a tag before the sound; its length has seven bits a byte
        at = 10 + sum(byte << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0), strict=True))
    for name in (b"Xing", b"Info"):
        found = data.find(name, at, at + _SEARCHED)
        if found < 0 or found + 16 > len(data):
            continue
        flags = struct.unpack_from(">I", data, found + 4)[0]
        if flags & 2:  # the bytes of all frames, this one too; behind the number of frames where that is there
            told = struct.unpack_from(">I", data, found + (12 if flags & 1 else 8))[0]
            return bool(at + told > len(data))
    return False
