"""Bootstrap intervals for what has no closed form: macro-F1 and micro-F1, paired differences of them, the mean of a figure. Knows arrays; knows no
models.

Rows are resampled whole, so two models stay paired. Letters: N rows, R repeats of cross-fitting, K kinds of rows, S resamples, C classes.

Rows that are alike in truth and in all answers are one kind, so a resample is one draw from a multinomial over K kinds and counts of
classes are one matrix product: 2,000 resamples of 3,080 rows take a tenth of a second. The bounds are BCa (bias-corrected and
accelerated): the percentile bounds of macro-F1 lie too low, as F1 of small classes does in resamples. A bootstrap of few rows holds less
than it promises (benchmarks/intervals.py), so below 10 rows it is not used, and no verdict rests on one but that of several labels, whose
micro-F1 has no closed form.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.evidence import Interval

Floats = NDArray[np.float64]
Indices = NDArray[np.integer[Any]]
RESAMPLES = 2_000
LEAST_ROWS = 10
"""Fewer rows than this are not resampled."""
MANY_ROWS = 50_000
"""More rows than this are not resampled for a mean."""


class Resampled:
    """Resamples of rows with a truth and the answers of one or more models: macro-F1 of each model, paired, and of several labels micro-F1.

    Args:
        true_N: classes; of several labels (N, C), ones where one applies.
        predicted_MRN: answers of M models in R repeats; of several labels (M, R, N, C).
        confidence: of each bound.
        seed: of the resamples.
        worth: independent rows per row (`statistics.independent_share`): bounds lie further away by the root of its inverse.

    Source: Efron (1987), Better bootstrap confidence intervals, Journal of the American Statistical Association 82.
    """

    def __init__(
        self, true_N: Indices, predicted_MRN: Indices, confidence: float = 0.95, seed: int = 0, worth: float = 1.0
    ) -> None:
        models, repeats, rows = predicted_MRN.shape[:3]
        answers_NX = np.concatenate([true_N[None], predicted_MRN.reshape(models * repeats, *true_N.shape)]).swapaxes(0, 1)
        kinds_KX, self.counts_K = np.unique(answers_NX.reshape(rows, -1), axis=0, return_counts=True)
        self.rows, self.confidence, self._worth = rows, confidence, worth
        several = true_N.ndim == 2
        kinds_KX = kinds_KX.reshape(len(kinds_KX), *answers_NX.shape[1:])
        one_CC = None if several else np.eye(int(kinds_KX.max()) + 1, dtype=np.float32)

        def given(column: int) -> NDArray[np.float32]:
            """Ones at the classes of each kind (K, C), by the truth (0) or an answer."""
            return np.asarray(kinds_KX[:, column] if one_CC is None else one_CC[kinds_KX[:, column]], np.float32)

        true_KC = given(0)
        dice = np.random.default_rng(seed)
        blocks = [  # since draws come as integers of eight bytes
            dice.multinomial(rows, self.counts_K / rows, size=RESAMPLES // 10).astype(np.float32) for _ in range(10)
        ]
        self._f1: dict[str, list[tuple[float, Floats, Floats]]] = {"macro": [], "micro": []}
        for model in range(models):
            for kind, score in (("macro", _macro_f1), *([("micro", _micro_f1)] if several else [])):
                whole, drawn_S, away_K = [], [], []
                for column in range(1 + model * repeats, 1 + (model + 1) * repeats):
                    predicted_KC = given(column)
                    hits_KC, there_KC = true_KC * predicted_KC, true_KC + predicted_KC
                    hits_C, there_C = self.counts_K @ hits_KC, self.counts_K @ there_KC
                    whole.append(score(hits_C[None], there_C[None])[0])
                    drawn_S.append(np.concatenate([score(w @ hits_KC, w @ there_KC) for w in blocks]))
                    away_K.append(score(hits_C - hits_KC, there_C - there_KC))  # each kind with one row less: the jackknife
                self._f1[kind].append((float(np.mean(whole)), np.mean(drawn_S, axis=0), np.mean(away_K, axis=0)))

    def macro_f1(self, model: int, fallback: Interval) -> Interval:
        """The interval of one model's macro-F1; the bounds of `fallback` where the resamples do not vary or rows are too few."""
        return self._interval(*self._f1["macro"][model], fallback, (0.0, 1.0))

    def micro_f1(self, model: int, fallback: Interval) -> Interval:
        """The interval of one model's micro-F1, of several labels; see `macro_f1`."""
        return self._interval(*self._f1["micro"][model], fallback, (0.0, 1.0))

    def macro_f1_difference(self, first: int, second: int, fallback: Interval) -> Interval:
        """The interval of macro-F1 of `first` - macro-F1 of `second`; see `macro_f1`."""
        return self._difference("macro", first, second, fallback)

    def micro_f1_difference(self, first: int, second: int, fallback: Interval) -> Interval:
        """The same of micro-F1, of several labels."""
        return self._difference("micro", first, second, fallback)

    def _difference(self, kind: str, first: int, second: int, fallback: Interval) -> Interval:
        (estimate, drawn_S, away_K), (other, other_S, other_K) = self._f1[kind][first], self._f1[kind][second]
        return self._interval(estimate - other, drawn_S - other_S, away_K - other_K, fallback, (-1.0, 1.0))

    def _interval(
        self, estimate: float, drawn_S: Floats, away_K: Floats, fallback: Interval, ends: tuple[float, float]
    ) -> Interval:
        if self.rows < LEAST_ROWS:
            low, high = ends
        elif np.ptp(drawn_S) < 1e-9:
            low, high = fallback.low, fallback.high
        else:
            low, high = _apart(estimate, *bca(estimate, drawn_S, away_K, self.counts_K, self.confidence), self._worth)
            low, high = max(low, ends[0]), min(high, ends[1])
        return Interval(estimate, min(low, estimate), max(high, estimate), self.confidence)


