"""Requests that no client should send, and what a server makes of them. Knows HTTP and JSON; knows nothing of what a route means.

Three kinds: bodies whose JSON was altered (types, depth, lengths, strange characters), bodies whose bytes were, and requests that are
broken as HTTP. Cases follow from a seed and their number alone; whatever got a 5xx is written down and can be sent again.
"""

from __future__ import annotations

import base64
import contextlib
import copy
import gzip
import json
import random
import socket
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from limbeck.bench.http import Address, answer

PATIENCE = 15.0
"""Seconds without an answer after which the server counts as hanging; slow readers are its own limit's affair and not sent here."""
_KEPT = 50

BODIES: Mapping[str, Any] = {
    "/v1/classify": {"input": ["where is my card", "hello"], "top_k": 3},
    "/v1/chat/completions": {"model": "bag", "messages": [{"role": "user", "content": "where is my card"}], "stream": False},
    "/v1/embeddings": {"model": "bag", "input": ["where is my card"]},
    "/model/parse": {"text": "where is my card", "message_id": "1"},
    "/webhooks/rest/webhook": {"sender": "somebody", "message": "where is my card"},
    "/v2/models/bag/infer": {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["where is my card"]}]},
}
"""What each route is asked rightly; a route that the server does not have is asked all the same, and has to say 404."""

_DEEP = "[" * 200 + "]" * 200
_VALUES: tuple[Callable[[random.Random], Any], ...] = (
    lambda d: None,
    lambda d: d.choice([True, False]),
    lambda d: d.choice([0, -1, 1, 2**31, 2**63, 2**64, -(2**63) - 1, 10**30, 10**400]),
    lambda d: d.choice([0.5, -0.0, 1e308, 1e-320, float("nan"), float("inf"), -float("inf")]),
    lambda d: "",
    lambda d: d.choice(
        ["\0", "a\0b", "\ud800", "a\udfffb", "\u202e", "\ufeff", "\u0301" * 300, "👩‍👩‍👧‍👦" * 50, "\r\n", "\x7f", "[SEP]"]
    ),
    lambda d: "".join(chr(d.randrange(1, 0xD7FF)) for _ in range(d.randrange(1, 60))),
    lambda d: d.choice(["a", "ä", "字", " ", "a "]) * d.choice([1_000, 19_999, 20_001, 100_000]),
    lambda d: [],
    lambda d: {},
    lambda d: [[]],
    lambda d: json.loads(_DEEP),  # a new one each time, since it may be altered further
    lambda d: ["a"] * d.choice([2, 999, 1_001, 5_000]),
    lambda d: [None, 1, "a", [], {}],
    lambda d: {"": {"": ""}},
    lambda d: {str(i): i for i in range(d.choice([3, 2_000]))},
)
_RAW = (
    b"",
    b"null",
    b"[]",
    b"{}",
    b'"a"',
    b"1",
    b"nul",
    b"{",
    b"[" * 100_000,
    b'{"input":' * 20_000,
    b"\xff\xfe{\x00}\x00",
    b"\xef\xbb\xbf{}",
)


@dataclass(frozen=True)
class Case:
    """Bytes to send. whole: it is right as HTTP, so exactly one answer must come and the connection may stay."""

    kind: str
    wire: bytes
    whole: bool


@dataclass
class Outcome:
    """What came of many cases: statuses, answers of 500 and above, cases without an answer where one was due, and hangs."""

    cases: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    unanswered: int = 0
    hangs: int = 0
    kept: list[dict[str, Any]] = field(default_factory=list)

    def keep(self, case: Case, what: str) -> None:
        """Write a case down."""
        if len(self.kept) < _KEPT:
            wire = base64.b64encode(case.wire[:20_000]).decode()
            self.kept.append({"kind": case.kind, "what": what, "bytes": len(case.wire), "wire": wire})


def cases(address: Address, number: int, seed: int, bodies: Mapping[str, Any] = BODIES) -> Iterator[Case]:
    """So many cases."""
    paths = sorted(bodies)
    for i in range(number):
        dice = random.Random(f"{seed}-{i}")
        path = dice.choice(paths)
        kind = dice.choices(["json", "bytes", "http"], [0.6, 0.25, 0.15])[0]
        if kind == "http":
            wire, whole = _broken(dice, address, path, json.dumps(bodies[path]).encode())
        else:
            altered = _altered(dice, bodies[path])
            body = _encoded(dice, altered) if kind == "json" else _bent(dice, _encoded(dice, altered))
            wire, whole = _request(address, path, body), True
        yield Case(kind, wire, whole)


