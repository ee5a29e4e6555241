"""What is wrong with the rows of the files: leaks, contradictions, copies, classes. Knows records, their audit and their splits; knows no model.

Shares are of what the sentence names. A share that happens in honest data is a note; from the limits below on it is a warning.
"""

from __future__ import annotations

import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from limbeck.data.audit import THIN
from limbeck.data.prepare import Prepared
from limbeck.doctor.label_names import label_findings
from limbeck.doctor.texts import text_findings
from limbeck.doctor.wording import are, first_of, graded, shown
from limbeck.errors import listing
from limbeck.evidence import Basis
from limbeck.findings import Finding, Severity, refusal, warning
from limbeck.label_sets import names_of
from limbeck.payloads import text_of
from limbeck.types import Record

LEAK, CONTRADICTORY, DUPLICATES, MAJORITY = 0.05, 0.02, 0.25, 0.9
"""Shares from which on a note becomes a warning: of test texts that also train, of labelled rows, of rows, of the largest class."""
_HOPELESS = 0.5
_SEARCHED, _CHARACTERS, _WHOLE = 1000, 2 * 10**9, 20
"""Test rows that are looked for within training texts, the characters that this may take to read, and how many a row has at least."""
_HONEST = (
    "They are left out of the training, so the verdict is honest; but a teacher that came with its classes may know them. "
)
_EXPECTED = 8.0  # rows of a class that a test file should have, by its share of the training rows, before its absence is odd
_NOT_LETTERS = re.compile(r"[\W\d_]+")


def row_findings(prepared: Prepared) -> Iterator[Finding]:
    """All that rows say without a model."""
    labelled = [r for r in prepared.as_read if r.label is not None]
    yield from _leaks(prepared)
    yield from _contradictions(prepared, labelled)
    yield from _nearly_contradictory(labelled)
    yield from _copies(prepared)
    yield from _classes(prepared)
    # Of several labels a row says of each what a row of that label alone says.
    one_by_one = [r if isinstance(r.label, str) else replace(r, label=name) for r in labelled for name in names_of(r.label)]
    yield from label_findings(one_by_one, prepared.audit)
    yield from text_findings(prepared)


