"""What a teacher said of classes, as log-probabilities. Knows labels, probabilities, votes and lists of the best; knows no teacher.

Letters: B examples, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from limbeck.errors import TeacherError, listing, nearest
from limbeck.types import Signal

Says = Literal["probabilities", "top_k", "votes", "labels"]
"""From the strongest to the weakest: of every class, of the best ones with the rest as one, of some asked again, of one."""

_OFF = 0.02  # how far from 1 a sum of probabilities may lie: three decimals of 40 classes do not come nearer
_SURE = 0.98  # of a label that was only named, as fine-tuning takes it too
_LEAST = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True, slots=True)
class Said:
    """logits_BC: log-probabilities. known_BC: 1 where a class has a probability of its own, 0 where it has its share of the rest."""

    logits_BC: NDArray[np.float32]
    known_BC: NDArray[np.float32]

    def signal(self, needs: frozenset[str]) -> Signal:
        """Those of its fields that are needed."""
        fields = {"logits_BC": self.logits_BC, "known_BC": self.known_BC}
        return Signal(**{name: value for name, value in fields.items() if name in needs})


def fields(says: Says) -> frozenset[str]:
    """The fields of `Signal` that belong to a way of saying it."""
    return frozenset({"logits_BC", "known_BC"} if says == "top_k" else {"logits_BC"})


def of_probabilities(given_BC: Any, classes: int, where: str) -> Said:
    """From the probability of each class, (B, C).

    Raises:
        TeacherError: they are none, or of another number of classes.
    """
    p_BC = np.asarray(given_BC, np.float64)
    if p_BC.ndim != 2 or p_BC.shape[1] != classes:
        raise TeacherError(
            f"{where}: expected the probabilities of {classes} classes for each text, as an array (texts, {classes}); got {p_BC.shape}. "
            "Name the labels in their order (teacher.labels), as many as there are columns."
        )
    sums_B = p_BC.sum(axis=1)
    odd_B = ~np.isfinite(sums_B) | (np.abs(sums_B - 1.0) > _OFF) | (p_BC < 0.0).any(axis=1)
    if odd_B.any():
        row = int(np.argmax(odd_B))
        raise TeacherError(
            f"{where}: expected probabilities, none below 0, whose sum is 1; those of row {row + 1} add up to {sums_B[row]:.4g} and the "
            f"least is {p_BC[row].min():.4g}. Where these are logits or scores, give their softmax."
        )
    return Said(_logarithm(p_BC / sums_B[:, None]), np.ones(p_BC.shape, np.float32))


def of_scores(scores_BC: Any, classes: int, where: str) -> Said:
    """From logits, (B, C).

    Raises:
        TeacherError: they are none, or of another number of classes.
    """
    logits_BC = np.asarray(scores_BC, np.float32)
    if logits_BC.ndim != 2 or logits_BC.shape[1] != classes or not np.isfinite(logits_BC).all():
        raise TeacherError(f"{where}: expected finite logits as an array (texts, {classes}); got {logits_BC.shape}.")
    return Said(logits_BC, np.ones(logits_BC.shape, np.float32))


def of_labels(named_B: Sequence[str], labels: Sequence[str], where: str) -> Said:
    """From one label for each text: nearly all of the probability.

    Raises:
        TeacherError: one of them is not among the labels.
    """
    index = _index(labels)
    p_BC = np.full((len(named_B), len(labels)), (1.0 - _SURE) / max(1, len(labels) - 1))
    for row, name in enumerate(named_B):
        p_BC[row, _place(name, index, where)] = _SURE
    return Said(_logarithm(p_BC), np.ones(p_BC.shape, np.float32))


def of_votes(votes_B: Sequence[Mapping[str, int]], labels: Sequence[str], where: str) -> Said:
    """From how often each label was named: its share, with half a vote spread over all labels, so none is impossible.

    Source: Wang et al. (2023), Self-Consistency Improves Chain of Thought Reasoning in Language Models, section 2, for the votes.
    """
    index = _index(labels)
    count_BC = np.full((len(votes_B), len(labels)), 0.5 / len(labels))
    for row, votes in enumerate(votes_B):
        for name, count in votes.items():
            count_BC[row, _place(name, index, where)] += count
    return Said(_logarithm(count_BC / count_BC.sum(axis=1, keepdims=True)), np.ones(count_BC.shape, np.float32))


def of_some(given_B: Sequence[Mapping[str, float]], labels: Sequence[str], where: str) -> Said:
    """From the probabilities of some labels: what is left belongs to all the others together.

    Raises:
        TeacherError: a label is unknown, or the probabilities are none.
    """
    index = _index(labels)
    p_BC, known_BC = (np.zeros((len(given_B), len(labels))) for _ in range(2))
    for row, given in enumerate(given_B):
        for name, value in given.items():
            place = _place(name, index, where)
            p_BC[row, place], known_BC[row, place] = value, 1.0
        total, least = float(p_BC[row].sum()), float(p_BC[row].min())
        others = len(labels) - int(known_BC[row].sum())
        if not np.isfinite(total) or least < 0.0 or total > 1.0 + _OFF or (not others and total < 1.0 - _OFF) or total <= 0.0:
            raise TeacherError(
                f"{where}: expected probabilities, none below 0, whose sum is at most 1 (and 1 where all {len(labels)} labels have one); "
                f"those of row {row + 1} add up to {total:.4g}. Log-probabilities have to be raised to the power of e."
            )
        if total > 1.0 or not others:
            p_BC[row] /= total
        elif others:
            p_BC[row, known_BC[row] == 0.0] = (1.0 - total) / others
    return Said(_logarithm(p_BC), known_BC.astype(np.float32))


def way_of(answers: Any, labels: Sequence[str], where: str) -> Says:
    """How a callable or a file says it, by its first answers.

    Raises:
        TeacherError: these are no answers.
    """
    first = list(answers)
    if first and all(isinstance(a, str) for a in first):
        return "labels"
    if first and all(isinstance(a, Mapping) for a in first):
        if all(type(v) is int for a in first for v in a.values()):
            return "votes"
        return "probabilities" if all(set(a) >= set(labels) for a in first) else "top_k"
    if np.asarray(first).dtype.kind in "fiu" and np.asarray(first).ndim == 2:
        return "probabilities"
    kinds = sorted({type(a).__name__ for a in first})
    raise TeacherError(
        f"{where}: expected for each text its label, or its probabilities by label (a dict), or an array (texts, labels); "
        f"got {', '.join(kinds) or 'nothing'}."
    )


def understood(answers: Any, says: Says, labels: Sequence[str], where: str) -> Said:
    """Answers in the way that was found at first.

    Raises:
        TeacherError: they are said in another way, or are no answers.
    """
    now = way_of(answers, labels, where) if len(answers) else says
    if now != says and {now, says} != {"probabilities", "top_k"}:
        raise TeacherError(f"{where}: it answered with {says} at first and with {now} now. It has to answer in one way.")
    if says == "labels":
        return of_labels(answers, labels, where)
    if says == "votes":
        return of_votes(answers, labels, where)
    if len(answers) and isinstance(answers[0], Mapping):
        return of_some(answers, labels, where)
    return of_probabilities(np.asarray(answers, np.float64).reshape(len(answers), -1), len(labels), where)


def _logarithm(p_BC: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.log(np.maximum(p_BC, _LEAST)).astype(np.float32)


def _index(labels: Sequence[str]) -> dict[str, int]:
    return {label: place for place, label in enumerate(labels)}


def _place(name: str, index: Mapping[str, int], where: str) -> int:
    if name not in index:
        raise TeacherError(
            f"{where}: the answer '{name!s:.80}' is none of the {len(index)} labels: {listing(list(index))}.{nearest(str(name)[:80], index)} "
            "Name all labels in teacher.labels, or mend the answers."
        )
    return index[name]
