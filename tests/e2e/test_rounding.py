"""A student that no int8 form is near enough to learns on with its numbers rounded."""

import json

import pytest

import limbeck
from limbeck.bundle import Bundle
from limbeck.curves import read_curves
from limbeck.pipeline import int8
from samples import ROWS, TINY

RECIPE = {
    **TINY,
    "student": {"family": "conv_text", "width": 16, "hidden": 16},
    "views": {"per_record": 8},
    "training": {"epochs": 8, "batch_size": 16},
}


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(
        "".join(json.dumps({"text": f"{text} {n}", "label": label}) + "\n" for n in range(6) for text, label in ROWS)
    )
    return path


def distilled(data, teacher, out, stop_at: int | None = None):
    steps = []

    def progress(stage: str, done: int, total: int, note: str) -> None:
        steps.append(stage)
        rounding = [s for s in read_curves(out / "curves.jsonl") if s["stage"] == "student-int8"] if stop_at else ()
        if stop_at and stage == "student" and len(rounding) >= stop_at:
            raise KeyboardInterrupt

    return limbeck.distill(RECIPE, data=data, teacher=teacher[1], out=out, progress=progress)


def test_it_learns_on_and_what_does_not_help_changes_nothing(data, tiny_teacher, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(int8, "LEAST_AGREEMENT", 1.1)  # nothing can be near enough
    report = distilled(data, tiny_teacher, tmp_path / "out")
    bundle = Bundle.open(report.bundle)
    assert bundle.manifest.precision == "float32"
    record = json.loads((tmp_path / "out" / "evidence" / "int8.json").read_text())
    assert record["chosen"] is None
    assert record["judged"] != record["after it learned with rounding"]["judged"]
    curve = [line for line in read_curves(tmp_path / "out" / "curves.jsonl") if line["stage"] == "student-int8"]
    first = [line for line in read_curves(tmp_path / "out" / "curves.jsonl") if line["stage"] == "student"]
    assert curve[-1]["step"] == first[-1]["step"] // 4
    assert max(line["rate"] for line in curve) < 0.11 * max(line["rate"] for line in first)
    assert not list((tmp_path / "out").glob(".*.checkpoint"))
    with pytest.raises(KeyboardInterrupt):
        distilled(data, tiny_teacher, tmp_path / "stopped", stop_at=1)
    again = distilled(data, tiny_teacher, tmp_path / "stopped")
    assert Bundle.open(again.bundle).sha256 == bundle.sha256
    plain = {**RECIPE, "student": {**RECIPE["student"], "network": "float32"}}
    other = limbeck.distill(plain, data=data, teacher=tiny_teacher[1], out=tmp_path / "plain")
    assert (bundle.path / "model.onnx").read_bytes() == (Bundle.open(other.bundle).path / "model.onnx").read_bytes()


def test_where_it_helps_the_student_that_learned_is_written_in_int8(data, tiny_teacher, tmp_path, monkeypatch) -> None:
    real, calls = int8.int8_form, []

    def far_at_first(*given):
        calls.append(given)
        form = real(*given)
        return int8.replace(form, record={**form.record, "chosen": None}, missed=True) if len(calls) == 1 else form

    monkeypatch.setattr(int8, "int8_form", far_at_first)
    report = distilled(data, tiny_teacher, tmp_path / "out")
    assert len(calls) == 2
    assert Bundle.open(report.bundle).manifest.precision == "int8"
    record = json.loads((tmp_path / "out" / "evidence" / "int8.json").read_text())
    assert record["chosen"]
    assert record["before it learned with rounding"]["chosen"] is None