def fuzz(address: Address, sent: Iterator[Case], tick: Callable[[int], None] = lambda _: None) -> Outcome:
    """Send cases one after the other, and count what comes back."""
    found, kept = Outcome(), None
    for case in sent:
        found.cases += 1
        found.kinds[case.kind] += 1
        if found.cases % 1000 == 0:
            tick(found.cases)
        if not case.whole and kept is not None:
            kept.close()
            kept = None
        fresh = kept is None
        kept = _asked(address, case, kept, found)
        if kept is None and not fresh and found.statuses[0]:
            # The server may close a connection between two requests; only a new one that gets no answer is wrong.
            found.statuses[0] -= 1
            kept = _asked(address, case, None, found)
        if found.statuses[0]:
            found.statuses[0] -= 1
            found.unanswered += 1
            found.keep(case, "no answer")
    if kept is not None:
        kept.close()
    found.statuses += Counter()  # which drops what is none
    return found


def _asked(address: Address, case: Case, kept: socket.socket | None, found: Outcome) -> socket.socket | None:
    """Send one case, count its answers (status 0: none, where one was due), and return the connection if it stays."""
    opened = kept or socket.create_connection((address.host, address.port), timeout=PATIENCE)
    got, statuses, keeps = b"", list[int](), case.whole
    try:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it may answer before all has come, and hang up
            opened.sendall(case.wire)
            if not case.whole:
                opened.shutdown(socket.SHUT_WR)
        while True:
            while (one := answer(got)) is not None:
                got, keeps = got[one.size :], keeps and one.keeps
                statuses.append(one.status)
            if statuses and case.whole:
                break
            data = opened.recv(65_536)
            if not data:
                keeps = False
                break
            got += data
    except TimeoutError:
        found.hangs += 1
        found.keep(case, "hangs")
        keeps = False
    except OSError:
        keeps = False
    except ValueError as error:
        found.keep(case, f"unreadable: {error}")
        statuses, keeps = [0], False
    for status in statuses or ([0] if case.whole else []):
        found.statuses[status] += 1
        if status >= 500:
            found.failed += 1
            found.keep(case, f"status {status}")
    if keeps:
        return opened
    opened.close()
    return None


def _places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield at
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from _places(value[key], (*at, key))


def _altered(dice: random.Random, right: Any) -> Any:
    """A right body with one to three places changed, removed or added."""
    value = copy.deepcopy(right)
    for _ in range(dice.choice([0, 1, 1, 1, 2, 3])):
        place = dice.choice(list(_places(value)))
        if not place:
            if dice.random() < 0.2:
                return dice.choice(_VALUES)(dice)
            if isinstance(value, dict):
                value[dice.choice(["", "model", "input", "top_k", "x" * 300, "\0", "stream"])] = dice.choice(_VALUES)(dice)
            continue
        *above, last = place
        parent = value
        for key in above:
            parent = parent[key]
        if dice.random() < 0.15:
            del parent[last]
        else:
            parent[last] = dice.choice(_VALUES)(dice)
    return value


def _encoded(dice: random.Random, value: Any) -> bytes:
    """As JSON: escaped or not, spaced or not; sometimes with a key twice."""
    try:
        text = json.dumps(value, ensure_ascii=dice.random() < 0.7, separators=dice.choice([None, (",", ":"), (" , ", " : ")]))
    except ValueError:  # a whole number too long for Python to write
        text = '{"input": ' + "9" * 5_000 + "}"
    if dice.random() < 0.03 and text.startswith("{"):
        text = '{"input": 1, ' + text[1:]
    return text.encode("utf-8", "surrogatepass")


def _bent(dice: random.Random, body: bytes) -> bytes:
    way = dice.randrange(7)
    if way == 0 or not body:
        return dice.choice(_RAW)
    at = dice.randrange(len(body))
    if way == 1:
        return body[:at]
    if way == 2:
        return body[:at] + bytes([dice.randrange(256)]) + body[at + 1 :]
    if way == 3:
        return body[:at] + dice.randbytes(dice.randrange(1, 40)) + body[at:]
    if way == 4:
        return body + body[at:]
    return gzip.compress(body, mtime=0) if way == 5 else dice.randbytes(dice.randrange(200))


