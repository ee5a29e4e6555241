"""The search as a stage of a run: candidates within the budget race on the validation rows. Knows scores; knows no family.

What is finished lies in OUT/search/scores.json, so a search that was killed goes on, and chooses the same.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from limbeck.data.split import Splits
from limbeck.engine.batches import number_of_batches
from limbeck.metrics.classification import accuracy, agreement
from limbeck.pipeline.drafts import Students
from limbeck.pipeline.steps import plan_for
from limbeck.pipeline.student import fit_student, made_from, nearness, student_logits
from limbeck.pipeline.teacher import LOGITS, unseen
from limbeck.run import Run, write_json
from limbeck.search.candidates import Candidate
from limbeck.search.fit import Weighed, finest
from limbeck.search.race import Score, race
from limbeck.signals.store import SignalStore
from limbeck.types import Json, Record, View, digest

FOLDER, SCORES = "search", "scores.json"
RUNGS, LEAST_STEPS = (1 / 16, 1 / 4, 1.0), 200
"""How much of its plan a candidate has been trained at each rung, and how many steps of it at least."""
_LEAST_LABELS = 50  # validation rows with a label: fewer say little where there are others without


@dataclass(frozen=True, slots=True)
class Yardstick:
    """What candidates are judged by: rows, what the teacher reaches on them, and the least that is enough; with `nearest` nothing is."""

    by: Literal["accuracy", "agreement"]
    rows: tuple[Record, ...]
    teacher: float
    enough: float
    nearest: bool = False


def yardstick(run: Run, store: SignalStore, splits: Splits, labels: Sequence[str]) -> Yardstick:
    """Accuracy on labelled validation rows that trained no teacher, against the teacher's own; without labels agreement with it."""
    rows, keep = unseen(run, splits), run.recipe.student.keep
    labelled = tuple(r for r in rows if r.label is not None)
    if labelled and (len(labelled) >= _LEAST_LABELS or len(labelled) == len(rows)):
        answers_N = np.asarray(store.get([r.payload for r in labelled], LOGITS).logits_BC).argmax(axis=1)
        reached = accuracy(answers_N, _true(labelled, labels))
        return Yardstick("accuracy", labelled, reached, (1.0 if keep == "all" else keep) * reached, keep == "all")
    return Yardstick("agreement", rows, 1.0, run.recipe.verify.least_agreement, keep == "all")


def chosen(run: Run, teacher: Any, store: SignalStore, views: Sequence[View], splits: Splits, field: Sequence[Weighed]) -> Run:
    """The run with a recipe that names the smallest student within the budget that keeps enough, or else the best one.

    Its training is over; `distilled` takes it from the checkpoint that lies ready.

    Args:
        field: from small to large; those that miss nothing take part, and where the nearest is looked for each in its finest precision.
    """
    students = Students(run, teacher, [v.payload for v in views], teacher.labels)
    racing = finest(field) if run.recipe.student.keep == "all" else [w for w in field if not w.misses]
    fit = {w.candidate.name: w.candidate for w in racing}
    found = run.decided("search", lambda: _raced(run, teacher, store, views, splits, students, fit))
    winner = next(w.candidate for w in field if w.candidate.name == found["chosen"])
    ready = _checkpoint(run, f"search-{winner.name}")
    if ready.is_file():
        ready.replace(_checkpoint(run, "student"))
    for left in run.folder.glob(".search-*.checkpoint"):
        left.unlink()
    run.progress("search", 1, 1, f"{len(found['scores'])} of {len(fit)} candidates raced; {winner.name} is chosen")
    return students.run(winner)


def told(found: Json) -> str:
    """What a search found, in words."""
    reached = f"the search chose {found['chosen']}: {found['quality']:.4f} {found['by']} on {found['rows']:,} validation rows, the teacher {found['teacher']:.4f}"
    if found.get("nearest"):  # not there in records of an older search
        return f"{reached}; it is the nearest to it within the budget"
    if found["quality"] >= found["enough"]:
        return reached
    short = found["enough"] - found["quality"]
    return (
        f"{reached}; the budget allows no student that keeps enough: {found['enough']:.4f} is asked for, {short:.4f} is missing"
    )


