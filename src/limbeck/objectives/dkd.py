"""Decoupled distillation: how sure the teacher is, and how it ranks the rest, weighed apart. Knows logits, and labels where there are any."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from limbeck.losses.decoupled import decoupled_kl
from limbeck.settings import Positive
from limbeck.types import Batch, Loss, Outputs, Shapes, Signal


@dataclass(frozen=True, slots=True)
class Dkd:
    """T**2 * (alpha * TCKD + beta * NCKD) at temperature T, per example.

    TCKD compares how likely teacher and student hold the target class, NCKD how they divide the rest among the other classes. In
    soft_targets the second is weighed by the teacher's doubt, so a sure teacher hardly teaches it.

    student.logits_BC (B, C) against signal.logits_BC (B, C). The target class is the label in batch.labels_B (B,) where there is one;
    for views and rows without a label it is the class that the teacher holds for the likeliest, which is what it would be labelled.

    Source: Zhao et al. (2022), Decoupled Knowledge Distillation, equation 7; alpha = 1 as there, where beta lies between 0.5 and 8, more
    for a surer teacher. The factor T**2 as in Hinton, Vinyals, Dean (2015), section 2.1.

    Example:
        >>> Dkd(beta=4.0).needs
        frozenset({'logits_BC'})
    """

    alpha: Positive = 1.0
    beta: Positive = 2.0
    temperature: Positive = 2.0

    needs: ClassVar[frozenset[str]] = frozenset({"logits_BC"})
    couples: ClassVar[Literal["element", "batch"]] = "element"

    def init(self, student: Shapes, teacher: Shapes) -> nn.Module | None:
        """Nothing is trained beside the student, but the classes must be the same."""
        if student.classes != teacher.classes:
            raise ValueError(f"dkd needs equal classes; the student has {student.classes}, the teacher {teacher.classes}")
        return None

    def __call__(self, student: Outputs, signal: Signal, batch: Batch, state: nn.Module | None, weight: Tensor) -> Loss:
        """Loss of a batch; `weight` (B,)."""
        del state
        class_B = torch.where(batch.labels_B < 0, signal.logits_BC.argmax(-1), batch.labels_B)
        target_B, others_B = decoupled_kl(student.logits_BC, signal.logits_BC, class_B, temperature=self.temperature)
        element_B = self.temperature**2 * (self.alpha * target_B + self.beta * others_B)
        return Loss((weight * element_B).sum(), element_B.detach())
