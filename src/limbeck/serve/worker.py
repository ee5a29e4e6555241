"""One process that answers: its bundles, its application, its server. Knows uvicorn and the board; knows nothing of other processes."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import resource
import signal
import socket
from collections.abc import Sequence
from types import FrameType

import uvicorn
import uvloop
from starlette.routing import BaseRoute

from limbeck import memory
from limbeck.errors import LimbeckError
from limbeck.serve.app import App
from limbeck.serve.chat import pages
from limbeck.serve.escalation import conversations_of, escalation_of
from limbeck.serve.figure import Figure
from limbeck.serve.gate import Gate
from limbeck.serve.keys import Keys
from limbeck.serve.protocol import Protocol
from limbeck.serve.replies import replies
from limbeck.serve.service import Escalate, Model, Service
from limbeck.serve.settings import Settings
from limbeck.serve.shared import Shared

_PULSE, _TRIM = 0.5, 10.0  # seconds
_log = logging.getLogger("limbeck.serve")


class Worker:
    """A process.

    Args:
        number: its place on the board.
        settings: of the server.
        shared: with the other processes.

    Raises:
        LimbeckError: a bundle or the file of keys cannot be loaded.
    """

    def __init__(self, number: int, settings: Settings, shared: Shared) -> None:
        self._number, self._settings, self._board, self._rates = number, settings, shared.board, shared.rates
        self._parent = os.getppid()
        service = Service.load(settings.bundles, settings.signed_by, limits=settings.limits)
        service.escalate = self._escalate(service.models[service.default])
        shared.live.process(number)
        first = service.model(None)
        said = replies(settings.replies, first.predictor.labels, first.reads)
        service.reply = lambda answer: said.to(answer.label, answer.abstain)
        person = conversations_of(settings.hand_over)
        routes: Sequence[BaseRoute] = ()
        if settings.pages:
            routes = pages(service, said, settings.origins, shared.live, settings.limits, person, shared.visitors)
        self.app = App(service, settings.limits, routes, self._gate(), settings.poll)
        self._reloads: dict[str, int] = {"done": 0, "failed": 0}
        self._failed = ""

    def run(self, listener: socket.socket) -> None:
        """Answer on a socket until SIGTERM or SIGINT; then requests in hand are answered, and it returns."""
        config = uvicorn.Config(
            self.app,
            http=Protocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=int(self._settings.limits.drain_seconds),
        )
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = self._settings.limits.connections + 256  # beside its connections: files, pipes, those about to be refused
        if soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))
        memory.settle()
        gc.collect()
        gc.freeze()  # what is loaded stays: no collection looks at it again, which would hold up an answer
        asyncio.Runner(loop_factory=uvloop.new_event_loop).run(self._run(_Server(config), listener))

    async def _run(self, server: _Server, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        reloading: set[asyncio.Task[None]] = set()
        loop.add_signal_handler(signal.SIGHUP, lambda: reloading.add(loop.create_task(self._reload())))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})  # the supervisor blocked it until now
        pulse = loop.create_task(self._pulse(server))
        try:
            await server.serve([listener])
        finally:
            pulse.cancel()
            self.app.service.close()

    async def _pulse(self, server: _Server) -> None:
        """What is done every now and then: slow connections are closed, the board is told, memory is returned, an orphan ends."""
        loop = asyncio.get_running_loop()
        trimmed = loop.time()
        while True:
            now = loop.time()
            if now - trimmed > _TRIM:
                memory.trim()
                trimmed = now
            connections = list(server.server_state.connections)
            for connection in connections:
                connection.sweep(now)  # type: ignore[union-attr]
            self._say(len(connections))
            if os.getppid() != self._parent:
                server.stop()
            await asyncio.sleep(_PULSE)

    def _say(self, connections: int) -> None:
        service = self.app.service
        figures: list[Figure] = [*service.figures(), ("limbeck_connections", {}, connections)]
        figures += [("limbeck_reloads_total", {"outcome": how}, count) for how, count in self._reloads.items()]
        versions = {name: model.sha256 for name, model in service.models.items()}
        said = {"ready": service.ready, "versions": versions, "reloads": sum(self._reloads.values()), "failed": self._failed}
        self._board.write(self._number, {**said, "figures": figures})

    async def _reload(self) -> None:
        """Load every bundle and the keys again; where all are as they must be, they take over at once, else everything stays as it is."""
        settings = self._settings
        try:
            gate = self._gate()
            found = await asyncio.to_thread(
                lambda: [Model.load(name, path, settings.signed_by) for name, path in settings.bundles.items()]
            )
            escalate = await asyncio.to_thread(self._escalate, found[0])
        except LimbeckError as error:
            _log.error("reload failed, everything stays as it was: %s", error)
            self._failed = str(error)
            self._reloads["failed"] += 1
            return
        for model in found:
            self.app.service.take(model)
        before, self.app.service.escalate = self.app.service.escalate, escalate
        for asked in before.values():
            asked.close()
        self.app.gate = gate
        self._failed = ""
        self._reloads["done"] += 1

    def _escalate(self, student: Model) -> dict[str, Escalate]:
        """Who is asked where the first model is not sure; loaded again with it, since its threshold is its own."""
        wanted = self._settings.hand_over
        return {student.name: escalation_of(student, wanted, self._settings.signed_by)} if wanted.asked else {}

    def _gate(self) -> Gate | None:
        return None if self._settings.keys is None else Gate(Keys.read(self._settings.keys), self._rates)


class _Server(uvicorn.Server):
    """uvicorn's server; from the signal on that ends it, its process is not ready. The signal is not raised again when all is done, as
    uvicorn does: it would kill the process before whoever escalates has been closed."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        del frame
        self.force_exit = self.should_exit and sig == signal.SIGINT  # the second Ctrl+C
        self.stop()

    def stop(self) -> None:
        """End as on a signal."""
        self.config.app.service.ready = False  # type: ignore[union-attr]
        self.should_exit = True
