"""The ASGI application. Knows paths, bodies and headers; what a route answers is made elsewhere.

The server's own routes are plain ASGI: a framework's routing and request objects take longer than a bag of embeddings. Other routes
(pages) are Starlette's and are asked last.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.routing import BaseRoute

from limbeck.serve.classify import answered_now, classify, read
from limbeck.serve.limits import Limits
from limbeck.serve.reply import SECURITY, Headers, Refusal, Reply, Request, json_reply
from limbeck.serve.service import Service

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Handler = Callable[[Service, Limits, Request], Awaitable[Reply]]

_log = logging.getLogger("limbeck.serve")
_JSON_TYPES = (b"application/json", b"application/json; charset=utf-8", b"application/json;charset=utf-8")


async def _live(service: Service, limits: Limits, request: Request) -> Reply:
    del service, limits, request
    return json_reply({"status": "live"})


async def _ready(service: Service, limits: Limits, request: Request) -> Reply:
    del limits, request
    if not service.ready:
        raise Refusal(503, "not_ready", "this process takes no new requests")
    return json_reply({"status": "ready", "models": list(service.models)})


DIRECT = "/v1/classify"
ROUTES: dict[str, tuple[str, Handler]] = {
    DIRECT: ("POST", classify),
    "/health/live": ("GET", _live),
    "/health/ready": ("GET", _ready),
}


class App:
    """The application.

    Args:
        service: who answers.
        limits: of a request.
        routes: further routes, Starlette's.
    """

    def __init__(self, service: Service, limits: Limits | None = None, routes: Sequence[BaseRoute] = ()) -> None:
        self.service, self.limits = service, limits or Limits()
        self._pages = Starlette(routes=list(routes)) if routes else None
        if self._pages is not None:
            self._pages.state.service = service

    def direct(self, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> Reply | None:
        """The reply to a `POST /v1/classify` where it can be given at once, else None. Nothing was done then."""
        try:
            self._admit(dict(headers))
            asked = read(self.limits, body)
            answers = answered_now(self.service, asked)
        except Refusal as refusal:
            return refusal.reply()
        except Exception as error:
            return _failed(DIRECT, error)
        return None if answers is None else json_reply(answers.to_json())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            raise ValueError(f"HTTP is expected, not {scope['type']}")
        found = ROUTES.get(scope["path"])
        if found is None and self._pages is not None:
            await self._pages(scope, receive, send)
            return
        try:
            if found is None:
                raise Refusal(404, "not_found", "there is nothing at this path; /openapi.json lists what there is")
            reply = await self._replied(found, scope, receive)
        except Refusal as refusal:
            reply = refusal.reply()
        except Exception as error:
            reply = _failed(scope["path"], error)
        await send({"type": "http.response.start", "status": reply.status, "headers": _headers(reply)})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else reply.body})

    def _admit(self, headers: Mapping[bytes, bytes]) -> None:
        if headers.get(b"content-type", b"").lower() not in _JSON_TYPES:
            raise Refusal(415, "unsupported_type", "send JSON, with the header 'content-type: application/json'")

    async def _replied(self, found: tuple[str, Handler], scope: Scope, receive: Receive) -> Reply:
        method, handler = found
        if scope["method"] != method and not (method == "GET" and scope["method"] == "HEAD"):
            allowed = "GET, HEAD" if method == "GET" else method
            raise Refusal(405, "method_not_allowed", f"use {method} here", headers=((b"allow", allowed.encode()),))
        headers = dict(scope["headers"])
        body = b""
        if method == "POST":
            self._admit(headers)
            body = await self._body(receive)
        return await handler(self.service, self.limits, Request(method, scope["path"], headers, body))

    async def _body(self, receive: Receive) -> bytes:
        body, more = bytearray(), True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Refusal(400, "disconnected", "the client has gone")
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > self.limits.body:  # of a server whose protocol has no such limit
                raise Refusal(
                    413, "body_too_large", f"a body may have {self.limits.body:,} bytes", headers=((b"connection", b"close"),)
                )
        return bytes(body)


def _failed(path: str, error: Exception) -> Reply:
    """The client learns nothing of the inside; the log says what failed, without the text that it failed on."""
    _log.error("%s failed: %s", path, type(error).__name__)
    return Refusal(500, "internal_error", "the server failed; the error is in its log").reply()


def _headers(reply: Reply) -> list[tuple[bytes, bytes]]:
    headers: Headers = (*reply.headers, (b"content-length", b"%d" % len(reply.body)), *SECURITY)
    return list(headers)
