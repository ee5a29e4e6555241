"""What a served text gets: label, calibrated confidence, the best few, who answered. Knows answers; knows nothing of models or HTTP.

Letters: N texts, C classes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from limbeck.label_sets import LabelSet, sigmoid
from limbeck.types import Json, Prediction

AnsweredBy = Literal["student", "teacher", "person"]
Escalation = Literal["unavailable", "failed", "late", "busy", "no answer"]
"""Why nobody else has answered: whoever is asked has failed so often that he is left alone for a while; fails; is too slow; has too many
questions already; has no answer to this text."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one text.

    confidence: calibrated probability of `label`. abstain: whether it lies below the bundle's threshold.
    top: the most probable labels with their probabilities, best first. escalation: why the student's answer stands though it was to be
    handed over; None: it was not to be, or somebody has answered. labels: where several may apply, those that do with their probabilities, best
    first; `label` is then the first of them, or empty where none applies.
    """

    label: str
    confidence: float
    abstain: bool
    top: tuple[tuple[str, float], ...] = ()
    answered_by: AnsweredBy = "student"
    escalation: Escalation | None = None
    labels: tuple[tuple[str, float], ...] | None = None

    def best(self, top_k: int) -> Answer:
        """The answer with no more than `top_k` labels."""
        return replace(self, top=self.top[:top_k])

    def to_json(self) -> Json:
        """The answer as `/v1/classify` gives it; probabilities to six digits."""
        if self.labels is not None:
            return {"labels": _listed(self.labels), "answered_by": self.answered_by, "top": _listed(self.top)}
        return {
            **({} if self.escalation is None else {"escalation": self.escalation}),
            "label": self.label,
            "confidence": round(self.confidence, 6),
            "abstain": self.abstain,
            "answered_by": self.answered_by,
            "top": _listed(self.top),
        }


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers to the texts of one request, in order. milliseconds: from the parsed request to the answers."""

    model: str
    results: tuple[Answer, ...]
    milliseconds: float

    def to_json(self) -> Json:
        """The body of the response."""
        results = [answer.to_json() for answer in self.results]
        return {"model": self.model, "results": results, "milliseconds": round(self.milliseconds, 3)}


def answers_of(
    logits_NC: NDArray[np.float32], predictions: Sequence[Prediction], labels: Sequence[str], temperature: float, top_k: int
) -> tuple[Answer, ...]:
    """Predictions with their `top_k` best labels.

    The probability of a class is softmax(logits / temperature); it follows from that of the best one: p = p_best · exp((z − z_best) / T).

    Example:
        >>> row = np.array([[0.0, 2.0, 1.0]], np.float32)
        >>> [p for _, p in answers_of(row, [Prediction("b", 0.665, False)], "abc", 1.0, 2)[0].top]
        [0.665, 0.2446...]
    """
    if top_k == 1:
        return tuple(Answer(p.label, p.probability, p.abstain, ((p.label, p.probability),)) for p in predictions)
    found = []
    for row_C, prediction in zip(logits_NC, predictions, strict=True):
        best_K = (-row_C).argsort(kind="stable")[:top_k].tolist()
        highest = float(row_C[best_K[0]])
        shares = [prediction.probability * math.exp((float(row_C[c]) - highest) / temperature) for c in best_K]
        top = tuple((labels[c], p) for c, p in zip(best_K, shares, strict=True))
        found.append(Answer(prediction.label, prediction.probability, prediction.abstain, top))
    return tuple(found)


def answers_of_sets(
    logits_NC: NDArray[np.float32], predictions: Sequence[LabelSet], labels: Sequence[str], temperature: float, top_k: int
) -> tuple[Answer, ...]:
    """The same where several labels may apply: each has a probability of its own, whether it is among those that apply or not."""
    found = []
    for p_C, prediction in zip(sigmoid(logits_NC, temperature), predictions, strict=True):
        best_K = (-p_C).argsort(kind="stable")[:top_k].tolist()
        given = tuple(zip(prediction.labels, prediction.probabilities, strict=True))
        first, sure = given[0] if given else ("", float(1.0 - p_C.max()))
        found.append(Answer(first, sure, False, tuple((labels[c], float(p_C[c])) for c in best_K), labels=given))
    return tuple(found)


def _listed(pairs: Sequence[tuple[str, float]]) -> list[Json]:
    return [{"label": label, "probability": round(p, 6)} for label, p in pairs]
