"""Views of a text: the same customer, said a little differently. Knows strings; knows nothing of tokenizers, models or files.

Operations act on strings, since teacher and student tokenise differently and must see the same view. Each view has its own
seed, made from the record's key and the view's number, so a new record hardly changes the views of others: what a splice draws
from, which words stand between the same neighbours, and which views would repeat a text.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from limbeck.modalities._dice import dice_of
from limbeck.modalities._near_words import WORD, NearWords
from limbeck.settings import CountOrZero, Probability, Share
from limbeck.types import Operation, Record, View

SWAPPED = 0.3
"""Share of the words that `swap_words` replaces, where another word is known."""

_WORD_START = re.compile(r"(?<!\S)\S")
_END = ".!?…。！？"


@dataclass(frozen=True, slots=True)
class TextViews:
    """How many views a record gets beside itself, and how they are made.

    A view is a splice with probability `splice_share` (the first words of one text, the last of another), a part of the text with
    probability `span_share`, has misspellings with probability `typo_share`, and otherwise loses each word with probability
    `drop_share`. Some of its words are then replaced, with probability `swap_share` by words that the teacher's embeddings hold for
    near, and with probability `synonym_share` by words that stand between the same neighbours in the records' own texts. With
    probability `case_share` it is at last typed as customers type: small, in capitals, Each Word So, or without the last full stop.
    What a splice, a part or other words mean only the teacher knows, so these have no label.
    """

    per_record: CountOrZero = 16
    drop_share: Share = 0.2
    splice_share: Probability = 0.5
    span_share: Probability = 0.0
    typo_share: Probability = 0.1
    swap_share: Probability = 0.8
    synonym_share: Probability = 0.0
    case_share: Probability = 0.0

    def __post_init__(self) -> None:
        if self.splice_share + self.span_share + self.typo_share > 1 + 1e-9:
            raise ValueError("splice_share, span_share and typo_share add up to more than 1")

    def keeping_labels(self) -> TextViews:
        """The same number of views, of those kinds alone that keep a record's label."""
        return replace(self, splice_share=0.0, span_share=0.0, swap_share=0.0, synonym_share=0.0)

    def of(self, records: Sequence[Record], seed: int, near: NearWords, alike: NearWords) -> list[View]:
        """The records as they are, then their further views, none of which repeats a text.

        Args:
            records: whose payloads are texts.
            seed: of the dice.
            near: by what `swap_share` of the views have words replaced.
            alike: the same for `synonym_share`.
        """
        views = [View((r.key,), (), seed, r.payload, r.label) for r in records]
        seen = {v.payload for v in views}
        for record in records:
            for number in range(self.per_record):
                view = self._one(record, records, dice_of(record.key, number, seed), near, alike)
                if view.payload not in seen:
                    seen.add(view.payload)
                    views.append(view)
        return views

    def _one(self, record: Record, records: Sequence[Record], seed: int, near: NearWords, alike: NearWords) -> View:
        dice = random.Random(seed)
        kind = dice.random()
        keys: tuple[str, ...] = (record.key,)
        label = record.label
        if kind < self.splice_share:
            other = records[dice.randrange(len(records))]
            keys, label = (record.key, other.key), None
            operations = [Operation("splice", 1)]
            text = splice(record.payload, other.payload, dice)
        elif kind < self.splice_share + self.span_share:
            label = None
            operations = [Operation("span", 1)]
            text = span(record.payload, dice)
        elif kind < self.splice_share + self.span_share + self.typo_share:
            operations = [Operation("typos", 1)]
            text = typos(record.payload, dice)
        else:
            operations = [Operation("drop_words", 1, {"share": self.drop_share})]
            text = drop_words(record.payload, self.drop_share, dice)
        chosen = {"near": dice.random() < self.swap_share, "synonyms": dice.random() < self.synonym_share}
        swapped = swap_words(text, [s for s, on in zip((near, alike), chosen.values(), strict=True) if on], SWAPPED, dice)
        if swapped != text:
            of = " and ".join(name for name, on in chosen.items() if on)
            operations.append(Operation("swap_words", 1, {"share": SWAPPED, "of": of}))
            text, label = swapped, None
        if dice.random() < self.case_share and (ways := typed(text)):
            way = dice.choice(sorted(ways))
            operations.append(Operation("case", 1, {"way": way}))
            text = ways[way]
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


def span(text: str, dice: random.Random) -> str:
    """Some words of the text that stand together: at least half of them and at least two, but not all where there are three."""
    words = text.split()
    length = dice.randint(min(len(words), max(2, -(-len(words) // 2))), max(min(2, len(words)), len(words) - 1))
    start = dice.randint(0, len(words) - length)
    return " ".join(words[start : start + length])


def swap_words(text: str, sources: Sequence[NearWords], share: float, dice: random.Random) -> str:
    """The text with about `share` of the words that some of the sources know replaced by one of what they give for it.

    Source: Jiao et al. (2020), TinyBERT, section 3.2: words replaced by their neighbours in an embedding, labelled by the teacher.
    """

    def swapped(match: re.Match[str]) -> str:
        choice = [other for source in sources for other in source.get(match[0].lower(), ())]
        return dice.choice(choice) if choice and dice.random() < share else match[0]

    return WORD.sub(swapped, text)


def typed(text: str) -> dict[str, str]:
    """The ways in which a customer may type the text, by name; those that would leave it as it is, or empty, are not among them.

    Example:
        >>> typed("Where is it?")
        {'lower': 'where is it?', 'upper': 'WHERE IS IT?', 'capitalised': 'Where Is It?', 'no full stop': 'Where is it'}
    """
    ways = {
        "lower": text.lower(),
        "upper": text.upper(),
        "capitalised": _WORD_START.sub(lambda match: match[0].upper(), text),
        "no full stop": text.rstrip().rstrip(_END),
    }
    return {name: other for name, other in ways.items() if other not in ("", text)}


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
