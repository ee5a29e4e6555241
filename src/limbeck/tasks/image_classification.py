"""One label for a picture. Knows what an answer is, how it is judged, and what is trivial; knows nothing of how it is found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from limbeck.payloads import plain
from limbeck.tasks._one_label import OneLabel

_SIDE, _COMPONENTS, _ROWS = 16, 64, 10_000


class ImageClassification(OneLabel):
    """The class with the highest probability of a picture."""

    modality: ClassVar[str] = "image"
    teacher: ClassVar[str] = "huggingface_image"
    student: ClassVar[str] = "conv_image"
    trivial: ClassVar[str] = "64 principal components of the pixels (16 x 16), SVM with a radial kernel, on up to 10,000 rows"

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
