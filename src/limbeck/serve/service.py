"""Bundles by name, and what they answer. Knows predictors, deadlines and who answers next; knows nothing of HTTP.

A bag of embeddings answers in less time than a thread takes to wake up, so it is called at once, in the event loop. Slower students, and many texts
at once, wait in a queue and are called by a thread, with whatever waits. So do pictures and clips, which come as bytes and are decoded there.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from limbeck.bundle import Bundle
from limbeck.errors import UnknownNameError, nearest
from limbeck.runtime.predict import Predictor
from limbeck.serve.answer import Answer, Answers, answers_of, answers_of_sets
from limbeck.serve.batcher import Batcher
from limbeck.serve.counts import Counts
from limbeck.serve.figure import Figure
from limbeck.serve.limits import Limits
from limbeck.serve.payload import TEXT, Payload

_QUICK_SECONDS = 0.0005
"""A model that answers one text in less is called in the event loop."""
_QUICK_TEXTS = 16
_TIMED = ("one two three four five six seven eight nine ten eleven twelve",)


class Escalate(Protocol):
    """Who knows better than one of the models, and watches it. The first two are called for each answer, so they have to be quick."""

    def wanted(self, answer: Answer) -> bool:
        """Whether this answer is to be handed over."""

    def seen(self, text: Payload, answer: Answer) -> None:
        """An answer of the student was given."""

    async def __call__(self, text: Payload, answer: Answer) -> Answer | None:
        """A better answer, or None where the student's stands."""

    def figures(self) -> Iterator[Figure]:
        """What happened so far in this process."""

    def close(self) -> None:
        """Ask nobody any more."""


@dataclass(frozen=True, slots=True)
class Model:
    """One loaded bundle: its golden examples came out as they must on this machine.

    sha256: of its manifest. quick: whether it is called in the event loop. reads: its modality's name.
    """

    name: str
    predictor: Predictor
    source: Path
    sha256: str = ""
    quick: bool = True
    reads: str = TEXT

    @classmethod
    def load(cls, name: str, path: Path, key: Path | None = None) -> Model:
        """Open a bundle, replay its golden examples, and see how long it takes.

        Raises:
            LimbeckError: as `limbeck.load`.
        """
        bundle = Bundle.open(path, key)
        predictor, reads, taken = Predictor(bundle), bundle.manifest.modality, []
        if reads != TEXT:
            return cls(name, predictor, path, bundle.sha256, quick=False, reads=reads)
        for _ in range(10):  # the best of ten, since a busy machine is no slow model
            begin = time.perf_counter()
            predictor.logits(_TIMED)
            taken.append(time.perf_counter() - begin)
        return cls(name, predictor, path, bundle.sha256, min(taken) < _QUICK_SECONDS)

    def answer(self, texts: Sequence[Payload], top_k: int) -> tuple[Answer, ...]:
        """The student's answers to texts."""
        return self._answers(self.predictor.logits(texts), top_k)

    def read(self, content: bytes, most: float) -> Any:
        """What the network takes of a picture or a clip, of at most so many of what its modality counts.

        Raises:
            LimbeckError: it is none, or has more.
        """
        assert isinstance(content, bytes)  # a text would be read as a path
        modality = self.predictor.modality
        return modality.encode([modality.received(content, most)])[0]

    def answer_read(self, encoded: Sequence[Any], top_k: int) -> tuple[Answer, ...]:
        """The student's answers to what was read."""
        return self._answers(self.predictor.logits_of(encoded), top_k)

    def _answers(self, logits_NC: NDArray[np.float32], top_k: int) -> tuple[Answer, ...]:
        predictor = self.predictor
        predictions = predictor.answers(logits_NC)
        made: Any = answers_of_sets if predictor.several else answers_of
        found: tuple[Answer, ...] = made(logits_NC, predictions, predictor.labels, predictor.calibration.temperature, top_k)
        return found


