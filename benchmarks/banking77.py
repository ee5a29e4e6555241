"""BANKING77 (Casanueva et al. 2020): 77 intents of bank customers, 10,003 training and 3,080 test questions.

    python benchmarks/banking77.py --part skeleton --work work --json work/skeleton.json [--final]
    python benchmarks/banking77.py --part main --work work --json work/main.json [--final]
    python benchmarks/banking77.py --part fewlabels --work work --json work/fewlabels.json [--final]
    python benchmarks/banking77.py --part budget --work work --json work/budget.json [--final]
    python benchmarks/banking77.py --part 2mb --seeds 1 --work work --json work/2mb.json [--final]
    python benchmarks/banking77.py --part fewshot --work work --json work/fewshot.json [--final]

Part skeleton: limbeck's defaults, nothing tuned. Part main: the same student against a linear model and against itself without the
teacher, an encoder of two layers against the teacher, and what the report says of the written file. Part fewlabels: a teacher that knows the
labels, and 0, 100 or 300 labelled rows (banking77_fewlabels.py). Part budget: the best within some bytes and microseconds
(banking77_budget.py); parts 2mb, 500kb and 25mb are one of its budgets each. Part fewshot: 10 or 5 labels of each intent, and texts out of
scope (banking77_fewshot.py); parts tenshot, fiveshot and oos are a third of it each. These two take --seeds, how many, and --first, the first of
them: `--first 2 --seeds 1` is the third alone. Without --final a tenth of the training file, by the hash of the text, is
held out and scored; with it the test file. A student answers in a process of its own, through its bundle, where torch is not loaded.

The linear model is a linear SVM on TF-IDF of words and pairs of words; `best_linear` is the best of words, characters and both, and of
its C, by the validation rows. The control has the student's architecture and its number of steps, and starts from all-MiniLM-L6-v2
as it was never fine-tuned; it learns labels alone, from views that keep them, with the rate and length that are best on the validation rows, and then, as the
teacher does, once more with these rows.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import limbeck
from banking77_budget import BUDGETS, budgets
from banking77_fewlabels import few_labels
from banking77_fewshot import SHOTS, few_shot
from harness import BUSY, Company, arguments, write
from limbeck.cli import Watch
from limbeck.data.prepare import prepare
from limbeck.data.split import Splits
from limbeck.evidence import Measured
from limbeck.types import Record
from limbeck.verify.statistics import paired_difference

TIMES = ("student_p50_us", "student_p95_us", "teacher_p50_us", "latency_ratio", "student_cold_start_seconds")
CONTROL_RATES, CONTROL_SHARES = (5e-3, 1e-2, 2e-2, 4e-2), (1.0, 0.3)
LINEAR = [(kind, strength) for kind in ("words", "characters", "both") for strength in (0.3, 1.0, 3.0)]
ANSWER = """
import json, sys, limbeck
rows = json.load(sys.stdin)
found = limbeck.load(sys.argv[1]).predict([text for text, _ in rows])
assert "torch" not in sys.modules and "onnx" not in sys.modules
print(sum(p.label == label for p, (_, label) in zip(found, rows, strict=True)) / len(rows))
"""


class Judging:
    """Progress that is passed on, and how busy others kept the machine while the last stage measured."""

    def __init__(self, watch: Watch) -> None:
        self._watch, self._company, self._share = watch, None, None

    def __call__(self, stage: str, done: int, total: int, note: str) -> None:
        if stage == "verify" and done == 0:
            self._company = Company()
        elif stage == "verify" and self._company is not None:
            self._share = self._company.share()
        self._watch(stage, done, total, note)

    def void(self) -> dict[str, str]:
        """The times that do not count, with the reason."""
        if self._share is not None and self._share <= BUSY:
            return {}
        told = "it was measured at another time" if self._share is None else f"others took {self._share:.0%} of the cores then"
        return dict.fromkeys(TIMES, f"since {told}")


def skeleton(data: Path, work: Path, final: bool) -> tuple[dict[str, float], dict[str, str], dict[str, str]]:
    """Teacher and student by the defaults: figures, bundles, and which figures are void."""
    recipe = {"data": {"train": str(data / "train.jsonl.gz"), "test_share": 0.1}, "seed": 0}
    if final:
        recipe["data"]["test"] = str(data / "test.jsonl.gz")
    rows_of = "final" if final else "valid"
    out = work / f"banking77-skeleton-{rows_of}-{limbeck.Recipe.read(recipe).fingerprint()[:8]}"
    taken_up = (out / "resolved.json").exists()
    with Watch() as watch:
        progress = Judging(watch)
        report = limbeck.distill(recipe, out=out, progress=progress)
    rows = [(r.payload, r.label) for r in prepare(limbeck.Recipe.read(recipe).data).splits.test]
    done = subprocess.run(
        [sys.executable, "-c", ANSWER, report.bundle], input=json.dumps(rows), capture_output=True, text=True, check=True
    )
    figures = {
        "teacher_accuracy": _accuracy(report.teacher),
        "student_accuracy": float(done.stdout),
        "retention": float(done.stdout) / _accuracy(report.teacher),
        "rows": report.rows,
        **_said(report),
        **{f"seconds_{stage}": seconds for stage, seconds in report.seconds.items()},
    }
    seconds = [key for key in figures if key.startswith("seconds_")]
    void = dict.fromkeys(seconds, "since the run was taken up, not made from the start") if taken_up else {}
    void |= progress.void()
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
        progress = Judging(watch)
        bag = limbeck.distill(recipe, out=folder / "bag", progress=progress)
        teacher = str(folder / "bag" / "teacher")
        encoded = {**recipe, "student": {"family": "encoder", "layers": 2}, "signals": str(folder / "bag" / "signals")}
        encoded["verify"] = {"control": False}  # it is held against its teacher
        encoded["views"] = {
            "per_record": 8
        }  # it is near its teacher with half of them, and a step takes thirty times as long as a bag's
        encoder = limbeck.distill(encoded, teacher=teacher, out=folder / "encoder", progress=watch)
        read = limbeck.Recipe.read(recipe, values={"out": str(folder / "bag")})
        with open_run(read, watch) as run:
            splits = read_data(run).splits
            load_teacher(run, splits)
            plan = read.training_plan()
            steps = _last_step(folder / "bag", "student")
            settings = {
                f"control-{rate:g}-{share:g}": (replace(plan, learning_rate=rate), round(share * steps))
                for rate in CONTROL_RATES
                for share in CONTROL_SHARES
            }
            trials = {name: fit_control(run, splits, *how, name)[2] for name, how in settings.items()}
            best = max(trials, key=lambda name: trials[name]["accuracy"])
            control, modality, _ = fit_control(run, splits, *settings[best], "control-best", chosen=trials[best])
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
        "teacher_accuracy": _accuracy(bag.teacher),
        "student_minus_linear": accuracy["student_accuracy"] - accuracy["linear_accuracy"],
        "student_minus_best_linear": accuracy["student_accuracy"] - accuracy["best_linear_accuracy"],
        "student_minus_control": difference.estimate,
        "student_minus_control_low": difference.low,
        "student_minus_control_high": difference.high,
        "encoder_minus_teacher": accuracy["encoder_accuracy"] - _accuracy(encoder.teacher),
        "encoder_minus_teacher_low": encoder.against("teacher").difference.low,
        "rows": len(rows),
        "retention": accuracy["student_accuracy"] / _accuracy(bag.teacher),
        "batch_flips": _batch_flips(bag.bundle, rows),
        "encoder_batch_flips": _batch_flips(encoder.bundle, rows),
        **_said(bag),
        **{f"encoder_{name}": value for name, value in _said(encoder).items()},
        "control_chosen": best,
        "control_trials": {name: trial["accuracy"] for name, trial in trials.items()},
        "best_linear_chosen": f"{chosen[0]}, C {chosen[1]:g}",
    }
    return figures, {"student": bag.bundle, "encoder": encoder.bundle}, progress.void()


def _accuracy(measured: Measured) -> float:
    assert measured.quality is not None
    return measured.quality.accuracy.estimate


def _said(report: limbeck.Report) -> dict[str, Any]:
    """What a report says of the written student beside its accuracy."""
    compared, student, teacher = report.against("teacher"), report.student, report.teacher
    mine, theirs = student.footprint, teacher.footprint
    return {
        "verdict": str(report.verdict),
        "verdict_kept": report.verdict is limbeck.Verdict.KEPT,
        "retention_low": compared.retention.low,
        "agreement": compared.agreement.estimate,
        "kl": compared.kl.estimate if compared.kl else None,
        "ece_unscaled": student.quality.ece,
        "ece": student.quality.ece_scaled,
        "bundle_bytes": mine.bytes,
        "bundle_bytes_compressed": mine.bytes_compressed,
        "student_p50_us": mine.latency.p50_us,
        "student_p95_us": mine.latency.p95_us,
        "teacher_form": theirs.form,
        "teacher_p50_us": theirs.latency.p50_us,
        "latency_ratio": theirs.latency.p50_us / mine.latency.p50_us,
        "student_peak_memory_bytes": mine.peak_memory_bytes,
        "student_cold_start_seconds": mine.cold_start_seconds,
    }


def _batch_flips(bundle: str, rows: Sequence[Record]) -> int:
    """How many rows have another label alone than among all the others."""
    predictor = limbeck.load(bundle)
    together = predictor.predict([r.payload for r in rows])
    return sum(predictor.predict([r.payload])[0].label != p.label for r, p in zip(rows, together, strict=True))


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
    parts = {"skeleton": skeleton, "main": main, "fewlabels": few_labels, "budget": budgets, "fewshot": few_shot}
    args = arguments(__doc__ or "", (*parts, *BUDGETS, *SHOTS, "oos"), "banking77", seeds=3, first=0)
    seeds = range(args.first, args.first + max(1, args.seeds))
    parts |= {"budget": partial(budgets, seeds=seeds), "fewshot": partial(few_shot, seeds=seeds)}
    parts |= {name: partial(budgets, names=(name,), seeds=seeds) for name in BUDGETS}
    parts |= {name: partial(few_shot, parts=(name,), seeds=seeds) for name in (*SHOTS, "oos")}
    write(args, *parts[args.part](args.data, args.work, args.final))
