"""Streams of requests, whole, cut and glued: a server that looks heads up answers each as one that parses them all."""

import asyncio
import random
import re
from pathlib import Path

import pytest

import asking  # noqa: F401  skips where the extra serve is absent
from bundles import sealed

uvicorn = pytest.importorskip("uvicorn")

from uvicorn.server import ServerState  # noqa: E402

from limbeck.serve.app import App  # noqa: E402
from limbeck.serve.limits import Limits  # noqa: E402
from limbeck.serve.protocol import Protocol  # noqa: E402
from limbeck.serve.service import Service  # noqa: E402

LIMITS = Limits(body=100_000, bodies=250_000, headers=20, header_bytes=2_000, url=300, connections=20)
BODY = b'{"input":"hello"}'
STREAMS = 600


def ask(more: bytes = b"", body: bytes = BODY, version: bytes = b"1.1") -> bytes:
    head = b"POST /v1/classify HTTP/%s\r\nhost: a\r\n%scontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % (version, more, len(body)) + body


ASK = ask()
HEAD = ASK[: -len(BODY)]
SOME = b'{"input":["hello","world","hello"]}'
POOL = [
    *[ASK] * 6, ask(b"connection: close\r\n"), ask(version=b"1.0"), ask(b"connection: keep-alive\r\n", version=b"1.0"), ask(body=SOME), ask(body=b"{}"),
    ask(b"expect: 100-continue\r\n"), ask(b"connection: upgrade\r\nupgrade: h2c\r\n"), ask(b"content-length: 17\r\n"), ask(b"cookie: a=b\r\n"),
    HEAD.replace(b"content-length: 17", b"transfer-encoding: chunked") + b"11\r\n" + BODY + b"\r\n0\r\n\r\n", ASK.replace(b"\r\n", b"\n"),
    b"GET /health/live HTTP/1.1\r\nhost: a\r\n\r\n", b"POST /health/live HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(ASK),
    HEAD, BODY, b"\r\n", b"\r\n" + ASK, b"\r\n\r\n", b"POS", b"\n",
]  # fmt: skip


class Wire(asyncio.Transport):
    """What a connection is told."""

    def __init__(self) -> None:
        super().__init__()
        self.out, self.over = b"", False

    def write(self, data) -> None:
        self.out += b"" if self.over else bytes(data)

    def write_eof(self) -> None:
        self.over = True

    def close(self) -> None:
        self.over = True

    abort = close

    def is_closing(self) -> bool:
        return self.over

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        pass

    resume_reading = pause_reading

    def get_extra_info(self, name, default=None):
        return default


def cut(dice: random.Random) -> list[bytes]:
    """Some requests, as they may arrive."""
    messages = [dice.choice(POOL) for _ in range(dice.randint(1, 5))]
    if (how := dice.random()) < 0.5:
        return messages
    if how < 0.75:
        places = [dice.choice([0, m.find(b"\r\n\r\n") + 4, 3, len(m) // 2]) for m in messages]
        return [part for m, at in zip(messages, places, strict=True) for part in (m[:at], m[at:]) if part]
    return [b"".join(messages[:2]), *messages[2:]]


async def settled() -> None:
    """Until the application has said what it has to say: nothing here waits for a thread or a clock."""
    for _ in range(20):
        await asyncio.sleep(0)


async def answers(config, parts: list[bytes]) -> object:
    """What comes back, in order, how often anybody was admitted, and what is still held."""
    app, state, wire = config.app, ServerState(), Wire()
    app.admissions = 0
    protocol = Protocol(config, state, {}, asyncio.get_running_loop())
    protocol.connection_made(wire)
    for part in parts:
        if not wire.over:
            protocol.data_received(part)
            await settled()
    out, wire.over = wire.out, True
    protocol.connection_lost(None)
    await settled()
    said = [
        (reply[:3], re.sub(rb'"milliseconds":[\d.]+', b"", reply.partition(b"\r\n\r\n")[2]), b"connection: close" in reply)
        for reply in out.split(b"HTTP/1.1 ")
    ]
    return said, app.admissions, state.total_requests, app.held


def test_the_table_of_heads_and_the_parser_agree(tmp_path: Path) -> None:
    service, configs, found = Service.load({"tiny": sealed(tmp_path / "bundle").path}), [], [0]
    for _ in range(2):
        app = App(service, LIMITS)

        def admitted(headers, scope, app=app) -> None:
            app.admissions += 1

        app._admit = admitted
        config = uvicorn.Config(
            app, http=Protocol, ws="none", lifespan="off", interface="asgi3", log_config=None, access_log=False
        )
        config.load()
        configs.append(config)
    heads, dice = configs[0].app.heads, random.Random(1)
    find = heads.find

    def counted(data: bytes):
        known = find(data)
        found[0] += known is not None
        return known

    heads.find = counted
    configs[1].app.heads.find = lambda data: None

    async def all_streams() -> None:
        for _ in range(STREAMS):
            parts = cut(dice)
            assert await answers(configs[0], parts) == await answers(configs[1], parts), parts

    asyncio.run(all_streams())
    assert found[0] > STREAMS / 10, "the table was used"
