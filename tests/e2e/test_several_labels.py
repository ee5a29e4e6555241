"""The whole way where several labels may apply to a text: data, teachers of several kinds, verdict, bundle, answers."""

import json

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from typer.testing import CliRunner

from limbeck import distill, find, load
from limbeck.bundle import Bundle
from limbeck.cli import app
from limbeck.errors import LimbeckError, RecipeError, TeacherError
from limbeck.evidence import Report
from limbeck.label_sets import sigmoid
from samples import SEVERAL, TINY, several

LABELS = ["greeting", "question", "thanks"]
TASK = {**TINY, "task": "multi-label-text-classification", "training": {"epochs": 30}}
TEXTS = [text for text, _ in SEVERAL]


@pytest.fixture
def lists_file(tmp_path):
    """A small training file whose labels are lists."""
    path = tmp_path / "lists.jsonl"
    path.write_text("".join(json.dumps({"text": t, "label": y}) + "\n" for t, y in SEVERAL), encoding="utf-8")
    return path


def test_a_callable_becomes_a_bag_that_gives_several_labels(lists_file, tmp_path) -> None:
    recipe = {**TASK, "verify": {**TINY["verify"], "control": True, "baseline": True}}
    report = distill(recipe, data=lists_file, teacher=several, out=tmp_path / "run")
    assert report.several
    assert (report.basis, report.verdict) == ("labels", "not shown")
    assert report.teacher.quality.micro_f1.estimate == 1.0
    assert report.student.quality.micro_f1.estimate > 0.5
    assert report.against("teacher").micro_f1_difference.low < -0.02
    assert set(report.models) == {"teacher", "student", "control", "baseline"}
    assert "a linear SVM for each label" in report.baseline.what
    assert [f.code for f in report.checkup.findings if f.code == "several_labels"]
    assert Report.from_json(json.loads((tmp_path / "run" / "evidence" / "report.json").read_text())) == report

    bundle = Bundle.open(report.bundle)
    assert bundle.manifest.schema_version == 3
    assert bundle.manifest.calibration == report.calibration
    assert len(report.calibration.thresholds) == 3
    bot = load(report.bundle)
    answers = bot.predict(TEXTS)
    found = np.mean([set(a.labels) == set(y) for a, (_, y) in zip(answers, SEVERAL, strict=True)])
    assert found > 0.6
    assert list(answers[0].probabilities) == sorted(answers[0].probabilities, reverse=True)

    printed = CliRunner().invoke(app, ["predict", report.bundle, "hello, where is it", "wood", "--json"])
    lines = [json.loads(line)["labels"] for line in printed.output.splitlines()]
    for line, answer in zip(lines, bot.predict(["hello, where is it", "wood"]), strict=True):
        assert [said["label"] for said in line] == list(answer.labels)
        np.testing.assert_allclose([said["probability"] for said in line], answer.probabilities, atol=1e-6)
    plain = CliRunner().invoke(app, ["predict", report.bundle, "hello, where is it"]).output
    assert plain.split()[0] == bot.predict(["hello, where is it"])[0].labels[0]

    again = distill(recipe, data=lists_file, teacher=several, out=tmp_path / "run")
    assert again.lineage == report.lineage


def test_csv_and_answers_that_were_recorded(tmp_path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("text,label\n" + "".join(f'"{t}",{"|".join(y) or "|"}\n' for t, y in SEVERAL), encoding="utf-8")
    answers = tmp_path / "answers.jsonl"
    likely = [{"text": t, "probabilities": {k: 0.9 if k in y else 0.2 for k in LABELS}} for t, y in SEVERAL]
    answers.write_text("".join(json.dumps(row) + "\n" for row in likely), encoding="utf-8")
    recipe = {**TASK, "teacher": {"kind": "recorded", "model": str(answers)}, "verify": {**TINY["verify"], "baseline": True}}
    with pytest.raises(LimbeckError, match=r"must hold a list of labels, such as .*--set data.label_separator=SIGN"):
        distill(recipe, data=rows, out=tmp_path / "run")
    report = distill(recipe, data=rows, out=tmp_path / "run", overrides=["data.label_separator='|'"])
    assert report.teacher.quality.micro_f1.estimate == 1.0
    assert report.baseline is not None
    assert (tmp_path / "run" / "evidence" / "report.md").is_file()


def test_an_estimator_of_several_labels_is_a_teacher(lists_file, tmp_path) -> None:
    applies = [[label in y for label in LABELS] for _, y in SEVERAL]
    features = TfidfVectorizer(token_pattern=r"\w+")
    model = make_pipeline(features, OneVsRestClassifier(LogisticRegression(C=50.0))).fit(TEXTS, np.array(applies, int))
    from limbeck import find

    teacher = find("teachers", "sklearn")(model, LABELS)
    report = distill(TASK, data=lists_file, teacher=teacher, out=tmp_path / "run")
    assert report.teacher.quality.micro_f1.estimate > 0.9


def test_rows_without_labels_are_judged_by_equal_answers(tmp_path) -> None:
    rows = tmp_path / "bare.jsonl"
    rows.write_text("".join(json.dumps({"text": t}) + "\n" for t in TEXTS), encoding="utf-8")
    answers = tmp_path / "answers.jsonl"
    answers.write_text("".join(json.dumps({"text": t, "label": y}) + "\n" for t, y in SEVERAL), encoding="utf-8")
    recipe = {**TASK, "teacher": {"kind": "recorded", "model": str(answers)}}
    report = distill({**recipe, "data": {**TINY["data"], "label": None}}, data=rows, out=tmp_path / "run")
    assert report.basis == "agreement"
    assert report.against("teacher").agreement.estimate >= 0.0
    assert load(report.bundle).labels == ("greeting", "question", "thanks")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {"task": "text-classification"},
            r"must hold a name or a whole number; got \[.*the task is multi-label-text-classification",
        ),
        ({"objectives": {"soft_targets": {}}}, "objectives.soft_targets: it is of one label among all.*binary_soft_targets"),
        ({"verify": {"levels": "/"}}, "verify.levels: the first level of several labels"),
        ({"teacher": {"kind": "onnx"}}, "teacher.kind: 'onnx' gives one label of all"),
        ({"student": {"budget": "1MB"}}, "student.family: the search judges by one label"),
        ({"data": {**TINY["data"], "out_of_scope": "x.jsonl"}}, "data.out_of_scope: a text that no label applies to"),
    ],
)
def test_what_does_not_fit_is_said(change, expected, lists_file, tmp_path) -> None:
    with pytest.raises(LimbeckError, match=expected):
        distill(
            {**TASK, "teacher": {"kind": "function", "model": "samples:several"}, **change},
            data=lists_file,
            out=tmp_path / "run",
        )


