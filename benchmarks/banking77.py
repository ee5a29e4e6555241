"""BANKING77 (Casanueva et al. 2020): 77 intents of bank customers, 10,003 training and 3,080 test questions.

    python benchmarks/banking77.py --part skeleton --work work --json work/skeleton.json [--final]
    python benchmarks/banking77.py --part main --work work --json work/main.json [--final]

Part skeleton: limbeck's defaults, nothing tuned. Part main: the same student against a linear model and against itself without the
teacher, and an encoder of two layers against the teacher. Without --final a tenth of the training file, by the hash of the text, is
held out and scored; with it the test file. A student answers in a process of its own, through its bundle, where torch is not loaded.

The linear model is a linear SVM on TF-IDF of words and pairs of words; `best_linear` is the best of words, characters and both, and of
its C, by the validation rows. The control has the student's architecture and its number of steps, and starts from all-MiniLM-L6-v2
as it was never fine-tuned; it learns labels alone, from views that keep them, with the rate and length that are best on the validation rows.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import limbeck
from harness import BUSY, Company, arguments, write
from limbeck.cli import Watch
from limbeck.data.prepare import prepare
from limbeck.data.split import Splits
from limbeck.types import Record
from limbeck.verify.statistics import paired_difference

CONTROL_RATES, CONTROL_SHARES = (5e-3, 1e-2, 2e-2, 4e-2), (1.0, 0.3)
LINEAR = [(kind, strength) for kind in ("words", "characters", "both") for strength in (0.3, 1.0, 3.0)]
ANSWER = """
import json, sys, limbeck
rows = json.load(sys.stdin)
found = limbeck.load(sys.argv[1]).predict([text for text, _ in rows])
assert "torch" not in sys.modules and "onnx" not in sys.modules
print(sum(p.label == label for p, (_, label) in zip(found, rows, strict=True)) / len(rows))
"""


def skeleton(data: Path, work: Path, final: bool) -> tuple[dict[str, float], dict[str, str], dict[str, str]]:
    """Teacher and student by the defaults: figures, bundles, and which figures are void."""
    recipe = {"data": {"train": str(data / "train.jsonl.gz"), "test_share": 0.1}, "seed": 0}
    if final:
        recipe["data"]["test"] = str(data / "test.jsonl.gz")
    rows_of = "final" if final else "valid"
    out = work / f"banking77-skeleton-{rows_of}-{limbeck.Recipe.read(recipe).fingerprint()[:8]}"
    taken_up = (out / "resolved.json").exists()
    judging: list[Company] = []
    with Watch() as watch:

        def progress(stage: str, done: int, total: int, note: str) -> None:
            if stage == "verify" and done == 0:
                judging.append(Company())
            elif stage == "verify":
                shares.append(judging[-1].share())
            watch(stage, done, total, note)

        shares: list[float] = []
        report = limbeck.distill(recipe, out=out, progress=progress)
    rows = [(r.payload, r.label) for r in prepare(limbeck.Recipe.read(recipe).data).splits.test]
    done = subprocess.run(
        [sys.executable, "-c", ANSWER, report.bundle], input=json.dumps(rows), capture_output=True, text=True, check=True
    )
    figures = {
        "teacher_accuracy": report.teacher.quality.accuracy,
        "student_accuracy": float(done.stdout),
        "agreement": report.agreement,
        "retention": float(done.stdout) / report.teacher.quality.accuracy,
        "bundle_bytes": report.student.bytes,
        "rows": report.rows,
        "student_p50_us": report.student.latency.p50_us,
        "latency_ratio": report.teacher.latency.p50_us / report.student.latency.p50_us,
        **{f"seconds_{stage}": seconds for stage, seconds in report.seconds.items()},
    }
    seconds = [key for key in figures if key.startswith("seconds_")]
    void = dict.fromkeys(seconds, "since the run was taken up, not made from the start") if taken_up else {}
    if not shares or shares[0] > BUSY:
        reason = f"since others took {shares[0]:.0%} of the cores then" if shares else "since it was measured at another time"
        void |= dict.fromkeys(("student_p50_us", "latency_ratio"), reason)
    return figures, {"student": report.bundle}, void


def main(data: Path, work: Path, final: bool) -> tuple[dict[str, Any], dict[str, str], dict[str, str]]:
    """The student against a linear model and its control, an encoder against the teacher."""
    from limbeck.pipeline.control import fit_control
    from limbeck.pipeline.data import read_data
    from limbeck.pipeline.student import student_logits
    from limbeck.pipeline.teacher import load_teacher
    from limbeck.run import open_run

    recipe: dict[str, Any] = {"data": {"train": str(data / "train.jsonl.gz"), "test_share": 0.1}, "seed": 0}
    if final:
        recipe["data"]["test"] = str(data / "test.jsonl.gz")
    folder = work / f"banking77-main-{'final' if final else 'valid'}"
    with Watch() as watch:
        bag = limbeck.distill(recipe, out=folder / "bag", progress=watch)
        teacher = str(folder / "bag" / "teacher")
        encoded = {**recipe, "student": {"family": "encoder", "layers": 2}, "signals": str(folder / "bag" / "signals")}
        encoder = limbeck.distill(encoded, teacher=teacher, out=folder / "encoder", progress=watch)
        read = limbeck.Recipe.read(recipe, values={"out": str(folder / "bag")})
        with open_run(read, watch) as run:
            splits = read_data(run).splits
            load_teacher(run, splits)
            plan = read.training_plan()
            steps = _last_step(folder / "bag", "student")
            trials = {}
            for rate in CONTROL_RATES:
                for share in CONTROL_SHARES:
                    name = f"control-{rate:g}-{share:g}"
                    trials[name] = fit_control(run, splits, replace(plan, learning_rate=rate), round(share * steps), name)
    best = max(trials, key=lambda name: trials[name][2]["accuracy"])
    control, modality, _ = trials[best]
    rows = splits.test
    true_N = np.array([str(r.label) for r in rows])
    labels = np.array(splits.labels)
    answers = {name: _answers(bundle.bundle, rows) for name, bundle in (("student", bag), ("encoder", encoder))}
    answers["control"] = labels[student_logits(control, modality, modality.encode([r.payload for r in rows])).argmax(1).numpy()]
    answers["linear"] = _linear(splits, "words", 1.0)
    chosen = max(
        LINEAR, key=lambda kind: float(np.mean(_linear(splits, *kind, judged=splits.valid) == [r.label for r in splits.valid]))
    )
    answers["best_linear"] = _linear(splits, *chosen)
    right = {name: found == true_N for name, found in answers.items()}
    accuracy = {f"{name}_accuracy": float(np.mean(found)) for name, found in right.items()}
    difference = paired_difference(
        int((right["student"] & ~right["control"]).sum()), int((~right["student"] & right["control"]).sum()), len(rows)
    )
    figures = {
        **accuracy,
        "teacher_accuracy": bag.teacher.quality.accuracy,
        "student_minus_linear": accuracy["student_accuracy"] - accuracy["linear_accuracy"],
        "student_minus_best_linear": accuracy["student_accuracy"] - accuracy["best_linear_accuracy"],
        "student_minus_control": difference.estimate,
        "student_minus_control_low": difference.low,
        "student_minus_control_high": difference.high,
        "encoder_minus_teacher": accuracy["encoder_accuracy"] - encoder.teacher.quality.accuracy,
        "encoder_minus_teacher_low": encoder.difference.low,
        "student_verdict": str(bag.verdict),
        "encoder_verdict": str(encoder.verdict),
        "bundle_bytes": bag.student.bytes,
        "encoder_bytes": encoder.student.bytes,
        "agreement": bag.agreement,
        "encoder_agreement": encoder.agreement,
        "rows": len(rows),
        "control_chosen": best,
        "control_trials": {name: trial[2]["accuracy"] for name, trial in trials.items()},
        "best_linear_chosen": f"{chosen[0]}, C {chosen[1]:g}",
    }
    return figures, {"student": bag.bundle, "encoder": encoder.bundle}, {}


def _answers(bundle: str, rows: Sequence[Record]) -> np.ndarray:
    """Labels by a process that holds only the bundle."""
    texts = json.dumps([[r.payload, ""] for r in rows])
    code = ANSWER.rsplit("print", 1)[0] + "print(json.dumps([p.label for p in found]))"
    done = subprocess.run([sys.executable, "-c", code, bundle], input=texts, capture_output=True, text=True, check=True)
    return np.array(json.loads(done.stdout))


def _last_step(folder: Path, stage: str) -> int:
    from limbeck.curves import read_curves

    return max(line["step"] for line in read_curves(folder / "curves.jsonl") if line["stage"] == stage)


def _linear(splits: Splits, kind: str, strength: float, judged: Sequence[Record] | None = None) -> np.ndarray:
    """Labels by a linear SVM on TF-IDF; trained on all rows but those that are judged."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline, make_union
    from sklearn.svm import LinearSVC

    parts = {
        "words": TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        "characters": TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True),
    }
    chosen = make_union(*parts.values()) if kind == "both" else parts[kind]
    rows = [r for r in splits.train if r.label is not None] + ([] if judged is not None else list(splits.valid))
    model = make_pipeline(chosen, LinearSVC(C=strength, random_state=0))
    model.fit([r.payload for r in rows], [str(r.label) for r in rows])
    return model.predict([r.payload for r in (splits.test if judged is None else judged)])


if __name__ == "__main__":
    args = arguments(__doc__ or "", ("skeleton", "main"), "banking77")
    write(args, *{"skeleton": skeleton, "main": main}[args.part](args.data, args.work, args.final))
