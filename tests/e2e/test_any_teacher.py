"""The whole way from teachers that have no tokenizer and no weights to start from."""

import json

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from limbeck import distill, load
from limbeck.errors import TeacherError
from samples import ROWS, TINY

TEXTS, LABELS = [t for t, _ in ROWS], [y for _, y in ROWS]


def fitted(model=None):
    features = TfidfVectorizer(analyzer="char", ngram_range=(1, 3))
    return make_pipeline(features, model or LogisticRegression(C=50.0)).fit(TEXTS, LABELS)


class Watched:
    """What a run says, by stage."""

    def __init__(self) -> None:
        self.notes: dict[str, str] = {}

    def __call__(self, stage: str, done: int, total: int, note: str) -> None:
        self.notes[stage] = note


def test_an_estimator_from_python_becomes_a_bag(rows_file, tmp_path) -> None:
    watched = Watched()
    recipe = {**TINY, "training": {"epochs": 12}, "verify": {**TINY["verify"], "control": True}}
    report = distill(recipe, data=rows_file, teacher=fitted(), out=tmp_path / "run", progress=watched)
    assert report.teacher.what == "LogisticRegression"
    assert report.teacher.footprint.form == "scikit-learn"
    assert report.student.footprint.form == "onnx int8 table"
    assert "from a random start" in report.control.what
    assert "the objectives are soft_targets 1, hard_labels 0.1" in watched.notes["teacher"]
    assert "pieces learned from the texts; students start from chance" in watched.notes["start"]
    assert "scikit-learn" in " ".join(report.notes)
    bot = load(report.bundle)
    assert set(bot.labels) == set(LABELS)
    assert np.mean([p.label == y for p, y in zip(bot.predict(TEXTS), LABELS, strict=True)]) > 0.6
    resolved = json.loads((tmp_path / "run" / "resolved.json").read_text(encoding="utf-8"))
    assert resolved["recipe"]["teacher"]["kind"] == resolved["teacher"]["kind"] == "sklearn"
    again = distill(recipe, data=rows_file, teacher=fitted(), out=tmp_path / "run")
    assert again.lineage == report.lineage


def test_another_encoder_may_be_the_start(rows_file, tmp_path, tiny_teacher) -> None:
    watched = Watched()
    recipe = {**TINY, "student": {"family": "encoder", "layers": 1, "start": {"model": str(tiny_teacher[1]), "max_tokens": 32}}}
    report = distill(recipe, data=rows_file, teacher=fitted(LinearSVC(C=5.0)), out=tmp_path / "run", progress=watched)
    assert "students read and start as" in watched.notes["start"]
    assert "teacher" in report.lineage["student"]["origin"]


@pytest.mark.parametrize(
    ("column", "towards"),
    [
        ("top_k", "top_k 1, hard_labels 0.1"),
        ("votes", "soft_targets 1, hard_labels 0.1"),
        ("label", "soft_targets 1, hard_labels 0.1"),
    ],
)
def test_a_file_of_answers_teaches_what_it_holds(column: str, towards: str, rows_file, tmp_path) -> None:
    answer = {
        "label": lambda y: y,
        "votes": lambda y: {y: 4, "greeting": 1},
        "top_k": lambda y: {y: -0.2},
    }[column]
    answers = tmp_path / "answers.jsonl"
    answers.write_text("".join(json.dumps({"text": t, column: answer(y)}) + "\n" for t, y in ROWS), encoding="utf-8")
    watched = Watched()
    recipe = {**TINY, "teacher": {"kind": "recorded", "labels": sorted(set(LABELS))}}
    report = distill(recipe, data=rows_file, teacher=answers, out=tmp_path / "run", progress=watched)
    assert towards in watched.notes["teacher"]
    assert "written down" in watched.notes["views"]
    assert report.teacher.what == "answers in answers.jsonl"
    assert report.teacher.quality.accuracy.estimate == 1.0
    assert report.teacher.footprint is None
    assert "The teacher's bytes and times are not measured" in " ".join(report.notes)


def test_rows_without_a_recorded_answer_are_named(rows_file, tmp_path) -> None:
    answers = tmp_path / "answers.jsonl"
    answers.write_text("".join(json.dumps({"text": t, "label": y}) + "\n" for t, y in ROWS if t != "cheers"), encoding="utf-8")
    with pytest.raises(TeacherError, match="nothing is written of 1 of"):
        distill({**TINY, "teacher": {"kind": "recorded"}}, data=rows_file, teacher=answers, out=tmp_path / "run")
