"""How often a student still gives its teacher's answer: a share of all texts is asked of the teacher too, behind the client's back. Knows labels and
counts; keeps no text.

A text is taken by dice, whatever the student is sure of, and let go where the teacher is busy: no client waits for it. Answers are judged in windows
that do not overlap, each once, so that looking often finds no drop by itself.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator

from limbeck.evidence import Interval
from limbeck.serve.answer import Answer
from limbeck.serve.figure import Figure
from limbeck.serve.payload import Payload
from limbeck.serve.stage import Stage
from limbeck.verify.statistics import proportion, unpaired_difference

MATTERS = 0.02
"""A drop of the agreement from which on it counts."""


class Shadow:
    """The live agreement; used by one event loop.

    Args:
        teacher: who is asked.
        share: of the texts.
        before: the agreement at distillation; None: nothing is known, so nothing can be said to have dropped.
        window: answers that are judged together.
        dice: a number in [0, 1).
    """

    def __init__(
        self,
        teacher: Stage,
        share: float,
        before: Interval | None = None,
        window: int = 500,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self._teacher, self._share, self._before, self._window, self._dice = teacher, share, before, window, dice
        self._same = self._asked = self._skipped = self._total = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.agreement: Interval | None = None
        """Of the last whole window, with its bounds; of the first one before it is whole."""
        self.dropped = False
        """Whether the last whole window is shown to lie below what it was at distillation, by so much that it matters."""

    def seen(self, text: Payload, answer: Answer) -> None:
        """Perhaps ask the teacher too; nobody waits for it."""
        if self._dice() >= self._share:
            return
        if not self._teacher.idle:
            self._skipped += 1
            return
        task = asyncio.get_running_loop().create_task(self._compare(text, answer))
        self._tasks.add(task)  # the loop itself holds no task
        task.add_done_callback(self._tasks.discard)

    async def _compare(self, text: Payload, answer: Answer) -> None:
        found = await self._teacher.ask(text, answer)
        if isinstance(found, Answer):
            self._count(found.label == answer.label)
        else:
            self._skipped += 1

    def _count(self, same: bool) -> None:
        self._same, self._asked, self._total = self._same + same, self._asked + 1, self._total + 1
        if self._total <= self._window or self._asked == self._window:
            self.agreement = proportion(self._same, self._asked)
        if self._asked == self._window:
            assert self.agreement is not None
            if self._before is not None:
                change = unpaired_difference(self.agreement, self._before)
                self.dropped = change.high < 0 and change.estimate <= -MATTERS
            self._same = self._asked = 0

    def figures(self) -> Iterator[Figure]:
        """What was found so far in this process."""
        yield "limbeck_shadow_asked_total", {}, self._total
        yield "limbeck_shadow_skipped_total", {}, self._skipped
        if self.agreement is not None:
            for name, value in (("", self.agreement.estimate), ("_low", self.agreement.low), ("_high", self.agreement.high)):
                yield f"limbeck_shadow_agreement{name}", {}, value
        if self._before is not None:
            yield "limbeck_shadow_agreement_expected", {}, self._before.estimate
            yield "limbeck_shadow_agreement_dropped", {}, float(self.dropped)

    def close(self) -> None:
        """Wait for nothing any more."""
        for task in self._tasks:
            task.cancel()
