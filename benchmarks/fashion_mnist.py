"""Fashion-MNIST (Xiao, Rasul and Vollgraf 2017): grey pictures of clothes, 28 x 28, 10 classes, 60,000 to train and 10,000 to judge.

    python benchmarks/fashion_mnist.py --work work/fashion --json work/fashion.json [--part all] [--final]

The teacher, a wide residual network, is trained here from scratch, once, and stays in --work, where every student learns from it. Without --final a tenth
of the training file, by the hash of the pixels, judges, and teacher and students learn from 85 %; with it the test file judges, which is read once, and
they learn from 95 %. The other 5 % choose epochs. Of each student and its control three seeds are trained; `best_*_accuracy` is that of their mean, by the written file for the
first and in torch for the others (the lines of 2026-11-30 in final.log have one seed of the control). The control is the same student without the teacher, with as many steps, on views that keep their labels.

Parts: `teacher` alone (then the others take it), `100kb`, `25kb`, `latency` (the files of the finished `100kb` once more; `quiet.py` says what counts), or `all`. Clothes stay what they are in a mirror, so `flip` is on, and the teacher
answers with the mean over a picture and its mirror image, each at the four offsets of its stride.

On two cores with AVX-512 a training step of the teacher takes 1.8 ms a picture and its 21 epochs 38 minutes (at stride 1 and 32 pixels 7 to 8 ms: docs/diary.md has
what other optimisers reach; bfloat16 is no quicker without AMX); one of the student of 100 kB takes 0.7 ms a view on one core.

Published (the repository's README, without a teacher): two convolutions and fewer than 100,000 parameters 0.925, larger ones 0.934.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

import limbeck
from harness import arguments, write
from limbeck.cli import Watch
from limbeck.curves import read_curves
from limbeck.evidence import Report
from limbeck.modalities._pixels import png
from quiet import quiet_latency

SEEDS, QUERIES = 3, 2_000
TEACHER: dict[str, Any] = {
    "kind": "wide_resnet",
    "depth": 16,
    "width": 3,
    "stride": 2,
    "size": 28,
    "channels": 1,
    "flip": True,
    "erase": 0,
}
ANSWERING = {"both": True, "offsets": True}
"""How it answers once it is trained. While it is, each epoch is judged by what one look at a picture says, an eighth of the time."""
FINE_TUNE = {
    "epochs": 21,
    "batch_size": 128,
    "optimizer": "muon",
    "learning_rate": 0.01,
    "head_learning_rate": 0.01,
    "weight_decay": 0.05,
    "refit": False,
}
VIEWS = {"per_record": 4, "flip": True, "rotate": 6.0, "shift": 0.08, "zoom": 0.08, "colour": 0.1, "erase": 0.25}
STUDENTS: dict[str, dict[str, Any]] = {
    "100kb": {"width": 48, "depth": 2, "stride": 2, "dropout": 0.0},  # 96,944 bytes
    "25kb": {"width": 19, "depth": 2, "stride": 2, "dropout": 0.0},  # 24,331
}
LIMITS = {"100kb": 100_000, "25kb": 25_000}
TRAINING = {"epochs": 9, "optimizer": "muon", "learning_rate": 0.02, "weight_decay": 0.05}


def recipe(data: Path, final: bool, size: str, teacher: Path | None) -> dict[str, Any]:
    """The recipe of one student; without a teacher's folder it trains one."""
    test = {"test": str(data / "t10k-images-idx3-ubyte.gz")} if final else {"test_share": 0.1}
    return {
        "task": "image-classification",
        "data": {"train": str(data / "train-images-idx3-ubyte.gz"), "valid_share": 0.05, **test},
        "teacher": {"kind": "wide_resnet", "model": str(teacher), **ANSWERING}
        if teacher
        else {**TEACHER, "fine_tune": FINE_TUNE},
        "views": VIEWS,
        "student": STUDENTS[size],
        "training": TRAINING,
        "verify": {"seeds": SEEDS},
        "seed": 0,
    }


def answers(work: Path, final: bool) -> Path:
    """Where the teacher's answers lie, by all that it looks at: all its students learn from the same."""
    return work / f"signals-{'final' if final else 'valid'}"


def trained_teacher(data: Path, work: Path, final: bool) -> Path:
    """The folder of the teacher, trained if it does not lie there."""
    from limbeck.pipeline.teaching import teach

    out = work / f"teacher-run-{'final' if final else 'valid'}"
    if not (out / "teacher" / "complete.json").is_file():
        asked = {**recipe(data, final, "25kb", None), "views": {"per_record": 0}}
        with Watch() as watch:
            teach(limbeck.Recipe.read(asked, values={"out": str(out)}), watch)
    return out / "teacher"


