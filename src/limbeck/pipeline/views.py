"""The views that a student learns from: how many, whether the teacher can answer them, and the same again by other dice. Knows recipes, modalities
and teachers; trains nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from limbeck.data.split import Splits
from limbeck.engine.batches import Examples
from limbeck.errors import RecipeError
from limbeck.pipeline.origin import lent_table
from limbeck.pipeline.untrained import full_modality
from limbeck.run import Run
from limbeck.types import Signal, View


def make_views(run: Run, teacher: Any, splits: Splits) -> list[View]:
    """The views of all training records that the teacher will label."""
    modality, (plan, why) = full_modality(run, teacher), views_of(run, teacher)
    if why:
        run.progress("views", 1, 1, why)
    views: list[View] = modality.views(splits.train, plan, run.recipe.seed, lent_table(run, teacher))
    return views


def views_of(run: Run, teacher: Any) -> tuple[Any, str]:
    """The plan of views, and, in words, why there are none beside the records: the teacher cannot answer other texts, or each costs money
    and the recipe does not ask for any.

    Raises:
        RecipeError: they are to be drawn anew in each epoch, and nobody may ask this teacher so often.
    """
    plan, why = run.recipe.view_plan(), ""
    if getattr(plan, "live", False):
        _check_live(run, teacher)
    if plan.per_record and not getattr(teacher, "answers_anything", True):
        why = "none: this teacher's answers are written down, and there are none to other texts"
    elif plan.per_record and "per_record" not in run.recipe.views.settings and getattr(teacher, "paid", False):
        why = "none: each would be a paid call; views.per_record asks for some"
    return (replace(plan, per_record=0) if why else plan), why


def afresh(
    examples: Examples, modality: Any, payloads: Sequence[Any], answer: Callable[[Sequence[Any]], Signal] | None = None
) -> Examples:
    """Examples whose views are drawn anew in each epoch but the first.

    Args:
        examples: of the first epoch.
        modality: a student's, by whose dice views are drawn.
        payloads: what the examples are made of.
        answer: the teacher, who is asked at every step; None: no one, and what the first epoch's examples bear holds on.

    Source: Beyer et al. (2022), Knowledge Distillation: A Good Teacher Is Patient and Consistent, section 3: teacher and student see the same
    view, and never the same again.
    """

    def anew(epoch: int) -> Examples:
        drawn = [modality.anew(payload, epoch) for payload in payloads]
        again = replace(examples, encoded=modality.encode(drawn))
        if answer is None:
            return again
        return replace(again, signal=Signal(), live=lambda chosen_B: answer([drawn[i] for i in chosen_B]))

    return replace(examples, anew=anew)


def _check_live(run: Run, teacher: Any) -> None:
    section = run.recipe.teacher
    corrected = section.prior is not None or section.gold != "weigh" or section.filter != type(section.filter)()
    why = {
        "its answers are written down": not getattr(teacher, "answers_anything", True),
        "each answer costs money": getattr(teacher, "paid", False),
        "teacher.calls allows few": section.calls is not None,
        "its answers are corrected (teacher.filter, gold, prior), which looks at all of them together": corrected,
    }
    if said := [words for words, holds in why.items() if holds]:
        raise RecipeError(
            f"views.live asks the teacher about new views in every epoch, and here {said[0]}. Leave out views.live."
        )
