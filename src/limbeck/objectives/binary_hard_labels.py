"""Hard labels of which several may apply: the binary cross-entropy of each. Knows labels; never looks at the teacher."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor, nn

from limbeck.losses.questions import binary_cross_entropy
from limbeck.types import Batch, Loss, Outputs, Shapes, Signal


@dataclass(frozen=True, slots=True)
class BinaryHardLabels:
    """The sum over labels of the binary cross-entropy of student.logits_BC (B, C) against batch.labels_B (B, C); 0 where there is no label.

    Source: Nam et al. (2014), Large-scale Multi-label Text Classification: Revisiting Neural Networks, section 3.2: it is better and
    cheaper than losses of pairs of labels.

    Example:
        >>> BinaryHardLabels().needs
        frozenset()
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    couples: ClassVar[Literal["element", "batch"]] = "element"
    several: ClassVar[bool] = True
    not_zero_at_teacher: ClassVar[str] = "it measures the distance to the labels, and a teacher is not always right"

    def init(self, student: Shapes, teacher: Shapes) -> nn.Module | None:
        """Nothing is trained beside the student."""
        del student, teacher
        return None

    def __call__(self, student: Outputs, signal: Signal, batch: Batch, state: nn.Module | None, weight: Tensor) -> Loss:
        """Loss of a batch; `weight` (B,)."""
        del signal, state
        element_B = binary_cross_entropy(student.logits_BC, batch.labels_B)
        return Loss((weight * element_B).sum(), element_B.detach())
