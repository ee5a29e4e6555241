"""Few labels: every labelled row is judged by models that were trained without it. Knows the stages of a run; measures nothing itself.

The labelled rows are divided into parts. For each part the whole way is gone without its rows: the teacher is fine-tuned (if it has no
head), asked, and a student, a control and a baseline are trained; then they answer the part. So all labelled rows judge, which is
worth more than one small test split, and dividing them again otherwise takes some of the chance of a division out of the figures.
What is judged is the way in which the shipped student was made; the shipped file itself saw all rows.

Source: Stone (1974), Cross-validatory choice and assessment of statistical predictions; Kohavi (1995), A Study of Cross-Validation
and Bootstrap for Accuracy Estimation, for repeating it.

Letters: R repeats, N labelled rows, C classes.
"""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.bundle import sha256_of
from limbeck.curves import Curves
from limbeck.data.split import Splits, folds
from limbeck.disk import write_whole
from limbeck.errors import DataError
from limbeck.pipeline.baseline import baseline_answers
from limbeck.pipeline.beside import DECIDED as WORDS
from limbeck.pipeline.cleaned import lessons
from limbeck.pipeline.control import control_logits
from limbeck.pipeline.fine_tuning import fine_tuned
from limbeck.pipeline.seeds import answers_of
from limbeck.pipeline.student import fit_student, made_from, student_logits
from limbeck.pipeline.teacher import LOGITS, ask_teacher, loaded
from limbeck.pipeline.untrained import LAYERS, new_student
from limbeck.pipeline.views import make_views
from limbeck.run import COMPLETE, RESOLVED, Run, write_json
from limbeck.types import Json, Record, digest

Told = tuple[int, set[str], Mapping[str, NDArray[Any]]]


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """What models that had not seen a row say of it: logits (R, N, C), the baseline's class indices (R, N), each None where it was
    not asked for. `part_RN` numbers the part that a row was in. `seeds`, `control_seeds`: what students and controls of further
    seeds say (`verify.seeds`)."""

    rows: tuple[Record, ...]
    teacher_RNC: NDArray[np.float32]
    student_RNC: NDArray[np.float32]
    control_RNC: NDArray[np.float32] | None
    baseline_RN: NDArray[np.int64] | None
    part_RN: NDArray[np.int64]
    control: str = ""
    seeds: tuple[NDArray[np.float32], ...] = ()
    control_seeds: tuple[NDArray[np.float32], ...] = ()


def cross_fit(run: Run, teacher: Any, splits: Splits) -> OutOfFold:
    """Answers of all labelled rows, out of fold; each part's are kept in the run's folder until all are there.

    Raises:
        DataError: a part leaves fewer than two classes to fine-tune a teacher on.
    """
    section = run.recipe.verify
    backbone = loaded(run)
    rows = tuple(r for r in (*splits.train, *splits.valid) if r.label is not None)
    parts = [(repeat, part) for repeat in range(section.repeats) for part in enumerate(folds(splits, section.folds, repeat))]
    told: list[Told] = []
    what = ""
    with run.stage("cross-fitting"):
        for done, (repeat, (fold, division)) in enumerate(parts):
            note = f"{len(rows):,} labelled rows in {section.folds} parts, {section.repeats} times"
            run.progress("cross-fit", done, len(parts), note)
            part = _part_of(run, f"{repeat}-{fold}", done, len(parts), shared=backbone.has_head)
            found, what = _part(part, teacher if backbone.has_head else backbone, division)
            part_N = np.full(len(division.test), fold, np.int64)
            told.append((repeat, {r.key for r in division.test}, {**found, "part": part_N}))
        run.progress("cross-fit", len(parts), len(parts), note)
    stacked = together(rows, section.repeats, told)
    models = (stacked["teacher"], stacked["student"], stacked.get("control"), stacked.get("baseline"))
    of_seeds = (
        tuple(stacked[_seed(model, more)] for more in range(1, section.seeds) if model in stacked)
        for model in ("student", "control")
    )
    return OutOfFold(rows, *models, stacked["part"], what, *of_seeds)


def together(rows: Sequence[Record], repeats: int, told: Sequence[Told]) -> dict[str, NDArray[Any]]:
    """The answers of all parts by name, each (R, N, ...) in the order of the rows.

    A model that could not be made for each part (a linear one where a part leaves one class) is left out: it has no answer to some rows.

    Args:
        rows: the labelled rows; copies of a text share a key, and a part.
        repeats: R.
        told: of each part its repeat, the keys of its rows, and everybody's answers to these, in the order of `rows`.
    """
    names = [name for name in told[0][2] if all(name in found for _, _, found in told)]
    stacked = {n: np.zeros((repeats, len(rows), *told[0][2][n].shape[1:]), told[0][2][n].dtype) for n in names}
    for repeat, keys, found in told:
        where = [i for i, r in enumerate(rows) if r.key in keys]
        for name in names:
            stacked[name][repeat, where] = found[name]
    return stacked


