"""Views of a text: the same customer, said a little differently. Knows strings; knows nothing of tokenizers, models or files.

Operations act on strings, since teacher and student tokenise differently and must see the same view. Each view has its own
seed, made from the record's key and the view's number, so a new record hardly changes the views of others: what a splice draws
from, and which views would repeat a text.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from limbeck.modalities._near_words import WORD, NearWords
from limbeck.settings import CountOrZero, Probability, Share
from limbeck.types import Operation, Record, View

SWAPPED = 0.3
"""Share of the words that `swap_words` replaces, where a near word is known."""


@dataclass(frozen=True, slots=True)
class TextViews:
    """How many views a record gets beside itself, and how they are made.

    A view is a splice with probability `splice_share` (the first words of one text, the last of another), has misspellings
    with probability `typo_share`, and otherwise loses each word with probability `drop_share`. With probability `swap_share`
    some of its words are then replaced by words that the teacher holds for near. What a splice or a swap means only the teacher
    knows, so these have no label.
    """

    per_record: CountOrZero = 8
    drop_share: Share = 0.2
    splice_share: Probability = 0.5
    typo_share: Probability = 0.1
    swap_share: Probability = 0.8

    def __post_init__(self) -> None:
        if self.splice_share + self.typo_share > 1:
            raise ValueError("splice_share and typo_share add up to more than 1")

    def of(self, records: Sequence[Record], seed: int, near: NearWords) -> list[View]:
        """The records as they are, then their further views, none of which repeats a text."""
        views = [View((r.key,), (), seed, r.payload, r.label) for r in records]
        seen = {v.payload for v in views}
        for record in records:
            for number in range(self.per_record):
                view = self._one(record, records, _seed(record.key, number, seed), near)
                if view.payload not in seen:
                    seen.add(view.payload)
                    views.append(view)
        return views

    def _one(self, record: Record, records: Sequence[Record], seed: int, near: NearWords) -> View:
        dice = random.Random(seed)
        kind = dice.random()
        keys: tuple[str, ...] = (record.key,)
        label = record.label
        if kind < self.splice_share and len(records) > 1:
            other = records[dice.randrange(len(records))]
            keys, label = (record.key, other.key), None
            operations = [Operation("splice", 1)]
            text = splice(record.payload, other.payload, dice)
        elif kind < self.splice_share + self.typo_share:
            operations = [Operation("typos", 1)]
            text = typos(record.payload, dice)
        else:
            operations = [Operation("drop_words", 1, {"share": self.drop_share})]
            text = drop_words(record.payload, self.drop_share, dice)
        if dice.random() < self.swap_share:
            swapped = swap_words(text, near, SWAPPED, dice)
            if swapped != text:
                operations.append(Operation("swap_words", 1, {"share": SWAPPED}))
                text, label = swapped, None
        return View(keys, tuple(operations), seed, text, label)


def drop_words(text: str, share: float, dice: random.Random) -> str:
    """The text without about `share` of its words, never without all of them."""
    words = text.split()
    kept = [w for w in words if dice.random() >= share]
    return " ".join(kept or words[:1])


def splice(first: str, second: str, dice: random.Random) -> str:
    """Some of the first words of one text, then some of the last words of the other."""
    head, tail = first.split(), second.split()
    return " ".join(head[: dice.randint(1, max(1, len(head)))] + tail[-dice.randint(1, max(1, len(tail))) :])


def swap_words(text: str, near: NearWords, share: float, dice: random.Random) -> str:
    """The text with about `share` of the words that have near words replaced by one of them.

    Source: Jiao et al. (2020), TinyBERT, section 3.2: words replaced by their neighbours in an embedding, labelled by the teacher.
    """

    def swapped(match: re.Match[str]) -> str:
        choice = near.get(match[0].lower())
        return dice.choice(choice) if choice and dice.random() < share else match[0]

    return WORD.sub(swapped, text)


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
