"""What a page shows beyond the report: calibration bin by bin, confusions, changed answers row by row. Knows answers and truths; draws nothing.

OUT/evidence/details.json holds a `Details`. Counts are means over the repeats of cross-fitting, as in the report. A row is named by where it
stood; its text is there only where the recipe asks for it, and redacted.

Letters: N rows, C classes, R repeats, M bins.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from limbeck.evidence import Interval
from limbeck.metrics.probabilities import BINS, log_softmax
from limbeck.types import Json
from limbeck.verify.compare import Answers
from limbeck.verify.statistics import independent_share, proportion

MOST_CHANGES = 20
MOST_CONFUSIONS = 15
Indices = NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True)
class Bin:
    """The rows whose answer had a probability in (low, high]: how many, their mean probability, and the share that is right."""

    low: float
    high: float
    rows: float
    confidence: float
    right: Interval


@dataclass(frozen=True, slots=True)
class Reliability:
    """How far a model's probabilities can be believed, in the bins that the calibration error is made of; empty ones are left out.

    scaled: whether they are those after its temperature, as the bundle gives them.
    """

    model: str
    scaled: bool
    bins: tuple[Bin, ...]


@dataclass(frozen=True, slots=True)
class Confusion:
    """Rows of the class `truth` (without labels: that the teacher so answers) which the student, and which the teacher, calls `answer`."""

    truth: str
    answer: str
    student: float
    teacher: float


@dataclass(frozen=True, slots=True)
class Change:
    """A row that student and teacher answer otherwise. truth: None without labels. Probabilities are those of their own answers."""

    where: str
    truth: str | None
    teacher: str
    teacher_probability: float
    student: str
    student_probability: float
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Flips:
    """Rows by who is right; the last two are those that both have wrong, with one answer or with two."""

    both_right: float
    gained: float
    lost: float
    both_wrong_alike: float
    both_wrong_otherwise: float


@dataclass(frozen=True, slots=True)
class Details:
    """What a page shows beyond the report.

    bundle: its sha256. confusions: those that the student adds, the most added rows first. lost, gained: rows that only the teacher, only the
    student has right, the surest answer of the student first; without labels `lost` holds all rows that it answers otherwise. lost_rows, gained_rows: how many
    there are in all. texts: whether rows bear their redacted texts.
    """

    bundle: str
    reliability: tuple[Reliability, ...]
    flips: Flips | None
    confusions: tuple[Confusion, ...]
    confusions_in_all: int
    lost: tuple[Change, ...]
    gained: tuple[Change, ...]
    lost_rows: int
    gained_rows: int
    texts: bool
    lineage: Json
    schema_version: Literal[1] = 1

    def to_json(self) -> Json:
        """As it lies in evidence/details.json."""
        return json.loads(json.dumps(asdict(self)))  # type: ignore[no-any-return]


def details(
    teacher: Answers,
    student: Answers,
    true_N: Indices | None,
    labels: Sequence[str],
    where: Sequence[str],
    text_N: Indices,
    *,
    texts: Sequence[str] | None,
    bundle: str,
    lineage: Json,
) -> Details:
    """What a page shows of two models' answers to the same rows.

    Args:
        teacher, student: with logits; the student's temperature is that of its bundle, or None.
        true_N: classes, or None where there are no labels.
        labels: the names of the C classes.
        where: where each row stood.
        text_N: a number for each row, the same for copies of a text.
        texts: as they may be shown; None: they may not.
        bundle, lineage: see `Details`.
    """
    t, s = np.broadcast_arrays(teacher.classes, student.classes)
    truth = t if true_N is None else np.broadcast_to(true_N, t.shape)
    lost, gained = (t == truth) & (s != truth), (s == truth) & (t != truth)
    confused = confusions(t, s, truth, labels)
    bins = []
    if true_N is not None:
        worth = independent_share(text_N)
        bins = [reliability("teacher", teacher, true_N, worth), reliability("student", student, true_N, worth)]
    shown = [_changes(flag, teacher, student, true_N, labels, where, text_N, texts) for flag in (lost, gained)]
    return Details(
        bundle=bundle,
        reliability=tuple(bins),
        flips=None if true_N is None else flips(t, s, truth),
        confusions=confused[:MOST_CONFUSIONS],
        confusions_in_all=len(confused),
        lost=shown[0],
        gained=shown[1],
        lost_rows=int(lost.any(axis=0).sum()),
        gained_rows=int(gained.any(axis=0).sum()),
        texts=texts is not None,
        lineage=lineage,
    )


def reliability(model: str, answers: Answers, true_N: Indices, worth: float = 1.0) -> Reliability:
    """How far the probabilities of a model can be believed, after its temperature where it has one.

    Args:
        model: its name.
        answers: with logits.
        true_N: classes.
        worth: how many independent rows one row is worth (`independent_share`).
    """
    assert answers.stacked is not None, f"the {model} has no probabilities"
    logits_RNC = answers.stacked
    divisor_RN = np.broadcast_to(np.asarray(1.0 if answers.temperature is None else answers.temperature), logits_RNC.shape[:2])
    sure = np.exp(log_softmax(logits_RNC / divisor_RN[..., None])).max(axis=-1).ravel()
    right = (logits_RNC.argmax(axis=-1) == true_N).ravel()
    bin_of = np.clip(np.ceil(sure * BINS).astype(np.int64) - 1, 0, BINS - 1)
    found = []
    for m in np.unique(bin_of):
        of = bin_of == m
        rows = float(of.sum()) / len(logits_RNC)
        share = proportion(worth * float(right[of].mean()) * rows, worth * rows)
        found.append(Bin(float(m) / BINS, float(m + 1) / BINS, rows, float(sure[of].mean()), share))
    return Reliability(model, answers.temperature is not None, tuple(found))


def flips(teacher_RN: Indices, student_RN: Indices, true_RN: Indices) -> Flips:
    """The rows by who is right."""

    def count(flag_RN: NDArray[np.bool_]) -> float:
        return float(flag_RN.mean(axis=0).sum())

    t, s = teacher_RN == true_RN, student_RN == true_RN
    alike = teacher_RN == student_RN
    return Flips(count(t & s), count(s & ~t), count(t & ~s), count(~t & ~s & alike), count(~t & ~s & ~alike))


def confusions(teacher_RN: Indices, student_RN: Indices, true_RN: Indices, labels: Sequence[str]) -> tuple[Confusion, ...]:
    """The pairs of truth and wrong answer that the student gives more often than its teacher, the most added rows first."""

    def counted(answer_RN: Indices) -> dict[tuple[int, int], float]:
        wrong = answer_RN != true_RN
        pairs, count = np.unique(np.stack([true_RN[wrong], answer_RN[wrong]]), axis=1, return_counts=True)
        return {(int(a), int(b)): int(k) / len(answer_RN) for (a, b), k in zip(pairs.T, count, strict=True)}

    before, now = counted(teacher_RN), counted(student_RN)
    more = [
        (labels[a], labels[b], k, before.get((a, b), 0.0)) for (a, b), k in now.items() if k > before.get((a, b), 0.0) + 1e-9
    ]
    return tuple(Confusion(*found) for found in sorted(more, key=lambda c: (c[3] - c[2], c[0], c[1])))


def _changes(
    flag_RN: NDArray[np.bool_],
    teacher: Answers,
    student: Answers,
    true_N: Indices | None,
    labels: Sequence[str],
    where: Sequence[str],
    text_N: Indices,
    texts: Sequence[str] | None,
) -> tuple[Change, ...]:
    """The flagged rows in which the student is surest. Copies of a text come once, and a row in the repeat in which the student was surest."""
    sure_t, sure_s = _sure(teacher, flag_RN.shape), _sure(student, flag_RN.shape)
    t, s = (np.broadcast_to(a.classes, flag_RN.shape) for a in (teacher, student))
    found: list[Change] = []
    seen: set[int] = set()
    for place in np.argsort(-np.where(flag_RN, sure_s, -1.0), axis=None, kind="stable"):
        r, n = divmod(int(place), flag_RN.shape[1])
        if not flag_RN[r, n] or len(found) == MOST_CHANGES:
            break
        if int(text_N[n]) in seen:
            continue
        seen.add(int(text_N[n]))
        found.append(
            Change(
                where[n],
                None if true_N is None else labels[int(true_N[n])],
                labels[int(t[r, n])],
                float(sure_t[r, n]),
                labels[int(s[r, n])],
                float(sure_s[r, n]),
                None if texts is None else texts[n],
            )
        )
    return tuple(found)


def _sure(answers: Answers, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """The probability (R, N) of each answer, after the temperature."""
    assert answers.stacked is not None, "changes are of models with probabilities"
    divisor_RN = np.broadcast_to(
        np.asarray(1.0 if answers.temperature is None else answers.temperature), answers.stacked.shape[:2]
    )
    sure: NDArray[np.float64] = np.broadcast_to(
        np.exp(log_softmax(answers.stacked / divisor_RN[..., None])).max(axis=-1), shape
    )
    return sure
