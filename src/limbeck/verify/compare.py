"""Models' answers to the same rows, held against each other, and the verdict. Knows answers and truths; knows nothing of models.

Letters: N rows, C classes, R repeats of cross-fitting (1 otherwise), M models. Answers to a few rows, answers that are all the same and classes
that do not occur are no mistakes: their bounds are wide, and a note says what the rows cannot tell. Answers that cannot be
compared (none, of different shapes, not finite) are refused.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.errors import DataError
from limbeck.evidence import Basis, ClassResult, Comparison, Interval, Quality, Slice, Verdict
from limbeck.metrics.probabilities import confidence, expected_calibration_error, kl
from limbeck.verify.bootstrap import Resampled, mean_interval
from limbeck.verify.classes import DROP, class_groups, group_results, worst_first
from limbeck.verify.notes import notes
from limbeck.verify.sample_size import provable_margin, rows_to_show, rows_to_show_agreement
from limbeck.verify.slices import Values, slice_groups, slices
from limbeck.verify.statistics import independent_share, mcnemar, paired_difference, paired_ratio, proportion, verdict

Indices = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Answers:
    """What one model said of N rows.

    logits: (N, C), or (R, N, C) where R repeats answered every row out of fold. predicted: (N,) or (R, N) classes, for a model
    without probabilities. temperature: what its logits are divided by for `ece_scaled`, one number or one for each (R, N); None leaves
    that out.
    """

    logits: NDArray[Any] | None = None
    predicted: Indices | None = None
    temperature: float | NDArray[Any] | None = None

    @cached_property
    def classes(self) -> Indices:
        """Its classes (R, N) in each repeat."""
        if self.logits is not None:
            return np.atleast_2d(np.asarray(self.logits).argmax(axis=-1))
        return np.atleast_2d(np.asarray(self.predicted))

    @cached_property
    def stacked(self) -> NDArray[Any] | None:
        """Its logits (R, N, C) in each repeat; None where it has none."""
        return None if self.logits is None else np.reshape(self.logits, (-1, *np.shape(self.logits)[-2:]))


@dataclass(frozen=True, slots=True)
class Compared:
    """What follows from the answers; its fields are the report's. quality: by the models' names, without labels empty."""

    rows: int
    quality: Mapping[str, Quality]
    comparisons: tuple[Comparison, ...]
    classes: tuple[ClassResult, ...]
    slices: tuple[Slice, ...]
    verdict: Verdict
    rows_to_show: int | None
    rows_to_label: int | None
    provable_margin: float | None
    notes: tuple[str, ...]


def compare(
    answers: Mapping[str, Answers],
    true_N: Indices | None,
    labels: Sequence[str],
    *,
    margin: float,
    least_agreement: float = 0.9,
    basis: Basis | None = None,
    class_drop: float | None = None,
    text_N: Indices | None = None,
    parted: Mapping[str, Values] | None = None,
) -> Compared:
    """Quality of each model, each pair that a report speaks of, the classes, and whether the student kept its teacher's quality.

    On LABELS and CROSS_FITTING the verdict is on accuracy and `margin`; on AGREEMENT it is on how often the student answers as the
    teacher does, and `least_agreement`. In cross-fitting a row counts once however many repeats answered it: counts are means over
    repeats and intervals are those of N rows, which does not count the repeats as further rows (so it is a little too wide). Copies of a
    text count as rows and bound as the independent rows that they are worth (`independent_share`). That the students of
    different folds learned from overlapping rows is not accounted for (Bengio and Grandvalet 2004 show that it cannot be, from one
    data set).

    Args:
        answers: by name: "teacher", "student", and perhaps "control" and "baseline". A model without repeats may stand beside
            models with them.
        true_N: classes, or None where there are no labels.
        labels: the names of the C classes.
        margin, least_agreement: what is asked; see `Report`.
        basis: by default what `true_N` and the answers suggest.
        class_drop: the drop that the classes' bounds are made for (the gate's, or a tenth).
        text_N: a number for each row, the same for copies of a text; None: no row is a copy.
        parted: slices: by a name, the value of each row; bounds then hold for all classes and all slices at once.

    Raises:
        DataError: no rows, answers of different shapes, classes that do not exist, logits that are not finite.
    """
    rows, repeats = _checked(answers, true_N, labels)
    if basis is None:
        basis = Basis.AGREEMENT if true_N is None else Basis.CROSS_FITTING if repeats > 1 else Basis.LABELS
    if (true_N is None) != (basis is Basis.AGREEMENT):
        raise DataError(
            f"a verdict on {basis} needs {'rows without labels' if true_N is not None else 'labelled rows'}; got the opposite. "
            "This is a fault of limbeck."
        )
    text_N = np.arange(rows) if text_N is None else text_N
    worth = independent_share(text_N)
    predicted = {name: np.broadcast_to(a.classes, (repeats, rows)) for name, a in answers.items()}
    quality: dict[str, Quality] = {}
    resampled = None
    if true_N is not None:
        resampled = Resampled(true_N, np.stack(list(predicted.values())), worth=worth)
        for model, name in enumerate(answers):
            quality[name] = _quality(answers[name], predicted[name], true_N, resampled, model, worth)
    pairs = [("student", second) for second in answers if second != "student"]
    pairs += [(first, "teacher") for first in answers if first not in ("student", "teacher")]
    comparisons = tuple(_pair(pair, answers, predicted, true_N, resampled, worth) for pair in pairs)
    judged = next(c for c in comparisons if (c.first, c.second) == ("student", "teacher"))
    truth_RN = predicted["teacher"] if true_N is None else np.broadcast_to(true_N, (repeats, rows))
    parted = parted or {}
    groups = class_groups(labels, truth_RN[0])
    apart = [*groups, *(group for values in parted.values() for group in slice_groups(values))]
    results = group_results(
        apart, predicted["teacher"] == truth_RN, predicted["student"] == truth_RN, class_drop or DROP, text_N
    )
    to_label, provable = None, None
    if judged.difference is None:
        result = verdict(judged.agreement, least_agreement)
        show = rows_to_show_agreement(worth * (rows - judged.flips), worth * rows, least_agreement)
        to_label = _as_many(rows_to_show(worth * judged.flips / 2, worth * judged.flips / 2, worth * rows, margin), worth)
    else:
        gained, lost = judged.gained or 0.0, judged.lost or 0.0
        result, show = verdict(judged.difference, -margin), rows_to_show(worth * gained, worth * lost, worth * rows, margin)
        provable = provable_margin((gained + lost) / rows, max(1, round(worth * rows)))
    said = notes(labels, predicted, true_N, quality)
    found = worst_first(results[: len(groups)]), slices(parted, results[len(groups) :])
    return Compared(rows, quality, comparisons, *found, result, _as_many(show, worth), to_label, provable, said)


def quality_of(answers: Answers, true_N: Indices, text_N: Indices) -> Quality:
    """Accuracy, macro-F1 and calibration of one model by itself; see `compare` for the arguments.

    Raises:
        DataError: logits that are not finite, or classes that do not exist.
    """
    classes = (
        np.shape(answers.logits)[-1] if answers.logits is not None else 1 + max(int(answers.classes.max()), int(true_N.max()))
    )
    _checked({"student": answers, "teacher": answers}, true_N, [str(c) for c in range(classes)])
    worth = independent_share(text_N)
    resampled = Resampled(true_N, answers.classes[None], worth=worth)
    return _quality(answers, answers.classes, true_N, resampled, 0, worth)


def _as_many(independent: int | None, worth: float) -> int | None:
    """So many rows of the kind that was seen, with as many copies among them."""
    return None if independent is None else math.ceil(independent / worth)


def _quality(
    answers: Answers, predicted_RN: Indices, true_N: Indices, resampled: Resampled, model: int, worth: float
) -> Quality:
    right_RN = predicted_RN == true_N
    accuracy = proportion(worth * float(right_RN.mean(axis=0).sum()), worth * len(true_N))
    ece = scaled = None
    if answers.stacked is not None:
        ece = _ece(answers.stacked, true_N, 1.0)
        scaled = None if answers.temperature is None else _ece(answers.stacked, true_N, answers.temperature)
    return Quality(accuracy, resampled.macro_f1(model, accuracy), ece, scaled)


def _ece(logits_RNC: NDArray[Any], true_N: Indices, temperature: float | NDArray[Any]) -> float:
    temperature_RN = np.broadcast_to(np.asarray(temperature), logits_RNC.shape[:2])
    each = [
        expected_calibration_error(confidence(logits_NC / temperature_N[:, None]), logits_NC.argmax(axis=1) == true_N)
        for logits_NC, temperature_N in zip(logits_RNC, temperature_RN, strict=True)
    ]
    return float(np.mean(each))


def _pair(
    pair: tuple[str, str],
    answers: Mapping[str, Answers],
    predicted: Mapping[str, Indices],
    true_N: Indices | None,
    resampled: Resampled | None,
    worth: float,
) -> Comparison:
    first_RN, second_RN = predicted[pair[0]], predicted[pair[1]]
    rows = first_RN.shape[1]

    def count(flag_RN: NDArray[np.bool_]) -> float:
        return float(flag_RN.mean(axis=0).sum())

    same = count(first_RN == second_RN)
    divergence = _kl(answers[pair[0]], answers[pair[1]], worth)
    found = Comparison(*pair, rows, proportion(worth * same, worth * rows), rows - same, kl=divergence)
    if true_N is None or resampled is None:
        return found
    first, second = first_RN == true_N, second_RN == true_N
    both, gained, lost = count(first & second), count(first & ~second), count(second & ~first)
    difference = paired_difference(worth * gained, worth * lost, worth * rows)
    at = list(answers)
    return replace(
        found,
        difference=difference,
        retention=paired_ratio(worth * both, worth * gained, worth * lost, worth * rows),
        macro_f1_difference=resampled.macro_f1_difference(at.index(pair[0]), at.index(pair[1]), difference),
        gained=gained,
        lost=lost,
        mcnemar_p=mcnemar(worth * gained, worth * lost),
    )


def _kl(first: Answers, second: Answers, worth: float) -> Interval | None:
    """KL(second || first) with its interval; None where one has no probabilities, or rows are too few for an interval."""
    firsts, seconds = first.stacked, second.stacked
    if firsts is None or seconds is None:
        return None
    repeats = max(len(firsts), len(seconds))
    each_RN = np.stack([kl(seconds[r % len(seconds)], firsts[r % len(firsts)]) for r in range(repeats)])
    return mean_interval(each_RN.mean(axis=0), worth=worth)


def _checked(answers: Mapping[str, Answers], true_N: Indices | None, labels: Sequence[str]) -> tuple[int, int]:
    """How many rows and repeats there are, if everything fits together."""
    if not {"teacher", "student"} <= set(answers):
        raise DataError(f"a comparison needs the answers of 'teacher' and 'student'; got {sorted(answers)}.")
    shapes = {}
    for name, a in answers.items():
        if (a.logits is None) == (a.predicted is None):
            raise DataError(f"the answers of the {name} need either logits or predicted classes.")
        if a.logits is not None:
            if np.ndim(a.logits) not in (2, 3) or np.shape(a.logits)[-1] != len(labels):
                raise DataError(
                    f"the {name} gave logits of shape {np.shape(a.logits)}, where (rows, {len(labels)} classes) were expected."
                )
            if not np.isfinite(a.logits).all():
                bad = int((~np.isfinite(a.logits)).any(axis=-1).sum())
                raise DataError(
                    f"the {name} gave logits that are not finite on {bad:,} rows; nothing can be said of it. If it was trained "
                    "here, its training diverged: lower the learning rate."
                )
        shapes[name] = a.classes.shape
    rows = shapes["teacher"][1]
    repeats = max(shape[0] for shape in shapes.values())
    if rows == 0:
        raise DataError("there are no held-out rows to compare on. Give data.test, or a larger data.test_share.")
    for name, shape in shapes.items():
        if shape[1] != rows or shape[0] not in (1, repeats):
            raise DataError(
                f"the {name} answered {shape[1]:,} rows in {shape[0]} repeats, the teacher {rows:,}; all models must answer the "
                "same rows."
            )
    known = [("label", true_N)] if true_N is not None else []
    for name, classes in [*known, *((f"answer of the {n}", a.classes) for n, a in answers.items())]:
        if classes.shape[-1] != rows:
            raise DataError(f"there are {classes.shape[-1]:,} labels for {rows:,} rows.")
        if classes.min() < 0 or classes.max() >= len(labels):
            worst = int(classes.max() if classes.max() >= len(labels) else classes.min())
            raise DataError(f"class {worst} is the {name} to a row, but there are only {len(labels)} classes, numbered from 0.")
    return rows, repeats
