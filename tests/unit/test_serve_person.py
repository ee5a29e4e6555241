"""A conversation that is handed over: what the webhook gets, and what is said where nobody hears."""

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

pytest.importorskip("httpx2", reason="needs the extra api")
pytest.importorskip("orjson", reason="needs the extra serve")

from limbeck.errors import TeacherError
from limbeck.serve.person import person
from limbeck.serve.reply import Refusal
from limbeck.serve.settings import HandOver

SAID = [{"who": "customer", "text": "write to ann@example.org"}]


class Hook:
    def __init__(self) -> None:
        self.status, self.got, hook = 204, [], self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                hook.got.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(hook.status)
                if hook.status == 429:
                    self.send_header("retry-after", "7")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *said: Any) -> None:
                """Quiet."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join(10)


def tell(wanted: HandOver) -> None:
    told = person(wanted)
    assert told is not None
    asyncio.run(told("c1", SAID))


def test_nobody_is_told_where_no_webhook_is_named() -> None:
    assert person(HandOver()) is None


def test_a_person_gets_the_conversation(hook: Hook) -> None:
    tell(HandOver(person=hook.url, deadline=30))
    assert hook.got == [{"conversation": "c1", "messages": SAID}]


def test_what_points_to_a_person_can_stay(hook: Hook) -> None:
    tell(HandOver(person=hook.url, redact=True, deadline=30))
    assert "example.org" not in json.dumps(hook.got)


@pytest.mark.parametrize(("status", "again"), [(500, b"5"), (429, b"7"), (404, b"5"), (422, b"5")])
def test_where_nobody_hears_it_is_said_with_a_time(status: int, again: bytes, hook: Hook) -> None:
    hook.status = status
    with pytest.raises(Refusal) as refusal:
        tell(HandOver(person=hook.url, deadline=30))
    assert (refusal.value.status, refusal.value.code, refusal.value.headers) == (
        503,
        "nobody_heard",
        ((b"retry-after", again),),
    )


def test_a_webhook_that_is_not_there() -> None:
    with pytest.raises(Refusal, match="no person"):
        tell(HandOver(person="http://127.0.0.1:9/hook"))


@pytest.mark.parametrize("url", ["hook", "ftp://host/x", "https://user:secret@host/x"])
def test_an_address_that_is_none_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(TeacherError):
        person(HandOver(person=url))
