"""One label of an example, or several: their names, their places in arrays, and an answer of several. Knows names and classes; knows no rows and no models.

Letters: N rows, C classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Label = str | tuple[str, ...]
"""What an example is called: one name, or under a task of several labels all that apply, in alphabetical order; an empty tuple: none of them does."""


@dataclass(frozen=True, slots=True)
class LabelSet:
    """An answer of a classifier of several labels: those that apply, the likeliest first, each with its probability; perhaps none does."""

    labels: tuple[str, ...]
    probabilities: tuple[float, ...]


def names_of(label: Label | None) -> tuple[str, ...]:
    """The names in a label: one, several or none.

    Example:
        >>> names_of("refund"), names_of(("card_lost", "refund")), names_of(None)
        (('refund',), ('card_lost', 'refund'), ())
    """
    return () if label is None else (label,) if isinstance(label, str) else label


def told(label: Label | None) -> str:
    """A label in words.

    Example:
        >>> told("refund"), told(("card_lost", "refund")), told(())
        ('refund', 'card_lost + refund', 'no label')
    """
    return " + ".join(names_of(label)) or "no label"


def aims(labels: Iterable[Label | None], classes: Sequence[str], several: bool = False) -> NDArray[Any]:
    """Labels as numbers: what a model is trained towards, and judged by.

    Args:
        labels: of N rows; None: it has none.
        classes: all names, in the order of the logits.
        several: whether several may apply to a row.

    Returns:
        The index of each row's class, int64 (N,), -1 where it has none. Of several labels float32 (N, C): 1 where one applies, 0 where it does
        not, -1 throughout where nothing is known.

    Raises:
        KeyError: a name is none of the classes.
    """
    index = {label: i for i, label in enumerate(classes)}
    if not several:
        return np.array([-1 if label is None else index[str(label)] for label in labels], dtype=np.int64)
    given = list(labels)
    found_NC = np.zeros((len(given), len(classes)), np.float32)
    for row, label in enumerate(given):
        if label is None:
            found_NC[row] = -1.0
        else:
            found_NC[row, [index[name] for name in names_of(label)]] = 1.0
    return found_NC


def shares(aims_NC: NDArray[Any]) -> NDArray[np.float32]:
    """To which share of the rows each label applies, (C,): of those of which it is known, and as if two more rows had said yes and no.

    Example:
        >>> shares(np.array([[1.0, 0.0], [1.0, 0.0], [-1.0, -1.0]])).tolist()
        [0.75, 0.25]
    """
    known_N = aims_NC.min(axis=1) >= 0
    return np.asarray((aims_NC[known_N].sum(axis=0) + 1.0) / (known_N.sum() + 2.0), np.float32)


def sigmoid(logits: NDArray[Any], temperature: float = 1.0) -> NDArray[np.float64]:
    """The probability of each yes, 1 / (1 + exp(-logits / temperature)); no logit is too large for it."""
    return np.asarray(0.5 * (1.0 + np.tanh(np.asarray(logits, np.float64) / (2.0 * temperature))))


def as_questions(logits_NC: NDArray[Any]) -> NDArray[np.float64]:
    """Logits of C yes-or-no questions as those of two classes each, (…, C, 2): a sigmoid of z is the softmax of 0 and z."""
    logits = np.asarray(logits_NC, np.float64)
    return np.stack([np.zeros_like(logits), logits], axis=-1)
