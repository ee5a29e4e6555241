"""A model behind an endpoint that speaks OpenAI's chat completions, as many servers do. Knows what is asked, kept and paid; trains nothing.

`_chat.py` is the question and its answer, `_endpoint.py` the calls, `_paid_answers.py` the file: every answer is on disk before it is used, so
nothing that was paid for is asked again by any run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import httpx2
from pydantic import Field

from limbeck.errors import TeacherError
from limbeck.settings import Count, Limits, Positive
from limbeck.teachers._chat import Chat, Heard, characters, counted, kept, said_of
from limbeck.teachers._chat_of_several import chat_of, said_of_several
from limbeck.teachers._cost import Estimate, Prices, tokens
from limbeck.teachers._endpoint import Call, Endpoint, RefusedError, host_of, scrubbed
from limbeck.teachers._labels import Labels, labels_of
from limbeck.teachers._paid_answers import PaidAnswers, default_path
from limbeck.teachers._presidio import finds_names
from limbeck.teachers._renewed import Renewed
from limbeck.teachers._said import Says, fields
from limbeck.teachers._secret import secret
from limbeck.types import Fingerprint, Json, Record, Signal, digest

SMOKE = 16
"""Rows whose answers must all be usable before more are asked."""
_ASKS = 3  # of one row, the first time included
NotNegative = Annotated[float, Limits((("ge", 0.0), ("allow_inf_nan", False)))]
Body = Annotated[dict[str, Any], Field(strict=False)]


class Openai:
    """A model behind an OpenAI-compatible endpoint.

    Args:
        settings: as in a recipe.
        transport: in place of the network, for tests.

    Raises:
        TeacherError: the endpoint's address holds a secret, or is none.
    """

    @dataclass(frozen=True, slots=True)
    class Settings:
        """`model`: its name at the `endpoint`. `key_env`: the environment variable that holds the key, or its name in the keyring
        (`keyring set limbeck NAME`). `labels`: None of them: the data's.
        `previous_labels`: those of an earlier run, to which some were added: its answers stand where the new labels cannot change them.

        What is asked: `instructions` in place of limbeck's own; `form` number or json; `logprobs`: None: where the endpoint gives any.
        `samples` of each text, whose answers are votes; `temperature`: None: 0, and 0.7 for several samples. `body`: further fields of a request.
        `redact`: e-mail addresses, numbers of accounts, cards and phones, and announced names leave as placeholders; presidio: what that finds, too.
        How: `concurrency` calls at once, `per_minute` at most, `timeout` in seconds, `tries` of each call. What it costs: `price_in`,
        `price_out` of a million tokens; it stops before it has cost more than `max_cost`. `answers`: the file that keeps them; None: the
        user's own. `terms`: under what terms the answers may be used, for the report.
        """

        model: str = ""
        endpoint: str = "https://api.openai.com/v1"
        key_env: str = "OPENAI_API_KEY"
        labels: Labels = ()
        previous_labels: Labels = ()
        instructions: str | None = None
        form: Literal["number", "json"] = "number"
        logprobs: bool | None = None
        samples: Count = 1
        temperature: NotNegative | None = None
        body: Body = field(default_factory=dict)
        redact: bool | Literal["presidio"] = False
        concurrency: Count = 8
        per_minute: Count | None = None
        timeout: Positive = 60.0
        tries: Count = 8
        price_in: NotNegative | None = None
        price_out: NotNegative | None = None
        max_cost: Positive | None = None
        answers: str | None = None
        terms: str | None = None

    operating: ClassVar[tuple[str, ...]] = (
        "key_env", "concurrency", "per_minute", "timeout", "tries", "price_in", "price_out", "max_cost", "answers", "terms",
    )  # fmt: skip
    """Settings that change no answer, so another run may have others."""
    modality: ClassVar[str] = "text"
    tolerance: ClassVar[float] = 0.0
    has_head: ClassVar[bool] = True
    answers_here: ClassVar[bool] = False
    paid: ClassVar[bool] = True
    shard: ClassVar[int] = 128
    tried: ClassVar[int] = SMOKE
    parameters: ClassVar[int] = 0

    def __init__(self, settings: Settings, transport: httpx2.BaseTransport | None = None) -> None:
        self.settings = settings
        host = host_of(settings.endpoint)
        if not settings.model:
            raise TeacherError("teacher.model is empty; name a model of the endpoint")
        self._prices = Prices(settings.price_in, settings.price_out)
        if settings.max_cost is not None and not self._prices.known:
            raise TeacherError("teacher.max_cost needs the prices of a million tokens: set teacher.price_in and price_out")
        self._secret, key_name = secret(settings.key_env)
        self._endpoint = Endpoint(
            settings.endpoint,
            self._secret,
            key_name,
            timeout=settings.timeout,
            tries=settings.tries,
            concurrency=settings.concurrency,
            per_minute=settings.per_minute,
            transport=transport,
        )
        self._store = PaidAnswers(Path(settings.answers) if settings.answers else default_path())
        self.name = f"{settings.model} at {host}"
        self.labels: tuple[str, ...] = ()
        self._own: tuple[str, ...] = ()
        self._several = False
        self.says: Says = "labels"
        self._chat: Chat
        self._renewed: Renewed | None = None
        if settings.labels:
            self.expect(())

    @classmethod
    def load(cls, settings: Settings, device: str = "cpu") -> Openai:
        """The teacher; nothing is asked yet.

        Raises:
            TeacherError: the settings hold a secret or no address, or the file of answers cannot be used.
        """
        del device
        return cls(settings)

    @classmethod
    def tiny(cls, folder: Path, seed: int = 0) -> Openai:
        """An endpoint inside the process that counts letters."""
        labels = ("greeting", "question", "thanks")
        settings = cls.Settings(f"tiny-{seed}", "http://localhost/v1", "", labels, answers=str(folder / "answers.sqlite"))
        teacher = cls(settings, httpx2.MockTransport(counted))
        teacher.discover([Record("k", "hello")], labels)
        return teacher

    def close(self) -> None:
        """Close connections and the file of answers."""
        self._endpoint.close()
        self._store.close()

    def discover(self, rows: Sequence[Record], labels: Sequence[str]) -> None:
        """Ask the first rows: whether all answers can be used, and in which way they are given.

        Raises:
            TeacherError: the endpoint is down, does not know the model or accept the key, or its answers cannot be used.
        """
        self.expect(labels, rows)
        texts = list(dict.fromkeys(str(r.payload) for r in rows))[:SMOKE]
        try:
            self._heard(texts[:1])
        except RefusedError as error:
            if self.settings.logprobs or "logprob" not in error.why.lower():
                raise
            self._chat = self._chat.without_logprobs()
        heard = self._heard(texts)
        if lost := [text for text in texts if any(h is None for h in heard[text])]:
            raw, why = (self._store.unusable(self._job) or [("", "")])[-1]
            raise TeacherError(
                f"{self.name}: {len(lost)} of the first {len(texts)} answers cannot be used, so no more were asked ({why}); such as {raw!r:.200}. "
                "Mend teacher.instructions or teacher.labels, or set teacher.form: json."
            )
        given = [h for text in texts for h in heard[text] if h is not None]
        if self.settings.samples > 1:
            self.says = "probabilities" if self._several else "votes"
        elif given and all(h.some is not None for h in given):
            self.says = "top_k"
        else:
            self.says = "labels"

    @property
    def calls_each(self) -> int:
        """Calls for each text."""
        return self.settings.samples

    def gives(self) -> frozenset[str]:
        """Logits; with log-probabilities also which of them are known."""
        return fields(self.says) | frozenset(() if self._several else {"known_BC"})

    def fingerprint(self) -> Fingerprint:
        """Endpoint, model, prompt, labels and how it is sampled."""
        previous = {} if self._renewed is None else {"previous": self._renewed.fingerprint()}
        return {
            "kind": "openai",
            "weights": digest([self.settings.endpoint, self.settings.model]),
            "labels": digest(self._own),
            "asked": digest([self._chat.call("", 0, 0).body, self.settings.samples]),
            **previous,
        }

    def estimate(self, payloads: Sequence[Any]) -> Estimate:
        """What asking these texts will take; nothing is asked."""
        texts = list(dict.fromkeys(str(p) for p in payloads))
        rows, standing = len(texts), self._renewed.heard(texts) if self._renewed else {}
        texts = [text for text in texts if text not in standing]
        chats = [self._chat, *([self._chat.without_logprobs()] if self.settings.logprobs is None else [])]
        missing = min((self._missing(chat, texts) for chat in chats), key=len)  # which it takes, it says when it is asked
        return self._prices.estimate(rows, len(missing), *self._tokens(missing))

    def spent(self) -> Estimate:
        """What this teacher's answers have cost so far, in all runs."""
        found = self._store.spent(self._job)
        return self._prices.estimate(0, found.calls, found.tokens_in, found.tokens_out)

    def remarks(self) -> tuple[str, ...]:
        """What a report has to say of it."""
        found, lost = self.spent(), len(self._store.unusable(self._job))
        money = "" if found.money is None else f" and cost {found.money:.4g}"
        told = [
            f"the teacher's answers took {found.calls:,} calls, {found.tokens_in:,} tokens in and {found.tokens_out:,} out{money}"
        ]
        if lost:
            told.append(f"{lost:,} of its answers could not be used; of these rows the student learned nothing from it")
        if self._renewed is not None:
            told.append(f"answers that the new {', '.join(self._renewed.new)} cannot change are those under the labels before")
        if self.settings.redact:
            names = "names" if self.settings.redact == "presidio" and finds_names() else "names that a word announces"
            told.append(f"texts were pseudonymised before they left this machine: addresses, numbers, and {names}")
        if self.settings.terms:
            told.append(f"the teacher's terms, as the recipe says: {self.settings.terms}")
        return tuple(told)

    def answer(self, payloads: Sequence[Any], needs: frozenset[str]) -> Signal:
        """What the model says: from the file where it was asked before, else asked now.

        Of a text whose answers could not be used nothing is known: all labels are alike, and none of them counts as known.

        Raises:
            TeacherError: the endpoint fails, or `max_cost` is reached; what came back is kept.
        """
        texts = [str(p) for p in payloads]
        heard = self._heard(list(dict.fromkeys(texts)))
        given = [[h for h in heard[text] if h is not None] for text in texts]
        says, where = self.says, f"teacher {self.name}"
        return (said_of_several(given, self._own, where) if self._several else said_of(given, says, self._own, where)).signal(
            needs
        )

    # --- how it is asked -----------------------------------------------------------------------------------

    def expect(self, labels: Sequence[str], rows: Sequence[Record] = ()) -> None:
        """The labels to choose from: the recipe's, else these; and what new ones are about, by these rows.

        Raises:
            TeacherError: they are fewer than two, or the previous ones are not what they were.
        """
        self._own = labels_of(self.settings.labels or labels, None, "openai")
        self.labels = self._own
        self._chat = chat_of(self.settings, self._own, self._several)
        if self.settings.previous_labels and rows:
            self._renewed = Renewed(self._chat, self.settings.previous_labels, self._store)
            self._renewed.learn(rows)

    def answers_with(self, several: bool) -> None:
        """Whether several labels may apply to a text: then it is asked for a list in JSON. A TeacherError where there are previous labels."""
        if several and self.settings.previous_labels:
            raise TeacherError(
                "teacher.previous_labels: whether an answer stands is known of one label among all; leave them out"
            )
        self._several = several
        if self._own:
            self.expect(self._own)

    def _missing(self, chat: Chat, texts: Sequence[str]) -> list[Call]:
        calls = {c.key: c for text in texts for sample in range(self.settings.samples) if (c := chat.call(text, sample, 0))}
        return [calls[key] for key in calls.keys() - self._store.find(calls).keys()]

    @property
    def _job(self) -> str:
        return digest(dict(self.fingerprint()))

    def _heard(self, texts: Sequence[str]) -> dict[str, list[Heard | None]]:
        """For each text what its samples say; None where no answer could be used, which is set aside."""
        standing = self._renewed.heard(texts) if self._renewed else {}
        heard: dict[str, list[Heard | None]] = {t: [*standing.get(t, [None] * self.settings.samples)] for t in texts}
        unread = [(text, sample) for text in texts if text not in standing for sample in range(self.settings.samples)]
        answers: dict[tuple[str, int], tuple[str, Json]] = {}
        for attempt in range(_ASKS):
            calls = {(text, sample): self._chat.call(text, sample, attempt) for text, sample in unread}
            found = self._store.find(c.key for c in calls.values())
            # Two texts may be one without what names a person.
            wanted = {c.key: c for c in calls.values() if c.key not in found}
            found.update(self._asked(list(wanted.values())))
            answers = {place: (call.key, found[call.key]) for place, call in calls.items()}
            for (text, sample), (_, answer) in answers.items():
                heard[text][sample] = self._chat.heard(answer)
            unread = [(text, sample) for text, sample in unread if heard[text][sample] is None]
            if not unread:
                break
        for place in unread:
            key, answer = answers[place]
            self._store.set_aside(key, self._job, str(answer["text"]), f"no label, asked {_ASKS} times")
        return heard

    def _asked(self, calls: Sequence[Call]) -> dict[str, Json]:
        """The answers to these calls, each on disk before it is here."""
        found: dict[str, Json] = {}
        if not calls:
            return found
        job, most, spent = self._job, self.settings.max_cost, self._store.spent(self._job)
        used = [float(spent.tokens_in), float(spent.tokens_out)]
        each = self._prices.money(*self._tokens([max(calls, key=characters)]))

        def may_go_on(flying: int) -> bool:
            return most is None or self._prices.money(*used) + (flying + 1) * each <= most

        for returned in self._endpoint.answers("/chat/completions", calls, may_go_on):
            taken = kept(returned.body, lambda text: scrubbed(text, self._secret))
            self._store.add(returned.call.key, job, taken.answer, characters(returned.call), taken.tokens_in, taken.tokens_out)
            found[returned.call.key] = taken.answer
            used = [used[0] + taken.tokens_in, used[1] + taken.tokens_out]
        if len(found) < len(calls):
            raise TeacherError(
                f"stopped before teacher.max_cost: {self._prices.money(*used):.4g} of {most:.4g} is spent, and {len(calls) - len(found):,} calls of this "
                "part are still to be made. All answers are kept: raise it, and run the same command again."
            )
        return found

    def _tokens(self, calls: Sequence[Call]) -> tuple[float, float]:
        return tokens(sum(map(characters, calls)), len(calls), self._store.spent(self._job), self._chat.usual)
