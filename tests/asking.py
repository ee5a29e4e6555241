"""Ask an ASGI application without a socket. Skips where the packages that serve are not installed."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

for package in ("starlette", "uvicorn", "httptools", "uvloop", "prometheus_client"):
    pytest.importorskip(package, reason="needs the extra serve")
orjson = pytest.importorskip("orjson", reason="needs the extra serve")


@dataclass(frozen=True)
class Response:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def code(self) -> str:
        return self.json()["error"]["code"]


JSON = {"content-type": "application/json"}


def ask(app: Any, path: str, body: Any = None, *, method: str | None = None, headers: dict[str, str] | None = None) -> Response:
    """The response to one request; a body that is no bytes is sent as JSON."""
    data = b"" if body is None else body if isinstance(body, bytes) else orjson.dumps(body)
    method = method or ("GET" if body is None else "POST")
    path, _, query = path.partition("?")
    given = {**(JSON if body is not None else {}), "content-length": str(len(data)), **(headers or {})}
    scope = {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": query.encode(), "http_version": "1.1",
        "headers": [(k.lower().encode(), v.encode()) for k, v in given.items()], "client": ("127.0.0.1", 1), "scheme": "http", "state": {},
        "server": ("127.0.0.1", 8000), "root_path": "", "asgi": {"version": "3.0"},
    }  # fmt: skip
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": data, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    start, *parts = sent
    found = {k.decode(): v.decode() for k, v in start["headers"]}
    return Response(start["status"], found, b"".join(p.get("body", b"") for p in parts))
