"""A student that hands over what it is not sure of: to its teacher, then to a person. Knows a threshold and who is asked in which order.

The threshold is the one that validation rows chose (`limbeck cascade`). Where nobody can be asked the student's answer stands, and says why.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from limbeck.serve.answer import Answer, Escalation
from limbeck.serve.figure import Figure
from limbeck.serve.kept import Kept
from limbeck.serve.payload import Payload
from limbeck.serve.stage import Stage


class Watcher(Protocol):
    """Somebody who looks on."""

    def seen(self, text: Payload, answer: Answer) -> None:
        """The student has answered; it has to be quick."""

    def figures(self) -> Iterator[Figure]:
        """What was found so far in this process."""

    def close(self) -> None:
        """Look no more."""


class Cascade:
    """Who is asked where a student is not sure; used by one event loop.

    Args:
        threshold: an answer with a lower confidence is handed over.
        stages: who is asked, one after the other: the next one where there is no answer, or where its confidence is below `sure`.
        sure: of a teacher's answer: with less, the next one is asked, if there is one.
        watchers: who look on: how well the student agrees with the teacher, whether what comes in has changed.
        kept: where escalations are kept; None: nowhere.
    """

    def __init__(
        self,
        threshold: float,
        stages: Sequence[Stage],
        sure: float = 0.0,
        watchers: Sequence[Watcher] = (),
        kept: Kept | None = None,
    ) -> None:
        self._threshold, self._stages, self._sure = threshold, tuple(stages), sure
        self._watchers, self._kept = tuple(watchers), kept
        self._answers = self._wanted = 0

    def wanted(self, answer: Answer) -> bool:
        """Whether the student is not sure."""
        return answer.confidence < self._threshold

    def seen(self, text: Payload, answer: Answer) -> None:
        """The student has answered."""
        self._answers += 1
        for watcher in self._watchers:
            watcher.seen(text, answer)

    async def __call__(self, text: Payload, answer: Answer) -> Answer:
        """The better answer, or the student's with the reason why it stands."""
        self._wanted += 1
        found, label = answer, None
        why: Escalation | None = None
        for stage in self._stages:
            heard = await stage.ask(text, answer)
            if not isinstance(heard, Answer):
                why = why or heard
                continue
            found, why = heard, None
            if heard.answered_by == "teacher":
                label = heard.label
            if heard.answered_by == "person" or heard.confidence >= self._sure:
                break
        if self._kept is not None:
            assert isinstance(text, str)  # whoever keeps is asked about texts alone
            self._kept.add(text, answer, label)
        return replace(answer, escalation=why or "no answer") if found is answer else found

    def figures(self) -> Iterator[Figure]:
        """What happened so far in this process."""
        yield "limbeck_cascade_answers_total", {}, self._answers
        yield "limbeck_cascade_escalations_total", {}, self._wanted
        for stage in self._stages:
            about = {"who": stage.who}
            for outcome, count in sorted(stage.outcomes.items()):
                yield "limbeck_cascade_asked_total", {**about, "outcome": outcome}, count
            yield "limbeck_cascade_breaker_open", about, float(stage.breaker.state != "closed")
            yield "limbeck_cascade_breaker_opened_total", about, stage.breaker.opened
        for watcher in self._watchers:
            yield from watcher.figures()
        if self._kept is not None:
            yield from self._kept.figures()

    def close(self) -> None:
        """Ask nobody any more, and finish what is to be kept."""
        for stage in self._stages:
            stage.close()
        for watcher in self._watchers:
            watcher.close()
        if self._kept is not None:
            self._kept.close()
