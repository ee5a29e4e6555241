"""The student again from other seeds: how much of its result is the dice. Knows how a student is trained; knows nothing of its file.

All learn from the same answers of the same teacher to the same views, so only the student's own dice differ: its start, the order of the
rows, dropout. The shipped one is among them, by its written file; the others answer in torch. In cross-fitting each part has a student of each
seed, and they all answer in torch. Letters: R repeats, N rows, C classes, S seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.data.split import Splits
from limbeck.evidence import Basis, Interval, SeedSpread
from limbeck.pipeline.student import fit_student, made_from, student_logits
from limbeck.pipeline.untrained import new_student
from limbeck.run import Run
from limbeck.signals.store import SignalStore
from limbeck.types import Json, View


def over_seeds(
    run: Run,
    teacher: Any,
    store: SignalStore,
    views: Sequence[View],
    splits: Splits,
    teacher_NC: NDArray[Any],
    student_NC: NDArray[Any],
) -> SeedSpread | None:
    """Accuracy, student - teacher, on the test rows over the seeds that the recipe asks for (without labels: agreement); None where it asks
    for none.

    Args:
        teacher_NC, student_NC: logits on the test rows, the student's by the written file.
    """
    number = run.recipe.verify.seeds
    if number < 2:
        return None
    index = {label: i for i, label in enumerate(teacher.labels)}
    teacher_N = teacher_NC.argmax(axis=1)
    true_N = None if splits.basis is Basis.AGREEMENT else np.array([index[str(r.label)] for r in splits.test])

    def scored(logits_NC: NDArray[Any]) -> float:
        said_N = logits_NC.argmax(axis=1)
        if true_N is None:
            return float((said_N == teacher_N).mean())
        return float((said_N == true_N).mean() - (teacher_N == true_N).mean())

    values = [scored(student_NC)]
    for more in range(1, number):

        def measure(more: int = more) -> Json:
            return {"value": scored(answers_of(run, teacher, store, views, splits, more))}

        values.append(run.decided(f"seeds.{more}", measure)["value"])
    return spread(values, "accuracy" if true_N is not None else "agreement")


def over_parts(
    teacher_RNC: NDArray[Any], students: Sequence[NDArray[Any]], true_N: NDArray[np.integer[Any]]
) -> SeedSpread | None:
    """The same over the students of cross-fitting; None where there is one seed.

    Args:
        teacher_RNC: logits on all labelled rows, each by a teacher that had not seen it.
        students: of each seed as many.
        true_N: classes.
    """
    if len(students) < 2:
        return None
    teacher = float((teacher_RNC.argmax(axis=-1) == true_N).mean())
    return spread([float((logits_RNC.argmax(axis=-1) == true_N).mean()) - teacher for logits_RNC in students], "accuracy")


def answers_of(
    run: Run, teacher: Any, store: SignalStore, views: Sequence[View], splits: Splits, more: int
) -> NDArray[np.float32]:
    """Logits (N, C) on the test rows of a student from the seed that comes `more` behind the recipe's."""
    named = replace(run, recipe=run.recipe.model_copy(update={"seed": run.recipe.seed + more}))
    student, modality = new_student(named, teacher, [v.payload for v in views], teacher.labels)
    name = f"student-seed-{more}"
    fit_student(named, teacher, student, modality, store, views, splits, made_from(named, teacher), name).remove()
    found: NDArray[np.float32] = student_logits(student, modality, modality.encode([r.payload for r in splits.test])).numpy()
    return found


def spread(values: Sequence[float], of: Any) -> SeedSpread:
    """Mean and bounds of the mean over all seeds there could be, by Student's t with S - 1 degrees of freedom.

    Example:
        >>> round(spread([0.1, 0.2, 0.3], "accuracy").interval.low, 4)
        0.0314
    """
    from scipy.stats import t

    mean, half = float(np.mean(values)), 0.0
    if len(values) > 1:
        half = float(t.ppf(0.95, len(values) - 1)) * float(np.std(values, ddof=1)) / len(values) ** 0.5
    return SeedSpread(of, tuple(values), Interval(mean, mean - half, mean + half))


def told_of_seeds(found: SeedSpread | None) -> tuple[str, ...]:
    """A spread in words; nothing where there is none."""
    if found is None:
        return ()
    low, high = (
        f"{100 * v:+.1f}" if found.of == "accuracy" else f"{100 * v:.1f}" for v in (min(found.values), max(found.values))
    )
    mean, bounds = found.interval.estimate, found.interval
    what = "points of accuracy, student - teacher" if found.of == "accuracy" else "% of answers as the teacher's"
    return (
        f"over {len(found.values)} seeds of the student: {100 * mean:.1f} {what}, from {low} to {high}; the mean of all seeds lies between "
        f"{100 * bounds.low:.1f} and {100 * bounds.high:.1f} (each side at 95%), on these rows",
    )
