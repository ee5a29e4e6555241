"""Requests that arrive in one turn of the event loop are answered by one call of the model. Knows who asked what; knows nothing of sockets.

Nothing waits for company: what one poll of the sockets brought is answered before the next. Alone, a request pays two microseconds for that; where
several wait because many ask, each of them takes about half as long, just when it matters.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from limbeck.serve.answer import Answers
from limbeck.serve.classify import Asked
from limbeck.serve.poll import Poll
from limbeck.serve.service import Service

Given = Callable[[Answers | Exception], None]
"""Told of the answers to a request, or why there are none."""

_MOST = 32
"""Requests that are answered together; more add nothing, and each would wait for all."""


class _Waiting:
    __slots__ = ("asked", "begin", "given")

    def __init__(self, asked: Asked, given: Given) -> None:
        self.asked, self.given, self.begin = asked, given, time.perf_counter()


class Turn:
    """What came in one turn of the loop.

    Args:
        service: who answers; asked only where it said that it is quick.
        poll: what is done until the next request.
    """

    def __init__(self, service: Service, poll: Poll) -> None:
        self._service, self._poll = service, poll
        self._waiting: list[_Waiting] = []

    def add(self, asked: Asked, given: Given) -> None:
        """A request, answered when everything that has arrived by now has been read."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self.end)
        self._waiting.append(_Waiting(asked, given))

    def end(self) -> None:
        """Answer what came so far."""
        waiting, self._waiting = self._waiting, []
        kinds: dict[tuple[str | None, int], list[_Waiting]] = {}
        for one in waiting:
            kinds.setdefault((one.asked.model, one.asked.top_k), []).append(one)
        for alike in kinds.values():
            for start in range(0, len(alike), _MOST):
                self._answer(alike[start : start + _MOST])
        self._poll.on()

    def _answer(self, alike: list[_Waiting]) -> None:
        """Requests for the same model, with as many labels."""
        first = alike[0]
        try:
            found = self._service.together(first.asked.model, [w.asked.texts for w in alike], first.asked.top_k, first.begin)
        except Exception as error:
            if len(alike) == 1:
                first.given(error)
                return
            for one in alike:  # nobody fails for another one's text
                self._answer([one])
            return
        for one, answers in zip(alike, found, strict=True):
            one.given(answers)
        for answers in found:
            self._service.given(answers)
