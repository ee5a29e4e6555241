"""Student and control again from other seeds: how much of a result is the dice. Knows how they are trained; knows nothing of the student's file.

All learn from the same views, students from the same answers of the same teacher, so only a network's own dice differ: its start, the order
of the rows, dropout, live views from the second epoch on. Controls are all trained as long as the first one's choice says. The shipped one is among them, by its written file; the others answer in torch. In cross-fitting each part has a student
and a control of each seed, and they all answer in torch. Letters: R repeats, N rows, C classes, S seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.data.split import Splits
from limbeck.evidence import Basis, Interval, SeedSpread
from limbeck.pipeline.control import control_logits
from limbeck.pipeline.student import fit_student, made_from, student_logits
from limbeck.pipeline.untrained import new_student, seeded
from limbeck.run import Run
from limbeck.signals.store import SignalStore
from limbeck.types import Json, View


def over_seeds(
    run: Run, teacher: Any, store: SignalStore, views: Sequence[View], splits: Splits, logits: Mapping[str, NDArray[Any]]
) -> SeedSpread | None:
    """Accuracy, student - teacher, on the test rows over the seeds that the recipe asks for (without labels: agreement), and the control's; None
    where it asks for none.

    Args:
        logits: (N, C) on the test rows of teacher, student (by the written file) and, where there is one, control.
    """
    number = run.recipe.verify.seeds
    if number < 2:
        return None
    index = {label: i for i, label in enumerate(teacher.labels)}
    teacher_N = logits["teacher"].argmax(axis=1)
    true_N = None if splits.basis is Basis.AGREEMENT else np.array([index[str(r.label)] for r in splits.test])

    def scored(logits_NC: NDArray[Any]) -> float:
        said_N = logits_NC.argmax(axis=1)
        if true_N is None:
            return float((said_N == teacher_N).mean())
        return float((said_N == true_N).mean() - (teacher_N == true_N).mean())

    def over(name: str, answers: Callable[[int], NDArray[Any]]) -> list[float]:
        """The value of the first, and of those of further seeds, each measured once in a run."""

        def measure(more: int) -> Json:
            return {"value": scored(answers(more))}

        others = [run.decided(f"{name}.seeds.{n}", partial(measure, n))["value"] for n in range(1, number)]
        return [scored(logits[name]), *others]

    values = over("student", lambda more: answers_of(run, teacher, store, views, splits, more))
    control: list[float] = []
    if "control" in logits:
        control = over("control", lambda more: control_logits(run, teacher, store, views, splits, more)[0])
    return spread(values, "agreement" if true_N is None else "accuracy", control)


def over_parts(
    teacher_RNC: NDArray[Any],
    students: Sequence[NDArray[Any]],
    controls: Sequence[NDArray[Any]],
    true_N: NDArray[np.integer[Any]],
) -> SeedSpread | None:
    """The same over the students of cross-fitting, and its controls; None where there is one seed.

    Args:
        teacher_RNC: logits on all labelled rows, each by a teacher that had not seen it.
        students, controls: of each seed as many; no controls where the recipe asks for none.
        true_N: classes.
    """
    if len(students) < 2:
        return None

    def right(logits_RNC: NDArray[Any]) -> float:
        return float((logits_RNC.argmax(axis=-1) == true_N).mean())

    teacher = right(teacher_RNC)
    return spread([right(s) - teacher for s in students], "accuracy", [right(c) - teacher for c in controls])


def answers_of(
    run: Run, teacher: Any, store: SignalStore, views: Sequence[View], splits: Splits, more: int
) -> NDArray[np.float32]:
    """Logits (N, C) on the test rows of a student from the seed that comes `more` behind the recipe's."""
    named = seeded(run, more)
    student, modality = new_student(named, teacher, [v.payload for v in views], teacher.labels)
    name = f"student-seed-{more}"
    fit_student(named, teacher, student, modality, store, views, splits, made_from(named, teacher), name).remove()
    found: NDArray[np.float32] = student_logits(student, modality, modality.encode([r.payload for r in splits.test])).numpy()
    return found


def spread(values: Sequence[float], of: Any, control: Sequence[float] = ()) -> SeedSpread:
    """Mean and bounds of the mean over all seeds there could be, by Student's t with S - 1 degrees of freedom; the lead over the controls, of as
    many seeds or none, by Welch's, whose degrees follow from both spreads.

    Source: Welch (1947), The generalization of "Student's" problem when several different population variances are involved.

    Example:
        >>> round(spread([0.1, 0.2, 0.3], "accuracy").interval.low, 4)
        0.0314
        >>> round(spread([0.1, 0.2, 0.3], "accuracy", [0.0, 0.1, 0.0]).lead.low, 4)
        0.0137
    """
    from scipy.stats import t

    mean, half, lead = float(np.mean(values)), 0.0, None
    if len(values) > 1:
        half = float(t.ppf(0.95, len(values) - 1)) * float(np.std(values, ddof=1)) / len(values) ** 0.5
    if len(control):
        ahead, within = mean - float(np.mean(control)), 0.0
        errors_2 = np.var([values, control], axis=1, ddof=1) / len(values)
        if errors_2.any():
            degrees = (len(values) - 1) * errors_2.sum() ** 2 / (errors_2**2).sum()
            within = float(t.ppf(0.95, degrees) * errors_2.sum() ** 0.5)
        lead = Interval(ahead, ahead - within, ahead + within)
    return SeedSpread(of, tuple(values), Interval(mean, mean - half, mean + half), tuple(control), lead)


def told_of_seeds(found: SeedSpread | None) -> tuple[str, ...]:
    """A spread in words; nothing where there is none."""
    if found is None:
        return ()
    low, high = (
        f"{100 * v:+.1f}" if found.of == "accuracy" else f"{100 * v:.1f}" for v in (min(found.values), max(found.values))
    )
    mean, bounds = found.interval.estimate, found.interval
    what = "points of accuracy, student - teacher" if found.of == "accuracy" else "% of answers as the teacher's"
    said = [
        f"over {len(found.values)} seeds of the student: {100 * mean:.1f} {what}, from {low} to {high}; the mean of all seeds lies between "
        f"{100 * bounds.low:.1f} and {100 * bounds.high:.1f} (each side at 95%), on these rows"
    ]
    if found.lead is not None:
        said.append(
            f"over {len(found.control)} seeds of each: {100 * found.lead.estimate:+.1f} points of {found.of}, student - control; the mean of "
            f"all seeds lies between {100 * found.lead.low:+.1f} and {100 * found.lead.high:+.1f} (each side at 95%), on these rows"
        )
    return tuple(said)
