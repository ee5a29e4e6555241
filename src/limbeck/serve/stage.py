"""Somebody else is asked, in threads of its own and never by more than may wait. Knows deadlines, numbers and a breaker; knows nobody by name.

A teacher takes a thousand times as long as its student. So the event loop only waits for it, at most so long; it is asked in a pool of its own, whose
threads go behind those of the students where the system has priorities for threads; and what is too much is not asked at all.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from limbeck.serve.answer import Answer, Escalation
from limbeck.serve.breaker import Breaker
from limbeck.serve.payload import Payload
from limbeck.serve.teacher import Asked

_NICE = 10


@dataclass(frozen=True, slots=True)
class Asking:
    """How somebody is asked.

    deadline: seconds that an answer may take. workers: questions at the same time. waiting: further questions that may wait for these.
    """

    deadline: float = 2.0
    workers: int = 2
    waiting: int = 16


class Stage:
    """Somebody who is asked; used by one event loop.

    Args:
        who: what it is called in figures.
        asked: whom to ask.
        asking: how.
        breaker: when to leave him alone.
    """

    def __init__(self, who: str, asked: Asked, asking: Asking | None = None, breaker: Breaker | None = None) -> None:
        self.who, self.breaker = who, breaker or Breaker()
        self._asked, self._asking = asked, asking or Asking()
        self._pool = ThreadPoolExecutor(self._asking.workers, thread_name_prefix=f"limbeck-{who}", initializer=_behind)
        self._flying, self._closing = 0, False
        self.outcomes: Counter[str] = Counter()
        """How many questions ended in which way: "answered", or why not."""

    @property
    def idle(self) -> bool:
        """Whether a question that nobody waits for would keep no other one waiting."""
        return self._flying < max(1, self._asking.workers - 1) and self.breaker.state == "closed"

    async def ask(self, text: Payload, student: Answer) -> Answer | Escalation:
        """An answer, or why there is none."""
        found = await self._answer(text, student)
        self.outcomes["answered" if isinstance(found, Answer) else found] += 1
        return found

    async def _answer(self, text: Payload, student: Answer) -> Answer | Escalation:
        if self._flying >= self._asking.workers + self._asking.waiting:
            return "busy"
        if self._closing or not self.breaker.allows():
            return "unavailable"
        self._flying += 1
        until = time.monotonic() + self._asking.deadline
        future = asyncio.get_running_loop().run_in_executor(self._pool, self._in_time, text, student, until)
        told = _Told(self, future)
        try:
            found = await asyncio.wait_for(asyncio.shield(future), self._asking.deadline)
        except TimeoutError:
            told.late()
            return "late"
        except asyncio.CancelledError:
            raise
        except (
            Exception
        ):  # of the network, of ONNX Runtime: the client learns nothing of the inside, and the student has answered
            return "failed"
        return "no answer" if found is None else found

    def _in_time(self, text: Payload, student: Answer, until: float) -> Answer | None:
        """Ask, unless nobody waits for it any more."""
        if time.monotonic() >= until:
            raise TimeoutError
        return self._asked.answer(text, student, until)

    def landed(self) -> None:
        """A question is over, whether somebody still waits for it or not."""
        self._flying -= 1
        self._end()

    def close(self) -> None:
        """Ask nobody any more; who waits still gets an answer."""
        self._closing = True
        self._end()

    def _end(self) -> None:
        if self._closing and not self._flying:
            self._pool.shutdown(wait=False)
            self._asked.close()


class _Told:
    """What the breaker hears of one question: once, and even where nobody waits any more."""

    def __init__(self, stage: Stage, future: asyncio.Future[Any]) -> None:
        self._stage, self._told = stage, False
        future.add_done_callback(self._done)

    def late(self) -> None:
        self._told = True
        self._stage.breaker.failed()

    def _done(self, future: asyncio.Future[Any]) -> None:
        self._stage.landed()
        error = None if future.cancelled() else future.exception()  # which also says that somebody has looked at it
        if self._told:
            return
        if future.cancelled():
            self._stage.breaker.passed()
        elif error is None:
            self._stage.breaker.succeeded()
        else:
            self._stage.breaker.failed(getattr(error, "pause", None))


def _behind() -> None:
    """Let other threads of this process go first; Linux has a priority for each thread."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
