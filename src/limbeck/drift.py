"""How far texts and answers have moved from a reference. Knows counts; keeps no text, knows no model and no server.

Of each answered text four things are counted: how sure the answer was, how many pieces the text had, what share of these the training texts do
not hold, and which label it got. Two such counts are compared by the population stability index, the labels by the Jensen-Shannon divergence,
since there are many of them and some are rare. Letters: K bins.

Sources: Siddiqi (2006), Credit Risk Scorecards, chapter 7, for the index and its 0.2; Yurdakul and Naranjo (2020), Statistical properties of the
population stability index, Journal of Risk Model Validation 14, for what it is by chance; Lin (1991), Divergence measures based on the Shannon
entropy, IEEE Transactions on Information Theory 37; Wilson and Hilferty (1931) for the quantile of chi-squared.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
PIECES = (1, 2, 4, 6, 8, 12, 16, 24, 32, 64)
RARE = (0.0, 0.05, 0.1, 0.2, 0.35, 0.5)
"""Where bins end: of the probability (a bin holds its lower end), of the number of pieces and of the share of rare ones (it holds its upper end)."""
MOVED_PSI, MOVED_JS = 0.2, 0.025
"""From here on a difference matters; near each other, the divergence (in nats) is an eighth of the index."""
_BY_CHANCE = 0.999
_HALF = 0.5  # a row that each bin has beside its own, so that an empty one is no infinity


@dataclass(frozen=True, slots=True)
class Reference:
    """Counts of a time that was in order. pieces, rare: empty where what comes in has no pieces. known: which pieces are not rare, a bit for
    each id, in hexadecimal, the first id lowest."""

    confidence: tuple[int, ...]
    labels: tuple[int, ...]
    pieces: tuple[int, ...] = ()
    rare: tuple[int, ...] = ()
    known: str = ""

    @property
    def rows(self) -> int:
        """How many texts it counts."""
        return sum(self.confidence)


@dataclass(frozen=True, slots=True)
class Moved:
    """How far one of the four has moved: `value` of the measure, and `limit`, above which it counts: what matters, or what chance does in one
    of a thousand windows, if that is more."""

    what: str
    value: float
    limit: float

    @property
    def alarm(self) -> bool:
        """Whether it has moved too far."""
        return self.value > self.limit


class Counts:
    """A count that grows text by text.

    Args:
        labels: how many there are.
        known: the ids of pieces that are not rare; None: pieces are not counted.

    Example:
        >>> counts = Counts(2, known=frozenset({1, 2}))
        >>> counts.add(0.97, 1, [1, 2, 9])
        >>> counts.reference().labels
        (0, 1)
    """

    def __init__(self, labels: int, known: frozenset[int] | None = None) -> None:
        self._known = known
        self.rows = 0
        self._confidence, self._labels = [0] * (len(CONFIDENCE) + 1), [0] * labels
        self._pieces, self._rare = [0] * (len(PIECES) + 1), [0] * (len(RARE) + 1)

    def add(self, probability: float, label: int, ids: Sequence[int] = ()) -> None:
        """Count one answer, and the pieces of its text."""
        self.rows += 1
        self._confidence[bisect_right(CONFIDENCE, probability)] += 1
        self._labels[label] += 1
        if self._known is not None:
            rare = sum(i not in self._known for i in ids) / max(1, len(ids))
            self._pieces[bisect_left(PIECES, len(ids))] += 1
            self._rare[bisect_left(RARE, rare)] += 1

    def reference(self) -> Reference:
        """What was counted so far."""
        found = Reference(tuple(self._confidence), tuple(self._labels))
        if self._known is None:
            return found
        return replace(found, pieces=tuple(self._pieces), rare=tuple(self._rare), known=packed(self._known))


def moved(reference: Reference, now: Reference) -> tuple[Moved, ...]:
    """How far each thing that both count has moved."""
    found = []
    for what in ("confidence", "pieces", "rare", "labels"):
        before_K, after_K = (np.asarray(getattr(each, what), np.float64) for each in (reference, now))
        if len(before_K) == 0 or len(before_K) != len(after_K) or not before_K.sum() or not after_K.sum():
            continue
        noise = by_chance(len(before_K), float(before_K.sum()), float(after_K.sum()))
        if what == "labels":
            found.append(Moved(what, jensen_shannon(before_K, after_K), max(MOVED_JS, noise / 8)))
        else:
            found.append(Moved(what, stability_index(before_K, after_K), max(MOVED_PSI, noise)))
    return tuple(found)


def stability_index(before_K: NDArray[Any], after_K: NDArray[Any]) -> float:
    """The population stability index of two counts: the sum of (q - p) ln(q / p); 0 where the shares are equal.

    Example:
        >>> round(stability_index(np.array([500, 500]), np.array([800, 200])), 2)
        0.41
    """
    p_K, q_K = ((of + _HALF) / (of.sum() + _HALF * len(of)) for of in (before_K, after_K))
    return float(((q_K - p_K) * np.log(q_K / p_K)).sum())


def jensen_shannon(before_K: NDArray[Any], after_K: NDArray[Any]) -> float:
    """The Jensen-Shannon divergence of two counts in nats, between 0 and ln 2."""
    p_K, q_K = (of / of.sum() for of in (before_K, after_K))
    mean_K = (p_K + q_K) / 2

    def divergence(of_K: NDArray[Any]) -> float:
        there = of_K > 0
        return float((of_K[there] * np.log(of_K[there] / mean_K[there])).sum())

    return max(0.0, (divergence(p_K) + divergence(q_K)) / 2)


def by_chance(bins: int, before: float, after: float) -> float:
    """What the index exceeds in one of a thousand comparisons of two samples, of so many rows each, where nothing has moved: it is distributed as
    chi-squared with bins - 1 degrees of freedom, times 1/before + 1/after."""
    degrees = max(1, bins - 1)
    spread = 2 / (9 * degrees)
    quantile = degrees * (1 - spread + NormalDist().inv_cdf(_BY_CHANCE) * spread**0.5) ** 3
    return float(quantile * (1 / before + 1 / after))


def packed(ids: Iterable[int]) -> str:
    """A set of small numbers in hexadecimal.

    Example:
        >>> unpacked(packed({1, 9})) == {1, 9}
        True
    """
    bits = bytearray()
    for i in ids:
        if i >= 8 * len(bits):
            bits.extend(bytes(i // 8 + 1 - len(bits)))
        bits[i // 8] |= 1 << i % 8
    return bits.hex()


def unpacked(text: str) -> frozenset[int]:
    """The set back from `packed`.

    Raises:
        ValueError: it is no hexadecimal.
    """
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(text), np.uint8), bitorder="little")
    return frozenset(np.flatnonzero(bits).tolist())