def _request(
    address: Address, path: str, body: bytes, method: str = "POST", more: Sequence[str] = (), version: str = "HTTP/1.1"
) -> bytes:
    lines = [f"{method} {path} {version}", f"Host: {address.authority}", "Content-Type: application/json", *more]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode("utf-8", "surrogateescape") + body


def _chunked(body: bytes, size: int) -> bytes:
    parts = [body[i : i + size] for i in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def _broken(dice: random.Random, address: Address, path: str, body: bytes) -> tuple[bytes, bool]:
    """A request that is odd or broken as HTTP, and whether it is still right."""
    right, host = _request(address, path, body), f"Host: {address.authority}\r\n".encode()
    head, _, _ = right.partition(b"\r\n\r\n")
    first = head.split(b"\r\n")[0]
    ways: tuple[Callable[[], tuple[bytes, bool]], ...] = (
        lambda: (_request(address, path, body, dice.choice(["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])), True),
        lambda: (_request(address, path, body, dice.choice(["get", "FOO", "P\0ST", "POST" * 50, ""])), False),
        lambda: (_request(address, dice.choice(["/", "//", "/..", "/v1/../v1/classify", "/%00", "/%zz", "/v1/classify?" + "a" * 1_500]), body), True),
        lambda: (_request(address, dice.choice(["*", "/" + "a" * 100_000, "/\udcff", "/a b", "", "http://[", "/\0"]), body), False),
        lambda: (_request(address, path, body, version=dice.choice(["HTTP/1.0", "HTTP/2.0", "HTTP/9.9", "HTTP/1", "HTP/1.1", ""])), False),
        lambda: (_request(address, path, body, more=[f"X-{i}: {i}" for i in range(dice.choice([50, 200, 5_000]))]), False),
        lambda: (_request(address, path, body, more=["X: " + "a" * dice.choice([8_000, 20_000, 200_000])]), False),
        lambda: (_request(address, path, body, more=[dice.choice(["Content-Length: 5", "Content-Length: -1", "Transfer-Encoding: chunked", "Transfer-Encoding: gzip"])]), False),
        lambda: (head + b"\r\nContent-Length: " + dice.choice([b"-1", b"1e3", b"99999999999999999999", b"0x10", b"", b"+5"]) + b"\r\n\r\n" + body, False),
        lambda: (first + b"\r\n" + host + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" + _chunked(body, dice.randrange(1, 50)), True),
        lambda: (first + b"\r\n" + host + b"Transfer-Encoding: chunked\r\n\r\n" + dice.choice([b"zz\r\n", b"-1\r\n", b"fffffffffffffffff\r\n", b"5\r\nab", b"0\r\n"]), False),
        lambda: (right.replace(host, dice.choice([b"", host + host, b"Host: \r\n", b"Host: a\0b\r\n"])), False),
        lambda: (right.replace(b"application/json", dice.choice([b"text/plain", b"", b"application/json; charset=utf-16", b"multipart/form-data"])), True),
        lambda: (right.replace(b"\r\n", b"\n"), False),
        lambda: (right.replace(b"\r\n", b"\r\n " if dice.random() < 0.5 else b"\r\n\0", 1), False),
        lambda: (right + right[: dice.randrange(len(right))], False),
        lambda: (right * dice.randrange(2, 30), False),
        lambda: (right[: dice.randrange(1, len(right))], False),
        lambda: (_request(address, path, body, more=["Expect: 100-continue"]), True),
        lambda: (_request(address, path, body, more=["Expect: a miracle", "Upgrade: h2c", "Connection: Upgrade"]), False),
        lambda: (_request(address, path, body, more=[f"Content-Encoding: {dice.choice(['gzip', 'br', 'x'])}"]), True),
        lambda: (_request(address, path, body, more=["Authorization: " + dice.choice(["Bearer", "Bearer \udcff", "Basic Og==", "a" * 4_000])]), True),
        lambda: (dice.randbytes(dice.randrange(1, 400)), False),
        lambda: (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + dice.randbytes(500), False),
        lambda: (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", False),
    )  # fmt: skip
    return dice.choice(ways)()


def write(found: Outcome, path: Path) -> None:
    """The cases that were kept, one a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in found.kept), encoding="utf-8")
