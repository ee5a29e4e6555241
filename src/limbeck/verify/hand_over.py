"""A cascade chosen again for a finished run: with another margin, or by other rows. Knows a run's files; needs no torch, and never reads its test rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from limbeck.bundle import Bundle
from limbeck.cascaded import CASCADE, Cascade
from limbeck.errors import DataError, InputFileError, LimbeckError, listing
from limbeck.runtime.predict import Predictor
from limbeck.types import Record
from limbeck.verify.cascade import MARGIN, chosen, rows_for
from limbeck.verify.reference import reference_of
from limbeck.verify.validation import VALIDATION, Validation

_LEAST = 50  # rows: fewer say little of how sure a student may be


def from_run(run: Path, margin: float, share: float | None = None) -> Cascade:
    """The cascade that the run's own validation rows choose.

    Raises:
        InputFileError: it is no finished run, or kept no answers to validation rows.
    """
    bundle = _of_one_label(Bundle.open(run / "bundle"))
    found = Validation.read(run / "evidence" / VALIDATION, bundle.sha256)
    try:
        before = Cascade.read(run / "evidence" / CASCADE, bundle.sha256)
    except LimbeckError:  # without it there is nothing to hold later texts against; the server takes its first ones
        before = None
    return chosen(
        found,
        bundle.manifest.calibration.temperature,
        margin=margin,
        share=share,
        teacher=before.teacher if before else None,
        reference=before.reference if before else None,
    )


def from_rows(bundle: Bundle, teacher: Bundle, records: Sequence[Record], margin: float, share: float | None = None) -> Cascade:
    """The cascade that other rows choose.

    Half of the texts say which pieces are rare, the other half is what later texts are held against.

    Raises:
        BundleError, DataError: as `validated`.
    """
    found = validated(bundle, teacher, records)
    payloads, half = [r.payload for r in _choosing(records)], len(found.keys_N) // 2
    later = replace(found, keys_N=found.keys_N[half:], student_NC=found.student_NC[half:], teacher_NC=found.teacher_NC[half:])
    return chosen(
        found,
        bundle.manifest.calibration.temperature,
        margin=margin,
        share=share,
        teacher=teacher.sha256,
        reference=reference_of(bundle, later, payloads[half:], payloads[:half]),
    )


def validated(bundle: Bundle, teacher: Bundle, records: Sequence[Record]) -> Validation:
    """What both answer to rows that are new to them; with labels only to the labelled ones.

    Raises:
        BundleError: a bundle makes no model.
        DataError: the two have other labels, or the rows are too few or have labels that no class has.
    """
    student, large = Predictor(_of_one_label(bundle)), Predictor(teacher)
    if set(large.labels) != set(student.labels):
        odd = sorted(set(large.labels) ^ set(student.labels))
        raise DataError(f"the labels of {teacher.path} are not those of {bundle.path}: only one of them has {listing(odd)}.")
    rows = _choosing(records)
    if len(rows) < _LEAST:
        raise DataError(
            f"{len(rows):,} rows choose no threshold; give {_LEAST} at least, and {rows_for(MARGIN):,} for a margin of {MARGIN}."
        )
    index = {label: c for c, label in enumerate(student.labels)}
    if odd := sorted({str(r.label) for r in rows if r.label is not None} - index.keys()):
        raise DataError(
            f"the bundle has no class for {len(odd):,} labels of these rows: {listing(odd)}. Rename them, or leave these rows out."
        )
    payloads = [r.payload for r in rows]
    return Validation(
        [r.key for r in rows],
        student.logits(payloads),
        large.logits(payloads)[:, [large.labels.index(label) for label in student.labels]],
        np.array([index[str(r.label)] for r in rows], dtype=np.int64) if rows[0].label is not None else None,
        bundle.sha256,
    )


def _of_one_label(bundle: Bundle) -> Bundle:
    """The bundle, if a cascade can be chosen for it.

    Raises:
        DataError: it gives several labels.
    """
    if bundle.manifest.calibration.thresholds:
        raise DataError(
            f"{bundle.path} gives several labels to a text, and a cascade hands over by the confidence of one. Serve it without --cascade."
        )
    return bundle


def _choosing(records: Sequence[Record]) -> list[Record]:
    return [r for r in records if r.label is not None] or list(records)


def teacher_of(run: Path, named: Path | None) -> Bundle:
    """The teacher's bundle: the one that is named, or the run's.

    Raises:
        InputFileError: there is none.
    """
    try:
        return Bundle.open(named or run / "teacher-onnx")
    except InputFileError as error:
        raise InputFileError(f"{error} Name the teacher as a bundle: --teacher FOLDER") from error


def told(found: Cascade) -> tuple[str, ...]:
    """What was chosen, in sentences."""
    point, of = found.chosen, "accuracy" if found.against == "labels" else "agreement with the teacher"
    about = (
        f"{found.rows:,} validation rows: the student alone {found.student.estimate:.1%} {of}, the teacher's answer "
        f"{found.agreement.estimate:.1%} of the time."
    )
    if found.margin is not None and not found.shown:
        least = rows_for(found.margin, found.confidence)
        why = (
            f"it takes {least:,} rows to show anything" if found.rows < least else "no lower threshold is shown to be within it"
        )
        return (
            about,
            f"At a margin of {found.margin:.2%} everything goes to the teacher: {why}. Give more rows, or a wider --margin.",
        )
    served = f"Below {point.threshold:.3f} the teacher is asked: {point.share.estimate:.1%} of the rows ({point.share.low:.1%} to {point.share.high:.1%})."
    if found.margin is None:
        return (
            about,
            served,
            "The share was given, so nothing is promised of its accuracy beyond the bounds of this one line.",
        )
    sure = f"With {found.confidence:.0%} confidence the cascade's {of} lies less than {found.margin:.2%} below the teacher's."
    return (about, served, sure)
