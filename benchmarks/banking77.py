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
from harness import BUSY, Company, arguments, write
from limbeck.cli import Watch
from limbeck.data.prepare import prepare

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


if __name__ == "__main__":
    args = arguments(__doc__ or "", ("skeleton",), "banking77")
    write(args, *skeleton(args.data, args.work, args.final))
