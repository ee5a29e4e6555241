"""How much one client may ask. Knows numbers; enforces nothing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one request, one connection and one process.

    body: bytes. bodies: bytes of all bodies that one process holds at once. items: texts in one request. characters: of one text. top_k: labels in one answer.
    headers, header_bytes: of one request, all together. url: bytes.
    head_seconds: until the headers are whole, from the first byte. body_seconds: until the body is, from then on.
    keep_alive_seconds: that a connection may be idle. connections: of one process.
    queued: texts that may wait in one process. deadline_seconds: that a request waits for its answer.
    drain_seconds: that a process which was told to end waits for its requests.
    """

    body: int = 1_000_000
    bodies: int = 64_000_000
    items: int = 1_000
    characters: int = 20_000
    top_k: int = 100
    headers: int = 64
    header_bytes: int = 16_384
    url: int = 2_048
    head_seconds: float = 10.0
    body_seconds: float = 20.0
    keep_alive_seconds: float = 75.0
    connections: int = 4_096
    queued: int = 2_048
    deadline_seconds: float = 10.0
    drain_seconds: float = 10.0
