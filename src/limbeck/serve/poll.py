"""Looks for the next request a little longer before the process sleeps, where the last was answered in the loop. Knows the event loop; knows nothing
of requests.

A core that sleeps takes 50 to 100 µs to wake up, as long as a bag's answer. While requests come often their next is there before that, so a loop that asks
its sockets again and again for a moment answers sooner; when none has come it sleeps, as ever.
"""

from __future__ import annotations

import asyncio
import time


class Poll:
    """The moment behind the last request.

    Args:
        seconds: how long; 0: the process sleeps at once.
    """

    def __init__(self, seconds: float = 0.0) -> None:
        self._seconds, self._until = seconds, 0.0
        self._loop: asyncio.AbstractEventLoop | None = None  # in which it is looking

    def on(self) -> None:
        """Something was answered: begin again. Called in the event loop."""
        if not self._seconds:
            return
        self._until = time.perf_counter() + self._seconds
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop = loop
            loop.call_soon(self._again)

    def _again(self) -> None:
        """A callback that is due keeps the loop from waiting at its sockets."""
        if self._loop is not None and time.perf_counter() < self._until:
            self._loop.call_soon(self._again)
        else:
            self._loop = None
