"""What is wrong with the rows themselves. Knows records, their audit and their splits; knows no model.

Shares are of what the sentence names. A share that happens in honest data is a note; from the limits below on it is a warning.
"""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence

from limbeck.data.audit import THIN, Audit
from limbeck.data.prepare import Prepared
from limbeck.errors import listing
from limbeck.evidence import Basis
from limbeck.findings import Finding, Severity, refusal, warning
from limbeck.payloads import text_of
from limbeck.types import Record

LEAK, CONTRADICTORY, DUPLICATES, GARBLED, MARKUP, MAJORITY = 0.05, 0.02, 0.25, 0.01, 0.05, 0.9
"""Shares from which on a note becomes a warning: of test texts that also train, of labelled rows, of rows, of texts, again of texts, of the
largest class."""
_HOPELESS = 0.5
_EXPECTED = 8.0  # rows of a class that a test file should have, by its share of the training rows, before its absence is odd
_MARKUP = re.compile(
    r"&(?:[a-z]{2,8}|#\d{2,5}|#x[0-9a-f]{2,4});|</?(?:p|br|b|i|u|a|div|span|ul|li|td|tr|font|strong|em)\b[^<>]{0,200}>",
    re.IGNORECASE,
)
_NOT_LETTERS = re.compile(r"[\W\d_]+")


def row_findings(prepared: Prepared) -> Iterator[Finding]:
    """All that rows say without a model."""
    labelled = [r for r in prepared.as_read if r.label is not None]
    yield from _leaks(prepared)
    yield from _contradictions(prepared, labelled)
    yield from _copies(prepared)
    yield from _classes(prepared)
    yield from _labels_themselves(labelled)
    yield from _texts(prepared)


def _graded(code: str, share: float, limit: float, what: str, evidence: str, advice: str) -> Iterator[Finding]:
    if share:
        yield Finding(code, Severity.WARNING if share > limit else Severity.NOTE, what, evidence, advice)


def _leaks(prepared: Prepared) -> Iterator[Finding]:
    test, train = prepared.test_as_read, prepared.as_read
    if not test:
        return
    keys, noun = {r.key for r in train}, prepared.noun
    known = [r for r in test if r.key in keys]
    same = (
        "They are left out of the training, so the verdict is honest; but a teacher that came with its classes may know them. "
    )
    yield from _graded(
        "leak",
        len(known) / len(test),
        LEAK,
        f"{noun.capitalize()}s of the test file are also training rows.",
        f"{len(known):,} of {len(test):,} test rows ({len(known) / len(test):.1%}){_first(known)}.",
        same + "Take the test rows from elsewhere, or remove these.",
    )
    bare = {b for r in train if len(b := _bare(r)) >= 12}
    nearly = [r for r in test if r.key not in keys and _bare(r) in bare]
    yield from _graded(
        "leak_nearly",
        len(nearly) / len(test),
        LEAK,
        "Texts of the test file differ from training rows only in numbers and signs.",
        f"{len(nearly):,} of {len(test):,} test rows ({len(nearly) / len(test):.1%}){_first(nearly)}.",
        "They do train. Rows from one template belong to one side: remove them from one of the two files.",
    )


