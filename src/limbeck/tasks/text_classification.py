"""One label for a text. Knows what an answer is and how it is judged; knows nothing of how it is found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from limbeck.types import Prediction


class TextClassification:
    """The class with the highest probability, that probability, and whether it is too low."""

    modality: ClassVar[str] = "text"
    metrics: ClassVar[tuple[str, ...]] = ("accuracy", "macro_f1", "agreement")
    objectives: ClassVar[Mapping[str, float]] = {"soft_targets": 1.0, "hard_labels": 0.1}

    def answers(
        self, logits_BC: NDArray[Any], labels: Sequence[str], temperature: float = 1.0, threshold: float = 0.0
    ) -> list[Prediction]:
        """A `Prediction` for each row of logits (B, C): softmax(logits / temperature), an abstention below the threshold.

        Example:
            >>> TextClassification().answers(np.array([[0.0, 0.0, 20.0]]), ["a", "b", "c"])[0].label
            'c'
            >>> TextClassification().answers(np.array([[0.0, 0.0, 1.0]]), ["a", "b", "c"], threshold=0.9)[0].abstain
            True
        """
        scaled_BC = np.asarray(logits_BC, np.float64) / temperature
        shifted_BC = np.exp(scaled_BC - scaled_BC.max(axis=1, keepdims=True))
        probabilities_BC = shifted_BC / shifted_BC.sum(axis=1, keepdims=True)
        found = []
        for best, row in zip(probabilities_BC.argmax(axis=1), probabilities_BC, strict=True):
            probability = float(row[best])
            found.append(Prediction(labels[int(best)], probability, probability < threshold))
        return found
