"""Heads of requests that were read before. Knows where a head ends and what was found in it; reads none itself.

A client sends the same head again and again, and reading it takes longer than a lookup: 15 of the 50 µs that a bag's answer costs besides its
model. A head with any line beside the usual ones is not kept: it may be a secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_END = b"\r\n\r\n"
_MOST, _MOST_BYTES = 512, 2_048
"""Heads, which differ by the length of the body at least; where a client numbers its requests none comes again, and they are forgotten."""
_USUAL = frozenset(
    {
        b"host",
        b"user-agent",
        b"accept",
        b"accept-encoding",
        b"accept-language",
        b"connection",
        b"content-type",
        b"content-length",
    }
)


@dataclass(frozen=True, slots=True)
class Head:
    """What the parser made of a head: the bytes of its body, its headers, whether the connection stays open."""

    length: int
    headers: Mapping[bytes, bytes]
    keep_alive: bool


class Heads:
    """Those that came lately.

    Example:
        >>> heads = Heads()
        >>> heads.keep(b"POST / HTTP/1.1\\r\\ncontent-length: 2\\r\\n\\r\\n{}", Head(2, {b"content-length": b"2"}, True))
        >>> heads.find(b"POST / HTTP/1.1\\r\\ncontent-length: 2\\r\\n\\r\\n[]")[1]
        b'[]'
        >>> heads.find(b"POST / HTTP/1.1\\r\\ncontent-length: 2\\r\\n\\r\\n[") is None  # more is to come
        True
    """

    def __init__(self) -> None:
        self._heads: dict[bytes, Head] = {}

    def find(self, data: bytes) -> tuple[Head, bytes] | None:
        """The head and the body where `data` is one whole request whose head is known."""
        end = _end(data)
        head = self._heads.get(data[:end])
        return None if head is None or len(data) - end != head.length else (head, data[end:])

    def keep(self, data: bytes, head: Head) -> None:
        """Remember what the parser made of `data`: one whole request, which is for the caller to know."""
        end = _end(data)
        if not 0 < end <= _MOST_BYTES or len(data) - end != head.length or not _USUAL.issuperset(head.headers):
            return
        if len(self._heads) >= _MOST:
            self._heads.clear()
        self._heads[data[:end]] = head


def _end(data: bytes) -> int:
    """Where the head ends; 0 where it does not."""
    at = data.find(_END)
    return at + len(_END) if at >= 0 else 0
