"""A network and a linear model of words and letters as one teacher. Knows their answers; trains neither.

    log p(c | text) = a log p_network(c | text) + b d_c(text) - log Z        d: the linear model's scores

Letters: B texts, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.metrics.probabilities import log_softmax
from limbeck.types import Fingerprint, Signal, Start

_LOGITS = frozenset({"logits_BC"})


class Joined:
    """The product of two opinions: a weighted geometric mean, where `Averaged` takes the arithmetic one. A network and a linear model err on
    other texts, and where one is sure and the other is not, the product listens to the sure one (docs/diary.md).

    A student starts from the network.

    Args:
        network: a fine-tuned teacher, or several averaged ones.
        linear: fitted, with `decision_function` and `classes_`.
        weights: a and b.
        origin: a digest of all that the linear model was fitted on.
        name: of the network.

    Source: Hinton (2002), Training Products of Experts by Minimizing Contrastive Divergence, section 1.
    """

    has_head = True
    form = "Python"

    def __init__(self, network: Any, linear: Any, weights: tuple[float, float], origin: str, name: str) -> None:
        self.network, self.linear, self.weights = network, linear, weights
        self._origin, self._of = origin, name
        self.name = f"{name} and a linear model of words and letters"
        self.labels: tuple[str, ...] = tuple(network.labels)

    @property
    def tolerance(self) -> float:
        """By which two calls may differ."""
        return float(self.network.tolerance)

    @property
    def parameters(self) -> int:
        """Of both."""
        return int(self.network.parameters + self.linear[-1].coef_.size)

    @property
    def precision(self) -> str:
        """In which the network computes."""
        return str(self.network.precision)

    @precision.setter
    def precision(self, name: str) -> None:
        self.network.precision = name

    @property
    def max_tokens(self) -> int:
        """Of the network."""
        return int(self.network.max_tokens)

    @property
    def width(self) -> int:
        """Of the network's representations."""
        return int(self.network.width)

    def over(self, network: Any) -> Joined:
        """The same linear model beside another form of the network, such as its int8 file, which only answers."""
        return Joined(network, self.linear, self.weights, self._origin, self._of)

    def gives(self) -> frozenset[str]:
        """What the network gives."""
        found: frozenset[str] = self.network.gives()
        return found

    def fingerprint(self) -> Fingerprint:
        """That of the network, with the linear model and the weights."""
        return {**self.network.fingerprint(), "linear": self._origin, "shares": "{:.6g}, {:.6g}".format(*self.weights)}

    def answer(self, payloads: Sequence[Any], needs: frozenset[str]) -> Signal:
        """Logits (B, C) of both, everything else from the network."""
        found = self.network.answer(payloads, needs | _LOGITS).given()
        logits_BC = joined(found.pop("logits_BC"), scores(self.linear, payloads, self.labels), self.weights)
        return Signal(**found, **({"logits_BC": logits_BC.astype(np.float32)} if "logits_BC" in needs else {}))

    def remarks(self) -> tuple[str, ...]:
        """What a report has to say of it."""
        a, b = self.weights
        return (
            f"the teacher is {self.name}: the network's log-probabilities count {a:.2f} times and the linear model's scores {b:.2f} times, as the "
            "validation rows that neither was trained with are the most probable; no file of it is written, only of the network",
        )

    def tokenizer_json(self) -> Any:
        """The network's tokenizer."""
        return self.network.tokenizer_json()

    def token_embeddings(self) -> NDArray[np.float32]:
        """The network's embedding of each piece, (V, D)."""
        found: NDArray[np.float32] = self.network.token_embeddings()
        return found

    def start(self, old_ids_V: NDArray[np.int64]) -> Start:
        """What a student may start from: the network."""
        found: Start = self.network.start(old_ids_V)
        return found

    def most_missed(self, number: int, payloads: Sequence[Any]) -> tuple[int, ...]:
        """Which layers the network misses most."""
        found: tuple[int, ...] = self.network.most_missed(number, payloads)
        return found


def joined(logits_BC: NDArray[Any], scores_BC: NDArray[Any], weights: tuple[float, float]) -> NDArray[np.float64]:
    """The logarithms of the joined probabilities, (B, C)."""
    return log_softmax(weights[0] * log_softmax(logits_BC) + weights[1] * scores_BC)


def scores(linear: Any, payloads: Sequence[Any], labels: Sequence[str]) -> NDArray[np.float64]:
    """The linear model's scores in the order of the labels (B, C), which lie near -1 and 1; -1 of a label that it never saw."""
    found = np.asarray(linear.decision_function(list(payloads)), np.float64)
    if found.ndim == 1:
        found = np.stack([-found, found], axis=1)
    scores_BC = np.full((len(found), len(labels)), -1.0)
    place = {label: i for i, label in enumerate(labels)}
    scores_BC[:, [place[str(label)] for label in linear.classes_]] = found
    return scores_BC
