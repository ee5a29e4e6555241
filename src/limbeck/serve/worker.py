"""One process that answers: its bundles, its application, its server. Knows uvicorn; knows nothing of other processes."""

from __future__ import annotations

import socket

import uvicorn

from limbeck.serve.app import App


def serve(app: App, listener: socket.socket) -> None:
    """Answer on a socket until SIGTERM or SIGINT; then requests in hand are answered, and it returns."""
    limits = app.limits
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=int(limits.keep_alive_seconds),
        timeout_graceful_shutdown=int(limits.drain_seconds),
    )
    server = uvicorn.Server(config)
    server.run(sockets=[listener])
