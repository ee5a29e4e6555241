"""What a model of a second says of the rows: naive Bayes over words. Knows texts and labels; knows no teacher.

Letters: N rows, M rows of another file, C classes, F features, K words of all rows.
It is a yardstick: labels that it cannot learn at all may say nothing, and a teacher that it beats is not worth its size.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.doctor.label_order import Indices, reordered, shifted
from limbeck.doctor.naming import moves
from limbeck.doctor.parts import part_findings
from limbeck.findings import Finding, refusal, warning
from limbeck.types import Record
from limbeck.verify.statistics import proportion

MOST, LEAST = 4000, 100
"""Rows that it learns from: so many are enough, and fewer say little."""
_RUN = 50  # rows that stand one behind the other, of a file that has more than it learns
_FEATURES = 2**15
_WORD = re.compile(r"\w+|[^\w\s]")
_LIKE_CHANCE = 0.15  # of what lies between chance and perfection


@dataclass(frozen=True, slots=True)
class Judged:
    """What the probe answers to the rows of another file: class indices, the truth beside them."""

    true_M: Indices
    said_M: Indices


@dataclass(frozen=True, slots=True)
class Probe:
    """What the probe answers to the training rows (by halves that it had not learned), and to those of other files by their names; class
    indices, the truth beside them. where_N: where the rows stood. elsewhere: where its own labels say nothing, the accuracy of a probe that is
    taught the labels of the rows "before" or "behind" in their place."""

    true_N: Indices
    said_N: Indices
    where_N: tuple[str, ...]
    judged: Mapping[str, Judged]
    elsewhere: Mapping[str, float] = field(default_factory=dict)

    @property
    def accuracy(self) -> float:
        """On training rows that it had not learned."""
        return float((self.true_N == self.said_N).mean())


def probe(rows: Sequence[Record], others: Mapping[str, Sequence[Record]], labels: Sequence[str]) -> Probe | None:
    """Teach the probe; None where rows are too few.

    Args:
        rows: in the order of the file; those without a label are left out.
        others: the rows of other files by their names, "test" and "validation"; the same.
        labels: all classes.
    """
    index = {label: i for i, label in enumerate(labels)}
    learned = _some([r for r in rows if r.label is not None])
    if len(learned) < LEAST or len({r.label for r in learned}) < 2:
        return None
    words, classes = _Words.of([r.payload for r in learned]), len(labels)
    true_N = np.array([index[str(r.label)] for r in learned])
    half_N = _halves([r.key for r in learned])
    said_N = _crossed(words, true_N, half_N, classes)
    elsewhere = {}
    if like_chance(true_N, said_N) is not None:
        for where, other_N in (("before", np.roll(true_N, 1)), ("behind", np.roll(true_N, -1))):
            elsewhere[where] = float((_crossed(words, other_N, half_N, classes) == other_N).mean())
    weights_FC = _weights(words.counts(true_N, np.ones(len(true_N), dtype=bool), classes))
    judged = {}
    for name, of in others.items():
        there = _some([r for r in of if r.label is not None and r.label in index])
        true_M = np.array([index[str(r.label)] for r in there], dtype=np.int64)
        judged[name] = Judged(true_M, _Words.of([r.payload for r in there]).answers(weights_FC))
    return Probe(true_N, said_N, tuple(r.where for r in learned), judged, elsewhere)


def _some(rows: Sequence[Record]) -> list[Record]:
    """As many rows as are enough, in runs from everywhere in the file, so that most keep their neighbours."""
    if len(rows) <= MOST:
        return list(rows)
    starts = np.linspace(0, len(rows) - _RUN, MOST // _RUN).astype(int)
    return [rows[start + i] for start in starts for i in range(_RUN)]


def probe_findings(found: Probe, labels: Sequence[str]) -> Iterator[Finding]:
    """What the probe's answers say of the labels."""
    level = like_chance(found.true_N, found.said_N)
    parts = list(part_findings(found.true_N, found.said_N, found.where_N, labels))
    yield from parts
    if level is not None:
        if parts:  # which say more
            return
        where = max(found.elsewhere, key=found.elsewhere.__getitem__, default="")
        if where and found.elsewhere[where] > level + 2 * _LIKE_CHANCE * (1 - level):
            yield _shifted("training", where, found.accuracy, found.elsewhere[where])
        else:
            yield warning(
                "labels_say_nothing",
                "The labels do not follow from the words of their texts.",
                f"A linear model of words, judged on rows that it had not learned, is right on {found.accuracy:.1%}; chance is {level:.1%}.",
                "Look at some rows: are texts and labels those of the same line? Are the columns the right ones?",
            )
        return
    for name, of in found.judged.items():
        if len(of.true_M) >= 30:
            yield from _of_file(name, of, found.accuracy, labels)


