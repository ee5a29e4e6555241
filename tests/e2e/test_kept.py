"""What was handed over today is what tomorrow's student learns."""

import json

import pytest

import limbeck
from samples import ROWS, TINY

pytest.importorskip("fcntl", reason="escalations are kept where there are locks on files")


def test_escalations_are_distilled(tiny_teacher, tmp_path) -> None:
    from limbeck.serve.answer import Answer
    from limbeck.serve.kept import Kept

    path = tmp_path / "escalations.jsonl"
    kept = Kept(path)
    for number, (text, label) in enumerate(ROWS):
        student = Answer("greeting", 0.3, True)
        kept.add(
            f"{text}, I am ann{number}@example.com", student, None if number % 5 == 4 else label
        )  # the teacher did not answer
    kept.close()
    report = limbeck.distill(TINY, data=path, teacher=tiny_teacher[1], out=tmp_path / "run")
    assert report.rows > 0
    bot = limbeck.load(tmp_path / "run" / "bundle")
    assert {p.label for p in bot.predict([text for text, _ in ROWS])} <= {"greeting", "question", "thanks"}
    spec = json.dumps(json.loads((tmp_path / "run" / "bundle" / "modality.json").read_text(encoding="utf-8")))
    assert "example.com" not in path.read_text(encoding="utf-8") + spec


def test_a_run_with_validation_rows_leaves_a_cascade(tiny_teacher, tmp_path) -> None:
    from limbeck.bundle import Bundle
    from limbeck.cascaded import Cascade
    from limbeck.verify.hand_over import from_run

    data = tmp_path / "rows.jsonl"
    rows = [(f"{text} {n}", label) for n in range(20) for text, label in ROWS]
    data.write_text("".join(json.dumps({"text": t, "label": y}) + "\n" for t, y in rows), encoding="utf-8")
    recipe = {**TINY, "data": {"train": str(data), "test_share": 0.2, "valid_share": 0.5}, "training": {"epochs": 1}}
    limbeck.distill(recipe, teacher=tiny_teacher[1], out=tmp_path / "run")
    bundle = Bundle.open(tmp_path / "run" / "bundle")
    found = Cascade.read(tmp_path / "run" / "evidence" / "cascade.json", bundle.sha256)
    assert found.rows >= 50
    assert found.teacher == Bundle.open(tmp_path / "run" / "teacher-onnx").sha256
    assert found.against == "labels"
    assert found.reference is not None
    assert found.reference.rows == found.rows
    again = from_run(tmp_path / "run", 0.01)
    assert (again.chosen, again.reference) == (found.chosen, found.reference)
