"""What a verdict is about follows from the labels that are there: none, a few, or a test file alone."""

import json

import numpy as np
import pytest

import limbeck
from limbeck.errors import DataError, TeacherError
from limbeck.evidence import Basis, Verdict
from samples import ROWS, TINY

ALL = {"latency_queries": 3, "cold_starts": 0, "folds": 3, "repeats": 2}


def written(path, rows, column: bool = True):
    lines = [{"text": text, **({"label": label} if column else {})} for text, label in rows]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


@pytest.fixture
def logs(tmp_path):
    """Thirty texts without labels, in a file that has no column for them."""
    texts = [text for text, _ in ROWS]
    return written(tmp_path / "logs.jsonl", [(t, None) for t in [*texts, *(f"{t} please" for t in texts)]], column=False)


def test_without_labels_the_verdict_is_on_agreement(tiny_teacher, logs, tmp_path) -> None:
    recipe = {
        **TINY,
        "verify": {**ALL, "least_agreement": 0.05, "seeds": 2},
        "data": {"train": str(logs), "label": None, "valid_share": 0.2},
    }
    report = limbeck.distill(recipe, teacher=tiny_teacher[1], out=tmp_path / "run")
    assert report.basis is Basis.AGREEMENT
    assert report.verdict is Verdict.KEPT
    assert report.teacher.quality is report.student.quality is None
    assert report.rows_to_label is None or report.rows_to_label > 0
    compared = report.against("teacher")
    assert compared.difference is None
    assert compared.agreement.low <= compared.agreement.estimate <= compared.agreement.high
    assert "hard labels" in report.control.what
    assert len(report.seeds.values) == len(report.seeds.control) == 2
    assert report.seeds.lead.estimate == pytest.approx(np.mean(report.seeds.values) - np.mean(report.seeds.control))
    assert report.baseline is None or "hard labels" in report.baseline.what
    with np.load(tmp_path / "run" / "evidence" / "answers.npz", allow_pickle=False) as answers:
        assert len(answers["keys"]) == report.rows == len(answers["student"]) == len(answers["control"])


def test_a_missing_label_column_is_no_silent_agreement(tiny_teacher, logs, tmp_path) -> None:
    with pytest.raises(DataError, match=r"no column 'label'.*--set data\.label=null"):
        limbeck.distill(TINY, data=logs, teacher=tiny_teacher[1], out=tmp_path / "run")


def test_few_labels_are_judged_out_of_fold_and_parts_are_taken_again(tiny_teacher, tmp_path, monkeypatch) -> None:
    data = written(tmp_path / "few.jsonl", [*ROWS, *((f"{text} please", None) for text, _ in ROWS)])
    recipe = {**TINY, "verify": {**ALL, "seeds": 2}}
    report = limbeck.distill(recipe, data=data, teacher=tiny_teacher[1], out=tmp_path / "run")
    assert report.basis is Basis.CROSS_FITTING
    assert len(report.seeds.values) == len(report.seeds.control) == 2
    control = report.control.quality.accuracy.estimate - report.teacher.quality.accuracy.estimate
    assert report.seeds.control[0] == pytest.approx(control)
    assert report.seeds.lead.low <= report.seeds.lead.estimate <= report.seeds.lead.high
    assert report.seeds.values[0] == pytest.approx(report.against("teacher").difference.estimate)
    with np.load(tmp_path / "run" / "cross-fit" / "0-0" / "answers.npz", allow_pickle=False) as part:
        for model in ("student", "control"):
            assert not np.array_equal(part[model], part[f"{model}-seed-1"])
    assert report.rows == len(ROWS)
    compared = report.against("teacher")
    assert compared.difference.low <= compared.difference.estimate <= compared.difference.high
    assert "without the teacher" in report.control.what
    assert report.control.quality is not None
    parts = list((tmp_path / "run" / "cross-fit").iterdir())
    assert {p.name for p in parts} == {f"{repeat}-{fold}" for repeat in range(2) for fold in range(3)}
    assert {f.name for p in parts for f in p.iterdir()} == {"answers.npz", "complete.json"}

    def never(*_, **__):
        raise AssertionError("a part was trained again")

    (tmp_path / "run" / "evidence" / "report.json").unlink()
    monkeypatch.setattr("limbeck.pipeline.cross_fit.fit_student", never)
    again = limbeck.distill(recipe, data=data, teacher=tiny_teacher[1], out=tmp_path / "run")
    assert again.comparisons == report.comparisons
    assert {f.name for p in parts for f in p.iterdir()} == {"answers.npz", "complete.json"}
    damaged = parts[0] / "answers.npz"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    (tmp_path / "run" / "evidence" / "report.json").unlink()
    with pytest.raises(AssertionError, match="trained again"):
        limbeck.distill(recipe, data=data, teacher=tiny_teacher[1], out=tmp_path / "run")


def test_a_backbone_is_fine_tuned_anew_without_each_part(backbone, tmp_path) -> None:
    data = written(tmp_path / "few.jsonl", ROWS)
    recipe = {**TINY, "verify": {**ALL, "repeats": 1}, "teacher": {"fine_tune": {"epochs": 1}}}
    notes = []
    report = limbeck.distill(
        recipe, data=data, teacher=backbone, out=tmp_path / "run", progress=lambda stage, *a: notes.append((stage, a[-1]))
    )
    assert report.basis is Basis.CROSS_FITTING
    assert not any("the teacher came with its classes" in note for note in report.notes)
    fine_tuned = {note.split(":")[0] for stage, note in notes if stage == "cross-fit" and "fine-tuned on" in note}
    assert fine_tuned == {f"part {n} of 3" for n in (1, 2, 3)}


