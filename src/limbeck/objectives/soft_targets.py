"""Soft targets: make the student's class distribution the teacher's. Knows logits; knows nothing of labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor, nn

from limbeck.losses.divergence import forward_kl
from limbeck.settings import Positive
from limbeck.types import Batch, Loss, Outputs, Shapes, Signal


@dataclass(frozen=True, slots=True)
class SoftTargets:
    """T**2 * KL(teacher || student) at temperature T, per example.

    student.logits_BC (B, C) against signal.logits_BC (B, C). The factor T**2 keeps the size of the gradient when T changes
    (Hinton, Vinyals, Dean 2015, section 2.1).

    Example:
        >>> SoftTargets(temperature=2.0).needs
        frozenset({'logits_BC'})
    """

    temperature: Positive = 2.0

    needs: ClassVar[frozenset[str]] = frozenset({"logits_BC"})
    couples: ClassVar[Literal["element", "batch"]] = "element"

    def init(self, student: Shapes, teacher: Shapes) -> nn.Module | None:
        """Nothing is trained beside the student, but the classes must be the same."""
        if student.classes != teacher.classes:
            raise ValueError(
                f"soft_targets needs equal classes; the student has {student.classes}, the teacher {teacher.classes}"
            )
        return None

    def __call__(self, student: Outputs, signal: Signal, batch: Batch, state: nn.Module | None, weight: Tensor) -> Loss:
        """Loss of a batch; `weight` (B,)."""
        del batch, state
        element_B = self.temperature**2 * forward_kl(student.logits_BC, signal.logits_BC, temperature=self.temperature)
        return Loss((weight * element_B).sum(), element_B.detach())
