"""In which part of a file, and in which classes, labels do not fit their texts. Knows classes, answers and the order of rows; asks nobody.

Answers are those of the probe, to rows that it had not learned. Letters: N rows in the order of the file, C classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from limbeck.doctor.label_order import Indices, shifted
from limbeck.findings import Finding, refusal, warning

_SURE = 2.5  # of a Brownian bridge's supremum: chance passes it in 2 exp(-2 * 2.5^2), 7 of a million files
_LEAST, _HALF = 30, 0.5  # rows of a part; how much less right a part is than the others
_PAIR_ROWS, _MUTUAL = 20, 0.75  # of a class; how often it is taken for the other, of how often for itself
_WITHIN, _OF_ALL, _MANY = 0.6, 0.3, 0.5
"""The rows that the two of a pair take; fewer do, where as large a share of all classes is so paired."""
_NAMED = 4


def part_findings(true_N: Indices, said_N: Indices, where_N: Sequence[str], labels: Sequence[str]) -> Iterator[Finding]:
    """A part of the file that is worse than the rest, and classes that are one.

    Args:
        true_N, said_N: labels and answers.
        where_N: where each row stood.
        labels: names of the classes.
    """
    yield from _worse_part(true_N, said_N, where_N)
    yield from _alike(true_N, said_N, labels)


def _worse_part(true_N: Indices, said_N: Indices, where_N: Sequence[str]) -> Iterator[Finding]:
    """Where in the file answers stop to fit: by the sum of right answers beyond what is usual for a row's class, so that the order of classes
    in a file says nothing."""
    right_N = (true_N == said_N).astype(np.float64)
    rows_C = np.maximum(np.bincount(true_N), 1)
    usual_N = (np.bincount(true_N, weights=right_N) / rows_C)[true_N]
    spread = float(np.sqrt((usual_N * (1 - usual_N)).sum()))
    beyond = np.concatenate([[0.0], np.cumsum(right_N - usual_N)])
    first = int(beyond.argmax())
    last = first + int(beyond[first:].argmin())
    part = slice(first, last)
    there, others = right_N[part], np.delete(right_N, part)
    if spread == 0 or beyond[first] - beyond[last] < _SURE * spread or min(len(there), len(others)) < _LEAST:
        return
    if there.mean() > _HALF * others.mean():
        return
    place = f"from {where_N[first]} to {where_N[last - 1]}"
    evidence = (
        f"Of the rows {place}, a linear model of words is right on {there.mean():.1%}, of the others on {others.mean():.1%}."
    )
    before_N, after_N = (np.concatenate(pair) for pair in (([-1], true_N[:-1]), (true_N[1:], [-1])))
    slipped = shifted(true_N[part], before_N[part], after_N[part], said_N[part])
    if slipped is not None:
        yield refusal(
            "labels_shifted",
            f"In a part of the training file the label of each text seems to stand in the row {slipped[0]} it.",
            f"{evidence} There it is right on {slipped[2]:.1%} by the labels of the rows {slipped[0]} them.",
            "A row was added or lost in one column alone. Write text and label from one source again.",
        )
        return
    yield warning(
        "labels_wrong_in_part",
        "In a part of the training file labels do not fit their texts.",
        evidence,
        "Look at these rows: a label filled down, a column that slipped, another person or program that labelled?",
    )


def _alike(true_N: Indices, said_N: Indices, labels: Sequence[str]) -> Iterator[Finding]:
    """Pairs of classes that are taken for one another as often as for themselves: those that take nearly all of each other's rows; or, where the
    words tell little, so many pairs that no chance made them."""
    confusion_CC = np.zeros((len(labels), len(labels)))
    np.add.at(confusion_CC, (true_N, said_N), 1.0)
    rows_C = confusion_CC.sum(axis=1)
    share_CC = confusion_CC / np.maximum(rows_C, 1)[:, None]
    clear, loose = [], []
    for a, b in np.argwhere(np.triu(confusion_CC, 1) > 0).tolist():
        own, other = (share_CC[a, a], share_CC[b, b]), (share_CC[a, b], share_CC[b, a])
        if min(rows_C[a], rows_C[b]) < _PAIR_ROWS or sum(other) < _MUTUAL * sum(own):
            continue
        third = max(np.delete(share_CC[c], [a, b]).max(initial=0.0) for c in (a, b))
        if min(other) < 2 * third:  # what is taken for everything is no pair
            continue
        within = min(own[0] + other[0], own[1] + other[1])
        if within > _WITHIN:
            clear.append((labels[a], labels[b]))
        elif within > _OF_ALL:
            loose.append((labels[a], labels[b]))
    pairs = [*clear, *loose] if len({c for pair in loose for c in pair}) > _MANY * len(labels) else clear
    if pairs:
        more = f" and {len(pairs) - _NAMED} more" if len(pairs) > _NAMED else ""
        yield warning(
            "classes_alike",
            f"{len(pairs)} {'pair of classes has' if len(pairs) == 1 else 'pairs of classes have'} the same texts.",
            ", ".join(f"'{a}' and '{b}'" for a, b in pairs[:_NAMED])
            + f"{more}: a linear model of words takes each for the other as often as for itself.",
            "One class under two names, or two people who labelled otherwise? Merge them, or say in the texts what tells them apart.",
        )
