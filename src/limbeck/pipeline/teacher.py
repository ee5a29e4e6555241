"""The teacher's stages but for its fine-tuning: loaded, and asked once. Knows teachers and stores; knows nothing of students."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from limbeck.data.split import Splits, spared
from limbeck.errors import TeacherError
from limbeck.pipeline.cleaned import check_lessons
from limbeck.pipeline.labelling import labelling_teacher
from limbeck.pipeline.named import in_the_labels
from limbeck.pipeline.origin import settle_origin
from limbeck.pipeline.terms import terms
from limbeck.run import Run, settle
from limbeck.signals.store import SignalStore
from limbeck.signals.teach import check_gives, teach
from limbeck.types import Record, View

LOGITS = frozenset({"logits_BC"})
KEPT = frozenset({"disagreement_B"})
"""What is written down where a teacher gives it, though no objective reads it: asking again would cost as much as asking."""
TAUGHT = "teacher.taught"
"""What a run decides where it trains its teacher with validation rows too."""


def load_teacher(run: Run, splits: Splits) -> Any:
    """Load the teacher; from here on the run's folder is settled.

    Raises:
        TeacherError: it cannot be loaded, or its labels are not the data's.
    """
    teacher = loaded(run)
    if hasattr(teacher, "discover"):
        teacher.discover([*splits.valid, *splits.train], splits.labels)
    if teacher.has_head:
        run.ready = teacher = in_the_labels(run, teacher, splits.labels)
    elif not any(r.label is not None for r in splits.train):
        raise TeacherError(
            f"{name_of(run, teacher)} has no head of classes, and the training rows hold no labels to teach it any. "
            "Give a teacher that knows the labels (--teacher), or label some rows (limbeck label-sample chooses which)."
        )
    check_lessons(run, teacher.gives(), teacher.labels or splits.labels)
    settle(run, teacher.fingerprint())
    settle_origin(run, teacher, (r.payload for r in splits.train))
    return teacher


def loaded(run: Run) -> Any:
    """The teacher as it came: the one that is ready, else loaded by the recipe."""
    several = run.recipe.several
    if (teacher := run.ready) is None:
        teacher = run.recipe.entry("teachers").load(run.recipe.settings("teachers"), run.device)
        if hasattr(teacher, "close"):  # one that is handed over belongs to whoever did
            run.owned.append(teacher)
    if hasattr(teacher, "answers_with"):
        teacher.answers_with(several)
    elif several:  # one that was handed over: a recipe cannot name it
        raise TeacherError(
            f"{name_of(run, teacher)} gives one label among all; with several labels to a text hand over a callable, an estimator of several labels, or "
            "a teacher of kind recorded, openai or huggingface."
        )
    return teacher


def name_of(run: Run, teacher: Any) -> str:
    """The teacher in words: what it calls itself, else what the recipe calls it."""
    return str(getattr(teacher, "name", "") or run.recipe.settings("teachers").model)


def unseen(run: Run, splits: Splits) -> tuple[Record, ...]:
    """The validation rows that the teacher was not trained with: all of them, but where this run trained it with some."""
    return splits.valid if run.measured(TAUGHT) is None else spared(splits)


def ask_teacher(run: Run, teacher: Any, views: Sequence[View], splits: Splits) -> SignalStore:
    """The teacher's signals of all views, and of the validation rows, each asked once."""
    towards = [objective for objective, _ in terms(run, teacher)]
    check_gives(teacher, LOGITS.union(*(o.needs for o in towards)))
    needs = LOGITS.union(*(o.needs for o in towards if not getattr(o, "live", False)), teacher.gives() & KEPT)
    asked = [*views, *(View((r.key,), (), run.recipe.seed, r.payload, r.label) for r in splits.valid)]
    with run.stage("signals"):
        folder = Path(run.recipe.signals) if run.recipe.signals else run.folder / "signals"
        labelling = labelling_teacher(run, teacher, folder, [v.payload for v in asked])
        store = SignalStore(folder, labelling.fingerprint(), warn=lambda message: run.progress("signals", 1, 1, message))
        for done, total in teach(labelling, store, asked, needs):
            run.progress("signals", done, total, f"{len(asked):,} views labelled by the teacher")
    return store
