"""One label for a text. Knows what an answer is and how it is judged; knows nothing of how it is found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from limbeck.types import Prediction


class TextClassification:
    """The class with the highest probability, and that probability."""

    modality: ClassVar[str] = "text"
    metrics: ClassVar[tuple[str, ...]] = ("accuracy", "macro_f1", "agreement")
    objectives: ClassVar[Mapping[str, float]] = {"soft_targets": 1.0, "hard_labels": 0.1}

    def answers(self, logits_BC: NDArray[Any], labels: Sequence[str]) -> list[Prediction]:
        """A `Prediction` for each row of logits (B, C).

        Example:
            >>> TextClassification().answers(np.array([[0.0, 0.0, 20.0]]), ["a", "b", "c"])[0].label
            'c'
        """
        shifted_BC = np.exp(logits_BC - logits_BC.max(axis=1, keepdims=True))
        probabilities_BC = shifted_BC / shifted_BC.sum(axis=1, keepdims=True)
        best_B = probabilities_BC.argmax(axis=1)
        return [Prediction(labels[int(best)], float(row[best])) for best, row in zip(best_B, probabilities_BC, strict=True)]
