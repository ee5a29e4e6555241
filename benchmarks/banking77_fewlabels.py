"""Part fewlabels of banking77.py: a teacher that knows the labels, logs without them, and 0, 100 or 300 labelled rows.

The training file is divided by the hash of the text: one half, with labels, makes the teacher, and is then put away; the other half are
the logs, which the teacher has never seen. The labelled rows are drawn from the logs by another hash. What limbeck then says of teacher
and student is held against the truth that it was not shown: a further tenth of the training file, or with --final the test file. A quarter of the
views and one repeat of cross-fitting, since each repeat trains ten models.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import limbeck
from limbeck.cli import Watch
from limbeck.data.read import read_records
from limbeck.evidence import Basis, Report
from limbeck.pipeline.data import read_data
from limbeck.pipeline.fine_tuning import fine_tuned
from limbeck.pipeline.teacher import LOGITS, load_teacher
from limbeck.run import open_run
from limbeck.types import Record

LABELLED = (0, 100, 300)
CHEAP = {"views": {"per_record": 4}, "verify": {"repeats": 1}}
"""Less than the defaults: what is asked is the kind of verdict and whether it is true, and each repeat costs five students and five controls."""


def few_labels(data: Path, work: Path, final: bool) -> tuple[dict[str, Any], dict[str, str], dict[str, str]]:
    """One run for each number of labels; figures end in that number."""
    folder = work / f"banking77-fewlabels-{'final' if final else 'valid'}"
    folder.mkdir(parents=True, exist_ok=True)
    rows = read_records(str(data / "train.jsonl.gz"), text="text", label="label")
    judged = [r for r in rows if _place(r, "judge") < 0.1]
    rest = [r for r in rows if _place(r, "judge") >= 0.1]
    truth = read_records(str(data / "test.jsonl.gz"), text="text", label="label") if final else judged
    known, logs = ([r for r in rest if (_place(r, "half") < 0.5) == half] for half in (True, False))
    teacher = _teacher(_written(folder / "known.jsonl", known, known), folder / "teacher")
    labels = np.array([str(r.label) for r in truth])
    texts = [r.payload for r in truth]
    entry = limbeck.find("teachers", "huggingface")
    loaded = entry.load(entry.Settings(model=str(teacher)))
    right_teacher = np.array(loaded.labels)[loaded.answer(texts, LOGITS).logits_BC.argmax(1)] == labels
    figures: dict[str, Any] = {"teacher_accuracy": float(right_teacher.mean()), "logs": len(logs), "truth_rows": len(truth)}
    bundles = {}
    ranked = sorted(logs, key=lambda r: _place(r, "label"))
    for number in LABELLED:
        file = _written(folder / f"logs-{number}.jsonl", logs, ranked[:number])
        with Watch() as watch:
            report = limbeck.distill(
                {"signals": str(folder / "signals"), "seed": 0, **CHEAP},
                data=file,
                teacher=teacher,
                out=folder / f"run-{number}",
                progress=watch,
            )
        answers = [p.label for p in limbeck.load(report.bundle).predict(texts)]
        right = np.array(answers) == labels
        figures |= {f"{name}_{number}": value for name, value in _said(report).items()}
        figures[f"student_accuracy_{number}"] = float(right.mean())
        true_difference = float(right.mean() - right_teacher.mean())
        figures[f"true_difference_{number}"] = true_difference
        figures[f"right_kind_{number}"] = report.basis is (Basis.AGREEMENT if number == 0 else Basis.CROSS_FITTING)
        bundles[f"student_{number}"] = report.bundle
    return figures, bundles, {}


def _said(report: Report) -> dict[str, Any]:
    compared = report.against("teacher")
    assert compared is not None
    said: dict[str, Any] = {
        "basis": str(report.basis),
        "verdict": str(report.verdict),
        "rows": report.rows,
        "agreement": compared.agreement.estimate,
        "agreement_low": compared.agreement.low,
        "rows_to_show": report.rows_to_show,
        "rows_to_label": report.rows_to_label,
        "bundle_bytes": report.student.footprint.bytes if report.student.footprint else None,
    }
    if compared.difference is not None:
        said |= {"difference": compared.difference.estimate, "difference_low": compared.difference.low}
        said["difference_high"] = compared.difference.high
    if (control := report.against("control")) is not None and control.difference is not None:
        said["student_minus_control"] = control.difference.estimate
    return said


def _teacher(file: Path, out: Path) -> Path:
    """The teacher's folder: all-MiniLM-L6-v2, fine-tuned on one half by limbeck's defaults."""
    recipe = limbeck.Recipe.read({"data": {"train": str(file), "test_share": 0.01}, "out": str(out), "seed": 0})
    with Watch() as watch, open_run(recipe, watch) as run:
        prepared = read_data(run)
        fine_tuned(run, load_teacher(run, prepared.splits), prepared.splits)
    return out / "teacher"


def _written(path: Path, rows: Sequence[Record], labelled: Iterable[Record]) -> Path:
    keys = {r.key for r in labelled}
    lines = [json.dumps({"text": r.payload, "label": r.label if r.key in keys else None}, ensure_ascii=False) for r in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _place(record: Record, purpose: str) -> float:
    return int.from_bytes(hashlib.sha256(f"{purpose}:{record.key}".encode()).digest()[:8], "big") / 2**64