def _leaks(prepared: Prepared) -> Iterator[Finding]:
    train, test, valid = prepared.as_read, prepared.test_as_read, prepared.valid_as_read
    known = partial(_known, prepared.noun)
    own = "Give the validation file rows of its own, or leave data.valid out."
    yield from known("test", test, "training", train, _HONEST, "Take the test rows from elsewhere, or remove these.")
    yield from known("validation", valid, "training", train, "They train nobody, so fewer rows are left to train. ", own)
    yield from known("validation", valid, "test", test, "They judge, so they choose nothing. ", own)
    keys, whole = {r.key for r in train}, {_bare(r) for r in train}
    bare = {b for b in whole if len(b) >= 12}
    everything = "\n".join(whole) if test else ""
    most = min(_SEARCHED, _CHARACTERS // max(1, len(everything)))  # since each is a search through all texts
    searched = test[:: max(1, len(test) // most)] if most else []
    held = {r.key for r in searched if len(b := _bare(r)) >= _WHOLE and b.count(" ") > 2 and b in everything}
    nearly = [r for r in test if r.key not in keys and (_bare(r) in bare or r.key in held)]
    yield from graded(
        "leak_nearly",
        len(nearly) / len(test) if test else 0.0,
        LEAK,
        "Texts of the test file stand in training rows, with other numbers and signs or with words around them.",
        f"{len(nearly):,} of {len(test):,} test rows{first_of(nearly)}.",
        "They do train. Rows from one template belong to one side: remove them from one of the two files.",
    )


def _known(
    noun: str, name: str, rows: Sequence[Record], other: str, theirs: Sequence[Record], so: str, advice: str
) -> Iterator[Finding]:
    """Rows of one file that another has too."""
    keys = {r.key for r in theirs}
    known = [r for r in rows if r.key in keys]
    yield from graded(
        "leak",
        len(known) / len(rows) if rows else 0.0,
        LEAK,
        f"{noun.capitalize()}s of the {name} file are also {other} rows.",
        f"{len(known):,} of {len(rows):,} {name} rows{f' ({len(known) / len(rows):.1%})' if rows else ''}{first_of(known)}.",
        so + advice,
    )


def _contradictions(prepared: Prepared, labelled: Sequence[Record]) -> Iterator[Finding]:
    for name, suffix, rows in (("training", "", labelled), ("test", "_in_test", prepared.test_as_read)):
        count = prepared.audit[f"contradictory_labels{suffix}"].count
        share = count / len(rows) if rows else 0.0
        what = f"Copies of one {prepared.noun} have different labels among the {name} rows."
        evidence = (
            f"{count:,} of {len(rows):,} labelled rows ({share:.1%}){shown(prepared.audit, f'contradictory_labels{suffix}')}."
        )
        advice = f"Their labels are not used. Decide on one label for each {prepared.noun} (rejected.jsonl lists them with their lines)."
        if share >= _HOPELESS:
            yield refusal(
                "contradictory_labels",
                what,
                evidence,
                f"So many mean that {prepared.noun} and label do not belong together. {advice}",
            )
        else:
            yield from graded("contradictory_labels", share, CONTRADICTORY, what, evidence, advice)


def _nearly_contradictory(labelled: Sequence[Record]) -> Iterator[Finding]:
    """Rows that are copies but for numbers and signs, and have other labels."""
    groups: dict[str, list[Record]] = defaultdict(list)
    for r in labelled:
        groups[_bare(r)].append(r)
    odd = [
        r
        for bare, of in groups.items()
        if len(bare) >= 3 and len({x.label for x in of}) > 1 and len({x.key for x in of}) > 1
        for r in of
    ]
    share = len(odd) / len(labelled) if labelled else 0.0
    what = "Texts that differ only in numbers and signs have different labels."
    evidence = f"{len(odd):,} of {len(labelled):,} labelled rows ({share:.1%}){first_of(odd)}."
    if share >= _HOPELESS:
        yield refusal(
            "contradictory_nearly", what, evidence, "Is the column of the texts the right one? It seems to hold numbers or ids."
        )
    elif share > CONTRADICTORY:
        yield warning(
            "contradictory_nearly",
            what,
            evidence,
            "No model can tell them apart. Decide on one label for each, or remove texts that say nothing, such as placeholders.",
        )


def _copies(prepared: Prepared) -> Iterator[Finding]:
    for name, suffix, rows in (("training", "", prepared.as_read), ("test", "_in_test", prepared.test_as_read)):
        count = sum(prepared.audit[f"{kind}{suffix}"].count for kind in ("duplicates", "near_duplicates"))
        share = count / len(rows) if rows else 0.0
        aside = ", case and spaces aside" if prepared.noun == "text" else ""
        yield from graded(
            "duplicates",
            share,
            DUPLICATES,
            f"Many {name} rows repeat a {prepared.noun}."
            if share > DUPLICATES
            else f"Some {name} rows repeat a {prepared.noun}.",
            f"{count:,} of {len(rows):,} rows ({share:.1%}) stood before{aside}{shown(prepared.audit, f'duplicates{suffix}')}.",
            "They stay on one side of every split. Where a log was read twice, remove the copies; they weigh as rows in training.",
        )


def _classes(prepared: Prepared) -> Iterator[Finding]:
    splits = prepared.splits
    training = Counter(name for r in splits.train for name in names_of(r.label))
    if not training:
        return
    total = sum(r.label is not None for r in splits.train)
    largest, most = training.most_common(1)[0]
    if most / total >= MAJORITY:
        yield warning(
            "imbalanced",
            f"Nearly all rows have the label '{largest}'.",
            f"{most:,} of {total:,} labelled training rows ({most / total:.1%}); always answering it is right as often.",
            "Accuracy says little then: look at macro-F1 and the classes of the report, set verify.gates.class_drop, and add rows of the others.",
        )
    typical = statistics.median(training.values())
    thin = sorted(label for label, count in training.items() if count < THIN)
    if thin:
        odd = typical >= 10 * THIN
        yield Finding(
            "thin_classes",
            Severity.WARNING if odd else Severity.NOTE,
            f"{are(len(thin), 'class has', 'classes have')} fewer than {THIN} rows to train.",
            f"{listing(thin)}; half of the classes have {typical:,.0f} or more.",
            "Misspelled labels look like this; mend them, merge the classes, or add rows.",
        )
    judged = Counter(name for r in splits.test for name in names_of(r.label))
    if splits.basis is Basis.LABELS:
        absent = sorted(set(splits.labels) - set(judged))
        odd_ones = [c for c in absent if len(splits.test) * training[c] / total >= _EXPECTED]
        if absent:
            yield Finding(
                "class_absent_from_test",
                Severity.WARNING if odd_ones else Severity.NOTE,
                f"{are(len(absent), 'class has', 'classes have')} no test row.",
                f"{listing(odd_ones or absent)}; {len(splits.test):,} rows judge.",
                "What is lost there, nobody will see. Add test rows of it, or remove the class.",
            )


def _bare(record: Record) -> str:
    return _NOT_LETTERS.sub(" ", text_of(record.payload).casefold()).strip()
