"""Intents of two levels, such as card/lost and card/stolen: everybody's answers judged by the first level too. Knows answers and names of labels.

A mistake within a group costs a chatbot less than one between groups. What is judged is what a caller would read off: the part of the answer's name before
the separator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from limbeck.errors import DataError, listing
from limbeck.types import Json
from limbeck.verify.compare import Answers, Compared, Indices, compare


def first_level(
    answers: Mapping[str, Answers], true_N: Indices | None, labels: Sequence[str], separator: str, **how: Any
) -> tuple[tuple[str, ...], Compared]:
    """The groups, and what follows from the answers where each stands for its group.

    Args:
        answers, true_N, labels: as for `compare`.
        separator: what parts a group from what it holds; a label without it is a group of its own.
        how: further arguments of `compare`.

    Raises:
        DataError: no label holds the separator, or all are of one group.
    """
    group_of = [label.split(separator, 1)[0] for label in labels]
    groups = tuple(dict.fromkeys(group_of))
    if not any(separator in label for label in labels):
        raise DataError(
            f"verify.levels is '{separator}', but no label holds it: {listing(list(labels))}. Name what parts their levels, or leave it out."
        )
    if len(groups) < 2:
        raise DataError(f"verify.levels: all labels are of the one group {listing(groups)}, so there is nothing to tell apart.")
    index_C = np.array([groups.index(group) for group in group_of])
    grouped = {name: Answers(predicted=index_C[given.classes]) for name, given in answers.items()}
    return groups, compare(grouped, None if true_N is None else index_C[true_N], groups, **how)


def to_json(groups: Sequence[str], found: Compared) -> Json:
    """What evidence/levels.json holds."""
    return {
        "groups": list(groups),
        "rows": found.rows,
        "verdict": found.verdict.value,
        "quality": {name: asdict(quality) for name, quality in found.quality.items()},
        "comparisons": [asdict(c) for c in found.comparisons],
    }


def told(groups: Sequence[str], labels: int, found: Compared) -> str:
    """The same in a sentence."""
    where = f"by the {len(groups)} groups of the {labels} labels"
    if not found.quality:
        return f"{where} the student answers as the teacher does on {found.comparisons[0].agreement.estimate:.1%} of the rows"
    rates = ", ".join(f"{name} {q.accuracy.estimate:.1%}" for name, q in found.quality.items())
    return f"{where}: {rates}; verdict {found.verdict.value}"
