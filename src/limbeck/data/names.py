"""Which of a teacher's classes means which label, by what their names say. Knows names and vectors; knows no teacher and no texts.

Letters: L labels, C classes, D numbers of a vector.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SIGNS = re.compile(r"[\W_]+|(?<=[a-z])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class Proposal:
    """The class that a label is likely called, the cosine of their names, and by how much it leads the next class."""

    label: str
    named: str
    cosine: float
    lead: float


def as_words(name: str) -> str:
    """A name as a text.

    Example:
        >>> as_words("card/lostOrStolen_abroad")
        'card lost or stolen abroad'
    """
    return " ".join(_SIGNS.sub(" ", name).lower().split())


def proposals(labels: Sequence[str], classes: Sequence[str], label_LD: NDArray[Any], class_CD: NDArray[Any]) -> list[Proposal]:
    """For each label the class whose name lies nearest. A class that lies nearest to several labels leads for none but the nearest.

    Args:
        labels, classes: their names.
        label_LD, class_CD: vectors of these.
    """
    units = [
        np.asarray(x, np.float64) / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12) for x in (label_LD, class_CD)
    ]
    cosine_LC = units[0] @ units[1].T
    found = []
    for row, label in enumerate(labels):
        place = int(cosine_LC[row].argmax())
        best = float(cosine_LC[row, place])
        others = [
            *np.delete(cosine_LC[row], place),
            *np.delete(cosine_LC[:, place], row),
        ]  # other classes for it, other labels for the class
        found.append(Proposal(label, classes[place], best, best - float(max(others, default=0.0))))
    return found
