"""How long a student is trained: what the recipe says, and where the teacher was asked about few texts no less than so many steps. Knows plans and
numbers of views; trains nothing."""

from __future__ import annotations

from dataclasses import replace

from limbeck.engine.batches import number_of_batches
from limbeck.run import Run
from limbeck.types import TrainingPlan

LEAST_STEPS = 500
"""Of a student whose teacher has a budget of calls (docs/diary.md): its epochs are meant for ten times as many views."""


def plan_for(run: Run, views: int) -> TrainingPlan:
    """The training plan for so many views: more epochs than the family recommends, where these make too few steps of a budget of calls and the
    recipe names none itself."""
    plan = run.recipe.training_plan()
    if run.recipe.teacher.calls is None or run.recipe.training.epochs is not None:
        return plan
    return replace(plan, epochs=max(plan.epochs, -(-LEAST_STEPS // max(1, number_of_batches(views, plan.batch_size)))))
