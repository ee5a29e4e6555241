"""A backbone learns the labels: chosen on validation, in several seeds, and with few labels from its own answers too.

Knows teachers, labelled rows and rounds; knows nothing of students. What lies in a run's folder:

OUT/teacher             a finished teacher with its proof; with several seeds teacher-0, teacher-1, ...
OUT/self-training/N     the teachers of round N and what they say of the rows without a label, until the last round is over

Letters: N rows, C classes.
"""

from __future__ import annotations

import dataclasses
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from limbeck import catalog
from limbeck.bundle import replace_folder, sha256_of
from limbeck.data.names import as_words
from limbeck.data.split import Splits, can_choose, spared
from limbeck.engine.batches import Examples, number_of_batches
from limbeck.engine.checkpoint import Checkpoint
from limbeck.engine.loop import Term, Training
from limbeck.label_sets import aims, shares
from limbeck.metrics.classification import accuracy
from limbeck.metrics.probabilities import log_softmax
from limbeck.metrics.sets import micro_f1
from limbeck.pipeline.beside import with_words
from limbeck.pipeline.neighbours import NEIGHBOURS, POWER, STAY, STRENGTH, TURNS, said_by_neighbours
from limbeck.pipeline.teacher import LOGITS, TAUGHT, name_of
from limbeck.pipeline.terms import told
from limbeck.pipeline.training import precision, trained
from limbeck.pipeline.views import lesson_size, lesson_views
from limbeck.run import COMPLETE, Run, is_proven, write_json
from limbeck.sections import FineTuneSection
from limbeck.signals.store import SignalStore
from limbeck.signals.teach import SHARD, teach
from limbeck.teachers._averaged import Averaged
from limbeck.types import Json, Record, Signal, TrainingPlan, View, digest

EPOCHS, LEAST_STEPS = 6, 300
"""How long a teacher is trained; where rows are few, as many epochs as make so many steps."""
_ROUNDS_IN = "self-training"
_NEAR = frozenset({"embedding_BD"})
_ROUNDS, _FEW, _MOST = 1, 1000, 20_000
"""Rounds of self-training where it pays: with fewer labelled rows than this, and more without, of which so many are enough."""
_SURE = 0.98
"""The probability of a label that was given, where it stands beside answers of a teacher."""


def fine_tuned(run: Run, teacher: Any, splits: Splits) -> Any:
    """The teacher as it will answer: as it is if it has a head, else with one that is fine-tuned on the labelled rows.

    The number of epochs is the one that is best on the validation rows; then the teacher is trained again, as long as that, on
    these rows too, but for those that students are chosen by (`limbeck.data.split.spared`). Where the recipe asks for several seeds,
    each is trained so, and their probabilities are averaged. With `words` a linear model of the same rows speaks beside them.

    With few labels and many texts without one, what the untouched backbone's neighbours say of the texts trains the first teachers beside the
    labels, and what teachers say of them the next ones, from the start, as often as `self_training` says.

    Source: Xie, Luong, Hovy and Le (2020), Self-training with Noisy Student improves ImageNet classification, section 2 (soft targets, a
    new model each round; the noise here is dropout).
    """
    run.fresh = False  # from here on its folder holds what is worth more than an empty one
    if teacher.has_head:
        run.progress("teacher", 1, 1, f"{name_of(run, teacher)} answers as it is; {told(run, teacher)}")
        return teacher
    with run.stage("teacher"):
        tuning = _Tuning(run, teacher, splits)
        if run.recipe.teacher.fine_tune.refit:
            run.decided(TAUGHT, lambda: {"spared": len(spared(splits))})
        members = tuning.finished() or tuning.trained()
        shutil.rmtree(run.folder / _ROUNDS_IN, ignore_errors=True)
        for left in run.folder.glob(".teacher*.checkpoint"):  # by a kill between a teacher and their removal
            left.unlink()
        found = members[0] if len(members) == 1 else Averaged(members)
        return with_words(run, found, tuning.taught(), splits) if run.recipe.teacher.fine_tune.words else found


