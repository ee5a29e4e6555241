"""Hidden states: make the student's picture of each word the teacher's, up to a linear map. Knows states and words' numbers; never logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from limbeck.errors import RecipeError
from limbeck.losses.precision import at_least_float32
from limbeck.losses.regression import cosine_distance, relative_squared_error
from limbeck.losses.words import mean_by_word
from limbeck.types import Batch, Loss, Outputs, Shapes, Signal


@dataclass(frozen=True, slots=True)
class HiddenStates:
    """Mean distance of projected states over the words that both sides read, per example; 0 where there is none.

    student.hidden_BTD (B, T, D of the student) is averaged over the tokens of each word, whose numbers are batch.words_BT (B, T),
    and sent through a learned linear layer, which no bundle holds; signal.hidden_BWD (B, W, D of the teacher) is what it should
    become. A word counts where signal.mask_BW (B, W) is 1 and the student has tokens of it, so truncation on either side, and pieces
    of another vocabulary, do no harm.

    `distance`: "squared", in units of the variance of the teacher's state, so that the weight means the same for every teacher; or
    "cosine", which leaves the lengths free. `live`: the teacher is asked at every step, since states are large; else the store keeps
    them.

    The layer starts as the identity where the widths agree, so a student that starts from the teacher's own layers starts near 0,
    and is learned there too: the student need not lay out its numbers as the teacher does.

    Source: Romero et al. (2015), FitNets: Hints for Thin Deep Nets, section 2.2; Jiao et al. (2020), TinyBERT, section 3.1, equation 8.

    Example:
        >>> sorted(HiddenStates().needs)
        ['hidden_BWD', 'mask_BW']
    """

    distance: Literal["squared", "cosine"] = "squared"
    live: bool = True

    needs: ClassVar[frozenset[str]] = frozenset({"hidden_BWD", "mask_BW"})
    couples: ClassVar[Literal["element", "batch"]] = "element"
    several: ClassVar[bool | None] = None  # whatever an answer is: it looks at none

    def init(self, student: Shapes, teacher: Shapes) -> nn.Module | None:
        """The projection from the student's width to the teacher's; the same for every seed."""
        projection = nn.Linear(student.width, teacher.width)
        with torch.no_grad():
            projection.bias.zero_()
            if student.width == teacher.width:
                nn.init.eye_(projection.weight)
            else:
                nn.init.orthogonal_(projection.weight, generator=torch.Generator().manual_seed(0))
        return projection

    def __call__(self, student: Outputs, signal: Signal, batch: Batch, state: nn.Module | None, weight: Tensor) -> Loss:
        """Loss of a batch; `weight` (B,).

        Raises:
            RecipeError: the student has no states by token.
        """
        if student.hidden_BTD is None:
            raise RecipeError(
                "objective 'hidden_states' needs hidden_BTD, the student's states by token, which this family does not give. "
                "Run again with --set student.family=encoder, or without this objective."
            )
        assert batch.words_BT is not None, "an objective over words needs the numbers of the student's words"
        assert isinstance(state, nn.Linear), f"init made a projection; got {state!r}"
        teacher_BWD = at_least_float32(signal.hidden_BWD.detach())
        words_BWD, mask_BW = mean_by_word(student.hidden_BTD, batch.words_BT, words=teacher_BWD.shape[1])
        projected_BWD = F.linear(words_BWD, state.weight.to(words_BWD.dtype), state.bias.to(words_BWD.dtype))
        common_BW = mask_BW * at_least_float32(signal.mask_BW.detach())
        distance = relative_squared_error if self.distance == "squared" else cosine_distance
        distance_BW = distance(projected_BWD, teacher_BWD.to(words_BWD.dtype)) * common_BW
        element_B = distance_BW.sum(1) / common_BW.sum(1).clamp_min(1.0)
        return Loss((weight * element_B).sum(), element_B.detach())
