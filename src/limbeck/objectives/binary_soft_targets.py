"""Soft targets of several labels: make the student's probability of each label the teacher's. Knows logits; knows nothing of labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor, nn

from limbeck.losses.questions import binary_kl
from limbeck.settings import Positive
from limbeck.types import Batch, Loss, Outputs, Shapes, Signal


@dataclass(frozen=True, slots=True)
class BinarySoftTargets:
    """T**2 * the sum over labels of KL(teacher || student), each label a yes or no of its own, at temperature T, per example.

    student.logits_BC (B, C) against signal.logits_BC (B, C), both read with a sigmoid. It has the gradient of the binary cross-entropy
    against the teacher's probabilities, and is zero where both agree. T is 1: a sigmoid has no other classes that a temperature could
    bring out.

    Source: Yang et al. (2023), Multi-Label Knowledge Distillation, section 3.2; the factor T**2 as in Hinton, Vinyals, Dean (2015),
    section 2.1.

    Example:
        >>> BinarySoftTargets().needs
        frozenset({'logits_BC'})
    """

    temperature: Positive = 1.0

    needs: ClassVar[frozenset[str]] = frozenset({"logits_BC"})
    couples: ClassVar[Literal["element", "batch"]] = "element"
    several: ClassVar[bool] = True

    def init(self, student: Shapes, teacher: Shapes) -> nn.Module | None:
        """Nothing is trained beside the student, but the classes must be the same."""
        if student.classes != teacher.classes:
            raise ValueError(
                f"binary_soft_targets needs equal classes; the student has {student.classes}, the teacher {teacher.classes}"
            )
        return None

    def __call__(self, student: Outputs, signal: Signal, batch: Batch, state: nn.Module | None, weight: Tensor) -> Loss:
        """Loss of a batch; `weight` (B,)."""
        del batch, state
        element_B = self.temperature**2 * binary_kl(student.logits_BC, signal.logits_BC, temperature=self.temperature)
        return Loss((weight * element_B).sum(), element_B.detach())
