"""From the data section of a recipe to splits that can be trusted. Knows the order of reading, mending and dividing; trains nothing.

Nothing is dropped silently: what is set aside goes to OUT/rejected.jsonl with its reason, and what is odd to OUT/evidence/audit.json.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from limbeck.callables import names_callable
from limbeck.data.audit import Audit, audit, by_text
from limbeck.data.files import write_whole
from limbeck.data.read import read_records
from limbeck.data.rejected import Kind, Rejected, write_rejected
from limbeck.data.slicing import by_functions
from limbeck.data.split import Splits, split
from limbeck.errors import DataError, InputFileError, listing
from limbeck.evidence import Basis
from limbeck.label_sets import told
from limbeck.modalities.text import Text
from limbeck.sections import DataSection
from limbeck.types import Record


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a run takes from its data. as_read, test_as_read, valid_as_read: the rows of the files before anything was set aside, in their order.
    noun: what a payload is called."""

    splits: Splits
    audit: Audit
    rejected: tuple[Rejected, ...]
    as_read: tuple[Record, ...] = ()
    test_as_read: tuple[Record, ...] = ()
    valid_as_read: tuple[Record, ...] = ()
    noun: str = "text"

    def note(self) -> str:
        """The splits in one sentence."""
        splits = self.splits
        labelled = sum(r.label is not None for r in splits.train)
        note = f"{labelled:,} labelled and {len(splits.train) - labelled:,} unlabelled rows to train, "
        note += f"{len(splits.valid):,} to choose, {len(splits.test):,} to judge, {len(splits.labels)} classes"
        if splits.outside:
            note += f"; {len(splits.outside):,} out of scope"
        if splits.leaked:
            note += f"; {splits.leaked:,} training rows left out because a held-out row has the same {self.noun}"
        if self.rejected:
            note += f"; {len(self.rejected):,} rows set aside, see rejected.jsonl"
        if odd := len(self.audit.lines()):
            note += f"; {odd} {'finding' if odd == 1 else 'findings'} in evidence/audit.json"
        return note

    def write(self, folder: Path) -> None:
        """Write evidence/audit.json, and rejected.jsonl where any row was rejected, to the folder of a run.

        Raises:
            InputFileError: the folder cannot be written.
        """
        try:
            (folder / "evidence").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputFileError(f"cannot write to {folder}: {error.strerror}. Give another --out.") from error
        with write_whole(folder / "evidence" / "audit.json") as handle:
            json.dump(self.audit.to_json(), handle, indent=1)
        if self.rejected:
            write_rejected(folder / "rejected.jsonl", self.rejected)


def prepare(section: DataSection, cross_fit_below: int = 0, modality: Any = Text, several: bool = False) -> Prepared:
    """Read the sources, set aside what cannot be used, divide the rest, and look for what is odd.

    `modality` says what a payload is, and `several` whether several labels may apply to one. With fewer labelled texts than `cross_fit_below` and no test file, none is held out (`limbeck.data.split`).

    A text whose copies have different labels, in one file, loses them all: which one is right is not ours to guess. Among the training
    rows it stays as an unlabelled text, which the teacher labels; in a test file it judges nothing, and trains nobody; in a validation file it
    chooses nothing. Where a text stands with a label and without, the labelled row is kept. Only labelled rows of a validation file choose.

    Raises:
        InputFileError: a source is missing or cannot be opened.
        DataError: a source is not what it must be, or holds too little to learn from.
    """
    rejected: list[Rejected] = []
    read = partial(
        read_records,
        text=section.text,
        reject=rejected.append,
        max_rejected_share=section.max_rejected_share,
        modality=modality,
        several=several,
        separator=section.label_separator,
    )
    noun = modality.noun
    columns = section.slice_columns
    own = () if section.test is not None else columns  # rows of a test file judge; without one, some of these
    found = read(section.train, label=section.label, slices=own)
    if section.unlabelled is not None:
        found += read(section.unlabelled, label=None, slices=own, slices_optional=True)
    if len(found) > 1 and len({r.key for r in found}) == 1 and len({r.label for r in found}) > 1:
        raise DataError(
            f"{section.train}: all {len(found):,} rows hold the same {noun}, so there is nothing to tell apart. "
            f"Name the column that holds the {noun}s (--set data.text=NAME), or mend the file."
        )
    found_test = None if section.test is None else read(section.test, label=section.label or "label", slices=columns)
    found_valid = None if section.valid is None else read(section.valid, label=section.label or "label")
    outside = [] if section.out_of_scope is None else read(section.out_of_scope, label=None)
    records = _without_contradictions(found, "it trains without a label", rejected, noun)
    test = None
    if found_test is not None:
        test = _without_contradictions(found_test, "it judges nothing", rejected, noun)
        rejected += _set_aside(
            [r for r in found_test if r.label is None], "a test row without a label judges nothing.", "unjudging"
        )
    valid = None
    if found_valid is not None:
        valid = [r for r in _without_contradictions(found_valid, "it chooses nothing", rejected, noun) if r.label is not None]
        bare = [r for r in found_valid if r.label is None]
        rejected += _set_aside(bare, "a validation row without a label chooses nothing.", "unchoosing")
    labelled = {r.key for r in records if r.label is not None}
    records = [r for r in records if r.label is not None or r.key not in labelled]
    judging = {r.key for r in outside}  # a log may hold them too: then the student would know them
    left = [r for r in records if r.label is not None or r.key not in judging]
    splits = split(
        left,
        test,
        valid=valid,
        test_share=section.test_share,
        valid_share=section.valid_share,
        cross_fit_below=cross_fit_below,
    )
    leaked = splits.leaked + len(records) - len(left)
    splits = dataclasses.replace(splits, leaked=leaked, outside=_outside(outside, splits, rejected))
    splits = _sliced(splits, section.slice_functions)
    held = {r.key for r in (*splits.test, *(test or ()))}
    judging_too = [r for r in valid or () if r.key in held]
    rejected += _set_aside(judging_too, "this text, case and spaces aside, judges; so it chooses nothing.", "unchoosing")
    report = audit(found, found_test, found_valid, rejected=rejected, training=splits.train, noun=noun)
    as_read = tuple(found), tuple(found_test or ()), tuple(found_valid or ())
    return Prepared(splits, report, tuple(rejected), *as_read, noun)


