"""A student before it is trained: what it reads, its start. Knows recipes and teachers; knows nothing of signals or files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from limbeck.errors import RecipeError
from limbeck.pipeline.int8_bench import spread
from limbeck.pipeline.origin import origin_of
from limbeck.run import Run
from limbeck.types import Json

LAYERS = "student.layers"
"""Where the layers stand that a measurement chose."""
_TEXTS_WITHOUT_A_LAYER = 256  # that a teacher answers without one of its layers and another


def seeded(run: Run, more: int) -> Run:
    """The run with the seed that comes `more` behind the recipe's: for a student's own dice, or a control's: its start, the
    order of its rows, and live views from the second epoch on."""
    return replace(run, recipe=run.recipe.model_copy(update={"seed": run.recipe.seed + more}))


def new_student(
    run: Run,
    teacher: Any,
    payloads: Sequence[Any],
    labels: Sequence[str],
    started: bool = True,
    fitted: tuple[Any, Any] | None = None,
    settings: Any = None,
) -> tuple[Any, Any]:
    """An untrained student that reads what these payloads need, started from the teacher (or from chance), and its modality.

    It is made before the teacher is asked: what its settings and the teacher do not agree on is said before that is paid for. `settings` stand in
    for those of the recipe.
    """
    family = run.recipe.entry("students")
    modality, read = fitted or fitted_modality(run, teacher, payloads)
    student = family(
        settings or _settled(run, teacher, payloads),
        classes=len(labels),
        seed=run.recipe.seed,
        **read.arguments(origin_of(run, teacher) if started else None),
    )
    return student.to(run.device), modality


def _settled(run: Run, teacher: Any, payloads: Sequence[Any]) -> Any:
    """The student's settings, the teacher's most important layers named in them where they are asked for: measured once, so the control and
    a run that is taken up have the same.

    Raises:
        RecipeError: the recipe names the layers itself.
        TeacherError: the teacher cannot do without one of its layers.
    """
    settings = run.recipe.settings("students")
    if getattr(settings, "choose", "even") != "important":
        return settings
    if not hasattr(teacher, "most_missed") or origin_of(run, teacher) is not teacher:
        raise RecipeError(
            "student.choose is important, but the student does not start from this teacher's layers. Leave choose out."
        )
    if not isinstance(settings.layers, int):
        raise RecipeError(
            "student.choose is important, but student.layers names the layers. Give their number, or leave choose out."
        )

    def measure() -> Json:
        texts = spread(payloads, _TEXTS_WITHOUT_A_LAYER)
        run.progress("student", 0, 1, f"which layers the teacher misses most, on {len(texts):,} texts")
        return {"layers": list(teacher.most_missed(settings.layers, texts))}

    chosen = run.decided(f"{LAYERS} of {settings.layers}", measure)
    return replace(settings, layers=tuple(chosen["layers"]))


def reading_of(run: Run) -> Any:
    """What of a payload the run's student is given; None: what its modality gives where nothing is asked."""
    return getattr(run.recipe.settings("students"), "reading", None)


def fitted_modality(run: Run, teacher: Any, payloads: Sequence[Any]) -> tuple[Any, Any]:
    """The modality as the run's student reads these payloads, and what the student is made from beside its settings."""
    found: tuple[Any, Any] = full_modality(run, teacher).fitted(payloads, reading_of(run), run.recipe.student.min_count)
    return found


def full_modality(run: Run, teacher: Any) -> Any:
    """The task's modality as whoever the run's students come from reads, the teacher or another."""
    return modality_of(run, origin_of(run, teacher))


def modality_of(run: Run, origin: Any) -> Any:
    """The task's modality as an origin reads."""
    return run.recipe.entry("modalities").of(origin)