def _part_of(run: Run, name: str, done: int, total: int, *, shared: bool) -> Run:
    """A run in a folder of its own for one part; `shared`: the teacher is the same for all, so its answers are too."""
    folder = run.folder / "cross-fit" / name
    folder.mkdir(parents=True, exist_ok=True)
    # What the run's measurements chose holds for its parts too, but for the teacher's epochs, which are each part's own.
    if not (folder / RESOLVED).is_file():
        settled = json.loads((run.folder / RESOLVED).read_text(encoding="utf-8"))
        settled["measured"] = {k: v for k, v in settled["measured"].items() if k.startswith(("precision", LAYERS, WORDS))}
        write_json(folder / RESOLVED, settled)
    signals = run.recipe.signals or str(run.folder / "signals") if shared else None

    def progress(stage: str, _done: int, _total: int, note: str) -> None:
        run.progress("cross-fit", done, total, f"part {done + 1} of {total}: {stage}, {note}")

    return replace(
        run,
        folder=folder,
        recipe=run.recipe.model_copy(update={"signals": signals}),
        progress=progress,
        seconds={},
        curves=Curves(folder / "curves.jsonl"),
        lock=None,
        owned=[],
    )


def _part(run: Run, teacher: Any, division: Splits) -> tuple[dict[str, NDArray[Any]], str]:
    """The answers to one part, from its folder if they are proven to lie there."""
    answers, record = run.folder / "answers.npz", run.folder / COMPLETE
    of: Json = {**made_from(run, teacher), "rows": [r.key for r in division.test]}
    identity = digest({**of, "environment": run.environment})
    try:
        before = json.loads(record.read_text(encoding="utf-8"))
        if before["identity"] == identity and before["answers"] == sha256_of(answers):
            with np.load(answers, allow_pickle=False) as saved:
                found = {name: saved[name] for name in saved.files}
            _clear(run.folder, (answers, record))  # what a kill behind the record left
            return found, before["control"]
    except (OSError, ValueError, KeyError, TypeError):  # damaged, or not there: it is made again
        pass
    with run:
        found, what = _answered(run, teacher, division, of)
    buffer = io.BytesIO()
    np.savez(buffer, **found)  # type: ignore[arg-type]
    write_whole(answers, [buffer.getvalue()])
    write_json(record, {"identity": identity, "answers": sha256_of(answers), "control": what})
    _clear(run.folder, (answers, record))
    return found, what


def _clear(folder: Path, kept: Sequence[Path]) -> None:
    """Remove all but these: a teacher of 90 MB for each part is not to be kept."""
    for left in folder.iterdir():
        if left not in kept:
            shutil.rmtree(left) if left.is_dir() else left.unlink()


def _seed(model: str, more: int) -> str:
    return f"{model}-seed-{more}" if more else model


def _answered(run: Run, teacher: Any, splits: Splits, identity: Json) -> tuple[dict[str, NDArray[Any]], str]:
    recipe = run.recipe
    if not teacher.has_head:
        if len({r.label for r in splits.train if r.label is not None}) < 2:
            raise DataError(
                "too few labelled rows: a teacher without a head cannot be fine-tuned on what cross-fitting leaves. Label more rows "
                "(limbeck label-sample), give a teacher that knows the labels, or a test file (--test)."
            )
        teacher = fine_tuned(run, teacher, splits)
    views = make_views(run, teacher, splits)
    student, modality = new_student(run, teacher, [v.payload for v in views], teacher.labels)
    taught = lessons(run, teacher, ask_teacher(run, teacher, views, splits), views, splits)
    fit_student(run, teacher, student, modality, taught.store, taught.views, splits, identity).remove()
    payloads = [r.payload for r in splits.test]
    if hasattr(teacher, "precision"):
        teacher.precision = "float32"  # it is judged at its best
    answers: dict[str, NDArray[Any]] = {
        "teacher": np.asarray(teacher.answer(payloads, LOGITS).logits_BC),
        "student": student_logits(student, modality, modality.encode(payloads)).numpy(),
    }
    for more in range(1, recipe.verify.seeds):
        answers[_seed("student", more)] = answers_of(run, teacher, taught.store, taught.views, splits, more)
    what = ""
    if recipe.verify.control:
        for more in range(recipe.verify.seeds):
            told = control_logits(run, teacher, taught.store, taught.views, splits, more)
            answers[_seed("control", more)], what = told
    if recipe.verify.baseline:
        learned = [r for r in (*splits.train, *splits.valid) if r.label is not None]
        texts, labels = [r.payload for r in learned], [str(r.label) for r in learned]
        found = baseline_answers(run.recipe.entry("tasks"), texts, labels, splits.test, teacher.labels)
        if found is not None:
            answers["baseline"] = found
    return answers, what