def _of_file(name: str, of: Judged, usual: float, labels: Sequence[str]) -> Iterator[Finding]:
    """Whether the labels of another file are those of the training file."""
    true_M, said_M = of.true_M, of.said_M
    reached = float((true_M == said_M).mean())
    if (order := reordered(true_M, said_M, len(labels))) is not None:
        yield refusal(
            "labels_permuted",
            f"The {name} file has its labels in another order than the training file.",
            f"A linear model of words that learned the training file is right on {order.before:.1%} of the {name} rows, and on {order.after:.1%} if "
            f"{moves(order.said_C, labels)}.",
            "Rename the labels of one of the files.",
        )
    elif (moved := _neighbours(true_M, said_M)) is not None:
        yield _shifted(name, *moved)
    elif proportion(float((true_M == said_M).sum()), len(true_M), 0.999).high < 0.6 * usual:
        yield warning(
            f"{name}_unlike_train",
            f"The {name} rows are not like the training rows.",
            f"A linear model of words is right on {usual:.1%} of training rows that it had not learned, and on {reached:.1%} of the {name} rows.",
            "Other customers, another time, another language, or wrong labels on one side: look at some rows of both.",
        )


def like_chance(true_N: Indices, said_N: Indices) -> float | None:
    """The accuracy of chance, if these answers are shown to be hardly better; else None.

    Chance gives each answer as often as it was given, whatever the row: the sum over classes of (share of the truth) x (share of the answers).
    """
    classes = int(max(true_N.max(), said_N.max())) + 1
    shares = [np.bincount(of, minlength=classes) / len(true_N) for of in (true_N, said_N)]
    level = float(shares[0] @ shares[1])
    upper = proportion(float((true_N == said_N).sum()), len(true_N)).high
    return level if upper < level + _LIKE_CHANCE * (1 - level) else None


def _neighbours(true_N: Indices, said_N: Indices) -> tuple[str, float, float] | None:
    """Whether the answers fit the label of a neighbouring row."""
    none = np.array([-1])
    return shifted(true_N, np.concatenate([none, true_N[:-1]]), np.concatenate([true_N[1:], none]), said_N)


def _shifted(file: str, where: str, own: float, other: float) -> Finding:
    return refusal(
        "labels_shifted",
        f"In the {file} file the label of each text seems to stand in the row {where} it.",
        f"A linear model of words is right on {own:.1%} by the rows' own labels, and on {other:.1%} by those of the rows {where} them.",
        "Write text and label from one source again: a header, a filter or a sort that touched one column alone moves them apart.",
    )


@dataclass(frozen=True, slots=True)
class _Words:
    """Words and pairs of words of some texts, as numbers below `_FEATURES`: those of each text follow those of the text before."""

    ids_K: Indices
    lengths_N: Indices

    @classmethod
    def of(cls, texts: Sequence[Any]) -> _Words:
        """Those of texts; a text without any has one that stands for nothing."""
        ids: list[int] = []
        lengths = []
        for text in texts:
            words = _WORD.findall(str(text).lower()) or [""]
            said = [*words, *(f"{a} {b}" for a, b in pairwise(words))]
            ids += [zlib.crc32(w.encode("utf-8", "replace")) % _FEATURES for w in said]
            lengths.append(len(said))
        return cls(np.array(ids, dtype=np.int64), np.array(lengths, dtype=np.int64))

    def counts(self, true_N: Indices, learned_N: NDArray[np.bool_], classes: int) -> NDArray[np.float64]:
        """How often the learned texts of each class hold each word, (F, C); a text weighs as the root of its length."""
        row_K = np.repeat(np.arange(len(self.lengths_N)), self.lengths_N)
        kept_K = learned_N[row_K]
        place_K = self.ids_K * classes + true_N[row_K]
        weight_K = 1 / np.sqrt(self.lengths_N[row_K])
        flat = np.bincount(place_K[kept_K], weights=weight_K[kept_K], minlength=_FEATURES * classes)
        return np.asarray(flat.reshape(_FEATURES, classes), np.float64)

    def answers(self, weights_FC: NDArray[np.float64]) -> Indices:
        """The class with the largest sum of weights, for each text, (N,)."""
        ends = np.cumsum(self.lengths_N)
        said = [weights_FC[self.ids_K[end - n : end]].sum(axis=0).argmax() for end, n in zip(ends, self.lengths_N, strict=True)]
        return np.array(said, dtype=np.int64)


def _weights(counts_FC: NDArray[np.float64]) -> NDArray[np.float64]:
    """Complement naive Bayes: a word speaks against the classes whose opposites hold it often.

    Source: Rennie, Shih, Teevan and Karger (2003), Tackling the poor assumptions of naive Bayes text classifiers, section 3.
    """
    others_FC = counts_FC.sum(axis=1, keepdims=True) - counts_FC + 1.0
    return np.asarray(-np.log(others_FC / others_FC.sum(axis=0)))


def _crossed(words: _Words, true_N: Indices, half_N: Indices, classes: int) -> Indices:
    """Answers to each half of the rows from what the other half taught."""
    said_N = np.zeros(len(true_N), dtype=np.int64)
    for half in (0, 1):
        said = words.answers(_weights(words.counts(true_N, half_N != half, classes)))
        said_N[half_N == half] = said[half_N == half]
    return said_N


def _halves(keys: Sequence[str]) -> Indices:
    """0 or 1 for each row by the hash of its key, so that copies of a text lie in one half."""
    return np.array([zlib.crc32(key.encode()) % 2 for key in keys])
