"""All labels that apply to a text. Knows what an answer is, how it is judged, and what is trivial; knows nothing of how it is found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from limbeck.label_sets import LabelSet, sigmoid
from limbeck.tasks.text_classification import TextClassification

_EVEN = 0.5
"""The probability from which on a label is given where no validation rows chose another."""


class MultiLabelTextClassification:
    """Every label whose probability reaches its threshold: several, one or none. Each is a question of its own, so probabilities do not sum to 1."""

    modality: ClassVar[str] = "text"
    teacher: ClassVar[str] = "huggingface"
    student: ClassVar[str] = "bag"
    several: ClassVar[bool] = True
    metrics: ClassVar[tuple[str, ...]] = ("micro_f1", "macro_f1", "accuracy", "agreement")
    objectives: ClassVar[Mapping[str, float]] = {"binary_soft_targets": 1.0, "binary_hard_labels": 0.1}
    trivial: ClassVar[str] = "TF-IDF of words and pairs of words, a linear SVM for each label"

    def answers(
        self, logits_BC: NDArray[Any], labels: Sequence[str], temperature: float = 1.0, threshold: Any = 0.0
    ) -> list[LabelSet]:
        """A `LabelSet` for each row of logits (B, C): the labels whose sigmoid(logits / temperature) reaches their threshold.

        Args:
            threshold: one for each label; 0 (nothing was chosen) is a half for all.

        Example:
            >>> MultiLabelTextClassification().answers(np.array([[2.0, -2.0, 4.0]]), ["a", "b", "c"])[0].labels
            ('c', 'a')
        """
        p_BC = sigmoid(logits_BC, temperature)
        given_BC = p_BC >= np.asarray(threshold or _EVEN)
        found = []
        for p_C, given_C in zip(p_BC, given_BC, strict=True):
            best_first = sorted(np.flatnonzero(given_C).tolist(), key=lambda c: -p_C[c])
            found.append(LabelSet(tuple(labels[c] for c in best_first), tuple(float(p_C[c]) for c in best_first)))
        return found

    @classmethod
    def baseline(cls, payloads: Sequence[str], labels: Any) -> Any | None:
        """The trivial model, fitted on labels (N, C) of ones and zeros; its predictions are such an array. None where the texts hold no word at all."""
        from sklearn.multiclass import OneVsRestClassifier
        from sklearn.pipeline import make_pipeline
        from sklearn.svm import LinearSVC

        try:
            model = make_pipeline(TextClassification.words(), OneVsRestClassifier(LinearSVC(random_state=0)))
            return model.fit(payloads, np.asarray(labels))
        except ValueError as error:
            if "empty vocabulary" in str(error):
                return None
            raise
