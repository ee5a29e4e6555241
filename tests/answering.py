"""The server of one process in a thread, over real sockets, its clock quicker. Skips where the packages that serve are not installed."""

import asyncio
import threading
import time

import asking  # noqa: F401  skips where the extra serve is absent
from limbeck.serve.app import App


class Server:
    """A server of one process in a thread, its clock quicker."""

    def __init__(self, app: App) -> None:
        import uvicorn  # behind the skip

        from limbeck.serve.protocol import Protocol

        self.app = app
        config = uvicorn.Config(
            app, port=0, http=Protocol, ws="none", lifespan="off", interface="asgi3", log_level="critical", proxy_headers=False
        )
        self.server = uvicorn.Server(config)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()
        until = time.monotonic() + 20
        while not self.server.started and time.monotonic() < until:
            time.sleep(0.01)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]

    async def _run(self) -> None:
        async def sweeping() -> None:
            while True:
                await asyncio.sleep(0.05)
                for connection in list(self.server.server_state.connections):
                    connection.sweep(asyncio.get_running_loop().time())

        sweep = asyncio.create_task(sweeping())
        await self.server.serve()
        sweep.cancel()

    def close(self) -> None:
        self.server.should_exit = True
        self._thread.join(10)
        assert not self._thread.is_alive()
