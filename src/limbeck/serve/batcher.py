"""What waits for a model which takes longer than a thread takes to wake up. Knows a queue, deadlines and batches; knows nothing of HTTP.

Work-conserving: whenever the thread is free and something waits, it takes what waits, and never waits for more. Requests take turns, a few texts
each, so one with a thousand texts keeps nobody waiting. Nothing whose deadline has passed is computed. Pictures and clips are decoded in the same
thread, in their turn: one that cannot be read fails its own request and no other.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from limbeck.errors import LimbeckError
from limbeck.serve.answer import Answer

_ROUND = 32
"""Texts that the thread takes at once: with 128 tokens each some ten milliseconds of a small encoder."""
_BUDGET = 8_192
"""Characters of a batch, padding included; some two thousand tokens."""
_TURN = 8
"""Texts that one request gives to a round while others wait."""
_READ_ROUND, _READ_TURN = 8, 2
"""The same of what has to be decoded first: a large picture takes a tenth of a second."""


class Overloaded(Exception):  # noqa: N818  not a fault of anybody's
    """More waits than may. seconds: until it is worth to ask again."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"too much waits; ask again in {seconds} s")
        self.seconds = seconds


class Expired(Exception):  # noqa: N818
    """The deadline passed before the answer was there."""


class Unread(Exception):  # noqa: N818
    """What came cannot be read. place: in its request. error: why."""

    def __init__(self, place: int, error: LimbeckError) -> None:
        super().__init__(str(error))
        self.place, self.error = place, error


@dataclass(slots=True, eq=False)
class _Job:
    texts: Sequence[Any]
    top_k: int
    deadline: float
    future: asyncio.Future[tuple[Answer, ...]]
    given: int = 0
    answers: list[Answer] = field(default_factory=list)


class Batcher:
    """What waits for one model; used by one event loop.

    Args:
        answer: texts and how many labels each answer lists to the answers; called in `thread`.
        thread: one for all models of a process, which has one core.
        most: texts that may wait.
        read: bytes to what `answer` takes of them, all of one size, called in `thread`; None: it takes texts as they are.
    """

    def __init__(
        self,
        answer: Callable[[Sequence[Any], int], tuple[Answer, ...]],
        thread: ThreadPoolExecutor,
        most: int = 2_048,
        read: Callable[[bytes], Any] | None = None,
    ) -> None:
        self._answer, self._thread, self._most, self._read = answer, thread, most, read
        self._most_round, self._most_turn = (_ROUND, _TURN) if read is None else (_READ_ROUND, _READ_TURN)
        self._jobs: deque[_Job] = deque()
        self._task: asyncio.Task[None] | None = None
        self._seconds = 0.0
        self.waiting = 0
        """Texts that wait or are being answered."""

    async def answer(self, texts: Sequence[Any], top_k: int, deadline: float | None = None) -> tuple[Answer, ...]:
        """The answers, in order.

        Args:
            texts: of one request, or the bytes of pictures or clips.
            top_k: labels in each answer.
            deadline: a moment of `time.monotonic()`; None: there is none.

        Raises:
            Overloaded: too many texts wait.
            Expired: the deadline has passed.
            Unread: one of them cannot be read.
        """
        if self.waiting + len(texts) > self._most:
            raise Overloaded(max(1, math.ceil(self.waiting * self._seconds)))
        job = _Job(texts, top_k, math.inf if deadline is None else deadline, asyncio.get_running_loop().create_future())
        self._jobs.append(job)
        self.waiting += len(texts)
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        try:
            return await job.future
        finally:
            self.waiting -= len(texts)

    async def _run(self) -> None:
        """Rounds until nothing waits."""
        loop = asyncio.get_running_loop()
        while round_ := self._round():
            begin = time.perf_counter()
            try:
                found = await loop.run_in_executor(self._thread, self._answered, round_)
            except Exception as error:
                for job, _ in round_:
                    if not job.future.done():
                        job.future.set_exception(error)
                continue
            each = (time.perf_counter() - begin) / sum(len(texts) for _, texts in round_)
            self._seconds = 0.8 * self._seconds + 0.2 * each if self._seconds else each
            for (job, _), answers in zip(round_, found, strict=True):
                if isinstance(answers, Unread):
                    if not job.future.done():
                        job.future.set_exception(answers)
                    continue
                job.answers += answers
                if len(job.answers) == len(job.texts) and not job.future.done():
                    job.future.set_result(tuple(job.answers))
        self._task = None

    def _round(self) -> list[tuple[_Job, Sequence[Any]]]:
        """Whose texts are answered next, and which: each request a few, in turn; one alone fills the round."""
        found: list[tuple[_Job, Sequence[Any]]] = []
        room, again = self._most_round, deque[_Job]()
        while room and self._jobs:
            job = self._jobs.popleft()
            if job.future.done():  # nobody waits for it
                continue
            if time.monotonic() >= job.deadline:
                job.future.set_exception(Expired())
                continue
            turn = min(room, self._most_turn if self._jobs or found else room)
            texts = job.texts[job.given : job.given + turn]
            job.given += len(texts)
            room -= len(texts)
            found.append((job, texts))
            if job.given < len(job.texts):
                again.append(job)
        self._jobs.extend(again)
        return found

    def _answered(self, round_: list[tuple[_Job, Sequence[Any]]]) -> list[tuple[Answer, ...] | Unread]:
        """In the thread: the answers of each request of a round, or what of it cannot be read."""
        most = max(job.top_k for job, _ in round_)
        given = [texts if self._read is None else self._decoded(job, texts) for job, texts in round_]
        whole = [text for texts in given if not isinstance(texts, Unread) for text in texts]
        by_place: dict[int, Answer] = {}
        for bucket in buckets([1 if self._read else len(text) for text in whole]):
            by_place.update(zip(bucket, self._answer([whole[i] for i in bucket], most), strict=True))
        answers = iter([by_place[i] for i in range(len(whole))])
        found: list[tuple[Answer, ...] | Unread] = []
        for (job, _), texts in zip(round_, given, strict=True):
            if isinstance(texts, Unread):
                found.append(texts)
                continue
            own = tuple(itertools.islice(answers, len(texts)))
            found.append(own if job.top_k == most else tuple(a.best(job.top_k) for a in own))
        return found

    def _decoded(self, job: _Job, contents: Sequence[bytes]) -> list[Any] | Unread:
        assert self._read is not None
        found: list[Any] = []
        for content in contents:
            try:
                found.append(self._read(content))
            except LimbeckError as error:
                return Unread(job.given - len(contents) + len(found), error)
        return found


def buckets(lengths: Sequence[int], budget: int = _BUDGET) -> list[list[int]]:
    """Places of texts that are answered together, by their lengths: a text is padded to less than twice its length (and 32 characters, which are
    few), and a batch has at most `budget` characters with its padding, or one text.

    Example:
        >>> buckets([10, 900, 20, 15])
        [[0, 3, 2], [1]]
    """
    found: list[list[int]] = []
    for place in sorted(range(len(lengths)), key=lengths.__getitem__):
        batch, length = found[-1] if found else [], lengths[place]
        if batch and length <= 2 * lengths[batch[0]] + 32 and length * (len(batch) + 1) <= budget:
            batch.append(place)
        else:
            found.append([place])
    return found
