"""The ASGI application. Knows paths, bodies, keys and headers; what a route answers is made elsewhere.

The server's own routes are plain ASGI: a framework's routing and request objects take longer than a bag of embeddings. Other routes
(pages) are Starlette's and are asked last.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.routing import BaseRoute

from limbeck.serve import sent
from limbeck.serve.answer import Answers
from limbeck.serve.classify import answered_now, quick, read
from limbeck.serve.gate import Gate
from limbeck.serve.heads import Heads
from limbeck.serve.limits import Limits
from limbeck.serve.poll import Poll
from limbeck.serve.reply import SECURITY, TURNED_AWAY, Refusal, Reply, Request, json_reply
from limbeck.serve.routes import Route, find
from limbeck.serve.service import Service
from limbeck.serve.turn import Turn

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

DIRECT = "/v1/classify"
ADMITTED = "limbeck.admitted"
"""In the scope of a request whose key was looked at already."""

_log = logging.getLogger("limbeck.serve")
_JSON_TYPES = (b"application/json", b"application/json; charset=utf-8", b"application/json;charset=utf-8")


class App:
    """The application.

    Args:
        service: who answers.
        limits: of a request.
        routes: further routes, Starlette's; they find `service` and `gate` in `request.app.state`.
        gate: who may ask; None: anybody.
        poll: seconds that the process looks for the next request before it sleeps.
    """

    def __init__(
        self,
        service: Service,
        limits: Limits | None = None,
        routes: Sequence[BaseRoute] = (),
        gate: Gate | None = None,
        poll: float = 0.0,
    ) -> None:
        self.service, self.limits, self.gate = service, limits or Limits(), gate
        self._poll, self.heads = Poll(poll), Heads()
        self.turn = Turn(service, self._poll)
        self.held = 0  # bytes of bodies whose requests are not answered yet
        self._pages = Starlette(routes=list(routes)) if routes else None
        if self._pages is not None:
            self._pages.state.service, self._pages.state.gate = service, gate

    @property
    def most_body(self) -> int:
        """Bytes that a body may have: more where pictures or clips are taken."""
        files = any(kind in self.service.reads for kind in sent.KINDS)
        return max(self.limits.body, self.limits.upload) if files else self.limits.body

    def direct(self, headers: Mapping[bytes, bytes], body: bytes, send: Callable[[Reply], None]) -> bool:
        """Send the reply to a `POST /v1/classify` where nothing has to be awaited for it: now, or when this turn of the event loop ends; else
        false, and the request was admitted."""
        try:
            self._admit(headers, "answer")
            if not _is_json(headers):
                return False
            asked = read(self.limits, body)
            if quick(self.service, asked):
                self.turn.add(asked, lambda answers: send(self._direct_reply(answers)))
                return True
            answers = answered_now(self.service, asked)
        except Refusal as refusal:
            send(self._refused(DIRECT, refusal))
            return True
        except Exception as error:
            send(self._failed(DIRECT, error))
            return True
        if answers is None:
            return False
        send(self._direct_reply(answers))
        self._poll.on()
        return True

    def _direct_reply(self, answers: Answers | Exception) -> Reply:
        if isinstance(answers, Exception):
            return self._failed(DIRECT, answers)
        self.service.counts.replied(DIRECT, 200)
        return json_reply(answers.to_json())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            raise ValueError(f"HTTP is expected, not {scope['type']}")
        found = find(scope["path"])
        if found is None and self._pages is not None:
            await self._page(scope, receive, send)
            return
        path = found[0].path if found else "other"
        try:
            if found is None:
                raise Refusal(404, "not_found", "there is nothing at this path; /openapi.json lists what there is")
            reply = await self._replied(*found, scope, receive)
            self.service.counts.replied(path, reply.status)
        except Refusal as refusal:
            reply = self._refused(path, refusal)
        except Exception as error:
            reply = self._failed(path, error)
        await _send(reply, scope, send)

    async def _replied(self, route: Route, params: Mapping[str, str], scope: Scope, receive: Receive) -> Reply:
        headers = dict(scope["headers"])
        if scope["method"] != route.method and not (route.method == "GET" and scope["method"] == "HEAD"):
            allowed = "GET, HEAD" if route.method == "GET" else route.method
            raise Refusal(405, "method_not_allowed", f"use {route.method} here", headers=((b"allow", allowed.encode()),))
        if route.scope is not None and ADMITTED not in scope:
            self._admit(headers, route.scope)
        body = b""
        if route.method == "POST":
            _check_type(headers, route.files)
            body = await self._body(receive)
        request = Request(route.method, scope["path"], headers, body, params, scope["query_string"])
        return await route.handler(self.service, self.limits, request)

    async def _page(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self._pages is not None
        try:
            # The page itself says nothing; it asks whoever opens it for the key.
            if scope["path"] == "/live/data":
                self._admit(dict(scope["headers"]), "watch")
            await self._pages(scope, receive, send)
        except Refusal as refusal:
            await _send(self._refused("/live", refusal), scope, send)
        except Exception as error:  # Starlette has sent its reply
            self._failed("other", error)

    def _admit(self, headers: Mapping[bytes, bytes], scope: str) -> None:
        if self.gate is not None:
            self.gate.admit(headers, scope)

    async def _body(self, receive: Receive) -> bytes:
        body, more = bytearray(), True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Refusal(400, "disconnected", "the client has gone")
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > self.most_body:  # of a server whose protocol has no such limit
                raise Refusal(
                    413, "body_too_large", f"a body may have {self.most_body:,} bytes", headers=((b"connection", b"close"),)
                )
        return bytes(body)

    def _refused(self, path: str, refusal: Refusal) -> Reply:
        self.service.counts.replied(path, refusal.status)
        self.service.counts.refused(refusal.code)
        if refusal.status in TURNED_AWAY and self.service.turned_away is not None:
            self.service.turned_away()
        return refusal.reply(path)

    def _failed(self, path: str, error: Exception) -> Reply:
        """The client learns nothing of the inside; the log says what failed and where, without the text that it failed on."""
        at = error.__traceback__
        while at is not None and at.tb_next is not None:
            at = at.tb_next
        where = f"{at.tb_frame.f_code.co_filename}:{at.tb_lineno}" if at is not None else "?"
        _log.error("%s failed: %s at %s", path, type(error).__name__, where)
        return self._refused(path, Refusal(500, "internal_error", "the server failed; the error is in its log"))


def _is_json(headers: Mapping[bytes, bytes]) -> bool:
    return headers.get(b"content-type", b"").lower() in _JSON_TYPES


def _check_type(headers: Mapping[bytes, bytes], files: bool) -> None:
    """Pages of other sites can send forms and plain text anywhere without asking, but no JSON."""
    if _is_json(headers):
        return
    if not files or not sent.is_file(sent.media_type(headers)):
        also = ", or a file with its own (image/png, audio/wav)" if files else ""
        raise Refusal(415, "unsupported_type", f"send JSON, with the header 'content-type: application/json'{also}")
    sent.check_origin(headers)


async def _send(reply: Reply, scope: Scope, send: Send) -> None:
    headers = [*reply.headers, (b"content-length", b"%d" % len(reply.body)), *SECURITY]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else reply.body})
