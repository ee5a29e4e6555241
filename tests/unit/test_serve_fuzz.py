"""Whatever comes over a connection: no reply of 5xx but 503, no exception, and nothing is kept. In memory, without sockets."""

import asyncio
import json
import random
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import asking  # noqa: F401  skips where the extra serve is absent
from bundles import sealed
from limbeck.serve.app import App
from limbeck.serve.limits import Limits
from limbeck.serve.service import Service

PATHS = (
    "/v1/classify",
    "/v1/chat/completions",
    "/model/parse",
    "/v2/models/tiny/infer",
    "/v1/models/%00",
    "/",
    "/health/live",
    "*",
    "//",
)
BODIES = (
    {"input": "hello"}, {"input": ["a"] * 50, "top_k": 2}, {"messages": [{"role": "user", "content": "hi"}], "stream": True}, {"text": "a"},
    {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a"]}]}, [], {"input": {"a": [None, 1e308, -0.0]}},
)  # fmt: skip


class Transport:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.written, self.closed = b"", False

    def get_extra_info(self, name: str) -> None: ...

    def write(self, data: bytes) -> None:
        assert not self.closed, "written to a closed connection"
        self.written += data

    def close(self) -> None:
        self.closed = True

    abort = close

    def write_eof(self) -> None: ...

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def get_write_buffer_size(self) -> int:
        return 0


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> App:
    service = Service.load({"tiny": sealed(tmp_path_factory.mktemp("fuzz") / "bundle").path})
    return App(service, Limits(body=2_000, items=20, characters=200, headers=10, header_bytes=500, url=100))


def requests(dice: random.Random) -> Iterator[bytes]:
    for _ in range(dice.randint(1, 4)):
        body = json.dumps(dice.choice(BODIES)).encode()
        head = [
            b"%s %s HTTP/1.%d" % (dice.choice((b"POST", b"POST", b"POST", b"POST", b"GET", b"HEAD", b"PUT")), dice.choice(PATHS).encode(), dice.choice((0, 1, 1))),
            b"content-length: %d" % (len(body) + dice.choice((0, 0, 0, 0, 0, 0, 1, -1, 5_000))),
        ]  # fmt: skip
        more = (b"host: a", b"content-type: application/json", b"connection: close", b"expect: 100-continue", b"upgrade: h2c", b"a: \xff", b"transfer-encoding: chunked")  # fmt: skip
        head += dice.sample(more, dice.randint(0, 3)) + [b"content-type: application/json"] * (dice.random() < 0.8)
        whole = bytearray(b"\r\n".join(head) + b"\r\n\r\n" + body)
        for _ in range(dice.choice((0, 0, 0, 0, 0, 0, 1, 3))):
            place = dice.randrange(len(whole))
            whole[place : place + dice.randint(0, 3)] = dice.randbytes(dice.randint(0, 3))
        yield bytes(whole)


async def fed(app: App, dice: random.Random) -> Transport:
    import uvicorn
    from uvicorn.server import ServerState

    from limbeck.serve.protocol import Protocol

    config = uvicorn.Config(
        app, http=Protocol, ws="none", lifespan="off", interface="asgi3", log_level="critical", proxy_headers=False
    )
    state, transport = ServerState(), Transport()
    protocol = Protocol(config, state, {})
    protocol.connection_made(transport)  # type: ignore[arg-type]
    data = b"".join(requests(dice))
    while data and not transport.closed:
        size = dice.choice((1, 7, 60, len(data)))
        protocol.data_received(data[:size])
        data = data[size:]
        if dice.random() < 0.3:
            await asyncio.sleep(0)
    if not transport.closed and protocol.eof_received() is not True:
        transport.close()
    for _ in range(200):
        if not state.tasks:
            break
        await asyncio.sleep(0)
    protocol.connection_lost(None)
    for _ in range(200):
        if not state.tasks:
            break
        await asyncio.sleep(0)
    assert not state.tasks
    assert not state.connections
    return transport


def statuses(written: bytes) -> list[int]:
    return [int(code) for code in re.findall(rb"HTTP/1\.1 (\d\d\d) ", written)]


@settings(max_examples=300)
@given(seed=st.integers(0, 2**32))
def test_whatever_comes_gets_no_5xx_and_leaves_nothing(app: App, seed: int) -> None:
    problems: list[Any] = []

    async def whole() -> Transport:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: problems.append(context))
        return await fed(app, random.Random(seed))

    found = statuses(asyncio.run(whole()).written)
    assert not problems
    assert not [status for status in found if status >= 500]
    assert app.held == 0
