"""Who is asked where the student is not sure, and the nearest of them: a large bundle. Knows how it is asked; decides nothing and keeps nothing.

Each is called in a thread of its own, with a text (or the bytes of a picture or a clip, where the student reads these), the student's answer and the moment behind which nobody waits. `outside.py` has those behind an
address.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from limbeck.errors import TeacherError, listing
from limbeck.runtime.predict import Predictor
from limbeck.serve.answer import Answer
from limbeck.serve.payload import Payload


class Asked(Protocol):
    """Somebody who may know better."""

    def answer(self, text: Any, student: Answer, until: float) -> Answer | None:
        """A better answer; None where it has none for this text.

        Raises:
            UnavailableError: it does not answer, and would not answer the next text either.
        """

    def close(self) -> None:
        """Let go of what it holds."""


class BundleTeacher:
    """A bundle, such as teacher-onnx/ of a run.

    Args:
        predictor: loaded.
        student: the one who asks.

    Raises:
        TeacherError: it reads something else, or its labels are others.
    """

    def __init__(self, predictor: Predictor, student: Predictor) -> None:
        if type(predictor.modality) is not type(student.modality):
            raise TeacherError(
                f"the teacher {predictor.path} reads {predictor.modality.noun}s, and the student reads {student.modality.noun}s. "
                "Give the teacher-onnx/ of the run that made the student."
            )
        if odd := sorted(set(predictor.labels) ^ set(student.labels)):
            raise TeacherError(
                f"the teacher {predictor.path} has other labels than the student: only one of them has {listing(odd)}. "
                "Give the teacher-onnx/ of the run that made the student."
            )
        self._predictor = predictor

    def answer(self, text: Payload, student: Answer, until: float) -> Answer:
        """Its answer, with its own calibrated confidence; it stays where it is, so nobody is asked."""
        del until
        logits_NC = self._predictor.logits([text])
        first = self._predictor.answers(logits_NC)[0]
        shares_C = np.exp((logits_NC[0] - logits_NC[0].max()) / self._predictor.calibration.temperature)
        return better(
            student, first.label, dict(zip(self._predictor.labels, (shares_C / shares_C.sum()).tolist(), strict=True))
        )

    def close(self) -> None:
        """It holds nothing open."""


def better(student: Answer, label: str, probability: dict[str, float]) -> Answer:
    """The teacher's answer, with as many of the best labels as the student's has."""
    best = sorted(probability.items(), key=lambda of: -of[1])[: max(1, len(student.top))]
    return Answer(label, probability[label], False, tuple(best), "teacher")
