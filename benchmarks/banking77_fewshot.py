"""Part fewshot of banking77.py: 10 or 5 labelled texts of each intent and many without a label; and what is refused of what no intent is for.

Only those labels are used: the teacher is fine-tuned on them and on what the other texts' neighbours say of those, by limbeck's defaults; so is the
student, a bag with int4 rows. Beside it: the untouched backbone's mean embedding with logistic regression.

Out of scope: a teacher and a student of the labelled rows of BANKING77-OOS, and texts of two kinds that no intent of theirs is for: other
intents of the same bank ("id") and other subjects ("ood"). Both thresholds are chosen on the validation file so that at 95 % at
most 1 % of other rows lose a right answer; none of the texts out of scope is seen before.

Without --final the validation files judge (of the in-scope rows a tenth of the training file), with it the test files. Figures are means
over the seeds. Parts tenshot, fiveshot and oos are a third of it each.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

import limbeck
from harness import handed_on
from limbeck.cli import Watch
from limbeck.data.read import read_records
from limbeck.evidence import Measured, Report

SHOTS = {"tenshot": "train_10", "fiveshot": "train_5"}
COMMON: dict[str, Any] = {
    "student": {"family": "bag", "precision": "int4"},
    "verify": {"control": False, "baseline": False, "cold_starts": 0},
}


def few_shot(
    data: Path, work: Path, final: bool, parts: Sequence[str] = (*SHOTS, "oos"), seeds: Sequence[int] = range(3)
) -> tuple[dict[str, Any], dict[str, str], dict[str, str]]:
    """One run for each seed and number of labels, and for each seed and kind of text out of scope."""
    folder = data if any(data.glob("*.train_10.jsonl.gz")) else data.with_name(f"{data.name}_fewshot")
    name = next(folder.glob("*.train_10.jsonl.gz")).name.split(".")[0]
    work = work / f"{name.lower()}-fewshot-{'final' if final else 'valid'}"
    figures: dict[str, Any] = {"seeds": list(seeds)}
    bundles = {}
    for shots in (part for part in parts if part in SHOTS):
        section = {
            "train": f"{name}.{SHOTS[shots]}",
            "unlabelled": f"{name}.train",
            "test": f"{name}.{'test' if final else 'valid'}",
        }
        files = {use: str(folder / f"{stem}.jsonl.gz") for use, stem in section.items()}
        reports = [_run({**COMMON, "data": files, "seed": seed}, work / f"{shots}-{seed}") for seed in seeds]
        students, teachers = ([_accuracy(getattr(r, who)) for r in reports] for who in ("student", "teacher"))
        figures |= {
            f"{shots}_accuracy": mean(students),
            f"{shots}_accuracies": students,
            f"{shots}_teacher": mean(teachers),
            f"{shots}_retention": mean(students) / mean(teachers),
            f"{shots}_bytes": max(r.student.footprint.bytes for r in reports if r.student.footprint),
            f"{shots}_frozen": _frozen(files),
        }
        bundles[shots] = reports[0].bundle
    if "oos" in parts:
        figures |= _out_of_scope(folder, name, work, final, seeds)
    if len(figures) == 1:
        raise SystemExit(f"{folder} holds no texts out of scope ({name}-OOS.*-oos.test.jsonl.gz)")
    return figures, bundles, {}


def _out_of_scope(folder: Path, name: str, work: Path, final: bool, seeds: Sequence[int]) -> dict[str, Any]:
    """What teacher and student refuse; nothing where the folder has no such texts."""
    figures: dict[str, Any] = {}
    kinds = {
        p.name.split(".")[1].split("-")[0]: p for p in folder.glob(f"{name}-OOS.*-oos.{'test' if final else 'valid'}.jsonl.gz")
    }
    files = {"train": str(folder / f"{name}-OOS.train.jsonl.gz"), "valid": str(folder / f"{name}-OOS.valid.jsonl.gz")}
    judged: dict[str, Any] = {"test": str(folder / f"{name}-OOS.test.jsonl.gz")} if final else {"test_share": 0.1}
    worst = []
    for kind, outside in sorted(kinds.items()):
        reports = []
        for seed in seeds:
            out, first = (work / f"oos-{k}-{seed}" for k in (kind, min(kinds)))
            recipe = {**COMMON, "data": {**files, **judged, "out_of_scope": str(outside)}, "seed": seed}
            recipe["signals"] = str(work / f"oos-signals-{seed}")
            handed_on(recipe, first, out)  # what is out of scope trains nobody, so the teacher is the same
            reports.append(_run(recipe, out))
        found = [r.out_of_scope for r in reports if r.out_of_scope is not None]
        costs = [c.estimate for f in found for c in (f.student.cost, f.teacher.cost) if c is not None]
        figures |= {
            f"oos_{kind}_recall": mean(f.student.recall.estimate for f in found),
            f"oos_{kind}_recall_teacher": mean(f.teacher.recall.estimate for f in found),
            f"oos_{kind}_recall_minus_teacher": mean(f.difference.estimate for f in found),
            f"oos_{kind}_costs": costs,
            f"oos_{kind}_in_scope_accuracy": mean(_accuracy(r.student) for r in reports),
        }
        worst.append(figures[f"oos_{kind}_recall_minus_teacher"])
    return {**figures, **({"oos_recall_minus_teacher": min(worst)} if worst else {})}


def _run(recipe: dict[str, Any], out: Path) -> Report:
    with Watch() as watch:
        return limbeck.distill(recipe, out=out, progress=watch)


def _accuracy(measured: Measured) -> float:
    assert measured.quality is not None
    return measured.quality.accuracy.estimate


def _frozen(files: dict[str, str]) -> float:
    """Accuracy of logistic regression on the untouched backbone's mean embedding, at length 1."""
    from sklearn.linear_model import LogisticRegression

    entry = limbeck.find("teachers", "huggingface")
    teacher = entry.load(entry.Settings())
    learned, judged = (read_records(files[use], text="text", label="label") for use in ("train", "test"))
    teacher.add_head(sorted({str(r.label) for r in learned}), seed=0)  # not asked; without one there is no embedding

    def embedded(rows: list[Any]) -> np.ndarray:
        found = np.asarray(teacher.answer([r.payload for r in rows], frozenset({"embedding_BD"})).embedding_BD)
        return found / np.linalg.norm(found, axis=1, keepdims=True)

    model = LogisticRegression(C=10, max_iter=2000).fit(embedded(learned), [r.label for r in learned])
    return float(model.score(embedded(judged), [r.label for r in judged]))
