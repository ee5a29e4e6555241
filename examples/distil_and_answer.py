"""Distil a teacher on a file of customer messages, then answer with the bundle: python examples/distil_and_answer.py DATA TEACHER OUT

DATA is a jsonl or csv file with the columns text and label, TEACHER a Hugging Face id or folder, OUT the folder of the run.
"""

import sys

import limbeck


def main(data: str, teacher: str, out: str) -> None:
    report = limbeck.distill({"data": {"train": data, "test_share": 0.3}, "views": {"per_record": 4}}, teacher=teacher, out=out)
    print(
        f"teacher {report.teacher.quality.accuracy:.3f}, student {report.student.quality.accuracy:.3f}: {report.verdict.value}"
    )
    print(f"{report.student.bytes:,} bytes, {report.student.latency.p50_us:.0f} µs a message")
    for answer in limbeck.load(report.bundle).predict(["where is my parcel?", ""]):
        print(f"{answer.label} ({answer.probability:.2f})")


if __name__ == "__main__":
    main(*sys.argv[1:])
