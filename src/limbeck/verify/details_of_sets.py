"""What a page shows of several labels beyond the report: calibration bin by bin, changed answers row by row. Knows answers and truths; draws nothing.

An answer is all labels of a row, and right where all of them are. Its probability is that of all its yes and no together, as if they were
independent. Letters: N rows, C labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.label_sets import as_questions, sigmoid, told
from limbeck.types import Json
from limbeck.verify.compare import Answers
from limbeck.verify.compare_sets import SetAnswers
from limbeck.verify.details import MOST_CHANGES, Change, Details, flips, reliability
from limbeck.verify.statistics import independent_share


def details_of_sets(
    teacher: SetAnswers,
    student: SetAnswers,
    applies_NC: NDArray[Any] | None,
    labels: Sequence[str],
    where: Sequence[str],
    text_N: NDArray[Any],
    *,
    texts: Sequence[str] | None,
    bundle: str,
    lineage: Json,
) -> Details:
    """The same as `details`, which says what the arguments are; there are no confusions, since no label stands in the place of another."""
    t, s = teacher.sets, student.sets
    truth = t if applies_NC is None else np.asarray(applies_NC, bool)
    rows, right_t, right_s = len(t), (t == truth).all(axis=1), (s == truth).all(axis=1)
    bins = []
    if applies_NC is not None:
        worth = independent_share(text_N)
        for name, model in (("teacher", teacher), ("student", student)):
            asked = Answers(as_questions(np.asarray(model.logits)).reshape(-1, 2), temperature=model.temperature)
            bins.append(reliability(name, asked, truth.ravel().astype(np.int64), worth))
    sure = {name: _sure(of) for name, of in (("teacher", teacher), ("student", student))}

    def changes(flag_N: NDArray[np.bool_]) -> tuple[Change, ...]:
        first = {int(n): i for i, n in reversed(list(enumerate(text_N.tolist())))}  # copies of a text come once
        chosen = sorted(
            (i for i in np.flatnonzero(flag_N).tolist() if first[int(text_N[i])] == i), key=lambda i: -sure["student"][i]
        )
        return tuple(
            Change(
                where[i],
                None if applies_NC is None else _named(truth[i], labels),
                _named(t[i], labels),
                float(sure["teacher"][i]),
                _named(s[i], labels),
                float(sure["student"][i]),
                None if texts is None else texts[i],
            )
            for i in chosen[:MOST_CHANGES]
        )

    lost, gained = right_t & ~right_s, right_s & ~right_t
    return Details(
        bundle=bundle,
        reliability=tuple(bins),
        # Each set is a class here: 0 is the truth, 1 and 2 are two that differ from it.
        flips=None
        if applies_NC is None
        else flips(_kinds(right_t), _kinds(right_s, (t == s).all(axis=1)), np.zeros((1, rows), int)),
        confusions=(),
        confusions_in_all=0,
        lost=changes(lost),
        gained=changes(gained),
        lost_rows=int(lost.sum()),
        gained_rows=int(gained.sum()),
        texts=texts is not None,
        lineage=lineage,
    )


def _kinds(right_N: NDArray[np.bool_], as_the_other_N: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
    """0 where an answer is right, 1 where it is wrong, 2 where it is wrong in another way than the other model, (1, N)."""
    wrong_N = np.ones(len(right_N), np.int64) if as_the_other_N is None else np.where(as_the_other_N, 1, 2)
    return np.where(right_N, 0, wrong_N)[None]


def _named(given_C: NDArray[np.bool_], labels: Sequence[str]) -> str:
    return told(tuple(label for label, given in zip(labels, given_C, strict=True) if given))


def _sure(answers: SetAnswers) -> NDArray[np.float64]:
    """The probability (N,) of each row's answer."""
    p_NC = sigmoid(np.asarray(answers.logits), answers.temperature or 1.0)
    found: NDArray[np.float64] = np.where(answers.sets, p_NC, 1.0 - p_NC).prod(axis=1)
    return found
