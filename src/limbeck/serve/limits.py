"""How much one client may ask. Knows numbers; enforces nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from limbeck.errors import InputFileError, nearest


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one request, one connection and one process.

    body: bytes. upload: bytes of a body where pictures or clips are taken. bodies: bytes of all bodies that one process holds at once.
    items: texts, pictures or clips in one request. characters: of one text. pixels: of one picture. seconds: of one clip. top_k: labels in one answer.
    headers, header_bytes: of one request, all together. url: bytes.
    head_seconds: until the headers are whole, from the first byte. body_seconds: until the body is, from then on.
    keep_alive_seconds: that a connection may be idle. connections: of one process.
    page_rate, page_burst: requests of one address to the pages in a second, and at once, over all processes.
    queued: texts that may wait in one process. deadline_seconds: that a request waits for its answer.
    drain_seconds: that a process which was told to end waits for its requests.
    """

    body: int = 1_000_000
    upload: int = 10_000_000
    bodies: int = 64_000_000
    items: int = 1_000
    characters: int = 20_000
    pixels: int = 2**24
    seconds: float = 60.0
    top_k: int = 100
    headers: int = 64
    header_bytes: int = 16_384
    url: int = 2_048
    head_seconds: float = 10.0
    body_seconds: float = 20.0
    keep_alive_seconds: float = 75.0
    connections: int = 4_096
    page_rate: float = 10.0
    page_burst: int = 100
    queued: int = 2_048
    deadline_seconds: float = 10.0
    drain_seconds: float = 10.0


def limits(words: Sequence[str]) -> Limits:
    """Limits from words such as `body=2000000`; the others are as always.

    Raises:
        InputFileError: a name is unknown, or a value is no number above 0 of its kind; the message lists all problems.

    Example:
        >>> limits(["items=10", "deadline_seconds=0.5"]).items
        10
    """
    known = {field.name: int if type(field.default) is int else float for field in fields(Limits)}
    found: dict[str, Any] = {}
    problems = []
    for word in words:
        name, _, value = word.partition("=")
        if name not in known:
            problems.append(f"'{name:.40}' is no limit.{nearest(name, known)} There are {', '.join(known)}")
            continue
        try:
            found[name] = known[name](value)
        except ValueError:
            found[name] = math.nan
        if not 0 < found[name] < 1e12:
            kind = "whole number" if known[name] is int else "number"
            problems.append(f"{name} is '{value:.40}'; a {kind} above 0 is expected")
    if problems:
        raise InputFileError(f"--limit: {'; '.join(problems)}")
    return Limits(**found)
