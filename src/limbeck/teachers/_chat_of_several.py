"""A question about one text to which several labels may apply, and what its answer says. Knows the wire format; knows no endpoint and no money.

The answer is a JSON object with a list of labels, which a schema holds to the set; an empty list says that none applies. Log-probabilities of its tokens
say little of a label that was not named, so the share of several samples that name a label is its probability.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from limbeck.label_sets import aims
from limbeck.teachers._chat import Chat, Heard
from limbeck.teachers._said import Said
from limbeck.teachers._said_of_several import of_lists, of_yes
from limbeck.types import Json

_WORDS = 'You sort texts. Answer with a JSON object such as {"labels": [LABEL, LABEL]}, with all labels that apply; with an empty list where none does.'
_LEAST = 0.02  # of a label that no sample named, as of one that was only named


class ChatOfSeveral(Chat):
    """How a text is asked about of which several labels may be true."""

    __slots__ = ()

    def words(self) -> str:
        """What is asked, where the recipe says nothing else."""
        return _WORDS

    def most_tokens(self) -> int:
        """Of an answer."""
        return 256

    def schema(self) -> Json:
        """The JSON schema of an answer's fields."""
        return {"labels": {"type": "array", "items": {"type": "string", "enum": list(self.labels)}}}

    def heard(self, answer: Json) -> Heard | None:
        """What a kept answer says; None where it cannot be used."""
        try:
            named = json.loads(str(answer["text"]))["labels"]
        except (ValueError, KeyError, TypeError):
            return None
        if answer.get("odd") or not isinstance(named, list) or not all(name in self.labels for name in named):
            return None
        return Heard("", labels=tuple(sorted(set(named))))


def chat_of(settings: Any, labels: tuple[str, ...], several: bool) -> Chat:
    """How a teacher with these settings asks about these labels."""
    kind = ChatOfSeveral if several else Chat
    form: Any = "json" if several else settings.form
    return kind(
        settings.endpoint.rstrip("/"), settings.model, labels, form, settings.instructions,
        form == "number" and settings.logprobs is not False, settings.samples, settings.temperature, settings.body, settings.redact,
    )  # fmt: skip


def said_of_several(heard_B: Sequence[Sequence[Heard]], labels: Sequence[str], where: str) -> Said:
    """What the answers to each text say together. Of a text without any, each label applies as often as it does to the others."""
    given = [[h.labels for h in heard] for heard in heard_B]
    if all(len(named) == 1 for named in given):
        return of_lists([named[0] for named in given], labels, where)
    shares_BC = np.array(
        [aims(named, labels, several=True).mean(axis=0) if named else [np.nan] * len(labels) for named in given]
    )
    unknown_B = np.isnan(shares_BC).any(axis=1)
    p_BC = np.clip(shares_BC, _LEAST, 1.0 - _LEAST)
    p_BC[unknown_B] = p_BC[~unknown_B].mean(axis=0) if not unknown_B.all() else 0.5
    said = of_yes(p_BC, len(labels), where)
    said.known_BC[unknown_B] = 0.0
    return said
