"""What is odd about the data, counted and shown by row. Knows texts, labels and where they stand; decides nothing and changes nothing.

Customers' texts are private: a finding names rows by where they stand and by their keys, and holds a text only when asked.
Two texts are near when they are the same but for case, spaces and the encoding of accents (`limbeck.text`).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from limbeck.data.labels import loosely
from limbeck.data.rejected import Rejected
from limbeck.errors import listing
from limbeck.label_sets import Label, names_of
from limbeck.payloads import text_of
from limbeck.types import Json, Record

THIN = 5
"""A class with fewer training rows is thin."""
LONG = 2000
"""Characters from which on a text is long: teachers read some hundred words."""
_SHOWN = 5

# What UTF-8 looks like when it was read as Windows' 1252, in which five bytes have no character.
_BYTE = {bytes([b]).decode("cp1252", "ignore") or chr(b): b for b in range(0x80, 0x100)}
_FOREIGN = re.compile(f"[{re.escape(''.join(_BYTE))}]{{2,}}")
_BROKEN = re.compile("[\ufffd\ud800-\udfff\x80-\x9f\x00-\x08\x0b\x0c\x0e-\x1f]")


@dataclass(frozen=True, slots=True)
class Example:
    """A row that shows what a finding means; `text` is None unless it was asked for."""

    where: str
    key: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked for: how often it was found (rows, or classes), in a sentence, and where."""

    name: str
    count: int
    sentence: str
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True)
class Audit:
    """All that was looked for. `rows` counts what there is."""

    rows: dict[str, int]
    findings: tuple[Finding, ...]

    def lines(self) -> list[str]:
        """A sentence for each thing that was found, with the first row that shows it."""
        return [f.sentence + (f" (first: {f.examples[0].where})" if f.examples else "") for f in self.findings if f.count]

    def to_json(self) -> Json:
        """All findings, those of nothing among them."""
        return {
            "rows": dict(self.rows),
            "findings": {
                f.name: {
                    "count": f.count,
                    "sentence": f.sentence,
                    "examples": [
                        {k: v for k in ("where", "key", "text") if (v := getattr(e, k)) is not None} for e in f.examples
                    ],
                }
                for f in self.findings
            },
        }

    def __getitem__(self, name: str) -> Finding:
        """The finding of this name."""
        return next(f for f in self.findings if f.name == name)


