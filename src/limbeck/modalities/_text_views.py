"""Views of a text: the same customer, said a little differently. Knows strings; knows nothing of tokenizers, models or files.

Operations act on strings, since teacher and student tokenise differently and must see the same view. Each view has its own
seed, made from the record's key and the view's number, so a new record changes no other record's views.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass

from limbeck.types import Operation, Record, View


@dataclass(frozen=True, slots=True)
class TextViews:
    """How many views a record gets beside itself, and how they are made.

    A view is a splice with probability `splice_share` (the first words of one text, the last of another: the teacher alone
    knows what that means, so it has no label), has misspellings with probability `typo_share`, and otherwise loses each word
    with probability `drop_share`.
    """

    per_record: int = 8
    drop_share: float = 0.2
    splice_share: float = 0.4
    typo_share: float = 0.1

    def of(self, records: Sequence[Record], seed: int) -> list[View]:
        """The records as they are, then their further views; no two views have the same payload."""
        views = [View((r.key,), (), seed, r.payload, r.label) for r in records]
        seen = {v.payload for v in views}
        for record in records:
            for number in range(self.per_record):
                view = self._one(record, records, _seed(record.key, number, seed))
                if view.payload not in seen:
                    seen.add(view.payload)
                    views.append(view)
        return views

    def _one(self, record: Record, records: Sequence[Record], seed: int) -> View:
        dice = random.Random(seed)
        kind = dice.random()
        if kind < self.splice_share and len(records) > 1:
            other = records[dice.randrange(len(records))]
            return View(
                (record.key, other.key),
                (Operation("splice", 1),),
                seed,
                splice(record.payload, other.payload, dice),
            )
        if kind < self.splice_share + self.typo_share:
            typo = Operation("typos", 1)
            return View((record.key,), (typo,), seed, typos(record.payload, dice), record.label)
        drop = Operation("drop_words", 1, {"share": self.drop_share})
        return View((record.key,), (drop,), seed, drop_words(record.payload, self.drop_share, dice), record.label)


def drop_words(text: str, share: float, dice: random.Random) -> str:
    """The text without about `share` of its words, never without all of them."""
    words = text.split()
    kept = [w for w in words if dice.random() >= share]
    return " ".join(kept or words[:1])


def splice(first: str, second: str, dice: random.Random) -> str:
    """Some of the first words of one text, then some of the last words of the other."""
    head, tail = first.split(), second.split()
    return " ".join(head[: dice.randint(1, max(1, len(head)))] + tail[-dice.randint(1, max(1, len(tail))) :])


def typos(text: str, dice: random.Random) -> str:
    """The text with one or two slips of the finger: a letter doubled, lost, or swapped with the next."""
    letters = list(text)
    for _ in range(dice.randint(1, 2)):
        if len(letters) < 3:
            break
        i = dice.randrange(len(letters) - 1)
        slip = dice.randrange(3)
        if slip == 0:
            letters.insert(i, letters[i])
        elif slip == 1:
            del letters[i]
        else:
            letters[i], letters[i + 1] = letters[i + 1], letters[i]
    return "".join(letters)


def _seed(key: str, number: int, seed: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{key}/{number}/{seed}".encode()).digest()[:6], "big")
