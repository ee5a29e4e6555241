"""What a teacher said of labels of which several may apply, as logits that a sigmoid reads. Knows probabilities and lists of labels; knows no teacher.

Letters: B examples, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.errors import TeacherError, nearest
from limbeck.label_sets import aims
from limbeck.teachers._said import Said, Says

_SURE = 0.98  # of a label that was only named, as of one label among all
_LEAST = 1e-6
_NUMBERS = (int, float, np.number)
_UNSURE, _ENOUGH = (0.05, 0.95), 8
"""Rows with a probability between these say how a teacher divides its doubt; so many tell a softmax from a sigmoid."""


def way_of_several(answers: Any, where: str) -> Says:
    """How a callable or a file says which labels apply, by its first answers: with probabilities, or with lists of labels.

    Raises:
        TeacherError: these are no answers, or name one label among all.
    """
    first = list(answers)
    if first and all(isinstance(a, list | tuple) and all(isinstance(name, str) for name in a) for a in first):
        return "labels"
    if first and all(isinstance(a, Mapping) for a in first):
        return "probabilities"
    if first and all(isinstance(a, list | tuple | np.ndarray) and all(isinstance(v, _NUMBERS) for v in a) for a in first):
        return "probabilities"
    kinds = sorted({type(a).__name__ for a in first})
    raise TeacherError(
        f"{where}: several labels may apply to a text, so for each a list of labels (an empty one: none applies), or a probability of every label "
        f"(a dict), or an array (texts, labels) was expected; got {', '.join(kinds) or 'nothing'}. Give lists, or take the task text-classification."
    )


def understood_of_several(answers: Any, says: Says, labels: Sequence[str], where: str) -> Said:
    """Answers in the way that was found at first.

    Raises:
        TeacherError: they are said in another way, name unknown labels, or are no probabilities.
    """
    if len(answers) and (now := way_of_several(answers, where)) != says:
        raise TeacherError(f"{where}: it answered with {says} at first and with {now} now. It has to answer in one way.")
    if says == "labels":
        return of_lists(answers, labels, where)
    if len(answers) and isinstance(answers[0], Mapping):
        for row, given in enumerate(answers):
            if lacking := [label for label in labels if label not in given]:
                raise TeacherError(
                    f"{where}: expected a probability of each of the {len(labels)} labels; those of row {row + 1} lack '{lacking[0]:.80}'. Write 0 "
                    "where a label does not apply."
                )
        answers = [[given[label] for label in labels] for given in answers]
    return of_yes(np.asarray(answers, np.float64).reshape(len(answers), -1), len(labels), where)


def of_yes(given_BC: Any, classes: int, where: str) -> Said:
    """From the probability that each label applies, (B, C): each a number from 0 to 1 by itself.

    Raises:
        TeacherError: they are none, are of another number of labels, or sum to 1 as a softmax makes them.
    """
    p_BC = np.asarray(given_BC, np.float64)
    if p_BC.ndim != 2 or p_BC.shape[1] != classes:
        raise TeacherError(
            f"{where}: expected the probabilities of {classes} labels for each text, as an array (texts, {classes}); got {p_BC.shape}. "
            "Name the labels in their order (teacher.labels), as many as there are columns."
        )
    odd_B = ~np.isfinite(p_BC).all(axis=1) | (p_BC < 0.0).any(axis=1) | (p_BC > 1.0).any(axis=1)
    if odd_B.any():
        row = int(np.argmax(odd_B))
        raise TeacherError(
            f"{where}: expected a probability from 0 to 1 of each label; those of row {row + 1} lie between {p_BC[row].min():.4g} and "
            f"{p_BC[row].max():.4g}. Where these are logits or scores, give their sigmoid."
        )
    unsure_B = ((p_BC > _UNSURE[0]) & (p_BC < _UNSURE[1])).any(axis=1)
    if unsure_B.sum() >= _ENOUGH and (np.abs(p_BC[unsure_B].sum(axis=1) - 1.0) < 1e-3).all():
        raise TeacherError(
            f"{where}: several labels may apply to a text, so each has a probability of its own; those of all {int(unsure_B.sum())} rows that are "
            "not sure sum to 1, as a softmax makes them. Give the sigmoid of each logit, or take the task text-classification."
        )
    p_BC = np.clip(p_BC, _LEAST, 1.0 - _LEAST)
    return _said(p_BC)


def of_lists(named_B: Sequence[Sequence[str]], labels: Sequence[str], where: str) -> Said:
    """From the list of labels that apply to each text.

    Raises:
        TeacherError: one of them is not among the labels.
    """
    known = set(labels)
    if strange := next((name for names in named_B for name in names if name not in known), None):
        raise TeacherError(
            f"{where}: the answer '{strange:.80}' is none of the {len(labels)} labels.{nearest(strange[:80], labels)} "
            "Name all labels in teacher.labels, or mend the answers."
        )
    yes_BC = aims(map(tuple, named_B), labels, several=True)
    return _said(np.where(yes_BC > 0.5, _SURE, 1.0 - _SURE))


def _said(p_BC: NDArray[np.float64]) -> Said:
    return Said((np.log(p_BC) - np.log1p(-p_BC)).astype(np.float32), np.ones(p_BC.shape, np.float32))
