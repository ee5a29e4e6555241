"""The teacher's stages but for its fine-tuning: loaded, and asked once. Knows teachers and stores; knows nothing of students."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from limbeck.data.labels import matched_labels
from limbeck.data.split import Splits, spared
from limbeck.errors import TeacherError
from limbeck.pipeline.labelling import labelling_teacher
from limbeck.run import Run, settle
from limbeck.signals.store import SignalStore
from limbeck.signals.teach import check_gives, teach
from limbeck.types import Record, View

LOGITS = frozenset({"logits_BC"})
TAUGHT = "teacher.taught"
"""What a run decides where it trains its teacher with validation rows too."""


def load_teacher(run: Run, splits: Splits) -> Any:
    """Load the teacher; from here on the run's folder is settled.

    Raises:
        TeacherError: it cannot be loaded, or its labels are not the data's.
    """
    teacher = run.recipe.entry("teachers").load(run.recipe.settings("teachers"), run.device)
    if teacher.has_head:
        teacher.labels = matched_labels(teacher.labels, splits.labels)
    elif not any(r.label is not None for r in splits.train):
        raise TeacherError(
            f"{run.recipe.settings('teachers').model} has no head of classes, and the training rows hold no labels to teach it any. "
            "Give a teacher that knows the labels (--teacher), or label some rows (limbeck label-sample chooses which)."
        )
    settle(run, teacher.fingerprint())
    return teacher


def unseen(run: Run, splits: Splits) -> tuple[Record, ...]:
    """The validation rows that the teacher was not trained with: all of them, but where this run trained it with some."""
    return splits.valid if run.measured(TAUGHT) is None else spared(splits)


def ask_teacher(run: Run, teacher: Any, views: Sequence[View], splits: Splits) -> SignalStore:
    """The teacher's signals of all views, and of the validation rows, each asked once."""
    check_gives(teacher, LOGITS.union(*(o.needs for o, _ in run.recipe.terms())))
    needs = LOGITS.union(*(o.needs for o, _ in run.recipe.terms() if not getattr(o, "live", False)))
    asked = [*views, *(View((r.key,), (), run.recipe.seed, r.payload, r.label) for r in splits.valid)]
    with run.stage("signals"):
        labelling, store = answering(run, teacher, [v.payload for v in asked])
        for done, total in teach(labelling, store, asked, needs):
            run.progress("signals", done, total, f"{len(asked):,} views labelled by the teacher")
    return store


def answering(run: Run, teacher: Any, payloads: Sequence[Any]) -> tuple[Any, SignalStore]:
    """Who answers so many payloads, and the store of the answers; the teacher's precision is set."""
    folder = store_folder(run)
    labelling = labelling_teacher(run, teacher, folder, payloads)
    return labelling, SignalStore(folder, labelling.fingerprint(), warn=lambda message: run.progress("signals", 1, 1, message))


def store_folder(run: Run) -> Path:
    """Where the teacher's answers lie."""
    return Path(run.recipe.signals) if run.recipe.signals else run.folder / "signals"
