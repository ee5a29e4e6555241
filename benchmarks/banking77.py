"""BANKING77 (Casanueva et al. 2020): 77 intents of bank customers, 10,003 training and 3,080 test questions.

    python benchmarks/banking77.py --part skeleton --work work --json work/skeleton.json [--final]

Part skeleton: limbeck's defaults, nothing tuned. Without --final a tenth of the training file, by the hash of the text, is held
out and scored; with it the test file. The student answers in a process of its own, through its bundle, where torch is not loaded.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import limbeck
from harness import arguments, write
from limbeck.cli import Watch
from limbeck.data.read import read_records
from limbeck.data.split import split

ANSWER = """
import json, sys, limbeck
rows = json.load(sys.stdin)
found = limbeck.load(sys.argv[1]).predict([text for text, _ in rows])
assert "torch" not in sys.modules and "onnx" not in sys.modules
print(sum(p.label == label for p, (_, label) in zip(found, rows, strict=True)) / len(rows))
"""


def skeleton(data: Path, work: Path, final: bool) -> tuple[dict[str, float], dict[str, str]]:
    """Teacher and student by the defaults."""
    recipe = {"data": {"train": str(data / "train.jsonl.gz"), "test_share": 0.1}, "seed": 0}
    if final:
        recipe["data"]["test"] = str(data / "test.jsonl.gz")
    rows_of = "final" if final else "valid"
    out = work / f"banking77-skeleton-{rows_of}-{limbeck.Recipe.read(recipe).fingerprint()[:8]}"
    with Watch() as watch:
        report = limbeck.distill(recipe, out=out, progress=watch)
    records = read_records(data / "train.jsonl.gz")
    test = read_records(data / "test.jsonl.gz") if final else None
    rows = [(r.payload, r.label) for r in split(records, test, test_share=0.1).test]
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
    return figures, {"student": report.bundle}


if __name__ == "__main__":
    args = arguments(__doc__ or "", ("skeleton",), "banking77")
    figures, bundles = skeleton(args.data, args.work, args.final)
    write(args, figures, bundles, times=tuple(key for key in figures if key.startswith(("seconds_", "student_p50", "latency"))))