def mean_interval(values_N: Floats, confidence: float = 0.95, seed: int = 0, worth: float = 1.0) -> Interval | None:
    """BCa interval for a mean over rows (beyond 50,000 rows the normal one, which is then the same); None below 10 rows.

    worth: as for `Resampled`.
    """
    rows = len(values_N)
    if rows < LEAST_ROWS:
        return None
    estimate = float(values_N.mean())
    if rows > MANY_ROWS:
        reach = NormalDist().inv_cdf(confidence) * float(values_N.std(ddof=1)) / (worth * rows) ** 0.5
        return Interval(estimate, estimate - reach, estimate + reach, confidence)
    dice = np.random.default_rng(seed)
    drawn_S = np.concatenate([values_N[dice.integers(0, rows, (20, rows))].mean(axis=1) for _ in range(RESAMPLES // 20)])
    if np.ptp(drawn_S) < 1e-15:
        return Interval(estimate, estimate, estimate, confidence)
    away_N = (values_N.sum() - values_N) / (rows - 1)
    low, high = _apart(estimate, *bca(estimate, drawn_S, away_N, np.ones(rows), confidence), worth)
    low, high = max(low, float(values_N.min())), min(high, float(values_N.max()))
    return Interval(estimate, min(low, estimate), max(high, estimate), confidence)


def _apart(estimate: float, low: float, high: float, worth: float) -> tuple[float, float]:
    """Bounds as far from the estimate as so many fewer independent rows put them."""
    return estimate - (estimate - low) / worth**0.5, estimate + (high - estimate) / worth**0.5


def bca(estimate: float, drawn_S: Floats, away_K: Floats, counts_K: Any, confidence: float) -> tuple[float, float]:
    """Bias-corrected and accelerated bounds.

    Args:
        estimate: of the sample.
        drawn_S: of its resamples.
        away_K: of the sample without one row of each kind.
        counts_K: how many rows are of each kind.
        confidence: of each bound.
    """
    normal = NormalDist()
    below = float(np.mean(drawn_S < estimate) + np.mean(drawn_S == estimate) / 2)
    bias = normal.inv_cdf(min(max(below, 1 / len(drawn_S)), 1 - 1 / len(drawn_S)))
    gap_K = np.average(away_K, weights=counts_K) - away_K
    spread = float(np.sum(counts_K * gap_K**2))
    acceleration = float(np.sum(counts_K * gap_K**3)) / (6 * spread**1.5) if spread > 0 else 0.0
    acceleration = min(
        max(acceleration, -0.25), 0.25
    )  # of a handful of rows it is noise, and beyond this the formula turns over
    bounds = []
    for z in (-normal.inv_cdf(confidence), normal.inv_cdf(confidence)):
        moved = bias + (bias + z) / (1 - acceleration * (bias + z))
        bounds.append(float(np.quantile(drawn_S, normal.cdf(moved))))
    return bounds[0], bounds[1]


def _macro_f1(hits_SC: NDArray[Any], there_SC: NDArray[Any]) -> Floats:
    """Macro-F1 from hits, and from rows of a class plus rows so predicted; over the classes that occur, as `metrics` takes it."""
    f1_SC = 2.0 * hits_SC / np.maximum(there_SC, 1).astype(np.float64)
    return np.asarray(f1_SC.sum(axis=1) / np.maximum((there_SC > 0).sum(axis=1), 1))


def _micro_f1(hits_SC: NDArray[Any], there_SC: NDArray[Any]) -> Floats:
    """Micro-F1 from the same; 1 where no label applies and none is given."""
    hits_S, there_S = np.asarray(hits_SC, np.float64).sum(axis=1), np.asarray(there_SC, np.float64).sum(axis=1)
    return np.where(there_S > 0, 2.0 * hits_S / np.maximum(there_S, 1.0), 1.0)
