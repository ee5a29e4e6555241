"""What texts and answers are like while all is in order: counts that later ones are held against. Knows a bundle and rows; keeps no text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from limbeck.bundle import Bundle
from limbeck.drift import Counts, Reference
from limbeck.metrics.probabilities import confidence
from limbeck.runtime.pieces import Pieces
from limbeck.verify.validation import Validation


def reference_of(bundle: Bundle, found: Validation, texts: Sequence[Any], training: Sequence[Any]) -> Reference:
    """The counts of the rows that chose a cascade.

    Args:
        bundle: the student's.
        found: what it answered to them.
        texts: theirs, in order.
        training: texts of other rows, whose pieces are not rare.
    """
    pieces = Pieces.of(bundle)
    counts = Counts(len(bundle.manifest.labels), None if pieces is None else pieces.known(training))
    sure_N = confidence(found.student_NC, bundle.manifest.calibration.temperature)
    for text, sure, label in zip(texts, sure_N.tolist(), found.student_NC.argmax(axis=1).tolist(), strict=True):
        counts.add(sure, label, () if pieces is None else pieces(text))
    return counts.reference()
