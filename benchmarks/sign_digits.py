"""Sign Language Digits (Mavi 2020): colour photographs of hands, 100 x 100, ten digits, 2,059 pictures of 218 students.

    python benchmarks/sign_digits.py --work work/signs --json work/signs.json [--final]

Pictures of one student have neighbouring IMG numbers, so a random split would show each hand to both sides. Here the last fifth of the numbers
of each class judges; of the others the last eighth chooses, and without --final it judges, while the eighth before it chooses. The teacher, a wide
residual network, is trained on what is left. Three seeds of student and control; `accuracy` is the students' mean. Nothing is mirrored: a mirrored hand is another hand.

On a leaky random split, principal components and an SVM reach 0.87. The run in final.log took 57 minutes on one core that it shared: teacher 7, its
answers 1, students 26, one seed of the control, chosen and trained again, 22.
"""

from __future__ import annotations

import csv
import re
import zipfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import limbeck
from fashion_mnist import measured
from harness import arguments, write
from limbeck.cli import Watch

TEACHER: dict[str, Any] = {
    "kind": "wide_resnet",
    "depth": 10,
    "width": 2,
    "stride": 2,
    "size": 64,
    "channels": 3,
    "shift": 5,
    "turn": 15.0,
    "zoom": 0.15,
    "light": 0.25,
    "erase": 16,
}
FINE_TUNE = {
    "epochs": 60,
    "batch_size": 32,
    "learning_rate": 3e-3,
    "head_learning_rate": 3e-3,
    "weight_decay": 0.05,
    "refit": False,
}
VIEWS = {"per_record": 16, "rotate": 15.0, "shift": 0.1, "zoom": 0.15, "colour": 0.25, "erase": 0.25}
STUDENT = {"width": 48, "depth": 2, "size": 48}  # 98,173 bytes
TRAINING = {"epochs": 10}
BYTES = 500_000


def split(archive: Path, work: Path, final: bool) -> dict[str, str]:
    """Unpack the pictures once, and write which of them train, choose and judge; the files by use."""
    pictures = work / "pictures"
    work.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive) as packed:
        names = sorted(m.filename for m in packed.infolist() if m.filename.upper().endswith(".JPG"))
        if not pictures.is_dir():
            packed.extractall(pictures)
    by_class: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names, key=_number):
        by_class[name.split("/")[-2]].append(name)
    uses: dict[str, list[tuple[str, str]]] = {"train": [], "valid": [], "test": []}
    for label, of in sorted(by_class.items()):
        last = len(of) - len(of) // 5
        eighth = last // 8
        ends = (last - eighth, last, len(of)) if final else (last - 2 * eighth, last - eighth, last)
        for use, start, stop in zip(uses, (0, *ends), ends, strict=False):
            uses[use] += [(str(pictures.resolve() / name), label) for name in of[start:stop]]
    files = {}
    for use, rows in uses.items():
        path = work / f"{use}-{'final' if final else 'valid'}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerows([("image", "label"), *rows])
        files[use] = str(path)
    return files


def run(data: Path, work: Path, final: bool) -> tuple[dict[str, Any], dict[str, str], dict[str, str]]:
    """Figures, bundles, and which figures are void."""
    recipe = {
        "task": "image-classification",
        "data": split(data / "images.zip", work, final),
        "teacher": {**TEACHER, "fine_tune": FINE_TUNE},
        "views": VIEWS,
        "student": STUDENT,
        "training": TRAINING,
        "verify": {"seeds": 3},
        "seed": 0,
    }
    out = work / f"{'final' if final else 'valid'}-{limbeck.Recipe.read(recipe).fingerprint()[:8]}"
    with Watch() as watch:
        report = limbeck.distill(recipe, out=out, progress=watch)
    figures = {key.replace("best_student_", ""): value for key, value in measured(report, "student").items()}
    if figures["bytes"] > BYTES:
        raise SystemExit(f"the bundle has {figures['bytes']:,} bytes; {BYTES:,} are allowed. Make the student smaller.")
    figures |= {f"seconds_{stage}": seconds for stage, seconds in report.seconds.items()}
    busy = any("void" in note for note in report.notes)
    times = [key for key in figures if key.endswith(("p50_us", "latency_ratio"))] if busy else []
    return figures, {"student": report.bundle}, dict.fromkeys(times, "since others were busy while it was measured")


def _number(name: str) -> tuple[int, str]:
    found = re.search(r"IMG_(\d+)", name)
    assert found is not None, name
    return int(found[1]), name


if __name__ == "__main__":
    args = arguments(__doc__ or "", ("all",), data="sign_language_digits")
    write(args, *run(args.data, args.work, args.final))
