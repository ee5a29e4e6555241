"""Which texts a human should label next. Knows texts, logits and how much one text says about another; knows no files and no models.

Two kinds are chosen. *Typical*: a greedy cover of the texts (facility location: Krause & Golovin, Submodular Function Maximization,
2014, section 1): each choice is the text that adds most to sum_j w_j max_i s_ij over the chosen and the known texts i, where s_ij is
the cosine of TF-IDF trigrams and w_j is 1, or where there are logits (1 - margin_j)^2: what the model is unsure of counts most.
*Unsure*: the texts whose two best answers are closest (margin sampling). On BANKING77 the cover is far better than chance where random
seeding, k-means++ and the farthest text first are not (benchmarks/label_sample.py).

Letters: N texts, P texts of the pool that are compared with each other, C classes.
"""

from __future__ import annotations

import heapq
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from limbeck.text import fold, key_of

UNSURE_SHARE = 0.1
"""Of the choices, where there are logits: more of them cost accuracy while labels are few, and gained none when there were many."""
NEAR = 0.9
"""Cosine from which on a text repeats another, and is not chosen beside it."""
_POOL = 8192
"""Texts that are compared with each other: 128 MiB of cosines."""
_CHARACTERS = 2000
_WORD = re.compile(r"\w+")


Weights = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Choice:
    """The number of a chosen text, and why it was chosen."""

    index: int
    why: Literal["typical", "unsure"]


