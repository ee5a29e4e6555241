"""Distil a teacher on a file of customer messages, then answer with the bundle: python examples/distil_and_answer.py DATA TEACHER OUT

DATA is a jsonl or csv file with the columns text and label, TEACHER a Hugging Face id or folder, OUT the folder of the run.
"""

import sys

import limbeck


def main(data: str, teacher: str, out: str) -> None:
    report = limbeck.distill({"data": {"train": data, "test_share": 0.3}, "views": {"per_record": 4}}, teacher=teacher, out=out)
    compared = report.against("teacher")
    print(
        f"the student gives the teacher's answer to {compared.agreement.estimate:.1%} of the messages: {report.verdict.value}"
    )
    print(f"{report.student.footprint.bytes:,} bytes, {report.student.footprint.latency.p50_us:.0f} µs a message")
    for answer in limbeck.load(report.bundle).predict(["where is my parcel?", ""]):
        print(f"{answer.label} ({answer.probability:.2f})")


if __name__ == "__main__":
    main(*sys.argv[1:])
