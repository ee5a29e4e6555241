"""One label for a payload of any kind: what such tasks have in common. Knows logits and labels; knows nothing of what was classified."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from limbeck.types import Prediction


class OneLabel:
    """The class with the highest probability, that probability, and whether it is too low."""

    metrics: ClassVar[tuple[str, ...]] = ("accuracy", "macro_f1", "agreement")
    objectives: ClassVar[Mapping[str, float]] = {"soft_targets": 1.0, "hard_labels": 0.1}

    def answers(
        self, logits_BC: NDArray[Any], labels: Sequence[str], temperature: float = 1.0, threshold: float = 0.0
    ) -> list[Prediction]:
        """A `Prediction` for each row of logits (B, C): softmax(logits / temperature), an abstention below the threshold.

        Example:
            >>> OneLabel().answers(np.array([[0.0, 0.0, 20.0]]), ["a", "b", "c"])[0].label
            'c'
            >>> OneLabel().answers(np.array([[0.0, 0.0, 1.0]]), ["a", "b", "c"], threshold=0.9)[0].abstain
            True
        """
        # Of each row one probability is asked: 1 / sum(exp(z - highest)). A bag's network takes no longer than a softmax in full, so
        # one row goes its own way: half of the time that numpy needs for a batch of one.
        if len(logits_BC) == 1:
            row_C = logits_BC[0]
            bests = [int(row_C.argmax())]
            probabilities = [1.0 / float(np.add.reduce(np.exp((row_C - row_C[bests[0]]) * (1.0 / temperature))))]
        else:
            below_BC = (logits_BC - logits_BC.max(axis=1, keepdims=True)) * (1.0 / temperature)
            bests = logits_BC.argmax(axis=1).tolist()
            probabilities = (1.0 / np.add.reduce(np.exp(below_BC), axis=1)).tolist()
        return [Prediction(labels[best], p, p < threshold) for best, p in zip(bests, probabilities, strict=True)]