def test_logs_without_labels_and_a_judged_file(tiny_teacher, logs, tmp_path) -> None:
    rows = [(f"{text} now", label) for text, label in ROWS]
    judged = written(tmp_path / "judged.jsonl", [*rows, rows[0]])
    recipe = {**TINY, "verify": {**ALL, "margin": 0.9}, "data": {"train": str(logs), "label": None}}
    report = limbeck.distill(recipe, test=judged, teacher=tiny_teacher[1], out=tmp_path / "run")
    assert report.basis is Basis.LABELS
    assert report.rows == len(rows) + 1
    assert any(note.startswith("1 of 16 rows repeat the text of another") for note in report.notes)
    assert any("the teacher came with its classes" in note for note in report.notes)
    assert report.calibration.rows == 0  # so nothing was scaled
    assert report.teacher.quality.ece_scaled is report.student.quality.ece_scaled is None
    assert "from a random start" not in report.control.what
    assert report.student.quality is not None
    assert "hard labels" in report.control.what


def test_a_backbone_without_any_label_is_refused(backbone, logs, tmp_path) -> None:
    with pytest.raises(TeacherError, match="no head of classes, and the training rows hold no labels"):
        limbeck.distill({**TINY, "data": {"train": str(logs), "label": None}}, teacher=backbone, out=tmp_path / "run")


def test_a_validation_file_and_texts_out_of_scope(tiny_teacher, tmp_path) -> None:
    data = written(tmp_path / "rows.jsonl", [(f"{text} {n}", label) for n in range(4) for text, label in ROWS])
    valid = written(tmp_path / "valid.jsonl", [(f"{text} abc {n}", label) for n in range(5) for text, label in ROWS])
    outside = written(tmp_path / "outside.jsonl", [(f"zzz {n}", None) for n in range(20)])
    recipe = {**TINY, "data": {"train": str(data), "valid": str(valid), "out_of_scope": str(outside), "test_share": 0.3}}
    recipe["verify"] = {**TINY["verify"], "abstain_cost": 0.2}
    report = limbeck.distill(recipe, teacher=tiny_teacher[1], out=tmp_path / "run")
    assert report.calibration.rows == 75
    scope = report.out_of_scope
    assert (scope.rows, scope.allowed) == (20, 0.2)
    assert scope.student.threshold == report.calibration.threshold > 0
    silent = [p.abstain for p in limbeck.load(report.bundle).predict([f"zzz {n}" for n in range(20)])]
    assert scope.student.recall.estimate == sum(silent) / 20
    few = {**recipe, "data": {**recipe["data"], "valid": str(written(tmp_path / "few.jsonl", ROWS[:3]))}}
    report = limbeck.distill(few, teacher=tiny_teacher[1], out=tmp_path / "few")
    assert report.out_of_scope is None
    assert any("nothing out of scope is refused" in note for note in report.notes)


def test_with_few_labels_neighbours_teach_the_first_teachers_and_these_the_next_ones(
    backbone, tiny_teacher, tmp_path, monkeypatch
) -> None:
    from limbeck.pipeline.fine_tuning import _Tuning

    lessons = []
    fit = _Tuning._fit

    def fit_seen(self, teacher, lesson, *more):
        lessons.append(lesson)
        return fit(self, teacher, lesson, *more)

    monkeypatch.setattr(_Tuning, "_fit", fit_seen)
    logs = [(f"{text} {n}", None) for n in range(20) for text, _ in ROWS]
    data = written(tmp_path / "rows.jsonl", [*ROWS, *logs])
    judged = written(tmp_path / "judged.jsonl", [(f"{text} now", label) for text, label in ROWS])
    recipe = {**TINY, "verify": {**TINY["verify"], "cross_fit_below": 1000}, "data": {"train": str(data), "valid_share": 0.5}}
    recipe["teacher"] = {"fine_tune": {"epochs": 1, "seeds": 2}}
    limbeck.distill(recipe, test=judged, teacher=backbone, out=tmp_path / "run")
    assert len(lessons) == 2  # two seeds, one round: what the neighbours say is the first lesson
    first = lessons[0]
    assert {r.label for r in first.labelled} == {"greeting", "question", "thanks"}
    assert len(first.labelled) == len(ROWS)  # the validation rows among them: others can choose
    assert first.said_NC.shape == (len(first.unlabelled), 3)
    np.testing.assert_allclose(first.said_NC.sum(axis=1), 1, rtol=1e-5)
    held = {r.key for r in first.unlabelled}
    assert 100 < len(held) < 200  # half of them choose
    left = {p.name for p in (tmp_path / "run").iterdir()}
    assert {"teacher-0", "teacher-1"} <= left
    assert "self-training" not in left
    (tmp_path / "run" / "evidence" / "report.json").unlink()
    limbeck.distill(recipe, test=judged, teacher=backbone, out=tmp_path / "run")
    assert len(lessons) == 2  # all taken from the folder

    def again(rounds: int) -> None:
        asked = [f"teacher.fine_tune.self_training={rounds}"]
        limbeck.distill(recipe, overrides=asked, test=judged, teacher=backbone, out=tmp_path / f"rounds-{rounds}")

    again(0)
    assert len(lessons) == 4
    assert not lessons[3].unlabelled
    again(2)
    assert len(lessons) == 8
    np.testing.assert_array_equal(lessons[4].said_NC, first.said_NC)
    assert not np.allclose(lessons[6].said_NC, first.said_NC)  # what the teachers of the first round say
    monkeypatch.setattr(type(tiny_teacher[0]), "pretrained", False, raising=False)
    limbeck.distill(recipe, test=judged, teacher=backbone, out=tmp_path / "scratch")
    assert len(lessons) == 12  # one that knows nothing has no neighbours: it learns the labels first
    assert not lessons[8].unlabelled
    assert lessons[10].unlabelled
