"""Whether test rows are written like training rows. Knows the words of both; knows no labels and no model."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from limbeck.errors import listing
from limbeck.findings import Finding, warning
from limbeck.payloads import text_of
from limbeck.types import Record
from limbeck.verify.statistics import proportion

_MOST, _LEAST = 4000, 60  # rows of each side that are read, and that say something
_APART, _NEW, _MORE = 0.4, 0.5, 0.1
"""The difference between the shares of texts with a word; the share of a text's words that no training row has, from which on it is a strange
text; how many more strange texts there may be than among training rows themselves."""
_WORD = re.compile(r"[^\W\d_]+")


def likeness_findings(train: Sequence[Record], test: Sequence[Record]) -> Iterator[Finding]:
    """Words that stand on one side only, and texts of words that the other side does not know."""
    known, judged = (_words(rows) for rows in (train, test))
    if min(len(known), len(judged)) < _LEAST:
        return
    what, advice = (
        "The test rows are not like the training rows.",
        "Were both written by the same program, from the same customers? Look at some rows of both.",
    )
    shares = [_shares(of) for of in (known, judged)]
    apart = {w: (shares[0].get(w, 0.0), shares[1].get(w, 0.0)) for w in shares[0].keys() | shares[1].keys()}
    odd = sorted((w for w, (a, b) in apart.items() if abs(a - b) > _APART), key=lambda w: (-abs(apart[w][0] - apart[w][1]), w))
    if odd:
        here, there = apart[odd[0]]
        others = f"; so it is with {listing(odd[1:], 3)}" if odd[1:] else ""
        yield warning(
            "test_unlike_train",
            what,
            f"The word '{odd[0]}' stands in {here:.0%} of the training texts and in {there:.0%} of the test texts{others}.",
            advice,
        )
        return
    vocabulary = set[str]().union(*known[::2])
    strange, usual = (sum(_is_strange(of, vocabulary) for of in rows) for rows in (judged, known[1::2]))
    expected = usual / len(known[1::2])
    share = proportion(strange, len(judged), 0.999)
    if share.low > expected + _MORE:
        yield warning(
            "test_unlike_train",
            what,
            f"In {share.estimate:.1%} of the test texts at least half of the words are such as no training text has; among training texts themselves "
            f"these are {expected:.1%}.",
            f"Another language, another topic, or another way of writing? {advice}",
        )


def _words(rows: Sequence[Record]) -> list[set[str]]:
    """The words of different texts, in their order; of many rows as many from everywhere."""
    texts = list(dict.fromkeys(text_of(r.payload).casefold() for r in rows[:: max(1, len(rows) // _MOST)]))
    return [set(_WORD.findall(text)) for text in texts]


def _shares(texts: Sequence[set[str]]) -> dict[str, float]:
    return {word: count / len(texts) for word, count in Counter(w for of in texts for w in of).items()}


def _is_strange(words: set[str], vocabulary: set[str]) -> bool:
    return bool(words) and len(words - vocabulary) >= _NEW * len(words)