def choose(
    texts: Sequence[str],
    n: int,
    *,
    logits_NC: NDArray[np.floating] | None = None,
    known: Sequence[str] = (),
    seed: int = 0,
    unsure_share: float = UNSURE_SHARE,
) -> list[Choice]:
    """The `n` texts most worth labelling, best first; fewer where there are not so many that differ.

    No choice is a copy or near copy of another choice or of a known text. Of more than 8,192 texts the least sure and a random
    sample are compared, of more than 8,192 known ones a random sample.

    Args:
        texts: without labels.
        n: how many.
        logits_NC: a model's answers; without them no choice is unsure.
        known: texts that have labels already.
        seed: of the samples.
        unsure_share: share of the choices that are unsure, the rest being typical.
    """
    rng = np.random.default_rng(seed)
    taken = {key_of(text) for text in known}
    first_of: dict[str, int] = {}
    for index, text in enumerate(texts):
        first_of.setdefault(key_of(text), index)
    free = np.array([index for key, index in first_of.items() if key not in taken], dtype=np.int64)
    margin_N = np.zeros(len(texts)) if logits_NC is None else margins(logits_NC)
    unsure_count = 0 if logits_NC is None else round(n * unsure_share)
    least_sure = free[np.argsort(margin_N[free], kind="stable")][: min(10 * unsure_count, _POOL // 2)]
    others = np.setdiff1d(free, least_sure)
    if len(least_sure) + len(others) > _POOL:
        others = rng.choice(others, _POOL - len(least_sure), replace=False)
    pool_P = np.sort(np.concatenate([least_sure, others]))
    sample = list(known) if len(known) <= _POOL else [known[i] for i in rng.choice(len(known), _POOL, replace=False)]
    cover = _Cover([texts[i] for i in pool_P], sample, (1.0 - margin_N[pool_P]) ** 2)
    unsure: list[int] = []
    for i in np.argsort(margin_N[pool_P], kind="stable")[: len(pool_P) if unsure_count else 0]:
        if len(unsure) < unsure_count and cover.is_new(int(i)):
            cover.add(int(i))
            unsure.append(int(i))
    typical = cover.greedy(n - len(unsure))
    ranked = [
        ((k + 0.5) / len(part), why, i) for part, why in ((typical, "typical"), (unsure, "unsure")) for k, i in enumerate(part)
    ]
    return [Choice(int(pool_P[i]), "unsure" if why == "unsure" else "typical") for _, why, i in sorted(ranked)]


def margins(logits_NC: NDArray[np.floating]) -> NDArray[np.float64]:
    """The probability of the best answer minus that of the next, (N,); 0 is least sure."""
    exp_NC = np.exp(np.asarray(logits_NC, np.float64) - np.max(logits_NC, axis=1, keepdims=True))
    top_N2 = np.sort(exp_NC / exp_NC.sum(axis=1, keepdims=True), axis=1)[:, -2:]
    margin_N: NDArray[np.float64] = top_N2[:, 1] - top_N2[:, 0]
    return margin_N


class _Cover:
    """How well each text of a pool is represented by the known and the chosen ones."""

    def __init__(self, pool: Sequence[str], known: Sequence[str], weight_P: Weights) -> None:
        counts = [_trigrams(text) for text in pool]
        frequency = Counter(gram for found in counts for gram in found)
        self._number = {gram: i for i, gram in enumerate(frequency)}
        self._idf = np.log((1 + len(pool)) / (1 + np.array(list(frequency.values()), dtype=np.float64))) + 1
        self._vectors = [self._vector(found) for found in counts]
        grams = np.concatenate([grams for grams, _ in self._vectors] or [np.zeros(0, np.int64)])
        order = np.argsort(grams, kind="stable")
        lengths = [len(grams) for grams, _ in self._vectors]
        self._posting_rows = np.repeat(np.arange(len(pool)), lengths)[order]
        self._posting_values = np.concatenate([values for _, values in self._vectors] or [np.zeros(0)])[order]
        self._starts = np.searchsorted(grams[order], np.arange(len(frequency) + 1))
        self._chosen: set[int] = set()
        self._near_P = np.zeros(len(pool), np.float32)
        for text in known:
            self._near_P = np.maximum(self._near_P, self._similarity(*self._vector(_trigrams(text))))
        self._weight_P = weight_P.astype(np.float32)
        self._similar_PP = np.empty((len(pool), len(pool)), np.float16)
        for i, vector in enumerate(self._vectors):
            self._similar_PP[i] = self._similarity(*vector)
        self._queue: list[tuple[float, int]] = [(-self._gain(i), i) for i in range(len(pool))]
        heapq.heapify(self._queue)

    def greedy(self, n: int) -> list[int]:
        """The next `n` texts that add most; a gain only falls as others are added, so most need not be computed again."""
        found: list[int] = []
        while len(found) < n and self._queue:
            _, i = heapq.heappop(self._queue)
            if not self.is_new(i):
                continue
            gain = self._gain(i)
            if self._queue and -gain > self._queue[0][0]:
                heapq.heappush(self._queue, (-gain, i))
                continue
            self.add(i)
            found.append(i)
        return found

    def is_new(self, i: int) -> bool:
        """Whether a text was not chosen and repeats none that was, nor a known one."""
        return i not in self._chosen and bool(self._near_P[i] < NEAR)

    def add(self, i: int) -> None:
        """Take a text among the chosen ones."""
        self._chosen.add(i)
        self._near_P = np.maximum(self._near_P, self._similar_PP[i])

    def _gain(self, i: int) -> float:
        return float(np.maximum(self._similar_PP[i] - self._near_P, 0.0) @ self._weight_P)

    def _vector(self, counts: Counter[str]) -> tuple[NDArray[np.int64], Weights]:
        """The numbers of a text's trigrams, and their weights with a length of 1 together."""
        known = [(self._number[gram], count) for gram, count in counts.items() if gram in self._number]
        grams = np.array([gram for gram, _ in known], dtype=np.int64)
        values = (1 + np.log([count for _, count in known] or np.zeros(0))) * self._idf[grams]
        return grams, values / max(float(np.linalg.norm(values)), 1e-12)

    def _similarity(self, grams: NDArray[np.int64], values: Weights) -> NDArray[np.float32]:
        """The cosine with each text of the pool (P,), through the lists of texts that hold each trigram."""
        starts, lengths = self._starts[grams], self._starts[grams + 1] - self._starts[grams]
        before = np.cumsum(lengths) - lengths
        places = np.repeat(starts - before, lengths) + np.arange(int(lengths.sum()))
        products = np.repeat(values, lengths) * self._posting_values[places]
        return np.bincount(self._posting_rows[places], products, minlength=len(self._vectors)).astype(np.float32)


def _trigrams(text: str) -> Counter[str]:
    words = (f" {word} " for word in _WORD.findall(fold(text[:_CHARACTERS])))
    return Counter(word[i : i + 3] for word in words for i in range(len(word) - 2))
