"""One HTTP connection: uvicorn's protocol with the limits that it lacks, and a short way for short answers. Knows HTTP/1.1.

A request for which nothing has to be awaited (`App.direct`) is answered in the turn of the loop in which its last byte arrives, with all that
arrived beside it: no task, no queue of messages, one write. Where it comes whole and its head is one that came before, not even the parser is
asked. All others go uvicorn's way.

One clock for all connections, which calls `sweep`, stands in for a timer of each: setting and clearing a timer costs more than a header.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from limbeck.serve.app import ADMITTED, DIRECT, App
from limbeck.serve.heads import Head
from limbeck.serve.reply import SECURITY, Headers, Refusal, Reply

_IDLE, _HEAD, _BODY, _ANSWERING, _LEAVING = range(5)
_MOST_DIRECT_BYTES = 65_536
_MOST_PIPELINED = 32
_LEAVING_SECONDS = 2.0
_MOST_DISCARDED = 32_000_000
_DIRECT = DIRECT.encode()


class Protocol(HttpToolsProtocol):
    """A connection. Made by uvicorn, whose configuration holds an `App`."""

    def __init__(self, config: Config, server_state: Any, app_state: dict[str, Any], _loop: Any = None) -> None:
        super().__init__(config, server_state, app_state, _loop)
        found = config.app
        assert isinstance(found, App)
        self._app, self._limits = found, found.limits
        self._state, self._since = _IDLE, self.loop.time()
        self._raw_bytes = self._head_bytes = self._body_bytes = self._messages = self._discarded = self._held = 0
        self._direct, self._waiting, self._begun, self._keep_alive, self._ending = False, False, False, True, False
        self._between, self._admitted = True, False
        self.url = self._body = b""
        self._refusal: Refusal | None = None

    # What comes in

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self._limits.connections:
            self._refuse(Refusal(503, "too_many_connections", "too many connections", headers=((b"retry-after", b"1"),)))

    def connection_lost(self, exc: Exception | None) -> None:
        self._release()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refusal is not None:
            self._discarded += len(data)
            if self._discarded > _MOST_DISCARDED:
                self.transport.abort()
            return
        # An earlier request may be answered while the parser is still in the head or the body of the next one.
        alone = self._state == _IDLE and self._between
        if alone and (known := self._app.heads.find(data)) is not None and self._answered_unparsed(*known):
            return
        if self._state == _IDLE:
            self._state, self._since = _HEAD, self.loop.time()
        self._messages = 0
        if self._state == _HEAD:
            self._raw_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._upgrade()
        except httptools.HttpParserError:
            self._refuse(self._refusal or Refusal(400, "invalid_http", "this is no HTTP/1.1 request"))
        else:
            # A head without an end is seen before its lines are: the parser gives a header only when it is whole.
            if self._state == _HEAD and self._raw_bytes > self._limits.header_bytes + self._limits.url:
                self._refuse(Refusal(431, "headers_too_large", f"headers may have {self._limits.header_bytes:,} bytes"))
            elif alone and self._between and self._direct and self._messages == 1:
                self._app.heads.keep(data, Head(self._body_bytes, dict(self.headers), self._keep_alive))

    def eof_received(self) -> bool:  # type: ignore[override]
        """The client sends no more: what it asked is answered, what it half asked is not."""
        self.shutdown()
        return self._state == _ANSWERING  # the transport stays open for the answer

    def on_message_begin(self) -> None:
        self._answer_first()
        self._between = False
        self._messages += 1
        if self._messages > _MOST_PIPELINED:
            self._stop(Refusal(400, "too_many_pipelined", f"at most {_MOST_PIPELINED} requests may be sent ahead"))
        if self._state == _IDLE:
            self._state, self._since = _HEAD, self.loop.time()
        self._head_bytes = self._body_bytes = 0
        self._begun = False
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > self._limits.url:
            self._stop(Refusal(414, "url_too_long", f"a URL may have {self._limits.url:,} bytes"))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value)
        if len(self.headers) >= self._limits.headers:
            self._stop(Refusal(431, "too_many_headers", f"at most {self._limits.headers} headers are read"))
        if self._head_bytes > self._limits.header_bytes:
            self._stop(Refusal(431, "headers_too_large", f"headers may have {self._limits.header_bytes:,} bytes"))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._state, self._since, self._raw_bytes = _BODY, self.loop.time(), 0
        for name, value in self.headers:
            if name == b"content-length" and int(value) > self._limits.body:
                self._check_body(int(value))
        self._direct = (
            self.url == _DIRECT
            and self.parser.get_method() == b"POST"
            and not self.expect_100_continue
            and (self.cycle is None or self.cycle.response_complete)
            and not self.pipeline
        )
        if self._direct:
            self._body = b""
            self._keep_alive = self.parser.should_keep_alive() and self.parser.get_http_version() == "1.1"
        else:
            self._start()

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._body_bytes > self._limits.body:
            self._check_body(self._body_bytes)
        self._app.held += len(body)
        self._held += len(body)
        if self._app.held > self._limits.bodies:
            self._stop(Refusal(503, "overloaded", "too many large requests at once", headers=((b"retry-after", b"1"),)))
        if not self._direct:
            super().on_body(body)
            return
        self._body = self._body + body if self._body else body
        if len(self._body) > _MOST_DIRECT_BYTES:
            self._leave_direct()

    def on_message_complete(self) -> None:
        self._between = True
        self._state, self._since = _ANSWERING, self.loop.time()
        if self._direct:
            if not self._admitted and self._answered_directly(dict(self.headers), self._body):
                return
            self._admitted = False
            self.scope[ADMITTED] = True  # type: ignore[literal-required]
            self._leave_direct()
        super().on_message_complete()
        self._answered()  # a refusal may have been sent before the body was whole

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._unset_keepalive_if_required()
        self._answered()

    def pause_writing(self) -> None:
        """Who does not read its answers may not ask for more."""
        super().pause_writing()
        self.flow.pause_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.flow.resume_reading()

    # What goes out

    def _send(self, reply: Reply) -> None:
        """The reply to a request that went the short way."""
        self._waiting = False
        if not self.transport.is_closing():
            self._write(reply)

    def _answered_unparsed(self, head: Head, body: bytes) -> bool:
        """Whether a whole request whose head is known goes the short way; else it is still to be parsed, and if it was admitted, is not again."""
        if self._app.held + len(body) > self._limits.bodies:
            return False
        before = self._state, self._since
        self._state, self._since, self._keep_alive = _ANSWERING, self.loop.time(), head.keep_alive
        self._app.held += len(body)
        self._held += len(body)
        if self._answered_directly(head.headers, body):
            return True
        self._release()
        self._state, self._since = before
        self._admitted = True
        return False

    def _answered_directly(self, headers: Mapping[bytes, bytes], body: bytes) -> bool:
        """Whether the reply is sent, or will be when this turn of the loop ends."""
        self._waiting = True
        if self._app.direct(headers, body, self._send):
            return True
        self._waiting = False
        return False

    def _answer_first(self) -> None:
        """What was asked before on this connection is answered before anything else is said."""
        if self._waiting:
            self._app.turn.end()

    def _start(self) -> None:
        """Go uvicorn's way: a task for the application, which waits for the body."""
        self._begun = True  # from now on `cycle` is that of the request that comes in
        try:
            super().on_headers_complete()
        except (httptools.HttpParserInvalidURLError, UnicodeDecodeError):
            self._stop(Refusal(400, "invalid_url", "the URL is none"))
        if self._ending:
            self.cycle.keep_alive = False

    def _leave_direct(self) -> None:
        self._direct = False
        self._start()
        super().on_body(self._body)
        self._body = b""

    def _write(self, reply: Reply, leaving: bool = False) -> None:
        close = self._ending or leaving or not self._keep_alive
        opening = _opening(reply.status, (*self.server_state.default_headers, *reply.headers))
        ending = b"connection: close\r\n\r\n" if close else b"\r\n"
        self.transport.write(b"%scontent-length: %d\r\n%s%s" % (opening, len(reply.body), ending, reply.body))
        self.server_state.total_requests += 1
        self._body = b""
        if leaving:
            self._state, self._since = _LEAVING, self.loop.time()
            self.transport.write_eof()
            return
        if close:
            self.transport.close()
        self._answered()

    def _answered(self) -> None:
        if self.cycle is None or self.cycle.response_complete:  # it is the cycle of the last request that came
            self._state, self._since, self._raw_bytes = _IDLE, self.loop.time(), 0
            self._release()

    def _release(self) -> None:
        self._app.held -= self._held
        self._held = 0

    def _check_body(self, size: int) -> None:
        if size > self._app.most_body:
            self._stop(Refusal(413, "body_too_large", f"a body may have {self._app.most_body:,} bytes"))

    def _stop(self, refusal: Refusal) -> None:
        """Refuse from within the parser, which then reads nothing more."""
        self._refusal = refusal
        raise refusal

    def _refuse(self, refusal: Refusal) -> None:
        """Say why and close. Where an answer is still to be sent, a reason in its place would be taken for it, so none is sent.

        What the client goes on sending is read and thrown away for a moment: a connection that is closed before is reset, and the reason is lost.
        """
        self._answer_first()
        self._refusal = refusal
        if self.transport.is_closing():
            return
        if self.cycle is not None and not self.cycle.response_complete:
            if not self._begun or self.cycle.response_started or self._state == _ANSWERING or self.pipeline:
                self.cycle.keep_alive = False
                self._state, self._since = _LEAVING, self.loop.time()
                return
            self.cycle.disconnected = True  # its body will never be whole
            self.cycle.message_event.set()
        self._app.service.counts.refused(refusal.code)
        self._write(refusal.reply(self.url.decode("latin-1")), leaving=True)

    def _upgrade(self) -> None:
        """A wish for another protocol is read over, as HTTP allows; the parser has nothing more to read then, so the connection ends."""
        self._answer_first()
        self._refusal = Refusal(400, "no_upgrade", "this server upgrades to nothing")
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False
        else:
            self.transport.close()

    # What the clock does

    def sweep(self, now: float) -> None:
        """Close what takes too long; called about twice a second."""
        limits, taken = self._limits, now - self._since
        if self.transport.get_write_buffer_size() and taken > limits.body_seconds:
            self.transport.abort()  # it reads too slowly, and close() would wait for it
        elif self._state == _IDLE and taken > (1.0 if self._ending else limits.keep_alive_seconds):
            self.transport.close()
        elif (self._state == _HEAD and taken > limits.head_seconds) or (self._state == _BODY and taken > limits.body_seconds):
            self._refuse(Refusal(408, "too_slow", "the request took too long to arrive"))
        elif self._state == _LEAVING and taken > _LEAVING_SECONDS:
            self.transport.close()
        elif self._state == _ANSWERING and taken > limits.deadline_seconds + limits.drain_seconds:
            self.transport.abort()  # whatever it is, nobody waits for it any more

    def shutdown(self) -> None:
        """The process ends: requests on their way are answered, and each answer says that it is the last."""
        self._ending = True
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False


@functools.lru_cache(64)  # one of them is the date, so an entry lives for a second
def _opening(status: int, headers: Headers) -> bytes:
    """What a reply begins with, all but its length."""
    named = b"".join(b"%s: %s\r\n" % header for header in (*headers, *SECURITY))
    return b"HTTP/1.1 %d %s\r\n%s" % (status, HTTPStatus(status).phrase.encode(), named)
