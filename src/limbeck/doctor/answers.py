"""What a teacher's answers say of it. Knows logits, labels and the labels of neighbouring rows; asks nobody.

The most particular finding is made and the general one left out: a teacher whose labels are in another order is not also said to be at
chance. Letters: N rows, C classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.doctor.calibration import calibration_findings
from limbeck.doctor.label_order import Indices, matching, reordered, shifted
from limbeck.doctor.naming import mended, moves
from limbeck.doctor.probe import like_chance
from limbeck.errors import listing
from limbeck.findings import Finding, refusal, warning
from limbeck.metrics.probabilities import confidence
from limbeck.verify.statistics import proportion

LEAST = 30
"""Labelled rows below which accuracy and calibration say little."""
PERMUTED = "labels_permuted"
"""The finding that a teacher's labels stand in another order than the data's."""
_ROWS_OF_A_CLASS, _HARDLY, _TOO_OFTEN = 8, 0.1, 2.0
_SURE = 0.95


@dataclass(frozen=True, slots=True)
class Asked:
    """What a teacher answered to some rows of the user's.

    logits_NC: its answers. true_N: classes of the rows (-1: no label). before_N, after_N: classes of the rows beside it in the file. labels: the
    classes' names in the order of the logits. words: the accuracy of a linear model of words, None where nobody knows. where_N: where each
    row was read. new_head: why its classifier looks as if it had never been trained, empty where it does not.
    """

    logits_NC: NDArray[Any]
    true_N: Indices
    before_N: Indices
    after_N: Indices
    labels: tuple[str, ...]
    words: float | None = None
    where_N: tuple[str, ...] = ()
    new_head: str = ""


def answer_findings(asked: Asked) -> Iterator[Finding]:
    """All that the answers say."""
    logits_NC = np.asarray(asked.logits_NC, dtype=np.float64)
    if len(logits_NC) == 0:
        return
    if not np.isfinite(logits_NC).all():
        yield _not_finite(logits_NC)
        return
    yield from _repeated_labels(asked)
    said_N = logits_NC.argmax(axis=1)
    if (constant := _constant(asked, logits_NC, said_N)) is not None:
        yield constant
        return
    if (probabilities := _probabilities(logits_NC)) is not None:
        yield probabilities
    labelled_N = asked.true_N >= 0
    true_N = asked.true_N[labelled_N]
    if len(true_N) == 0:
        yield from _without_labels(asked, logits_NC)
        return
    wrong = next(_misnamed(asked, true_N, said_N[labelled_N], labelled_N), None)
    if wrong is not None:
        yield wrong
        return
    yield from _weak(asked, true_N, said_N[labelled_N])
    if len(true_N) >= LEAST and probabilities is None:
        yield from calibration_findings(true_N, logits_NC[labelled_N])
        yield from _doubtful(asked, true_N, logits_NC[labelled_N], labelled_N)
        yield from _missed_classes(asked.labels, true_N, said_N[labelled_N])
        yield from _preferred_classes(asked.labels, true_N, said_N[labelled_N])
    yield from _unknown_classes(asked, true_N)


def named_otherwise(true_N: Indices, logits_NC: NDArray[Any], labels: Sequence[str], names: Sequence[str]) -> Iterator[Finding]:
    """Which of a teacher's classes fits which label, where their names have nothing in common.

    Args:
        true_N: indices of labels.
        logits_NC: the teacher's answers.
        labels: of the data.
        names: as many, of the teacher's classes.
    """
    if not np.isfinite(logits_NC).all():
        return
    said_C, reached = matching(true_N, logits_NC.argmax(axis=1), len(labels))
    if reached < 0.5:
        return
    fitting = dict(sorted((said, labels[c]) for c, said in enumerate(said_C)))
    yield refusal(
        "labels_unnamed",
        "The teacher's classes have other names than the data's labels.",
        f"They are {listing(list(names), 3)}. Named as they fit best, it is right on {reached:.1%} of {len(true_N):,} labelled rows.",
        f"If that is what you expect of it, set id2label in its config.json to {fitting}.",
    )


def _not_finite(logits_NC: NDArray[np.float64]) -> Finding:
    bad = int((~np.isfinite(logits_NC)).any(axis=1).sum())
    return refusal(
        "teacher_not_finite",
        "The teacher answers with what is not a number.",
        f"{bad:,} of {len(logits_NC):,} answers hold NaN or infinity.",
        "Its weights are damaged, or overflow in the precision that they were saved in: save them again, as float32.",
    )


def _repeated_labels(asked: Asked) -> Iterator[Finding]:
    twice = sorted({label for label in asked.labels if asked.labels.count(label) > 1})
    if twice:
        yield refusal(
            "teacher_labels_repeated",
            "Classes of the teacher bear the same name.",
            f"{listing(twice)} of {len(asked.labels)} classes.",
            "Give each class its own name (id2label in the teacher's config.json).",
        )


def _constant(asked: Asked, logits_NC: NDArray[np.float64], said_N: Indices) -> Finding | None:
    """One answer to all rows, or the same figures."""
    truth = asked.true_N[asked.true_N >= 0]
    several = len(np.unique(truth)) > 1 or len(truth) == 0
    same_figures = len(logits_NC) > 1 and float(np.ptp(logits_NC, axis=0).max()) < 1e-6
    if len(logits_NC) < 10 or not several or not (same_figures or (len(np.unique(said_N)) == 1 and len(logits_NC) >= LEAST)):
        return None
    share = float((truth == said_N[0]).mean()) if len(truth) else 0.0
    if not same_figures and share > 0.8:  # nearly all rows are of this class
        return None
    return refusal(
        "teacher_constant",
        f"The teacher answers '{asked.labels[int(said_N[0])]}' to every row.",
        f"{len(said_N):,} rows were asked"
        + (", and all got the same figures." if same_figures else f"; {share:.1%} of the labelled ones bear this label."),
        "Its training collapsed, or its input is not what it reads (tokenizer and mask of texts, scaling of pictures, rate of clips): try it on a few rows by itself.",
    )


def _probabilities(logits_NC: NDArray[np.float64]) -> Finding | None:
    """Probabilities where logits are expected, of 1 or in percent: a softmax of a softmax."""
    sums_N = logits_NC.sum(axis=1)
    whole = float(sums_N.mean())
    if logits_NC.min() < 0 or len(logits_NC) < 2 or whole < 0.5 or float(np.abs(sums_N - whole).max()) > 1e-3 * whole:
        return None
    return refusal(
        "probabilities_as_logits",
        "The teacher gives probabilities where logits are expected.",
        f"No value lies below 0, and those of each of {len(logits_NC):,} rows sum to {whole:.3g}; another softmax says something else with them.",
        "Give logits, or the logarithm of the probabilities.",
    )


def _without_labels(asked: Asked, logits_NC: NDArray[np.float64]) -> Iterator[Finding]:
    if asked.new_head:
        yield warning(
            "head_untrained", "The teacher's classifier looks as if it had never been trained.", asked.new_head, _TRAIN_IT
        )
    mean, even = float(confidence(logits_NC).mean()), 1 / len(asked.labels)
    if len(logits_NC) >= LEAST and mean < even + 0.1 * (1 - even):
        yield warning(
            "teacher_unsure",
            "The teacher is sure of nothing.",
            f"Its mean probability of its own answer is {mean:.2f} on {len(logits_NC):,} rows; {even:.2f} is what {len(asked.labels)} equal ones have.",
            "Is it a teacher for these classes and this language? Label some rows, and its accuracy is measured.",
        )


_TRAIN_IT = "Fine-tune it first, or give the backbone without a head: then it is fine-tuned on the labelled rows."


def _misnamed(asked: Asked, true_N: Indices, said_N: Indices, labelled_N: NDArray[np.bool_]) -> Iterator[Finding]:
    """Right answers under wrong names, or to wrong rows."""
    names = asked.labels
    if (order := reordered(true_N, said_N, len(names))) is not None:
        moved = order.moved
        yield refusal(
            PERMUTED,
            f"{len(moved)} of the teacher's labels stand in another order than the data's.",
            f"On {len(true_N):,} labelled rows it is right on {order.before:.1%}, and on {order.after:.1%} if {moves(order.said_C, names)}.",
            f"Set its labels (id2label in config.json, or labels in limbeck_teacher.json) to {mended(order.said_C, names)}; or rename the data's.",
        )
    if (moved_by := shifted(true_N, asked.before_N[labelled_N], asked.after_N[labelled_N], said_N)) is not None:
        where, own, other = moved_by
        yield refusal(
            "labels_shifted",
            f"The label of each text seems to stand in the row {where} it.",
            f"The teacher's answers fit the row's own label in {own:.1%}, and that of the row {where} it in {other:.1%}.",
            "Write text and label from one source again: a header, a filter or a sort that touched one column alone moves them apart.",
        )


def _weak(asked: Asked, true_N: Indices, said_N: Indices) -> Iterator[Finding]:
    """No better than chance, or than a linear model of words."""
    right = int((true_N == said_N).sum())
    reached = right / len(true_N)
    level = like_chance(true_N, said_N) if len(true_N) >= LEAST else None
    if level is not None:
        evidence = f"It is right on {right:,} of {len(true_N):,} labelled rows ({reached:.1%}); chance is {level:.1%}"
        evidence += f", a linear model of words reaches {asked.words:.1%}." if asked.words is not None else "."
        if asked.new_head:
            yield refusal(
                "head_untrained",
                "The teacher's classifier was never trained.",
                f"{asked.new_head} {evidence}",
                _TRAIN_IT,
            )
            return
        yield refusal(
            "teacher_at_chance",
            "The teacher is no better than chance on your rows.",
            evidence,
            "Suspect what it reads (the tokenizer of another model, another normalisation, scaling or rate), then its labels, then its weights; try a few rows by hand.",
        )
        return
    if asked.new_head:
        yield warning(
            "head_untrained", "The teacher's classifier looks as if it had never been trained.", asked.new_head, _TRAIN_IT
        )
    if asked.words is not None and len(true_N) >= LEAST:
        upper = proportion(right, len(true_N), 0.999).high
        if upper < asked.words:
            yield warning(
                "teacher_below_words",
                "The teacher is worse than a linear model of words.",
                f"It is right on {reached:.1%} of {len(true_N):,} labelled rows, naive Bayes over words on {asked.words:.1%} of rows that it had not learned.",
                "A student of it will not be worth its training. Suspect tokenizer, normalisation and labels; or fine-tune another teacher.",
            )


def _missed_classes(labels: Sequence[str], true_N: Indices, said_N: Indices) -> Iterator[Finding]:
    """Classes that a teacher hardly ever names, though it is good at the others."""
    if float((true_N == said_N).mean()) < 0.5:
        return
    told = []
    for c in np.unique(true_N):
        said = said_N[true_N == c]
        if len(said) >= _ROWS_OF_A_CLASS and float((said == c).mean()) <= _HARDLY:
            instead = labels[int(np.bincount(said).argmax())]
            told.append(f"'{labels[c]}' ({int((said == c).sum())} of {len(said)} rows; it says '{instead}')")
    if told:
        yield warning(
            "class_missed",
            f"The teacher hardly ever answers {len(told)} of its classes, though {'it occurs' if len(told) == 1 else 'they occur'}.",
            f"{'; '.join(told[:5])}.",
            "Did it learn this class, and under this meaning? The student will not know better: merge the classes, or mend the teacher.",
        )


def _preferred_classes(labels: Sequence[str], true_N: Indices, said_N: Indices) -> Iterator[Finding]:
    """Classes that a teacher names for rows of all others, though it is good at these."""
    if float((true_N == said_N).mean()) < 0.5:
        return
    for c in np.unique(said_N):
        there, named = int((true_N == c).sum()), int((said_N == c).sum())
        from_ = np.unique(true_N[(said_N == c) & (true_N != c)])
        if there >= _ROWS_OF_A_CLASS and named > _TOO_OFTEN * there and len(from_) > 2:
            yield warning(
                "class_preferred",
                f"The teacher answers '{labels[c]}' far more often than it occurs.",
                f"It gives this answer to {named:,} of {len(true_N):,} labelled rows; {there:,} bear this label. The others are of {len(from_)} classes.",
                "Was it trained on rows of which most were of this class? A bias of its last layer can be taken back; the student will copy it.",
            )


def _doubtful(
    asked: Asked, true_N: Indices, logits_NC: NDArray[np.float64], labelled_N: NDArray[np.bool_]
) -> Iterator[Finding]:
    """Rows whose label a teacher that is mostly right surely contradicts."""
    said_N = logits_NC.argmax(axis=1)
    against_N = (confidence(logits_NC) >= _SURE) & (said_N != true_N)
    share, reached = float(against_N.mean()), float((said_N == true_N).mean())
    if share < 0.1 or reached < 0.5:
        return
    where = [w for w, is_labelled in zip(asked.where_N, labelled_N, strict=True) if is_labelled] if asked.where_N else []
    first = f", the first: {where[int(np.flatnonzero(against_N)[0])]}" if where else ""
    yield warning(
        "labels_doubtful",
        "The teacher is sure that many labels are wrong.",
        f"On {int(against_N.sum()):,} of {len(true_N):,} labelled rows it gives another answer with a probability above {_SURE:.0%}{first}.",
        "Look at these rows: either the labels are noisy, or the teacher learned other classes.",
    )


def _unknown_classes(asked: Asked, true_N: Indices) -> Iterator[Finding]:
    """Classes of the teacher that no row has, where rows are many enough to expect one."""
    absent = sorted(set(asked.labels) - {asked.labels[c] for c in np.unique(true_N)})
    if absent and len(true_N) >= 10 * len(asked.labels):
        yield warning(
            "class_absent",
            f"{len(absent)} of the teacher's classes {'has' if len(absent) == 1 else 'have'} no labelled row.",
            f"{listing(absent)}; {len(true_N):,} labelled rows were looked at.",
            "The student learns them from chance answers alone, and nothing measures them. Add rows of them, or take a teacher without them.",
        )