def audit(
    records: Sequence[Record],
    test: Sequence[Record] | None = None,
    valid: Sequence[Record] | None = None,
    *,
    rejected: Sequence[Rejected] = (),
    training: Sequence[Record] | None = None,
    show_texts: bool = False,
    noun: str = "text",
) -> Audit:
    """Look for what spoils a training or a measurement.

    Args:
        records: all rows but those of the test and validation files, as they were read.
        test: the rows of the test file.
        valid: the rows of the validation file.
        rejected: rows that were set aside while reading.
        training: the rows that are left to train on, where thin classes are counted; by default `records`.
        show_texts: whether examples hold their texts.
        noun: what a payload is called.
    """
    held, choosing = list(test or ()), list(valid or ())
    everything = [*records, *choosing, *held]
    labelled = [r for r in records if r.label is not None]
    labels, own = by_text(records), by_text(held)
    exact = {(r.key, r.payload) for r in held}
    classes = Counter(name for r in (records if training is None else training) for name in names_of(r.label))
    firsts = _first_of_classes(labelled)
    thin = [r for r in firsts if classes[str(r.label)] < THIN]
    alike = _alike(firsts)

    def look(name: str, found: Iterable[Record | Rejected], sentence: str, one: str = "row", many: str = "rows") -> Finding:
        count, examples = 0, []
        for row in found:
            count += 1
            if count <= _SHOWN:
                key, text = (row.key, str(row.payload)) if isinstance(row, Record) else (None, None)
                examples.append(Example(row.where, key, text if show_texts else None))
        return Finding(name, count, f"{count:,} {one if count == 1 else many} {sentence}", tuple(examples))

    def within(part: Sequence[Record], known: dict[str, set[Label]], suffix: str, of: str) -> list[Finding]:
        contradictory = (r for r in part if r.label is not None and len(known[r.key]) > 1)
        copies, near = _repeated(part)
        return [
            look(f"contradictory_labels{suffix}", contradictory, f"{of} with a {noun} whose copies have other labels"),
            look(f"duplicates{suffix}", copies, f"{of} whose {noun} stood before"),
            look(f"near_duplicates{suffix}", near, f"{of} whose {noun} stood before but for case or spaces"),
        ]

    findings = (
        look("unusable_rows", (r for r in rejected if r.kind == "unusable"), "that cannot be read as an example"),
        look("empty_texts", (r for r in rejected if r.kind == "empty"), f"without a {noun}"),
        look(
            "unjudging_rows",
            (r for r in rejected if r.kind == "unjudging"),
            "of the test file without a label to judge by",
        ),
        look(
            "unchoosing_rows",
            (r for r in rejected if r.kind == "unchoosing"),
            f"of the validation file that choose nothing: without a label, or with a {noun} that judges",
        ),
        *within(records, labels, "", "to train"),
        *within(held, own, "_in_test", "of the test file"),
        *within(choosing, by_text(choosing), "_in_valid", "of the validation file"),
        look(
            "duplicates_across",
            (r for r in records if (r.key, r.payload) in exact),
            f"to train whose {noun} is also in the test file",
        ),
        look(
            "near_duplicates_across",
            (r for r in records if r.key in own and (r.key, r.payload) not in exact),
            f"to train whose {noun} is also in the test file but for case or spaces",
        ),
        look(
            "contradictory_labels_across",
            (r for r in held if r.label is not None and labels.get(r.key) and labels[r.key] != own[r.key]),
            f"of the test file whose {noun} has another label among the rows to train",
        ),
        look(
            "unlabelled_copies",
            (r for r in records if r.label is None and labels[r.key]),
            f"without a label whose {noun} also stands with one",
        ),
        look("thin_classes", thin, f"with fewer than {THIN} rows to train: {_names(thin)}", "class", "classes"),
        look(
            "similar_labels",
            (group[0] for group in alike),
            f"of labels that differ only in case or in what parts their words: {'; '.join(map(_names, alike[:_SHOWN]))}",
            "group",
            "groups",
        ),
        look("long_texts", (r for r in everything if len(text_of(r.payload)) > LONG), f"of more than {LONG:,} characters"),
        look(
            "garbled_texts", (r for r in everything if garbled(text_of(r.payload))), "with characters that were decoded wrongly"
        ),
    )
    rows = {
        "labelled": len(labelled),
        "unlabelled": len(records) - len(labelled),
        "valid": len(choosing),
        "test": len(held),
        "classes": len(firsts),
        "rejected": len(rejected),
    }
    return Audit(rows, findings)


def by_text(records: Iterable[Record]) -> dict[str, set[Label]]:
    """For the key of each text, near copies together, the labels that it bears."""
    labels: dict[str, set[Label]] = defaultdict(set)
    for record in records:
        found = labels[record.key]
        if record.label is not None:
            found.add(record.label)
    return dict(labels)


def garbled(text: str) -> bool:
    """Whether a text holds replacement characters, halves of characters, control characters, or UTF-8 that was read as something else.

    Example:
        >>> garbled("cafÃ©"), garbled("café"), garbled("don\u00e2\u20ac\u2122t")
        (True, False, True)
    """
    return (not text.isascii() and any(map(_misread, _FOREIGN.findall(text)))) or bool(_BROKEN.search(text))


def _misread(run: str) -> bool:
    try:
        bytes(_BYTE[c] for c in run).decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _repeated(records: Iterable[Record]) -> tuple[list[Record], list[Record]]:
    """Rows whose text stood before exactly, and rows whose text stood before only nearly."""
    payloads: dict[str, set[str]] = defaultdict(set)
    exact: list[Record] = []
    near: list[Record] = []
    for record in records:
        before = payloads[record.key]
        if before:
            (exact if record.payload in before else near).append(record)
        before.add(record.payload)
    return exact, near


def _first_of_classes(labelled: Iterable[Record]) -> list[Record]:
    """The first row of each name, as a row of that name alone."""
    found: dict[str, Record] = {}
    for record in labelled:
        for name in names_of(record.label):
            if name not in found:
                found[name] = record if record.label == name else replace(record, label=name)
    return list(found.values())


def _alike(firsts: Iterable[Record]) -> list[list[Record]]:
    """Classes that read alike, by the first row of each."""
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in firsts:
        groups[loosely(str(record.label))].append(record)
    return [group for group in groups.values() if len(group) > 1]


def _names(firsts: Iterable[Record]) -> str:
    return listing(sorted(str(r.label) for r in firsts))