@dataclass(frozen=True, slots=True)
class _Lesson:
    """What a teacher learns from: rows with a label and, after them, rows with what the teachers before said of them."""

    labelled: Sequence[Record]
    unlabelled: Sequence[Record] = ()
    said_NC: NDArray[np.float64] | None = None

    @property
    def rows(self) -> list[Record]:
        """All of them, in order."""
        return [*self.labelled, *self.unlabelled]

    @property
    def note(self) -> str:
        """In words."""
        return f"{len(self.labelled):,} labelled rows" + (f" and {len(self.unlabelled):,} others" if self.unlabelled else "")


class _Tuning:
    """The fine-tuning of a run: rounds of self-training and then the last one, each of some teachers that differ by their seed.

    Args:
        run: settled.
        backbone: without a head; it stays as it is.
    """

    def __init__(self, run: Run, backbone: Any, splits: Splits) -> None:
        self._run, self._backbone, self._splits = run, backbone, splits
        self._settings = run.recipe.settings("teachers")
        self._section: FineTuneSection = run.recipe.teacher.fine_tune
        self._train = [r for r in splits.train if r.label is not None]
        self._valid = [r for r in splits.valid if r.label is not None]
        self._others = sorted((r for r in splits.train if r.label is None), key=lambda r: r.key)[:_MOST]
        self._from = dict(backbone.fingerprint())
        self._identities: dict[tuple[int, int], Json] = {}
        # What teachers say of several labels is no lesson here: a round would have to average yes and no apart.
        rounds = 0 if run.recipe.several else _rounds(self._section, len(self._train), len(self._others))
        self._by_neighbours = rounds > 0 and getattr(backbone, "pretrained", True)
        self._last = rounds - 1 if self._by_neighbours else rounds

    def finished(self) -> list[Any]:
        """The last round's teachers, where they lie proven in the run's folder; else none."""
        seeds = range(self._section.seeds)
        if not all(self._is_proven(self._last, seed) for seed in seeds):
            return []
        return [self._loaded(self._last, seed) for seed in seeds]

    def trained(self) -> list[Any]:
        """The last round's teachers, after all rounds before it."""
        members: list[Any] = []
        for number in range(self._last + 1):
            seeds = range(self._section.seeds)
            if all(self._is_proven(number, seed) for seed in seeds):  # then nobody needs the lesson, which takes asking
                members = [self._loaded(number, seed) for seed in seeds]
                continue
            lesson = self._lesson(number, members)
            members = [self._member(number, seed, lesson) for seed in seeds]
        return members

    def _lesson(self, number: int, before: Sequence[Any]) -> _Lesson:
        """What the teachers of a round learn from: labels, and what the teachers before them, or the neighbours, say of the rows without one."""
        if number:
            return _Lesson(self.taught(), self._others, self._said(number - 1, Averaged(before)))
        return _Lesson(self.taught(), self._others, self._neighbours()) if self._by_neighbours else _Lesson(self.taught())

    def _neighbours(self) -> NDArray[np.float64]:
        """The probabilities (N, C) that the rows without a label get from their neighbours, and from a linear model, as the backbone sees them."""
        run, taught = self._run, self.taught()
        fresh = type(self._backbone).load(self._settings, run.device)
        fresh.add_head(self._splits.labels, run.recipe.seed)  # which is not asked; without one it answers nothing
        payloads, parts = [r.payload for r in (*taught, *self._others)], []
        for start in range(0, len(payloads), SHARD):
            run.progress(
                "teacher",
                start,
                len(payloads),
                f"neighbours of {len(taught):,} labelled rows among {len(self._others):,} others",
            )
            parts.append(fresh.answer(payloads[start : start + SHARD], _NEAR).embedding_BD)
        labels = self._splits.labels
        label_N = aims((r.label for r in taught), labels)
        read = [as_words(label) for label in labels]
        names_CD = fresh.answer(read, _NEAR).embedding_BD if run.recipe.entry("modalities").vocabulary else None
        return said_by_neighbours(np.concatenate(parts), label_N, len(labels), names_CD)

    def taught(self) -> list[Record]:
        """The labelled rows that teachers learn from in the end."""
        if not self._section.refit:
            return self._train
        kept_out = {r.key for r in spared(self._splits)}
        return [*self._train, *(r for r in self._valid if r.key not in kept_out)]

    def _said(self, number: int, teachers: Averaged) -> NDArray[np.float64]:
        """The probabilities (N, C) that the teachers of a round give the rows without a label, each asked once."""
        teachers.precision = precision(self._run, teachers.module)
        folder = self._run.folder / _ROUNDS_IN / str(number) / "signals"
        store = SignalStore(folder, teachers.fingerprint(), lambda message: self._run.progress("teacher", 1, 1, message))
        views = [View((r.key,), (), self._run.recipe.seed, r.payload) for r in self._others]
        for done, total in teach(teachers, store, views, LOGITS):
            self._run.progress("teacher", done, total, f"round {number + 1} answers {len(views):,} rows without a label")
        return np.exp(log_softmax(store.get([r.payload for r in self._others], LOGITS).logits_BC))

    def _identity(self, number: int, seed: int) -> Json:
        """All that decides a teacher."""
        if (number, seed) in self._identities:
            return self._identities[number, seed]
        before: list[Any] = [digest(self._identity(number - 1, s)) for s in range(self._section.seeds)] if number else []
        if self._by_neighbours and not number:
            before = [["around the mean, names", NEIGHBOURS, POWER, STAY, TURNS, STRENGTH], [r.key for r in self._others]]
        identity = self._identities[number, seed] = {
            "backbone": self._from,
            "fine_tune": self._section.model_dump(mode="json", exclude={"seeds", "words", "views"}),
            "precision": self._run.recipe.precision,
            "seed": self._run.recipe.seed + seed,
            "rows": [[(r.key, r.label) for r in rows] for rows in (self._splits.train, self._splits.valid)],
            "spared": [r.key for r in spared(self._splits)],
            "before": before,
            "views": str(self._run.recipe.lesson_plan()),
        }
        return identity

    def _folder(self, number: int, seed: int) -> Path:
        name = "teacher" if self._section.seeds == 1 else f"teacher-{seed}"
        return self._run.folder / (name if number == self._last else f"{_ROUNDS_IN}/{number}/{name}")

    def _is_proven(self, number: int, seed: int) -> bool:
        return is_proven(self._folder(number, seed), digest(self._identity(number, seed)))

    def _loaded(self, number: int, seed: int) -> Any:
        self._run.progress("teacher", 1, 1, "taken from this run's folder")
        here = {"model": str(self._folder(number, seed)), **({"revision": None} if hasattr(self._settings, "revision") else {})}
        settings = dataclasses.replace(self._settings, **here)
        return type(self._backbone).load(settings, self._run.device)

    def _member(self, number: int, seed: int, lesson: _Lesson) -> Any:
        """One teacher of a round, from the run's folder if it is proven to lie there."""
        if self._is_proven(number, seed):
            return self._loaded(number, seed)
        folder, identity = self._folder(number, seed), self._identity(number, seed)
        chosen = self._chosen(identity) if not lesson.unlabelled and self._section.refit else None
        fresh = type(self._backbone).load(self._settings, self._run.device)
        name = folder.name if number == self._last else f"{folder.name}-{_ROUNDS_IN}-{number}"
        judging = self._valid if not self._section.refit and can_choose(self._valid) else []
        _, checkpoint = self._fit(fresh, lesson, judging, name, seed, identity, chosen)
        draft = folder.with_name(f".{folder.name}-draft")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        fresh.save(draft)
        files = {p.name: sha256_of(p) for p in sorted(draft.iterdir())}
        write_json(draft / COMPLETE, {"identity": digest(identity), "files": files})
        replace_folder(draft, folder)
        checkpoint.remove()
        return fresh

    def _chosen(self, identity: Json) -> Json:
        """After how many "epochs" of how many "planned" ones a teacher is best on the validation rows; where these are too few to tell,
        after all. One seed chooses for all: how long to train is a matter of the data, not of the dice."""
        planned, name = self._planned(len(self._train)), "teacher-choice"

        def choose() -> Json:
            if not can_choose(self._valid):
                return {"epochs": planned, "planned": planned}
            fresh = type(self._backbone).load(self._settings, self._run.device)
            training, _ = self._fit(fresh, _Lesson(self._train), self._valid, name, 0, identity, None)
            return {"epochs": training.best_epoch, "planned": planned, **training.best}

        return self._run.decided("teacher.epochs", choose)

    def _planned(self, rows: int) -> int:
        few = math.ceil(LEAST_STEPS / number_of_batches(rows * lesson_size(self._run), self._section.batch_size))
        return self._section.epochs or max(EPOCHS, few)

    def _fit(
        self,
        teacher: Any,
        lesson: _Lesson,
        judging: Sequence[Record],
        name: str,
        seed: int,
        identity: Json,
        chosen: Json | None,
    ) -> tuple[Training, Checkpoint]:
        """Train a head, and the backbone under it; where the epochs were chosen, by the schedule of the training that chose them."""
        run, labels, section = self._run, self._splits.labels, self._section
        planned = chosen["planned"] if chosen else self._planned(len(lesson.rows))
        rates = section.learning_rate, section.weight_decay, section.warmup_share
        plan = TrainingPlan(planned, section.batch_size, *rates, optimizer=section.optimizer)
        epochs = chosen["epochs"] if chosen else None
        seed += run.recipe.seed
        several = run.recipe.several
        payloads, row_N = lesson_views(run, self._backbone, lesson.rows, seed)
        label_N = aims((r.label for r in lesson.rows), labels, several)
        teacher.add_head(labels, seed, **({"several": True, "shares_C": shares(label_N)} if several else {}))
        teacher.freeze(section.frozen_layers)
        signals, objective = Signal(), catalog.find("objectives", "binary_hard_labels" if several else "hard_labels")()
        if lesson.said_NC is not None:
            given_NC = np.full((len(lesson.labelled), len(labels)), (1 - _SURE) / (len(labels) - 1))
            given_NC[np.arange(len(given_NC)), label_N[: len(given_NC)]] = _SURE
            target_NC = np.concatenate([given_NC, lesson.said_NC])
            signals = Signal(logits_BC=np.log(np.maximum(target_NC, np.finfo(np.float32).tiny)).astype(np.float32)[row_N])
            objective = catalog.find("objectives", "soft_targets")(temperature=1.0)

        def judge(module: nn.Module) -> Mapping[str, float]:
            del module  # it is the teacher's own
            found_NC = teacher.answer([r.payload for r in judging], LOGITS).logits_BC
            true_N = aims((r.label for r in judging), labels, several)
            return (
                {"micro-F1": micro_f1(found_NC > 0, true_N)}
                if several
                else {"accuracy": accuracy(found_NC.argmax(axis=1), true_N)}
            )

        training = Training(
            teacher.module,
            Examples(teacher.encode(payloads), label_N[row_N], signals),
            teacher.collate,
            [Term(objective, 1.0)],
            plan,
            judge=judge if judging else None,
            rates=dict.fromkeys(getattr(teacher, "heads", ("head",)), section.head_learning_rate),
            seed=seed,
            device=run.device,
            epochs=epochs,
        )
        identity = {**identity, "name": name, "epochs": epochs}
        note = f"fine-tuned on {lesson.note}" + (f" in {len(payloads):,} views" if len(payloads) > len(lesson.rows) else "")
        return training, trained(run, "teacher", name, training, identity, note)


def _rounds(section: FineTuneSection, labelled: int, others: int) -> int:
    """How often teachers teach the next ones."""
    if not others:
        return 0
    if section.self_training is not None:
        return section.self_training
    return _ROUNDS if labelled < _FEW and others > labelled else 0
