"""The ASGI application. Knows paths, bodies and headers; what a route answers is made elsewhere.

The server's own routes are plain ASGI: a framework's routing and request objects take longer than a bag of embeddings. Other routes
(pages) are Starlette's and are asked last.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.routing import BaseRoute

from limbeck.serve.classify import classify
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


ROUTES: dict[str, tuple[str, Handler]] = {
    "/v1/classify": ("POST", classify),
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
            # The client learns nothing of the inside; the log says what failed, without the text that it failed on.
            _log.error("%s failed: %s", scope["path"], type(error).__name__)
            reply = Refusal(500, "internal_error", "the server failed; the error is in its log").reply()
        await send({"type": "http.response.start", "status": reply.status, "headers": _headers(reply)})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else reply.body})

    async def _replied(self, found: tuple[str, Handler], scope: Scope, receive: Receive) -> Reply:
        method, handler = found
        if scope["method"] != method and not (method == "GET" and scope["method"] == "HEAD"):
            allowed = "GET, HEAD" if method == "GET" else method
            raise Refusal(405, "method_not_allowed", f"use {method} here", headers=((b"allow", allowed.encode()),))
        headers = dict(scope["headers"])
        body = b""
        if method == "POST":
            if headers.get(b"content-type", b"").lower() not in _JSON_TYPES:
                raise Refusal(415, "unsupported_type", "send JSON, with the header 'content-type: application/json'")
            body = await self._body(headers, receive)
        return await handler(self.service, self.limits, Request(method, scope["path"], headers, body))

    async def _body(self, headers: dict[bytes, bytes], receive: Receive) -> bytes:
        most = self.limits.body
        too_large = Refusal(413, "body_too_large", f"a body may have {most:,} bytes", headers=((b"connection", b"close"),))
        if int(headers.get(b"content-length", b"0")) > most:
            raise too_large
        message = await receive()
        body: bytes = message.get("body", b"")
        while message.get("more_body"):
            message = await receive()
            body += message.get("body", b"")
            if len(body) > most:
                raise too_large
        if message["type"] == "http.disconnect":
            raise Refusal(400, "disconnected", "the client has gone")
        return body


def _headers(reply: Reply) -> list[tuple[bytes, bytes]]:
    headers: Headers = (*reply.headers, (b"content-length", b"%d" % len(reply.body)), *SECURITY)
    return list(headers)
