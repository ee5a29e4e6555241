"""Models' answers of several labels to the same rows, held against each other, and the verdict. Knows answers and truths; knows nothing of models.

The verdict is on micro-F1, by a paired bootstrap of rows: a text with three labels counts for three, and no label has to be frequent for the bound to
hold. Beside it stand macro-F1 and how often all labels of a row are right ("accuracy", as scikit-learn calls it of several labels).

Letters: N rows, C labels, M models.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.errors import DataError, listing
from limbeck.evidence import Comparison, Interval, Quality
from limbeck.label_sets import as_questions, sigmoid
from limbeck.metrics.probabilities import confidence, expected_calibration_error, kl
from limbeck.verify.bootstrap import LEAST_ROWS, Resampled, mean_interval
from limbeck.verify.classes import DROP, Group, group_results, worst_first
from limbeck.verify.compare import Compared
from limbeck.verify.sample_size import POWER, rows_to_show_agreement
from limbeck.verify.slices import Values, slice_groups, slices
from limbeck.verify.statistics import independent_share, mcnemar, paired_difference, proportion, verdict

Sets = NDArray[Any]


@dataclass(frozen=True)
class SetAnswers:
    """What one model said of N rows: logits (N, C) with the probability from which on it gives each label, or the labels (N, C) that it gave.

    temperature: what its logits are divided by before, where it is given; `ece_scaled` is of these probabilities.
    """

    logits: NDArray[Any] | None = None
    thresholds: Sequence[float] = ()
    predicted: Sets | None = None
    temperature: float | None = None

    @cached_property
    def sets(self) -> NDArray[np.bool_]:
        """The labels that it gives, (N, C)."""
        if self.logits is None:
            return np.asarray(self.predicted, bool)
        return np.asarray(sigmoid(self.logits, self.temperature or 1.0) >= np.asarray(self.thresholds))


def compare_sets(
    answers: Mapping[str, SetAnswers],
    applies_NC: Sets | None,
    labels: Sequence[str],
    *,
    margin: float,
    least_agreement: float = 0.9,
    text_N: NDArray[Any] | None = None,
    parted: Mapping[str, Values] | None = None,
) -> Compared:
    """Quality of each model, each pair that a report speaks of, the labels, and whether the student kept its teacher's quality.

    Args:
        answers: by name: "teacher", "student", and perhaps "control" and "baseline".
        applies_NC: ones where a label applies; None: the rows have no labels, and the verdict is on how often both give the same ones.
        labels: the names of the C labels.
        margin: of micro-F1, and least_agreement: what is asked; see `Report`.
        text_N: a number for each row, the same for copies of a text; None: no row is a copy.
        parted: slices: by a name, the value of each row.

    Raises:
        DataError: no rows, answers of different shapes, or logits that are not finite.
    """
    rows = _checked(answers, applies_NC, len(labels))
    text_N = np.arange(rows) if text_N is None else text_N
    worth = independent_share(text_N)
    sets = {name: a.sets for name, a in answers.items()}
    truth_NC = sets["teacher"] if applies_NC is None else np.asarray(applies_NC, bool)
    quality: dict[str, Quality] = {}
    resampled = None
    if applies_NC is not None:
        stacked_MRNC = np.stack(list(sets.values()))[:, None].astype(np.uint8)
        resampled = Resampled(truth_NC.astype(np.uint8), stacked_MRNC, worth=worth)
        quality = {name: _quality(answers[name], truth_NC, resampled, m, worth) for m, name in enumerate(answers)}
    pairs = [("student", second) for second in answers if second != "student"]
    pairs += [(first, "teacher") for first in answers if first not in ("student", "teacher")]
    comparisons = tuple(_pair(pair, answers, None if applies_NC is None else truth_NC, resampled, worth) for pair in pairs)
    judged = next(c for c in comparisons if (c.first, c.second) == ("student", "teacher"))
    parted = parted or {}
    results, of_labels = _groups(sets, truth_NC, labels, parted, text_N)
    provable = None
    if (difference := judged.micro_f1_difference) is None:
        result = verdict(judged.agreement, least_agreement)
        show = rows_to_show_agreement(worth * (rows - judged.flips), worth * rows, least_agreement)
        show = None if show is None else math.ceil(show / worth)
    else:
        result = verdict(difference, -margin)
        show, provable = _rows_to_show(difference, rows, margin)
    said = _notes(labels, sets, truth_NC, labelled=applies_NC is not None)
    found = worst_first(results[:of_labels]), slices(parted, results[of_labels:])
    return Compared(rows, quality, comparisons, *found, result, show, None, provable, said)


def quality_of_sets(answers: SetAnswers, applies_NC: Sets, text_N: NDArray[Any]) -> Quality:
    """Micro-F1, macro-F1, rows that are all right, and calibration of one model by itself.

    Raises:
        DataError: no rows, arrays of different shapes, or logits that are not finite.
    """
    _checked({"student": answers, "teacher": answers}, applies_NC, np.shape(applies_NC)[-1])
    worth, truth_NC = independent_share(text_N), np.asarray(applies_NC, bool)
    resampled = Resampled(truth_NC.astype(np.uint8), answers.sets[None, None].astype(np.uint8), worth=worth)
    return _quality(answers, truth_NC, resampled, 0, worth)


def label_groups(labels: Sequence[str], truth_NC: NDArray[np.bool_]) -> list[Group]:
    """For each label that applies to any row, the rows to which it does."""
    return [Group(labels[c], truth_NC[:, c]) for c in np.flatnonzero(truth_NC.any(axis=0))]


def _groups(
    sets: Mapping[str, NDArray[np.bool_]],
    truth_NC: NDArray[np.bool_],
    labels: Sequence[str],
    parted: Mapping[str, Values],
    text_N: NDArray[Any],
) -> tuple[list[Any], int]:
    """What was gained and lost on the rows of each label (is it given?) and of each value of a slice (are all labels right?), with bounds that hold for all
    of them at once; and how many of these results are of labels."""
    rows, groups = len(truth_NC), label_groups(labels, truth_NC)
    columns = np.flatnonzero(truth_NC.any(axis=0))
    # A row stands once for each of its labels, and once more for the slices.
    at_X = np.concatenate([*(np.flatnonzero(truth_NC[:, c]) for c in columns), np.arange(rows)])
    of_X = np.concatenate([*(np.full(int(truth_NC[:, c].sum()), k) for k, c in enumerate(columns)), np.full(rows, -1)])

    def right(given_NC: NDArray[np.bool_]) -> NDArray[np.bool_]:
        whole_N = (given_NC == truth_NC).all(axis=1)
        return np.concatenate([*(given_NC[truth_NC[:, c], c] for c in columns), whole_N])[None]

    apart = [Group(g.name, of_X == k) for k, g in enumerate(groups)]
    for values in parted.values():
        apart += [Group(g.name, (of_X == -1) & g.among_N[at_X]) for g in slice_groups(values)]
    return group_results(apart, right(sets["teacher"]), right(sets["student"]), DROP, text_N[at_X]), len(groups)


def _quality(answers: SetAnswers, truth_NC: NDArray[np.bool_], resampled: Resampled, model: int, worth: float) -> Quality:
    whole_N = (answers.sets == truth_NC).all(axis=1)
    accuracy = proportion(worth * float(whole_N.sum()), worth * len(whole_N))
    ece = scaled = None
    if answers.logits is not None:
        ece = _ece(answers.logits, truth_NC, 1.0)
        scaled = None if answers.temperature is None else _ece(answers.logits, truth_NC, answers.temperature)
    return Quality(accuracy, resampled.macro_f1(model, accuracy), ece, scaled, resampled.micro_f1(model, accuracy))


def _ece(logits_NC: NDArray[Any], truth_NC: NDArray[np.bool_], temperature: float) -> float:
    """Of the likelier answer, yes or no, to each label of each row."""
    sure = confidence(as_questions(logits_NC), temperature)
    return expected_calibration_error(sure.ravel(), ((np.asarray(logits_NC) > 0) == truth_NC).ravel())


def _pair(
    pair: tuple[str, str],
    answers: Mapping[str, SetAnswers],
    truth_NC: NDArray[np.bool_] | None,
    resampled: Resampled | None,
    worth: float,
) -> Comparison:
    first, second = answers[pair[0]], answers[pair[1]]
    rows = len(first.sets)
    same = int((first.sets == second.sets).all(axis=1).sum())
    divergence = None
    if first.logits is not None and second.logits is not None:
        each_NC = kl(as_questions(second.logits), as_questions(first.logits))
        divergence = mean_interval(each_NC.sum(axis=1), worth=worth)
    found = Comparison(*pair, rows, proportion(worth * same, worth * rows), rows - same, kl=divergence)
    if truth_NC is None or resampled is None:
        return found
    right, other = ((a.sets == truth_NC).all(axis=1) for a in (first, second))
    gained, lost = float((right & ~other).sum()), float((other & ~right).sum())
    difference = paired_difference(worth * gained, worth * lost, worth * rows)
    at = list(answers)
    numbers = at.index(pair[0]), at.index(pair[1])
    return replace(
        found,
        difference=difference,
        macro_f1_difference=resampled.macro_f1_difference(*numbers, difference),
        micro_f1_difference=resampled.micro_f1_difference(*numbers, difference),
        gained=gained,
        lost=lost,
        mcnemar_p=mcnemar(worth * gained, worth * lost),
    )


def _rows_to_show(difference: Interval, rows: int, margin: float) -> tuple[int | None, float]:
    """How many rows end in `kept` four times out of five if these are typical (None: no number does), and the smallest margin that these rows show as
    often for a student as good as its teacher: bounds move as the root of the number of rows."""
    z = NormalDist().inv_cdf(0.95)
    reach = (difference.estimate - difference.low) * (z + NormalDist().inv_cdf(POWER)) / z
    spare = difference.estimate + margin
    return (math.ceil(rows * (reach / spare) ** 2) if spare > 0 and rows >= LEAST_ROWS else None), reach


def _notes(
    labels: Sequence[str], sets: Mapping[str, NDArray[np.bool_]], truth_NC: NDArray[np.bool_], labelled: bool
) -> tuple[str, ...]:
    """What these rows cannot tell, and answers that hardly deserve a comparison."""
    rows, found = len(truth_NC), []
    if rows < LEAST_ROWS:
        found.append(f"{rows} rows cannot bound F1 or KL: its bounds are those of what is possible")
    there_C = truth_NC.any(axis=0)
    if absent := [label for label, there in zip(labels, there_C, strict=True) if not there]:
        where = "no row has the label" if labelled else "the teacher never gives it"
        verb = "is" if len(absent) == 1 else "are"
        found.append(f"{len(absent)} of {len(labels)} labels {verb} not tested ({where}): {listing(absent, 5)}")
    silent_C = there_C & ~sets["student"].any(axis=0)
    if silent_C.any():
        silent = [label for label, never in zip(labels, silent_C, strict=True) if never]
        found.append(f"the student never gives {listing(silent, 5)}, though {'they occur' if len(silent) > 1 else 'it occurs'}")
    bare = int((~truth_NC.any(axis=1)).sum())
    if bare:
        to = "no label applies" if labelled else "the teacher gives no label"
        found.append(f"to {bare:,} of {rows:,} rows {to}; micro-F1 counts what is given there as wrong")
    for name, given_NC in sets.items():
        if (given_NC == given_NC[0]).all() and not (truth_NC == truth_NC[0]).all():
            given = [label for label, there in zip(labels, given_NC[0], strict=True) if there]
            found.append(f"the {name} gives {listing(given, 5) if given else 'no label'} to every row")
    return tuple(found)


def _checked(answers: Mapping[str, SetAnswers], applies_NC: Sets | None, classes: int) -> int:
    """How many rows there are, if everything fits together."""
    rows = len(answers["teacher"].sets)
    if rows == 0:
        raise DataError("there are no held-out rows to compare on. Give data.test, or a larger data.test_share.")
    arrays = {
        **{f"the {name}": a.sets for name, a in answers.items()},
        **({} if applies_NC is None else {"the truth": applies_NC}),
    }
    for name, array in arrays.items():
        if np.shape(array) != (rows, classes):
            raise DataError(
                f"{name} has answers of shape {np.shape(array)}, where ({rows} rows, {classes} labels) were expected."
            )
    for name, a in answers.items():
        if a.logits is not None and not np.isfinite(a.logits).all():
            bad = int((~np.isfinite(a.logits)).any(axis=1).sum())
            raise DataError(
                f"the {name} gave logits that are not finite on {bad:,} rows; nothing can be said of it. If it was trained here, its "
                "training diverged: lower the learning rate."
            )
    return rows