class Service:
    """Loaded bundles that answer; used by one event loop.

    Args:
        models: by name; the first is asked where a request names none.
        escalate: by the name of a model, who is asked where it is not sure.
        limits: of what may wait for each model, and of pictures and clips.
    """

    def __init__(
        self, models: Mapping[str, Model], *, escalate: Mapping[str, Escalate] | None = None, limits: Limits | None = None
    ) -> None:
        self.models = dict(models)
        self.default = next(iter(self.models))
        self.escalate = dict(escalate or {})
        self.counts = Counts()
        self.watch: Callable[[Answers], None] | None = None  # told of the answers to each request
        self.turned_away: Callable[[], None] | None = None  # told of each request for which there was no room
        self.reply: Callable[[Answer], str] = _named  # what is said to a customer
        self.ready = True
        self._limits = limits or Limits()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="limbeck-students")
        self._batchers = {name: self._batcher(model) for name, model in self.models.items()}

    @classmethod
    def load(
        cls,
        bundles: Mapping[str, Path],
        key: Path | None = None,
        *,
        escalate: Mapping[str, Escalate] | None = None,
        limits: Limits | None = None,
    ) -> Service:
        """A service of bundles, each checked and its golden examples replayed.

        Raises:
            LimbeckError: as `limbeck.load`.
        """
        models = {name: Model.load(name, path, key) for name, path in bundles.items()}
        return cls(models, escalate=escalate, limits=limits)

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

    @property
    def reads(self) -> dict[str, Model]:
        """What can be read here (names of modalities), and the first model that reads it."""
        found: dict[str, Model] = {}
        for model in self.models.values():
            found.setdefault(model.reads, model)
        return found

    def now(self, name: str | None, texts: Sequence[Payload], top_k: int = 1) -> Answers | None:
        """The answers at once, or None where they have to be awaited from `classify`.

        Raises:
            UnknownNameError: there is no such model.
        """
        begin = time.perf_counter()
        model = self.model(name)
        if not model.quick or len(texts) > _QUICK_TEXTS:
            return None
        found = model.answer(texts, top_k)
        if (escalate := self.escalate.get(model.name)) is not None:
            if any(map(escalate.wanted, found)):
                return None
            for text, answer in zip(texts, found, strict=True):
                escalate.seen(text, answer)
        return self.given(Answers(model.name, found, (time.perf_counter() - begin) * 1e3))

    def quick(self, name: str | None, texts: Sequence[Payload]) -> bool:
        """Whether `together` takes these texts: the model is called in the event loop, and nobody else is ever asked in its place.

        Raises:
            UnknownNameError: there is no such model.
        """
        model = self.model(name)
        return model.quick and len(texts) <= _QUICK_TEXTS and model.name not in self.escalate

    def together(self, name: str | None, texts: Sequence[Sequence[Any]], top_k: int, begin: float) -> list[Answers]:
        """The answers to several requests for one model, which is called once for all of them: a bag takes half as long for a text
        among eight as for one alone. They are counted by `given`, which can wait until they are sent.

        Args:
            name: of the model, which was quick.
            texts: of each request.
            top_k: how many labels each answer lists.
            begin: the moment of `time.perf_counter()` when the first of them was read.
        """
        model = self.model(name)
        found = model.answer(texts[0] if len(texts) == 1 else [text for of in texts for text in of], top_k)
        taken, start, answers = (time.perf_counter() - begin) * 1e3, 0, []
        for of in texts:
            answers.append(Answers(model.name, found[start : start + len(of)], taken))
            start += len(of)
        return answers

    async def classify(
        self, name: str | None, texts: Sequence[Payload], *, top_k: int = 1, deadline: float | None = None
    ) -> Answers:
        """The answers to some texts, pictures or clips.

        Args:
            name: of the model; None: the first.
            texts: at least one, of the kind that the model reads.
            top_k: how many labels each answer lists.
            deadline: the moment of `time.monotonic()` after which nobody waits for the answer; None: there is none.

        Raises:
            UnknownNameError: there is no such model.
            Overloaded: too much waits.
            Expired: the deadline has passed.
            Unread: one of them cannot be read.
        """
        begin = time.perf_counter()
        model = self.model(name)
        if model.quick and len(texts) <= _QUICK_TEXTS:
            found = list(model.answer(texts, top_k))
        else:
            found = list(await self._batchers[model.name].answer(texts, top_k, deadline))
        if (escalate := self.escalate.get(model.name)) is not None:
            for text, answer in zip(texts, found, strict=True):
                escalate.seen(text, answer)
            unsure = [i for i, answer in enumerate(found) if escalate.wanted(answer)]
            better = await asyncio.gather(*(_escalated(escalate, texts[i], found[i], deadline) for i in unsure))
            for i, answer in zip(unsure, better, strict=True):
                found[i] = answer
        return self.given(Answers(model.name, tuple(found), (time.perf_counter() - begin) * 1e3))

    def given(self, answers: Answers) -> Answers:
        """These answers were given; returned as they are."""
        self.counts.answered(answers)
        if self.watch is not None:
            self.watch(answers)
        return answers

    def take(self, model: Model) -> None:
        """From now on this model answers under its name; what waits for the one before it is still answered by that."""
        self._batchers[model.name] = self._batcher(model)
        self.models[model.name] = model

    @property
    def waiting(self) -> int:
        """Texts that wait at this moment."""
        return sum(batcher.waiting for batcher in self._batchers.values())

    def figures(self) -> Iterator[Figure]:
        """What happened so far in this process."""
        yield from self.counts.figures()
        for name, batcher in self._batchers.items():
            yield "limbeck_waiting", {"model": name}, batcher.waiting
        for name, escalate in self.escalate.items():
            for figure, about, value in escalate.figures():
                yield figure, {"model": name, **about}, value

    def close(self) -> None:
        """Ask nobody any more."""
        for escalate in self.escalate.values():
            escalate.close()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _batcher(self, model: Model) -> Batcher:
        if model.reads == TEXT:
            return Batcher(model.answer, self._thread, self._limits.queued)
        most = float(getattr(self._limits, model.predictor.modality.counted))
        read = functools.partial(model.read, most=most)
        return Batcher(model.answer_read, self._thread, self._limits.queued, read)


async def _escalated(escalate: Escalate, text: Payload, answer: Answer, deadline: float | None) -> Answer:
    """The better answer, or the student's where none comes in time."""
    left = None if deadline is None else max(0.0, deadline - time.monotonic())
    try:
        return await asyncio.wait_for(escalate(text, answer), left) or answer
    except TimeoutError:
        return replace(answer, escalation="late")


def _named(answer: Answer) -> str:
    return answer.label