def _raced(
    run: Run,
    teacher: Any,
    store: SignalStore,
    views: Sequence[View],
    splits: Splits,
    students: Students,
    fit: dict[str, Candidate],
) -> Json:
    judged = yardstick(run, store, splits, teacher.labels)
    proof = digest({**made_from(run, teacher), "environment": run.environment, "fit": list(fit), "form": 2})
    scores = _Scores(run.folder / FOLDER / SCORES, proof)

    rows = [r.payload for r in unseen(run, splits)]

    def score(name: str, rung: int) -> Score:
        if (before := scores.of(name, rung)) is not None:
            return before
        named = students.run(fit[name])
        named = replace(
            named, progress=lambda _, done, total, note: run.progress("search", min(done, total - 1), total, f"{name}: {note}")
        )
        student, modality = students.new(fit[name])
        plan = plan_for(named, len(views))
        share = min(1.0, max(RUNGS[rung], LEAST_STEPS / (plan.epochs * number_of_batches(len(views), plan.batch_size))))
        of = made_from(named, teacher)
        fit_student(named, teacher, student, modality, store, views, splits, of, f"search-{name}", share * plan.epochs)
        near = nearness(modality, rows, store.get(rows, LOGITS).logits_BC, "cpu")(student)
        found = Score(_quality(judged, student, modality, store, teacher.labels), next(iter(near.values())), share)
        scores.note(name, rung, found)
        return found

    result = race({name: c.family for name, c in fit.items()}, len(RUNGS), score, None if judged.nearest else judged.enough)
    return {
        "chosen": result.winner,
        "student": fit[result.winner].section(),
        "by": judged.by,
        "rows": len(judged.rows),
        "teacher": judged.teacher,
        "enough": judged.enough,
        "nearest": judged.nearest,
        "quality": result.scores[result.winner][-1].quality,
        "scores": {name: list(values) for name, values in result.scores.items()},
    }


def _quality(judged: Yardstick, student: Any, modality: Any, store: SignalStore, labels: Sequence[str]) -> float:
    payloads = [r.payload for r in judged.rows]
    answers_N = student_logits(student, modality, modality.encode(payloads)).argmax(1).numpy()
    if judged.by == "accuracy":
        return accuracy(answers_N, _true(judged.rows, labels))
    return agreement(answers_N, np.asarray(store.get(payloads, LOGITS).logits_BC).argmax(axis=1))


def _true(rows: Sequence[Record], labels: Sequence[str]) -> Any:
    index = {label: i for i, label in enumerate(labels)}
    return np.array([index[str(r.label)] for r in rows], dtype=np.int64)


def _checkpoint(run: Run, name: str) -> Path:
    return run.folder / f".{name}.checkpoint"


class _Scores:
    """The finished rungs of a race, on disk; those of another race, or damaged ones, are none."""

    def __init__(self, path: Path, proof: str) -> None:
        self._path, self._proof = path, proof
        self._scores: dict[str, list[list[float]]] = {}
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["proof"] == proof and content["sha256"] == digest(content["scores"]):
                self._scores = content["scores"]
        except (OSError, ValueError, KeyError, TypeError):
            pass

    def of(self, name: str, rung: int) -> Score | None:
        """The score at a rung; None where it did not get there."""
        found = self._scores.get(name, [])
        return Score(*found[rung]) if rung < len(found) else None

    def note(self, name: str, rung: int, score: Score) -> None:
        """Write a score down."""
        self._scores[name] = [*self._scores.get(name, [])[:rung], list(score)]
        self._path.parent.mkdir(exist_ok=True)
        write_json(self._path, {"proof": self._proof, "sha256": digest(self._scores), "scores": self._scores})
