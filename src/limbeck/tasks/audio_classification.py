"""One label for a clip. Knows what an answer is, how it is judged, and what is trivial; knows nothing of how it is found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from limbeck.payloads import plain
from limbeck.tasks._one_label import OneLabel

_BANDS, _PARTS, _ROWS = 24, 10, 10_000


class AudioClassification(OneLabel):
    """The class with the highest probability of a clip."""

    modality: ClassVar[str] = "audio"
    teacher: ClassVar[str] = "huggingface_audio"
    student: ClassVar[str] = "conv_audio"
    trivial: ClassVar[str] = "log energies of 24 bands in 10 parts of each clip, SVM with a radial kernel, on up to 10,000 rows"

    @classmethod
    def baseline(cls, payloads: Sequence[Any], labels: Sequence[str]) -> Any | None:
        """The trivial model, fitted; None where the clips are all alike."""
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import FunctionTransformer, StandardScaler
        from sklearn.svm import SVC

        step = -(-len(payloads) // _ROWS)
        payloads, labels = list(payloads)[::step], list(labels)[::step]
        if len(set(labels)) < 2 or not np.ptp(_energies(payloads), axis=0).any():
            return None
        return make_pipeline(FunctionTransformer(_energies), StandardScaler(), SVC(C=5.0)).fit(payloads, labels)


def _energies(payloads: Sequence[Any]) -> NDArray[np.float32]:
    """The log energy of each band, evenly wide on HTK's mel scale up to 4 kHz, in each of so many equal parts of each clip, (N, 240)."""
    ends = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 4000 / 700), _BANDS + 1) / 2595) - 1)
    found = []
    for payload in payloads:
        heard = plain(payload)
        samples, rate = heard["array"], heard["sampling_rate"]
        parts = np.array_split(np.pad(samples, (0, max(0, 16 * _PARTS - len(samples)))), _PARTS)
        values = []
        for part in parts:
            power = np.abs(np.fft.rfft(part * np.hanning(len(part)))) ** 2
            sums = np.concatenate([[0.0], np.cumsum(power)])
            at = np.minimum(np.round(ends * len(part) / rate).astype(int), len(power))
            low, high = at[:-1], np.maximum(at[1:], at[:-1] + 1)
            values.append(np.log(np.maximum(sums[np.minimum(high, len(power))] - sums[low], 1e-10) + 1e-6))
        value = np.concatenate(values)
        found.append(value - value.mean())
    return np.asarray(found, np.float32)
