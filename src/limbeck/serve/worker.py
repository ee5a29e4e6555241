"""One process that answers: its bundles, its application, its server. Knows uvicorn; knows nothing of other processes."""

from __future__ import annotations

import asyncio
import socket

import uvicorn
import uvloop

from limbeck.serve.app import App
from limbeck.serve.protocol import Protocol, sweeping


def serve(app: App, listener: socket.socket) -> None:
    """Answer on a socket until SIGTERM or SIGINT; then requests in hand are answered, and it returns."""
    config = uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=int(app.limits.drain_seconds),
    )
    asyncio.Runner(loop_factory=uvloop.new_event_loop).run(_serve(uvicorn.Server(config), listener))


async def _serve(server: uvicorn.Server, listener: socket.socket) -> None:
    sweep = asyncio.create_task(sweeping(server.server_state))
    try:
        await server.serve([listener])
    finally:
        sweep.cancel()
