"""A question about one text in OpenAI's chat completions, and what its answer says. Knows the wire format; knows no endpoint and no money.

Each label has a number, and the model answers with one: a number is one token for most models, so the log-probabilities of the first token are
those of the labels (the best 20 of them). With `form` json it answers with a label in a JSON object that a schema holds to the set.
"""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import httpx2

from limbeck.redact import pseudonymised
from limbeck.teachers._endpoint import Call
from limbeck.teachers._presidio import without_persons
from limbeck.teachers._said import Said, Says, of_labels, of_some, of_votes
from limbeck.text import clean
from limbeck.types import Json, digest

_NUMBER = "You sort texts. Answer with the number of the one label that fits best, and with nothing else."
_JSON = 'You sort texts. Answer with a JSON object such as {"label": LABEL}, with the one label that fits best.'
_AGAIN = "Your answer could not be read. Answer in the way that was asked for, and with nothing else."
_BEST = 20  # log-probabilities of a token: as many as OpenAI gives
_WARM = 0.7


@dataclass(frozen=True, slots=True)
class Heard:
    """What one answer says: a label, and the probabilities of some labels where they came with it; where several may apply, those that do in `labels`."""

    label: str
    some: dict[str, float] | None = None
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of an answer (its text, the log-probabilities of its tokens), and the tokens that it cost."""

    answer: Json
    tokens_in: int
    tokens_out: int


@dataclass(frozen=True, slots=True)
class Chat:
    """How a text is asked about.

    url: of the endpoint, part of a question's identity. samples: of each text; several are drawn at temperature 0.7 unless one is given.
    body: further fields of a request. redact: what points to a person stays here (`limbeck.redact`), what presidio finds too where that is asked for.
    """

    url: str
    model: str
    labels: tuple[str, ...]
    form: Literal["number", "json"] = "number"
    instructions: str | None = None
    logprobs: bool = True
    samples: int = 1
    temperature: float | None = None
    body: Mapping[str, Any] | None = None
    redact: bool | Literal["presidio"] = False

    def without_logprobs(self) -> Chat:
        """The same, for an endpoint that gives none."""
        return replace(self, logprobs=False)

    @property
    def usual(self) -> float:
        """Tokens of an answer, before any came."""
        return 2.0 if self.form == "number" else 12.0

    def words(self) -> str:
        """What is asked, where the recipe says nothing else."""
        return _NUMBER if self.form == "number" else _JSON

    def most_tokens(self) -> int:
        """Of an answer in JSON."""
        return 64

    def schema(self) -> Json:
        """The JSON schema of an answer's fields."""
        return {"label": {"type": "string", "enum": list(self.labels)}}

    def messages(self, text: str, attempt: int = 0) -> list[Json]:
        """Instructions with all labels, then the text; behind it a word for each answer that could not be read."""
        own = self.instructions or self.words()
        listed = [f"{n}: {label}" if self.form == "number" else label for n, label in enumerate(self.labels, 1)]
        system = "\n".join([own, "", "Labels:", *listed])
        again: list[Json] = [{"role": "user", "content": _AGAIN}] * attempt
        text = without_persons(clean(text)) if self.redact == "presidio" else clean(text)
        return [
            {"role": "system", "content": system},
            {"role": "user", "content": pseudonymised(text) if self.redact else text},
            *again,
        ]

    def call(self, text: str, sample: int, attempt: int) -> Call:
        """A request under a key that holds all that decides its answer."""
        body: Json = {"model": self.model, "messages": self.messages(text, attempt)}
        body["temperature"] = (_WARM if self.samples > 1 else 0.0) if self.temperature is None else self.temperature
        body["max_tokens"] = 8 if self.form == "number" else self.most_tokens()
        if self.samples > 1:
            body["seed"] = sample
        if self.logprobs:
            body.update(logprobs=True, top_logprobs=_BEST)
        if self.form == "json":
            asked = self.schema()
            schema = {"type": "object", "properties": asked, "required": list(asked), "additionalProperties": False}
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "answer", "strict": True, "schema": schema},
            }
        body.update(self.body or {})
        return Call(digest([self.url, body, sample]), body)

    def heard(self, answer: Json) -> Heard | None:
        """What a kept answer says; None where it cannot be used."""
        if answer.get("odd"):
            return None
        text = str(answer["text"]).strip()
        if self.form == "json":
            try:
                label = json.loads(text)["label"]
            except (ValueError, KeyError, TypeError):
                return None
            return Heard(label, None) if label in self.labels else None
        number = text.rstrip(".").strip()
        if number in self.labels and number not in self._numbered():  # some answer with the label's name all the same
            return Heard(number, None)
        found = self._numbered().get(number)
        return None if found is None else Heard(found, self._some(answer, number, found))

    def _some(self, answer: Json, number: str, label: str) -> dict[str, float] | None:
        """The probabilities of the labels whose number is one token, or of the one whose number is several."""
        tokens = [(str(token).strip(), float(logprob)) for token, logprob in answer.get("tokens", []) if str(token).strip()]
        if not tokens:
            return None
        if tokens[0][0] != number:
            return {label: min(1.0, math.exp(sum(logprob for _, logprob in tokens)))}
        found: dict[str, float] = defaultdict(float)
        for token, logprob in answer.get("top") or [tokens[0]]:
            if (name := self._numbered().get(str(token).strip())) is not None:
                found[name] += math.exp(min(0.0, float(logprob)))  # " 7" and "7" are two tokens of one number
        return dict(found) if label in found else {label: min(1.0, math.exp(tokens[0][1]))}

    def _numbered(self) -> dict[str, str]:
        return {str(place): label for place, label in enumerate(self.labels, 1)}


