"""A bundle on rows that are new to it: what its answers are worth today. Knows bundles, rows and statistics; reads no files, needs no torch.

Letters: N rows, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck._version import __version__
from limbeck.bundle import Bundle
from limbeck.catalog import find
from limbeck.errors import DataError, listing
from limbeck.evidence import Basis, Interval, Measured, Quality, Report
from limbeck.label_sets import aims, names_of
from limbeck.runtime.predict import Predictor
from limbeck.types import Json, Record
from limbeck.verify.classes import Group
from limbeck.verify.compare import Answers, compare, quality_of
from limbeck.verify.compare_sets import SetAnswers, compare_sets, label_groups, quality_of_sets
from limbeck.verify.notes import repeated
from limbeck.verify.slices import parted, slice_groups
from limbeck.verify.statistics import copies, independent_share, proportion
from limbeck.verify.thresholds import EVEN


@dataclass(frozen=True, slots=True)
class ClassShare:
    """A class by true label, or a value of a slice: how many rows have it, and the share of these that the bundle gets right."""

    label: str
    rows: int
    right: Interval


@dataclass(frozen=True, slots=True)
class Remeasured:
    """A bundle's answers to labelled rows.

    rows: that have a label; left_out: those that have none. threshold: the bundle's; answered: share of the rows whose answer is at least as sure, and
    answered_accuracy of these; both None where the bundle never abstains. classes: those that occur, the worst first, with bounds of
    each by itself; slices: by their names the same for their values. absent: classes that no row has, of which nothing is said. notes: what a reader would not guess, as sentences.
    """

    rows: int
    left_out: int
    quality: Quality
    threshold: float
    answered: Interval | None
    answered_accuracy: Interval | None
    classes: tuple[ClassShare, ...]
    absent: tuple[str, ...]
    notes: tuple[str, ...]
    bundle: str
    bundle_sha256: str
    slices: Mapping[str, tuple[ClassShare, ...]] = field(default_factory=dict)

    def to_json(self) -> Json:
        """Its fields as plain JSON."""
        return asdict(self)


def remeasured(bundle: Bundle, records: Sequence[Record], slices: Sequence[str] = ()) -> Remeasured:
    """Accuracy, macro-F1, calibration, abstentions, classes and slices of a bundle on labelled rows.

    Bounds are those of the independent rows that all are worth, as in a run's report: copies of a text count as rows and bound as one.

    Args:
        records: those without a label are left out.
        slices: the names of those whose values the records bear; the length of the text is one without asking.

    Raises:
        BundleError: the bundle makes no model.
        DataError: no row has a label, or some have a label that the bundle cannot give; the message names it and where it stands.
    """
    predictor = Predictor(bundle)
    several = predictor.several
    judged, true_N = _labelled(records, predictor.labels, several)
    logits_NC, text_N = predictor.logits([r.payload for r in judged]), copies([r.key for r in judged])
    fitted = predictor.calibration
    answers = _answers(predictor, logits_NC)
    of: Any = quality_of_sets if several else quality_of
    quality: Quality = of(answers, true_N, text_N)
    worth = independent_share(text_N)
    truth_NC = true_N > 0.5 if several else np.eye(len(predictor.labels), dtype=bool)[true_N]
    given_NC = answers.sets if several else np.eye(len(predictor.labels), dtype=bool)[answers.classes[0]]
    right_N = (given_NC == truth_NC).all(axis=1)
    answered = answered_accuracy = None
    if fitted.threshold > 0:
        sure_N = np.array([not a.abstain for a in predictor.answers(logits_NC)])
        answered = proportion(worth * sure_N.sum(), worth * len(judged))
        if sure_N.any():
            share = independent_share(text_N[sure_N])
            answered_accuracy = proportion(share * (right_N & sure_N).sum(), share * sure_N.sum())

    def shares(groups: Sequence[Group], good: Mapping[str, NDArray[np.bool_]] | None = None) -> tuple[ClassShare, ...]:
        found = []
        for g in groups:
            share, good_N = independent_share(text_N[g.among_N]), right_N if good is None else good[g.name]
            right = proportion(share * good_N[g.among_N].sum(), share * g.among_N.sum())
            found.append(ClassShare(g.name, int(g.among_N.sum()), right))
        return tuple(sorted(found, key=lambda k: (k.right.estimate, -k.rows, k.label)))

    return Remeasured(
        rows=len(judged),
        left_out=len(records) - len(judged),
        quality=quality,
        threshold=fitted.threshold,
        answered=answered,
        answered_accuracy=answered_accuracy,
        # Of one label among all, a row of a class is right exactly where it is given the class.
        classes=shares(label_groups(predictor.labels, truth_NC), dict(zip(predictor.labels, given_NC.T, strict=True))),
        absent=tuple(label for c, label in enumerate(predictor.labels) if not truth_NC[:, c].any()),
        notes=repeated(len(judged), len(np.unique(text_N))),
        bundle=str(bundle.path),
        bundle_sha256=bundle.sha256,
        slices={name: shares(slice_groups(values)) for name, values in parted(judged, slices, _measure(bundle)).items()},
    )


def against_teacher(
    bundle: Bundle,
    teacher: Bundle,
    records: Sequence[Record],
    *,
    held_out: str,
    margin: float,
    least_agreement: float,
    slices: Sequence[str] = (),
) -> Report:
    """The report of a student and its teacher, both bundles, on the same rows: on accuracy where rows have labels, else on agreement.

    Args:
        held_out: where the rows come from, in words.
        margin, least_agreement: what is asked, as in a recipe's section `verify`. slices: as for `remeasured`.

    Raises:
        BundleError: a bundle makes no model.
        DataError: the two have other labels, or a row has a label that they cannot give.
    """
    student, large = Predictor(bundle), Predictor(teacher)
    if set(large.labels) != set(student.labels):
        odd = sorted(set(large.labels) ^ set(student.labels))
        raise DataError(
            f"the labels of {teacher.path} are not those of {bundle.path}: only one of them has {listing(odd)}. "
            "Give the teacher-onnx/ of the run that made the bundle."
        )
    labelled = any(r.label is not None for r in records)
    several = student.several
    judged, true_N = _labelled(records, student.labels, several) if labelled else (list(records), None)
    payloads = [r.payload for r in judged]
    order_C = [large.labels.index(label) for label in student.labels]
    fitted = student.calibration
    basis, text_N = Basis.LABELS if labelled else Basis.AGREEMENT, copies([r.key for r in judged])
    how: dict[str, Any] = {"margin": margin, "least_agreement": least_agreement, "text_N": text_N}
    how["parted"] = parted(judged, slices, _measure(bundle))
    given = {"teacher": large.logits(payloads)[:, order_C], "student": student.logits(payloads)}
    if several:
        theirs = _answers(large, given["teacher"])
        theirs = replace(theirs, thresholds=[theirs.thresholds[c] for c in order_C])
        found = compare_sets({"teacher": theirs, "student": _answers(student, given["student"])}, true_N, student.labels, **how)
    else:
        of_one = {"teacher": Answers(given["teacher"]), "student": _answers(student, given["student"])}
        found = compare(of_one, true_N, student.labels, basis=basis, **how)
    left_out = len(records) - len(judged)
    return Report(
        task=bundle.manifest.task,
        basis=basis,
        rows=found.rows,
        held_out=held_out,
        teacher=Measured(str(teacher.path), found.quality.get("teacher")),
        student=Measured(str(bundle.path), found.quality.get("student")),
        control=None,
        baseline=None,
        comparisons=found.comparisons,
        classes=found.classes,
        slices=found.slices,
        margin=margin,
        least_agreement=least_agreement,
        verdict=found.verdict,
        rows_to_show=found.rows_to_show,
        rows_to_label=found.rows_to_label,
        gates=(),
        budget_misses=(),
        calibration=fitted,
        notes=(
            *found.notes,
            *repeated(len(judged), len(np.unique(text_N))),
            *((f"{left_out:,} rows without a label are left out",) if left_out else ()),
        ),
        seconds={},
        bundle=str(bundle.path),
        provable_margin=found.provable_margin,
        lineage={"limbeck": __version__, "bundle": bundle.sha256, "teacher": {"bundle": teacher.sha256}},
    )


def _answers(predictor: Predictor, logits_NC: NDArray[np.float32]) -> Any:
    """What a bundle says of rows, with its temperature where it has one: of one label, or of several at its thresholds."""
    fitted = predictor.calibration
    temperature = fitted.temperature if fitted.rows else None
    if not predictor.several:
        return Answers(logits_NC, temperature=temperature)
    return SetAnswers(logits_NC, fitted.thresholds or (EVEN,) * len(predictor.labels), temperature=temperature)


def _labelled(records: Sequence[Record], labels: Sequence[str], several: bool) -> tuple[list[Record], NDArray[Any]]:
    """The rows that have a label, and their classes (`limbeck.label_sets.aims`)."""
    judged = [r for r in records if r.label is not None]
    if not judged:
        raise DataError("no row has a label, so nothing can be measured. Give labelled rows, or a teacher to be compared with.")
    strange, known = dict[str, str](), set(labels)
    for r in judged:
        for name in names_of(r.label):
            if name not in known:
                strange.setdefault(name, r.where)
    if strange:
        name, where = next(iter(strange.items()))
        raise DataError(
            f"{where}: the bundle has no class '{name}'; {len(strange):,} labels of these rows are unknown to it: "
            f"{listing(sorted(strange))}. Rename them, or leave these rows out: the bundle can only be wrong on them."
        )
    return judged, aims((r.label for r in judged), labels, several)


def _measure(bundle: Bundle) -> tuple[str, str, str] | None:
    """How its modality measures a payload."""
    found: tuple[str, str, str] | None = find("modalities", bundle.manifest.modality).measure
    return found
