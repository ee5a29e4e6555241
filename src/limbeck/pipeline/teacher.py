"""The teacher's stages: loaded, fine-tuned where it has no head, asked once. Knows teachers and stores; knows nothing of students."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from limbeck import catalog
from limbeck.bundle import replace_folder, sha256_of
from limbeck.data.labels import matched_labels
from limbeck.data.split import Splits, spared
from limbeck.engine.batches import Examples
from limbeck.engine.loop import Term, Training
from limbeck.errors import TeacherError
from limbeck.metrics.classification import accuracy
from limbeck.pipeline.training import precision, trained
from limbeck.run import COMPLETE, Run, is_proven, settle, write_json
from limbeck.signals.store import SignalStore, described, is_store
from limbeck.signals.teach import check_gives, teach
from limbeck.teachers._averaged import Averaged
from limbeck.types import Json, Record, TrainingPlan, View, digest

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


def fine_tuned(run: Run, teacher: Any, splits: Splits) -> Any:
    """The teacher as it will answer: as it is if it has a head, else with one that is fine-tuned on the labelled rows.

    The number of epochs is the one that is best on the validation rows; then the teacher is trained again, as long as that, on
    these rows too, but for the half that students are chosen by (`unseen`). Where the recipe asks for several seeds, each is trained so, and their probabilities are averaged.
    """
    if teacher.has_head:
        run.progress("teacher", 1, 1, f"{run.recipe.settings('teachers').model} answers as it is")
        return teacher
    section = run.recipe.teacher.fine_tune
    with run.stage("teacher"):
        if section.refit:
            run.decided(TAUGHT, lambda: {"spared": len(spared(splits))})
        members = [_member(run, teacher, splits, seed) for seed in range(section.seeds)]
    return members[0] if len(members) == 1 else Averaged(members)


def unseen(run: Run, splits: Splits) -> tuple[Record, ...]:
    """The validation rows that the teacher was not trained with: all of them, but where it was trained again with some."""
    return splits.valid if run.measured(TAUGHT) is None else spared(splits)


def ask_teacher(run: Run, teacher: Any, views: Sequence[View], splits: Splits) -> SignalStore:
    """The teacher's signals of all views, and of the validation rows, each asked once."""
    check_gives(teacher, LOGITS.union(*(o.needs for o, _ in run.recipe.terms())))
    needs = LOGITS.union(*(o.needs for o, _ in run.recipe.terms() if not getattr(o, "live", False)))
    asked = [*views, *(View((r.key,), (), run.recipe.seed, r.payload, r.label) for r in splits.valid)]
    with run.stage("signals"):
        folder = Path(run.recipe.signals) if run.recipe.signals else run.folder / "signals"
        if hasattr(teacher, "precision"):
            teacher.precision = _labelling_precision(run, teacher, folder)
        store = SignalStore(folder, teacher.fingerprint(), warn=lambda message: run.progress("signals", 1, 1, message))
        for done, total in teach(teacher, store, asked, needs):
            run.progress("signals", done, total, f"{len(asked):,} views labelled by the teacher")
    return store


def _labelling_precision(run: Run, teacher: Any, folder: Path) -> str:
    """That of the answers that lie in the store already, else the recipe's, else the faster one."""
    if run.recipe.precision == "auto" and is_store(folder) and (before := described(folder).get("precision")):
        return before
    return precision(run, teacher.module)


def _member(run: Run, teacher: Any, splits: Splits, seed: int) -> Any:
    """One fine-tuned teacher, from the run's folder if it is proven to lie there."""
    settings = run.recipe.settings("teachers")
    section = run.recipe.teacher.fine_tune
    name = "teacher" if section.seeds == 1 else f"teacher-{seed}"
    folder = run.folder / name
    identity: Json = {
        "backbone": dict(teacher.fingerprint()),
        "fine_tune": section.model_dump(mode="json", exclude={"seeds"}),
        "precision": run.recipe.precision,
        "seed": run.recipe.seed + seed,
        "rows": [[(r.key, r.label) for r in rows] for rows in (splits.train, splits.valid)],
        "spared": [r.key for r in spared(splits)],
    }
    if is_proven(folder, digest(identity)):
        run.progress("teacher", 1, 1, "taken from this run's folder")
        return type(teacher).load(dataclasses.replace(settings, model=str(folder), revision=None), run.device)
    train, valid = ([r for r in rows if r.label is not None] for rows in (splits.train, splits.valid))
    last = None
    if valid and section.refit:
        # One seed chooses for all: how long to train is a matter of the data, not of the dice.
        epochs = int(run.decided("teacher.epochs", lambda: _chosen_epochs(run, settings, teacher, splits, identity))["epochs"])
        kept_out = {r.key for r in spared(splits)}
        train, last = [*train, *(r for r in valid if r.key not in kept_out)], epochs
    fresh = type(teacher).load(settings, run.device)
    judged = [] if last else valid
    _, checkpoint = _fit(run, fresh, splits, train, judged, name, run.recipe.seed + seed, identity, last)
    draft = run.folder / f".{name}-draft"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    fresh.save(draft)
    files = {p.name: sha256_of(p) for p in sorted(draft.iterdir())}
    write_json(draft / COMPLETE, {"identity": digest(identity), "files": files})
    replace_folder(draft, folder)
    checkpoint.remove()
    return fresh


def _chosen_epochs(run: Run, settings: Any, teacher: Any, splits: Splits, identity: Json) -> Json:
    fresh = type(teacher).load(settings, run.device)
    train, valid = ([r for r in rows if r.label is not None] for rows in (splits.train, splits.valid))
    training, checkpoint = _fit(run, fresh, splits, train, valid, "teacher-choice", run.recipe.seed, identity, None)
    checkpoint.remove()
    return {"epochs": training.best_epoch, **training.best}


def _fit(
    run: Run,
    teacher: Any,
    splits: Splits,
    rows: Sequence[Record],
    valid: Sequence[Record],
    name: str,
    seed: int,
    identity: Json,
    epochs: int | None,
) -> tuple[Training, Any]:
    """Train a head, and the backbone under it, on labelled rows."""
    section = run.recipe.teacher.fine_tune
    index = {label: i for i, label in enumerate(splits.labels)}
    teacher.add_head(splits.labels, seed)
    teacher.freeze(section.frozen_layers)

    def judge(module: nn.Module) -> Mapping[str, float]:
        del module  # it is the teacher's own
        found_NC = teacher.answer([r.payload for r in valid], LOGITS).logits_BC
        return {"accuracy": accuracy(found_NC.argmax(axis=1), np.array([index[str(r.label)] for r in valid]))}

    training = Training(
        teacher.module,
        Examples(teacher.encode([r.payload for r in rows]), np.array([index[str(r.label)] for r in rows], dtype=np.int64)),
        teacher.collate,
        [Term(catalog.find("objectives", "hard_labels")(), 1.0)],
        TrainingPlan(section.epochs, section.batch_size, section.learning_rate, section.weight_decay, section.warmup_share),
        judge=judge if valid else None,
        rates={"head": section.head_learning_rate},
        seed=seed,
        device=run.device,
        epochs=epochs,
    )
    note = f"fine-tuned on {len(rows):,} labelled rows"
    checkpoint = trained(run, "teacher", name, training, {**identity, "name": name, "epochs": epochs}, note)
    return training, checkpoint
