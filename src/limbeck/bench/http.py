"""HTTP/1.1 as far as a load generator needs it: requests made in advance, answers read by their length. Knows bytes, opens nothing."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from limbeck.errors import AddressError

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})(?: [^\r\n]*)?\r\n")
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,18})[ \t]*\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[^\r\n]*chunked[ \t]*\r\n", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection:[^\r\n]*close[ \t]*\r\n", re.IGNORECASE)
_LONGEST_HEAD = 65_536
PATH = "/v1/classify"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens, and the path that is asked."""

    host: str
    port: int
    path: str = PATH

    @classmethod
    def of(cls, url: str) -> Address:
        """Of a URL; without a path it is the one that `limbeck serve` classifies at.

        Raises:
            AddressError: it is no http:// URL.

        Example:
            >>> Address.of("http://127.0.0.1:8080")
            Address(host='127.0.0.1', port=8080, path='/v1/classify')
        """
        try:
            parts = urlsplit(url)
            port = parts.port or 80
        except ValueError as error:
            raise AddressError(f"'{url:.200}' is no URL: {error}. Write http://HOST:PORT") from error
        if parts.scheme != "http" or not parts.hostname:
            hint = " TLS would be measured with it; ask the server behind the proxy." if parts.scheme == "https" else ""
            raise AddressError(f"expected http://HOST:PORT, got '{url:.200}'.{hint}")
        path = (parts.path if parts.path not in ("", "/") else PATH) + (f"?{parts.query}" if parts.query else "")
        return cls(parts.hostname, port, path)

    @property
    def authority(self) -> str:
        """Host and port as the header Host has them."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Ask:
    """A request as it goes over the wire, and the statuses that are right answers to it."""

    wire: bytes
    right: frozenset[int] = field(default=frozenset({200}))


def ask(
    address: Address,
    body: bytes | None = None,
    *,
    method: str = "POST",
    headers: Mapping[str, str] | None = None,
    right: Iterable[int] = (200,),
) -> Ask:
    """A request with a JSON body (or, with None, without a body)."""
    lines = [f"{method} {address.path} HTTP/1.1", f"Host: {address.authority}"]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return Ask("\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b""), frozenset(right))


def questions(address: Address, asked: Iterable[str | bytes], headers: Mapping[str, str] | None = None) -> list[Ask]:
    """One request for each text, or for the bytes of a picture or a clip, as `/v1/classify` is asked."""
    return [ask(address, as_json({"input": _input(one)}), headers=headers) for one in asked]


def _input(one: str | bytes) -> Any:
    return one if isinstance(one, str) else {"base64": base64.b64encode(one).decode()}


def as_json(value: Any) -> bytes:
    """A value as a compact body."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


class Answer(NamedTuple):
    """What the first answer in a buffer is: its status, how many bytes it takes, whether the connection stays open."""

    status: int
    size: int
    keeps: bool


def answer(buffer: bytes | bytearray) -> Answer | None:
    """The first answer in a buffer; None as long as it is not whole.

    Answers of unknown length (without Content-Length and not in chunks) are refused: they end only with the connection, and a
    server that sends such cannot keep one alive.

    Raises:
        ValueError: it is no HTTP/1.1 answer.
    """
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        if len(buffer) > _LONGEST_HEAD or not buffer.startswith(b"HTTP/1."[: len(buffer)]):
            raise ValueError(f"no HTTP/1.1 answer: {bytes(buffer[:80])!r}")
        return None
    first = _STATUS.match(buffer)
    if first is None:
        raise ValueError(f"no HTTP/1.1 answer: {bytes(buffer[:80])!r}")
    status, body = int(first[1]), end + 4
    if 100 <= status < 200:  # a word in between; the answer follows
        rest = answer(buffer[body:])
        return None if rest is None else rest._replace(size=body + rest.size)
    keeps = _CLOSE.search(buffer, 0, body) is None and buffer[7:8] == b"1"
    length = _LENGTH.search(buffer, 0, body)
    if status in (204, 304):
        size: int | None = body
    elif length is not None:
        size = body + int(length[1])
    elif _CHUNKED.search(buffer, 0, body):
        size = _chunks(buffer, body)
    else:
        raise ValueError(f"an answer without a length: {bytes(buffer[:80])!r}")
    return None if size is None or size > len(buffer) else Answer(status, size, keeps)


def _chunks(buffer: bytes | bytearray, at: int) -> int | None:
    """Where the chunks that begin there end; None as long as they have not."""
    while True:
        line = buffer.find(b"\r\n", at)
        if line < 0:
            return None
        try:
            size = int(buffer[at:line].split(b";")[0], 16)
        except ValueError as error:
            raise ValueError(f"no length of a chunk: {bytes(buffer[at:line][:40])!r}") from error
        if size == 0:
            end = buffer.find(b"\r\n\r\n", line)  # behind the last chunk there may be trailers
            return None if end < 0 else end + 4
        at = line + 2 + size + 2
        if at > len(buffer):
            return None