def _contradictions(prepared: Prepared, labelled: Sequence[Record]) -> Iterator[Finding]:
    for name, suffix, rows in (("training", "", labelled), ("test", "_in_test", prepared.test_as_read)):
        count = prepared.audit[f"contradictory_labels{suffix}"].count
        share = count / len(rows) if rows else 0.0
        what = f"Copies of one {prepared.noun} have different labels among the {name} rows."
        evidence = (
            f"{count:,} of {len(rows):,} labelled rows ({share:.1%}){_shown(prepared.audit, f'contradictory_labels{suffix}')}."
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
            yield from _graded("contradictory_labels", share, CONTRADICTORY, what, evidence, advice)


def _copies(prepared: Prepared) -> Iterator[Finding]:
    for name, suffix, rows in (("training", "", prepared.as_read), ("test", "_in_test", prepared.test_as_read)):
        count = sum(prepared.audit[f"{kind}{suffix}"].count for kind in ("duplicates", "near_duplicates"))
        share = count / len(rows) if rows else 0.0
        aside = ", case and spaces aside" if prepared.noun == "text" else ""
        yield from _graded(
            "duplicates",
            share,
            DUPLICATES,
            f"Many {name} rows repeat a {prepared.noun}."
            if share > DUPLICATES
            else f"Some {name} rows repeat a {prepared.noun}.",
            f"{count:,} of {len(rows):,} rows ({share:.1%}) stood before{aside}{_shown(prepared.audit, f'duplicates{suffix}')}.",
            "They stay on one side of every split. Where a log was read twice, remove the copies; they weigh as rows in training.",
        )


def _classes(prepared: Prepared) -> Iterator[Finding]:
    splits = prepared.splits
    training = Counter(str(r.label) for r in splits.train if r.label is not None)
    if not training:
        return
    total = training.total()
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
            f"{_are(len(thin), 'class has', 'classes have')} fewer than {THIN} rows to train.",
            f"{listing(thin)}; half of the classes have {typical:,.0f} or more.",
            "Misspelled labels look like this; mend them, merge the classes, or add rows.",
        )
    judged = Counter(str(r.label) for r in splits.test)
    if splits.basis is Basis.LABELS:
        absent = sorted(set(splits.labels) - set(judged))
        odd_ones = [c for c in absent if len(splits.test) * training[c] / total >= _EXPECTED]
        if absent:
            yield Finding(
                "class_absent_from_test",
                Severity.WARNING if odd_ones else Severity.NOTE,
                f"{_are(len(absent), 'class has', 'classes have')} no test row.",
                f"{listing(odd_ones or absent)}; {len(splits.test):,} rows judge.",
                "What is lost there, nobody will see. Add test rows of it, or remove the class.",
            )


def _labels_themselves(labelled: Sequence[Record]) -> Iterator[Finding]:
    if len(labelled) < 20:
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
    told = [r for r in labelled if len(str(r.label)) >= 3 and str(r.label).casefold() in text_of(r.payload).casefold()]
    if len(told) > 0.8 * len(labelled):
        yield warning(
            "label_in_text",
            "The texts hold their own labels.",
            f"{len(told):,} of {len(labelled):,} labelled texts spell their label{_first(told)}.",
            "A model then learns to read it, and will miss it when it serves. Take it out of the texts.",
        )


def _texts(prepared: Prepared) -> Iterator[Finding]:
    audit = prepared.audit
    rows = len(prepared.as_read) + len(prepared.test_as_read)
    garbled = audit["garbled_texts"].count
    yield from _graded(
        "garbled_texts",
        garbled / rows if rows else 0.0,
        GARBLED,
        "Texts were decoded wrongly.",
        f"{garbled:,} of {rows:,} texts ({garbled / rows:.1%}) hold characters that nobody types{_shown(audit, 'garbled_texts')}.",
        "Write the file as UTF-8 from its source again; customers will not send such characters.",
    )
    marked = [r for r in (*prepared.as_read, *prepared.test_as_read) if _MARKUP.search(text_of(r.payload))]
    yield from _graded(
        "markup_in_texts",
        len(marked) / rows if rows else 0.0,
        MARKUP,
        "Texts hold the markup of a page.",
        f"{len(marked):,} of {rows:,} texts ({len(marked) / rows:.1%}) have tags or entities such as &amp;{_first(marked)}."
        if rows
        else "",
        "Take it out (html.unescape) as long as customers do not type it: the teacher was not trained on it, and the student will miss it.",
    )
    if audit["similar_labels"].count:
        yield warning(
            "similar_labels",
            "Labels differ only in case or in what parts their words.",
            f"{audit['similar_labels'].sentence}.",
            "They count as different classes. Spell each class in one way.",
        )


def _bare(record: Record) -> str:
    return _NOT_LETTERS.sub(" ", text_of(record.payload).casefold()).strip()


def _shown(audit: Audit, name: str) -> str:
    examples = audit[name].examples
    return f", the first: {examples[0].where}" if examples and examples[0].where else ""


def _first(rows: Sequence[Record]) -> str:
    return f", the first: {rows[0].where}" if rows and rows[0].where else ""


def _are(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
