"""Logit regression: make the student's logits the teacher's, but for a constant. Knows logits; knows nothing of labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor, nn

from limbeck.losses.regression import centred_squared_error
from limbeck.types import Batch, Loss, Outputs, Shapes, Signal


@dataclass(frozen=True, slots=True)
class LogitMse:
    """Mean squared difference of centred logits, per example.

    student.logits_BC (B, C) against signal.logits_BC (B, C), each less its own mean over the classes: softmax does not see a constant,
    so a student need not learn the teacher's. All logits count alike, the small ones too, where soft_targets at a low temperature
    looks at the likely classes.

    Source: Ba and Caruana (2014), section 2.2; Kim et al. (2021), Comparing Kullback-Leibler Divergence and Mean Squared Error Loss in
    Knowledge Distillation, section 3.

    Example:
        >>> LogitMse().needs
        frozenset({'logits_BC'})
    """

    needs: ClassVar[frozenset[str]] = frozenset({"logits_BC"})
    couples: ClassVar[Literal["element", "batch"]] = "element"

    def init(self, student: Shapes, teacher: Shapes) -> nn.Module | None:
        """Nothing is trained beside the student, but the classes must be the same."""
        if student.classes != teacher.classes:
            raise ValueError(f"logit_mse needs equal classes; the student has {student.classes}, the teacher {teacher.classes}")
        return None

    def __call__(self, student: Outputs, signal: Signal, batch: Batch, state: nn.Module | None, weight: Tensor) -> Loss:
        """Loss of a batch; `weight` (B,)."""
        del batch, state
        element_B = centred_squared_error(student.logits_BC, signal.logits_BC)
        return Loss((weight * element_B).sum(), element_B.detach())
