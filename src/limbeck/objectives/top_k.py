"""Top-k: the teacher's best classes each, and all its others as one. Knows logits and which are known; knows nothing of labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor, nn

from limbeck.losses.divergence import bucketed_kl
from limbeck.types import Batch, Loss, Outputs, Shapes, Signal


@dataclass(frozen=True, slots=True)
class TopK:
    """KL(teacher || student) over the classes whose probability the teacher gave, and one bucket for the rest, per example.

    student.logits_BC (B, C) against signal.logits_BC (B, C) where signal.known_BC (B, C) is 1. What a teacher leaves open, the student
    may divide as it likes: a rest that is spread evenly would teach it that all other classes are equally far.

    Source: Hinton, Vinyals, Dean (2015), section 2, over merged classes (Cover and Thomas 2006, section 2.7).

    Example:
        >>> sorted(TopK().needs)
        ['known_BC', 'logits_BC']
    """

    needs: ClassVar[frozenset[str]] = frozenset({"logits_BC", "known_BC"})
    couples: ClassVar[Literal["element", "batch"]] = "element"

    def init(self, student: Shapes, teacher: Shapes) -> nn.Module | None:
        """Nothing is trained beside the student, but the classes must be the same."""
        if student.classes != teacher.classes:
            raise ValueError(f"top_k needs equal classes; the student has {student.classes}, the teacher {teacher.classes}")
        return None

    def __call__(self, student: Outputs, signal: Signal, batch: Batch, state: nn.Module | None, weight: Tensor) -> Loss:
        """Loss of a batch; `weight` (B,)."""
        del batch, state
        element_B = bucketed_kl(student.logits_BC, signal.logits_BC, signal.known_BC)
        return Loss((weight * element_B).sum(), element_B.detach())