def kept(body: Json, scrub: Any) -> Kept:
    """What is kept of a response's body.

    Args:
        body: whatever JSON object came.
        scrub: text to text without a secret.
    """
    usage = body.get("usage") if isinstance(body.get("usage"), Mapping) else {}
    used = [int((usage or {}).get(name) or 0) for name in ("prompt_tokens", "completion_tokens")]
    try:
        choice = body["choices"][0]
        text = choice["message"]["content"]
        if not isinstance(text, str):
            raise TypeError("no text")
        content = (choice.get("logprobs") or {}).get("content") or []
        tokens = [[t["token"], float(t["logprob"])] for t in content]
        best = [[t["token"], float(t["logprob"])] for t in (content[0].get("top_logprobs") or [])] if content else []
        return Kept({"text": scrub(text), "tokens": tokens, "top": best}, *used)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        return Kept({"text": scrub(json.dumps(body, ensure_ascii=False)[:20_000]), "odd": True}, *used)


def said_of(heard_B: Sequence[Sequence[Heard]], says: Says, labels: Sequence[str], where: str) -> Said:
    """What the answers to each text say together; of a text without any, all labels are alike and none is known."""
    alike = dict.fromkeys(labels, 1.0 / len(labels))
    if says == "votes":
        said = of_votes([Counter(h.label for h in heard) for heard in heard_B], labels, where)
    elif says == "top_k":
        given = [(heard[0].some or {heard[0].label: 1.0}) if heard else alike for heard in heard_B]
        said = of_some(given, labels, where)
    else:
        said = of_labels([heard[0].label if heard else labels[0] for heard in heard_B], labels, where)
    for row, heard in enumerate(heard_B):
        if not heard:
            said.logits_BC[row], said.known_BC[row] = -math.log(len(labels)), 0.0
    return said


def characters(call: Call) -> int:
    """How many characters a call asks."""
    return sum(len(m["content"]) for m in call.body["messages"])


def counted(request: httpx2.Request) -> httpx2.Response:
    """The smallest endpoint: it answers by how often three letters stand in a text, and names its two best."""
    asked = json.loads(request.content)
    text, bias = asked["messages"][1]["content"], int(asked["model"][-1])
    weights = [1.0 + text.count("e") + bias, 1.0 + text.count("w"), 1.0 + text.count("t")]
    top = sorted(({"token": str(n), "logprob": math.log(w / sum(weights))} for n, w in enumerate(weights, 1)), key=_least)
    choice = {"message": {"content": top[0]["token"]}, "logprobs": {"content": [{**top[0], "top_logprobs": top[:2]}]}}
    return httpx2.Response(200, json={"choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": 1}})


def _least(token: Mapping[str, Any]) -> float:
    return -float(token["logprob"])