def test_objectives_of_several_labels_are_refused_for_one(rows_file) -> None:
    with pytest.raises(RecipeError, match="objectives.binary_hard_labels: it is of several labels.*soft_targets, hard_labels"):
        distill({**TINY, "objectives": {"binary_hard_labels": {}}}, data=rows_file)


def one_each(texts: list[str]) -> list[str]:
    """A teacher of one label."""
    return ["thanks"] * len(texts)


def softmax(texts: list[str]) -> np.ndarray:
    """A teacher whose probabilities sum to 1."""
    return np.random.default_rng(0).dirichlet([2.0] * 3, size=len(texts))


@pytest.mark.parametrize(
    ("teacher", "expected"),
    [
        (one_each, "for each a list of labels .* was expected; got str"),
        (softmax, "sum to 1, as a softmax makes them. Give the sigmoid"),
        (
            lambda texts: np.full((len(texts), 3), 2.0),
            "a probability from 0 to 1 of each label; those of row 1 lie between 2 and 2",
        ),
        (lambda texts: [["thanks", "bye"]] * len(texts), "the answer 'bye' is none of the 3 labels"),
        (lambda texts: [{"thanks": 0.5}] * len(texts), "lack 'greeting'. Write 0 where a label does not apply"),
    ],
)
def test_a_teacher_of_one_label_is_refused(teacher, expected, lists_file, tmp_path) -> None:
    with pytest.raises(TeacherError, match=expected):
        distill(TASK, data=lists_file, teacher=teacher, out=tmp_path / "run")


def test_a_backbone_is_fine_tuned_to_a_head_of_several_labels(backbone, lists_file, tmp_path) -> None:
    tuning = {"epochs": 60, "learning_rate": 3e-3, "head_learning_rate": 3e-2}
    recipe = {**TASK, "teacher": {"model": str(backbone), "fine_tune": tuning}}
    report = distill(recipe, data=lists_file, out=tmp_path / "run")
    assert report.teacher.quality.micro_f1.estimate > 0.5  # letters tell these texts apart
    described = json.loads((tmp_path / "run" / "teacher" / "limbeck_teacher.json").read_text(encoding="utf-8"))
    assert described["several"] is True
    shipped = load(tmp_path / "run" / "teacher-onnx")
    assert shipped.several
    assert shipped.calibration.thresholds == (0.5, 0.5, 0.5)  # too few validation rows to choose others
    with pytest.raises(
        TeacherError, match="is of several labels .multi_label_classification.: its logits are read with a sigmoid"
    ):
        distill({**TINY}, data=_of_one(tmp_path), teacher=tmp_path / "run" / "teacher", out=tmp_path / "other")


def test_a_new_head_begins_with_the_shares_of_its_labels(backbone) -> None:
    entry = find("teachers", "huggingface")
    teacher = entry.load(entry.Settings(str(backbone), max_tokens=32))
    teacher.add_head(LABELS, 0, several=True, shares_C=np.array([0.5, 0.1, 0.02], np.float32))
    said_NC = teacher.answer(TEXTS, frozenset({"logits_BC"})).logits_BC
    np.testing.assert_allclose(sigmoid(said_NC).mean(axis=0), [0.5, 0.1, 0.02], rtol=0.3)


def _of_one(folder):
    path = folder / "one.jsonl"
    rows = [{"text": t, "label": y[0]} for t, y in SEVERAL if y]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_head_of_transformers_says_what_it_is(backbone, lists_file, tmp_path) -> None:
    import torch
    import transformers

    torch.manual_seed(0)
    names = dict(enumerate(LABELS))
    for problem in (None, "multi_label_classification"):
        folder = tmp_path / f"head of {problem}"
        config = transformers.AutoConfig.from_pretrained(backbone, id2label=names, num_labels=3, problem_type=problem)
        transformers.BertForSequenceClassification(config).save_pretrained(folder)
        transformers.AutoTokenizer.from_pretrained(backbone).save_pretrained(folder)
        recipe = {**TASK, "teacher": {"model": str(folder), "max_tokens": 32}, "training": {"epochs": 2}}
        if problem is None:
            with pytest.raises(TeacherError, match='is of one label among all.*"problem_type": "multi_label_classification"'):
                distill(recipe, data=lists_file, out=tmp_path / "run")
        else:
            report = distill(recipe, data=lists_file, out=tmp_path / "run")
            assert report.against("teacher").agreement.estimate >= 0.0
            with pytest.raises(TeacherError, match="is of several labels"):
                distill({**TINY, "teacher": recipe["teacher"]}, data=_of_one(tmp_path), out=tmp_path / "other")
