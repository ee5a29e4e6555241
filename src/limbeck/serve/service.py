"""Bundles by name, and what they answer. Knows predictors, deadlines and who answers next; knows nothing of HTTP.

A bag of embeddings answers in less time than a thread takes to wake up, so it is called at once, in the event loop. Slower
students wait in a queue and are called by a thread, with whatever waits.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from limbeck.errors import UnknownNameError, nearest
from limbeck.runtime.predict import Predictor, load
from limbeck.serve.answer import Answer, Answers, answers_of

Escalate = Callable[[str, Answer], Awaitable[Answer | None]]
"""A text and the student's answer to a better answer, or None where the student's stands."""


@dataclass(frozen=True, slots=True)
class Model:
    """One loaded bundle: its golden examples came out as they must on this machine."""

    name: str
    predictor: Predictor
    source: Path

    def answer(self, texts: Sequence[str], top_k: int) -> tuple[Answer, ...]:
        """The student's answers."""
        predictor = self.predictor
        logits_NC = predictor.logits(texts)
        predictions = predictor.answers(logits_NC)
        return answers_of(logits_NC, predictions, predictor.labels, predictor.calibration.temperature, top_k)


class Service:
    """Loaded bundles that answer.

    Args:
        models: by name; the first is asked where a request names none.
        escalate: who is asked where `wanted` says so; None: nobody.
        wanted: whether an answer of the student goes to `escalate`; called for each answer, so it has to be quick.
    """

    def __init__(
        self,
        models: Mapping[str, Model],
        *,
        escalate: Escalate | None = None,
        wanted: Callable[[Answer], bool] = lambda answer: answer.abstain,
    ) -> None:
        self.models = dict(models)
        self.default = next(iter(self.models))
        self.escalate, self._wanted = escalate, wanted
        self.watch: Callable[[Answers], None] | None = None  # told of the answers to each request
        self.ready = True

    @classmethod
    def load(cls, bundles: Mapping[str, Path], key: Path | None = None, escalate: Escalate | None = None) -> Service:
        """A service of bundles, each checked and its golden examples replayed.

        Raises:
            LimbeckError: as `limbeck.load`.
        """
        models = {name: Model(name, load(path, key=key), path) for name, path in bundles.items()}
        return cls(models, escalate=escalate)

    def model(self, name: str | None) -> Model:
        """A model by its name, the first one for None.

        Raises:
            UnknownNameError: there is none of this name.
        """
        found = self.models.get(name or self.default)
        if found is None:
            raise UnknownNameError(
                f"no model is called {name!r:.80}; served: {', '.join(self.models)}.{nearest(str(name)[:80], self.models)}"
            )
        return found

    def now(self, name: str | None, texts: Sequence[str], top_k: int = 1) -> Answers | None:
        """The answers at once, or None where they have to be awaited from `classify`.

        Raises:
            UnknownNameError: there is no such model.
        """
        begin = time.perf_counter()
        model = self.model(name)
        found = model.answer(texts, top_k)
        if self.escalate is not None and any(map(self._wanted, found)):
            return None
        return self._given(Answers(model.name, found, (time.perf_counter() - begin) * 1e3))

    async def classify(
        self, name: str | None, texts: Sequence[str], *, top_k: int = 1, deadline: float | None = None
    ) -> Answers:
        """The answers to some texts.

        Args:
            name: of the model; None: the first.
            texts: at least one.
            top_k: how many labels each answer lists.
            deadline: the moment of `time.monotonic()` after which nobody waits for the answer; None: there is none.

        Raises:
            UnknownNameError: there is no such model.
        """
        begin = time.perf_counter()
        model = self.model(name)
        found = list(model.answer(texts, top_k))
        if self.escalate is not None:
            unsure = [i for i, answer in enumerate(found) if self._wanted(answer)]
            better = await asyncio.gather(*(self._escalated(texts[i], found[i], deadline) for i in unsure))
            for i, answer in zip(unsure, better, strict=True):
                found[i] = answer
        return self._given(Answers(model.name, tuple(found), (time.perf_counter() - begin) * 1e3))

    def _given(self, answers: Answers) -> Answers:
        if self.watch is not None:
            self.watch(answers)
        return answers

    async def _escalated(self, text: str, answer: Answer, deadline: float | None) -> Answer:
        """The better answer, or the student's where none comes in time."""
        assert self.escalate is not None
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        try:
            return await asyncio.wait_for(self.escalate(text, answer), left) or answer
        except TimeoutError:
            return answer
