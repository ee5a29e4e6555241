"""Finished runs for the tests of pages: answers by dice, everything that follows from them by limbeck itself."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from limbeck.evidence import Basis, Calibration, Footprint, Latency, Measured, Report
from limbeck.verify.compare import Answers, compare
from limbeck.verify.details import details

LABELS = ("card_lost", "delivery_time", "invoice", "refund_status", "speak_to_a_human", "top_up_failed")
SCRIPT = "<script>document.title='broken'</script>"


def logits(dice: np.random.Generator, true: np.ndarray, right: float, classes: int, sharp: float = 5.0) -> np.ndarray:
    """Logits (N, C) of a model that is right on about such a share of the rows."""
    found = dice.normal(size=(len(true), classes))
    said = np.where(dice.random(len(true)) < right, true, dice.integers(classes, size=len(true)))
    found[np.arange(len(true)), said] += sharp * (0.6 + dice.random(len(true)))
    return found


def write_run(
    folder: Path,
    *,
    rows: int = 300,
    labels: Sequence[str] = LABELS,
    texts: Sequence[str] | None = None,
    teacher: np.ndarray | None = None,
    student: np.ndarray | None = None,
    true: np.ndarray | None = None,
    labelled: bool = True,
    language: str = "language",
    curves: bool = True,
    seed: int = 3,
    accuracy: float = 0.9,
) -> Report:
    """A run's folder with the files that a page is made from."""
    dice = np.random.default_rng(seed)
    true = np.arange(rows) % len(labels) if true is None else true
    teacher = logits(dice, true, 0.96, len(labels)) if teacher is None else teacher
    student = logits(dice, true, accuracy, len(labels)) if student is None else student
    answers = {"teacher": Answers(teacher), "student": Answers(student, temperature=1.2)}
    if labelled:
        answers["control"] = Answers(logits(dice, true, 0.85, len(labels)))
        answers["baseline"] = Answers(predicted=logits(dice, true, 0.8, len(labels)).argmax(axis=1))
    values = [("de", "en", "fr")[n % 3] if n % 50 else "is" for n in range(rows)]
    truth = true if labelled else None
    found = compare(answers, truth, labels, margin=0.02, parted={language: values})
    costs = {
        "teacher": Footprint("onnx float32", 90_900_000, 22_713_216, 84_100_000, Latency(8300, 11_000), 412_000_000, 1.92),
        "student": Footprint("onnx int8 table", 2_261_000, 1_634_000, 2_020_000, Latency(137, 181), 88_000_000, 0.41),
    }
    what = {"teacher": "all-MiniLM-L6-v2", "student": "bag", "control": "the same bag on the labels alone, without the teacher",
            "baseline": "TF-IDF of words and pairs of words, linear SVM"}  # fmt: skip
    models = {name: Measured(what[name], found.quality.get(name), costs.get(name)) for name in answers}
    report = Report(
        task="text-classification",
        basis=Basis.LABELS if labelled else Basis.AGREEMENT,
        rows=found.rows,
        held_out="the test file",
        teacher=models["teacher"],
        student=models["student"],
        control=models.get("control"),
        baseline=models.get("baseline"),
        comparisons=found.comparisons,
        classes=found.classes,
        slices=found.slices,
        margin=0.02,
        least_agreement=0.9,
        verdict=found.verdict,
        rows_to_show=found.rows_to_show,
        rows_to_label=found.rows_to_label,
        gates=(),
        budget_misses=(),
        calibration=Calibration(1.2, 0.4, 0.97, 200),
        notes=found.notes,
        seconds={"signals": 102.0, "student": 24.5},
        bundle=str(folder / "bundle"),
        lineage={"limbeck": "0.1.0", "recipe": "0", "bundle": "b" * 64, "data": {"train": "c" * 64, "test": "d" * 64}},
        provable_margin=found.provable_margin,
    )
    told = details(
        answers["teacher"],
        answers["student"],
        truth,
        labels,
        [f"judged.csv, line {n + 2}" for n in range(rows)],
        np.arange(rows),
        texts=texts,
        bundle="b" * 64,
        lineage={
            "command": "limbeck distill recipe.yaml",
            "data": {"train": f"shop.jsonl, sha256 {'c' * 64}"},
            "teacher": {"model": "sentence-transformers/all-MiniLM-L6-v2"},
            "recipe": {"seed": seed, "student": {"family": "bag"}},
        },
    )
    finding = {
        "count": 2,
        "sentence": "2 rows to train whose text stood before",
        "examples": [{"where": "/home/me/shop.jsonl, line 7"}],
    }
    audit = {
        "rows": {"labelled": 3266, "test": rows, "classes": len(labels)},
        "findings": {"duplicates": finding, "long_texts": {"count": 0}},
    }
    lines = [{"stage": "student", "step": s, "loss": 2.0 / s, "-KL": -1.0 / s} for s in range(1, 9)] if curves else []
    evidence = folder / "evidence"
    evidence.mkdir(parents=True)
    for name, content in (("report.json", report.to_json()), ("details.json", told.to_json()), ("audit.json", audit)):
        (evidence / name).write_text(json.dumps(content), encoding="utf-8")
    (folder / "curves.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return report