def judging(source: str | Path, slices: Sequence[str] = (), **how: Any) -> tuple[list[Record], list[Rejected]]:
    """The rows of a source that a finished student is judged by, as those of a test file are, and what is set aside of them.

    Args:
        source, how: as for `read_records`.
        slices: columns, and functions as `package.module:callable`.

    Raises:
        InputFileError, DataError: as `read_records` does.
    """
    rejected: list[Rejected] = []
    columns = [name for name in slices if not names_callable(name)]
    found = read_records(source, reject=rejected.append, slices=columns, **how)
    judged = _without_contradictions(found, "it judges nothing", rejected)
    return by_functions(judged, [name for name in slices if names_callable(name)]), rejected


def _without_contradictions(records: Sequence[Record], what: str, rejected: list[Rejected], noun: str = "text") -> list[Record]:
    """The records, with the labels set aside of texts whose copies disagree."""
    labels = by_text(records)
    kept = []
    for record in records:
        known = sorted(map(told, labels[record.key]))
        if record.label is not None and len(known) > 1:
            copies = "this text, case and spaces aside," if noun == "text" else f"this {noun}"
            reason = f"copies of {copies} have different labels: {listing(known)}; {what}."
            rejected.append(Rejected(record.where, reason, _row(record), "contradictory"))
            record = dataclasses.replace(record, label=None)
        kept.append(record)
    return kept


def _sliced(splits: Splits, functions: Sequence[str]) -> Splits:
    """The splits, with what functions say of the texts that judge."""
    if not functions:
        return splits
    judging = ("train", "valid") if splits.basis is Basis.CROSS_FITTING else ("test",)
    found: dict[str, Any] = {name: tuple(by_functions(getattr(splits, name), functions)) for name in judging}
    return dataclasses.replace(splits, **found)


def _outside(records: Sequence[Record], splits: Splits, rejected: list[Rejected]) -> tuple[Record, ...]:
    """The texts that no class is for; those that stand with a label elsewhere are set aside."""
    inside = {r.key: told(r.label) for r in (*splits.train, *splits.valid, *splits.test) if r.label is not None}
    for record in records:
        if record.key in inside:
            reason = f"this text, case and spaces aside, is out of scope here and elsewhere labelled '{inside[record.key]}'; it judges nothing."
            rejected.append(Rejected(record.where, reason, _row(record), "contradictory"))
    if records and all(r.key in inside for r in records):
        raise DataError("every text of data.out_of_scope stands with a label elsewhere. Give texts that no class is for.")
    return tuple(dataclasses.replace(r, split="out of scope") for r in records if r.key not in inside)


def _set_aside(records: Sequence[Record], reason: str, kind: Kind) -> list[Rejected]:
    return [Rejected(r.where, reason, _row(r), kind) for r in records]


def _row(record: Record) -> dict[str, Any]:
    return {"text": str(record.payload), "label": record.label}