def measured(report: Report, name: str) -> dict[str, Any]:
    """The figures of one student's report."""
    student, teacher, control = report.student, report.teacher, report.control
    assert student.quality is not None
    assert teacher.quality is not None
    assert student.footprint is not None
    assert teacher.footprint is not None
    reached = teacher.quality.accuracy.estimate
    seeds = [student.quality.accuracy.estimate]
    if report.seeds is not None:
        seeds = [reached + difference for difference in report.seeds.values]
    found: dict[str, Any] = {
        "teacher_accuracy": reached,
        f"best_{name}_accuracy": mean(seeds),
        f"best_{name}_accuracies": seeds,
        f"best_{name}_retention": mean(seeds) / reached,
        f"best_{name}_bytes": student.footprint.bytes,
        f"best_{name}_verdict": str(report.verdict),
        f"best_{name}_rows": report.rows,
    }
    if control is not None and control.quality is not None:
        controls = [control.quality.accuracy.estimate]
        if report.seeds is not None:
            if not report.seeds.control:
                raise SystemExit(f"{report.bundle} is of an older limbeck, with one seed of the control. Give another --work.")
            controls = [reached + difference for difference in report.seeds.control]
        found[f"best_{name}_control_accuracies"] = controls
        found[f"best_{name}_minus_control"] = mean(seeds) - mean(controls)
    if report.baseline is not None and report.baseline.quality is not None:
        found["baseline_accuracy"] = report.baseline.quality.accuracy.estimate
    slow, quick = teacher.footprint.latency, student.footprint.latency
    if slow is not None and quick is not None and teacher.footprint.form.startswith("onnx"):
        found |= {f"best_{name}_p50_us": quick.p50_us, "teacher_p50_us": slow.p50_us}
        found[f"best_{name}_latency_ratio"] = slow.p50_us / quick.p50_us
    return found


def latency(run: Path, data: Path) -> dict[str, Any]:
    """What student and teacher of a finished run take for a PNG file of a picture, decoding included, one at a time on one thread."""
    with gzip.open(data / "train-images-idx3-ubyte.gz") as file:
        pixels_NHW1 = np.frombuffer(file.read(16 + QUERIES * 784), np.uint8, offset=16).reshape(QUERIES, 28, 28, 1)
    student, teacher = (limbeck.load(run / name) for name in ("bundle", "teacher-onnx"))
    found = quiet_latency(lambda p: teacher.predict([p]), lambda p: student.predict([p]), [png(p) for p in pixels_NHW1])
    slow, quick = found.get("quiet", (float("nan"),) * 2)
    slow_of_all, quick_of_all = found["all"]
    return {
        "latency_ratio": slow / quick,
        "latency_teacher_p50_us": slow,
        "latency_student_p50_us": quick,
        "latency_ratio_of_all": slow_of_all / quick_of_all,
        "latency_quiet_queries": found["counted"],
    }


def run(data: Path, work: Path, final: bool, part: str) -> tuple[dict[str, Any], dict[str, str], dict[str, str]]:
    """Figures, bundles, and which figures are void."""
    teacher, kind = trained_teacher(data, work, final), "final" if final else "valid"
    curve = [line["accuracy"] for line in read_curves(teacher.parent / "curves.jsonl") if "accuracy" in line]
    figures: dict[str, Any] = {"teacher_valid_accuracies": curve}  # by epoch, of the 5 % that choose it
    bundles, void = {}, {}
    for name in STUDENTS if part == "all" else [part] if part in STUDENTS else []:
        asked = recipe(data, final, name, teacher)
        asked["signals"] = str(answers(work, final))
        out = work / f"{name}-{kind}-{limbeck.Recipe.read(asked).fingerprint()[:8]}"
        with Watch() as watch:
            report = limbeck.distill(asked, out=out, progress=watch)
        figures |= measured(report, name)
        figures |= {f"best_{name}_seconds_{stage}": seconds for stage, seconds in report.seconds.items()}
        bundles[name] = report.bundle
        if any("void" in note for note in report.notes):
            times = [
                key for key in figures if key.endswith(("p50_us", "latency_ratio")) and (name in key or key == "teacher_p50_us")
            ]
            void |= dict.fromkeys(times, "since others were busy while it was measured")
        if figures[f"best_{name}_bytes"] > LIMITS[name]:
            raise SystemExit(f"{name}: the bundle has {figures[f'best_{name}_bytes']:,} bytes. Make its student smaller.")
    if part in ("all", "latency"):
        finished = sorted(work.glob(f"100kb-{kind}-*/complete.json"), key=lambda p: p.stat().st_mtime)
        if not finished:
            raise SystemExit(f"no student of 100 kB is finished in {work}. Run --part 100kb first.")
        figures |= latency(finished[-1].parent, data)
        if np.isnan(figures["latency_ratio"]):
            times = [key for key in figures if key.startswith("latency_")]
            void |= dict.fromkeys(times, "since too few queries were quiet")
    return figures, bundles, void


if __name__ == "__main__":
    args = arguments(__doc__ or "", ("all", "teacher", *STUDENTS, "latency"), data="fashion_mnist")
    write(args, *run(args.data, args.work, args.final, args.part))
