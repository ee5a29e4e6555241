"""What is wrong with labels as names. Knows labelled rows; knows no model."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from limbeck.data.audit import Audit
from limbeck.doctor.wording import first_of
from limbeck.errors import listing
from limbeck.findings import Finding, refusal, warning
from limbeck.payloads import text_of
from limbeck.types import Record

_MOST = 4000  # rows that are looked at for signs
_LEAST, _ROWS_OF_A_CLASS = 20, 10
_SPELLED, _COVERED, _PURE = (
    0.8,
    0.95,
    0.98,
)  # of the rows; of a class's texts that hold its sign; of the texts with a sign that are of its class
_LISTED = 5  # labels that are made of others
_WORD = re.compile(r"\w+")
_PARTS = re.compile(r"\s*[|;,+&/]\s*")


def label_findings(labelled: Sequence[Record], audit: Audit) -> Iterator[Finding]:
    """What labels are called, and whether texts tell them."""
    if audit["similar_labels"].count:
        yield warning(
            "similar_labels",
            "Labels differ only in case or in what parts their words.",
            f"{audit['similar_labels'].sentence}.",
            "They count as different classes. Spell each class in one way.",
        )
    if len(labelled) < _LEAST:
        return
    names = Counter(str(r.label) for r in labelled)
    same = sum(str(r.label).strip() == text_of(r.payload).strip() for r in labelled)
    if len(names) > len(labelled) / 2 or same > len(labelled) / 2:
        yield refusal(
            "labels_are_no_classes",
            "The labels do not name classes.",
            f"{len(labelled):,} labelled rows hold {len(names):,} labels, such as {listing(list(names), 3)}"
            + (f"; {same:,} are the text itself." if same else "."),
            "Name the column that holds the class (--set data.label=NAME).",
        )
        return
    yield from _lists(list(names))
    told = [r for r in labelled if len(str(r.label)) >= 3 and str(r.label).casefold() in text_of(r.payload).casefold()]
    if len(told) > _SPELLED * len(labelled):
        evidence = f"{len(told):,} of {len(labelled):,} labelled texts spell their label{first_of(told)}."
    elif signs := _signs(labelled[:_MOST]):
        shown = "; ".join(f"'{word}' for '{label}'" for label, word in list(signs.items())[:3])
        evidence = (
            f"A word of its own stands in nearly all texts of {len(signs)} of {len(names)} classes, and in no others: {shown}."
        )
    else:
        return
    yield warning(
        "label_in_text",
        "The texts hold their own labels.",
        evidence,
        "A model then learns to read it, and will miss it when it serves. Take it out of the texts.",
    )


def _signs(labelled: Sequence[Record]) -> dict[str, str]:
    """For each class the word that gives it away, if most rows are of such classes; else nothing."""
    rows = Counter(str(r.label) for r in labelled)
    holding: dict[str, Counter[str]] = defaultdict(Counter)
    everywhere: Counter[str] = Counter()
    for r in labelled:
        its = set(_WORD.findall(text_of(r.payload).casefold()))
        holding[str(r.label)].update(its)
        everywhere.update(its)
    found = {}
    for label, words in holding.items():
        if rows[label] < _ROWS_OF_A_CLASS or len(rows) < 2:
            continue
        word, count = max(words.items(), key=lambda w: (w[1] * w[1] / everywhere[w[0]], w[0]), default=("", 0))
        if count >= _COVERED * rows[label] and count >= _PURE * everywhere[word]:
            found[label] = word
    return found if sum(rows[label] for label in found) > _SPELLED * len(labelled) else {}


def _lists(names: Sequence[str]) -> Iterator[Finding]:
    """Labels that list several classes."""
    parts = {name: [p for p in _PARTS.split(name) if p] for name in names}
    among = Counter(part for of in parts.values() for part in set(of))
    lists = [name for name, of in parts.items() if len(of) > 1 and all(among[part] > 1 for part in of)]
    if len(lists) >= _LISTED:
        yield warning(
            "labels_are_lists",
            "Labels name several classes at once.",
            f"{len(lists)} of {len(names)} labels are made of others, such as {listing(lists, 3)}.",
            "Each combination counts as a class of its own. Where several apply to a text, say so (--set task=multi-label-text-classification, and with "
            "--set data.label_separator=SIGN what parts them); else keep one class for each text.",
        )
