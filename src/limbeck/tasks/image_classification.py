"""One label for a picture. Knows what an answer is, how it is judged, and what is trivial; knows nothing of how it is found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from limbeck.payloads import plain
from limbeck.tasks._one_label import one_label
from limbeck.types import Prediction

_SIDE, _COMPONENTS, _ROWS = 16, 64, 10_000


class ImageClassification:
    """The class with the highest probability, that probability, and whether it is too low."""

    modality: ClassVar[str] = "image"
    teacher: ClassVar[str] = "huggingface_image"
    student: ClassVar[str] = "conv_image"
    metrics: ClassVar[tuple[str, ...]] = ("accuracy", "macro_f1", "agreement")
    objectives: ClassVar[Mapping[str, float]] = {"soft_targets": 1.0, "hard_labels": 0.1}
    trivial: ClassVar[str] = "64 principal components of the pixels (16 x 16), SVM with a radial kernel, on up to 10,000 rows"

    def answers(
        self, logits_BC: NDArray[Any], labels: Sequence[str], temperature: float = 1.0, threshold: float = 0.0
    ) -> list[Prediction]:
        """A `Prediction` for each row of logits (B, C): softmax(logits / temperature), an abstention below the threshold."""
        return one_label(logits_BC, labels, temperature, threshold)

    @classmethod
    def baseline(cls, payloads: Sequence[Any], labels: Sequence[str]) -> Any | None:
        """The trivial model, fitted; None where the pictures are all alike."""
        from sklearn.decomposition import PCA
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import FunctionTransformer
        from sklearn.svm import SVC

        step = -(-len(payloads) // _ROWS)
        payloads, labels = list(payloads)[::step], list(labels)[::step]
        if len(set(labels)) < 2:
            return None
        values_NF = _values(payloads)
        components = min(_COMPONENTS, len(payloads) - 1, values_NF.shape[1])
        if not np.ptp(values_NF, axis=0).any():
            return None
        # Components are not scaled alike: of few pictures the last ones are noise, and would count as much as the first.
        model = make_pipeline(FunctionTransformer(_values), PCA(components, random_state=0), SVC(C=5.0))
        return model.fit(payloads, labels)


def _values(payloads: Sequence[Any]) -> NDArray[np.float32]:
    """Colours of each picture on a grid of 16 x 16, (N, 768)."""
    found = []
    for payload in payloads:
        pixels = plain(payload)
        rows, columns = (np.arange(_SIDE) * side // _SIDE for side in pixels.shape[:2])
        small = pixels[rows][:, columns]
        found.append(np.broadcast_to(small, (_SIDE, _SIDE, 3)).reshape(-1))
    return np.asarray(found, np.float32)
