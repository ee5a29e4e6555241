"""The control: the same student without the teacher. Knows labels and the pre-trained start; never sees a fine-tuned teacher.

What a teacher is worth is what the student loses without it. So the control has the same architecture, the same pre-trained start
(before any fine-tuning), as many steps, and views of the labelled rows whose label is known to hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from torch import nn

from limbeck import catalog
from limbeck.data.split import Splits
from limbeck.engine.batches import Examples, number_of_batches
from limbeck.engine.loop import Judge, Term, Training
from limbeck.metrics.classification import accuracy
from limbeck.pipeline.student import full_modality, new_student, student_logits
from limbeck.pipeline.training import trained
from limbeck.run import Run
from limbeck.types import Json, Shapes, TrainingPlan


def fit_control(run: Run, splits: Splits, plan: TrainingPlan, steps: int, name: str = "control") -> tuple[Any, Any, Json]:
    """Train the recipe's student on labels alone.

    Args:
        run: a settled run.
        splits: its records; those without a label are left out.
        plan: batch size, rates; its epochs are replaced by as many as come nearest to `steps`.
        steps: how many steps the student had.
        name: of its files in the run.

    Returns:
        The control, its modality, and what it reached on the validation rows.
    """
    recipe = run.recipe
    backbone = recipe.entry("teachers").load(recipe.settings("teachers"), run.device)
    started = not backbone.has_head  # a teacher that came with a head has learned the labels already
    labelled = [r for r in splits.train if r.label is not None]
    views = full_modality(run, backbone).views(labelled, recipe.view_plan().keeping_labels(), recipe.seed)
    payloads = [v.payload for v in views]
    student, modality = new_student(run, backbone, payloads, splits.labels, started)
    index = {label: i for i, label in enumerate(splits.labels)}
    examples = Examples(modality.encode(payloads), np.array([index[str(v.label)] for v in views], dtype=np.int64))
    epochs = max(1, round(steps / number_of_batches(len(examples), plan.batch_size)))
    plan = replace(plan, epochs=epochs)
    objective = catalog.find("objectives", "hard_labels")()
    shapes = student.shapes()
    training = Training(
        student,
        examples,
        modality.collate,
        [Term(objective, 1.0, objective.init(shapes, Shapes(len(splits.labels), shapes.width)))],
        plan,
        judge=_labels(modality, splits, index, run.device) if splits.valid else None,
        seed=recipe.seed,
        device=run.device,
    )
    identity = {"recipe": recipe.identity(), "data": run.data, "control": dict(backbone.fingerprint()), "plan": str(plan)}
    note = f"the same {recipe.student.family} without a teacher, {len(labelled):,} labelled rows"
    trained(run, "control", name, training, identity, note).remove()
    return student.cpu().eval(), modality, dict(training.best)


def _labels(modality: Any, splits: Splits, index: Mapping[str, int], device: str) -> Judge:
    encoded = modality.encode([r.payload for r in splits.valid])
    true_N = np.array([index[str(r.label)] for r in splits.valid])

    def judge(module: nn.Module) -> Mapping[str, float]:
        return {"accuracy": accuracy(student_logits(module, modality, encoded, device).argmax(1).numpy(), true_N)}

    return judge
