"""The control never sees what the teacher says: it starts from the backbone as it was, and learns labels alone."""

import json

import numpy as np
import torch

import limbeck
import limbeck.pipeline.control as control_module
from limbeck.modalities._text_views import TextViews
from limbeck.pipeline.control import fit_control
from limbeck.pipeline.data import read_data
from limbeck.pipeline.student import student_logits
from limbeck.pipeline.teacher import load_teacher
from limbeck.recipe import Recipe
from limbeck.run import open_run
from limbeck.types import Record, TrainingPlan
from samples import TINY

RECIPE = {**TINY, "data": {"train": "set by the test", "test_share": 0.3, "valid_share": 0.0}, "student": {"width": 16}}
PLAN = TrainingPlan(epochs=1, batch_size=8, learning_rate=1e-2)


def control(backbone, rows_file, out, monkeypatch, steps: int = 150):
    from limbeck.teachers.huggingface import Huggingface

    def never(*_) -> None:
        raise AssertionError("the control asked the teacher")

    recipe = Recipe.read(RECIPE, values={"data.train": str(rows_file), "teacher.model": str(backbone), "out": str(out)})
    with open_run(recipe) as run, monkeypatch.context() as patched:
        splits = read_data(run).splits
        load_teacher(run, splits)
        patched.setattr(Huggingface, "answer", never)
        return fit_control(run, splits, PLAN, steps), splits, run


def test_the_control_learns_from_labels_alone_and_is_the_same_twice(backbone, rows_file, tmp_path, monkeypatch) -> None:
    (first, modality, reached), splits, _ = control(backbone, rows_file, tmp_path / "a", monkeypatch)
    (second, _, again), _, _ = control(backbone, rows_file, tmp_path / "b", monkeypatch)
    assert reached == again
    assert "teacher's token embeddings" in first.origin
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)
    rows = [r for r in splits.train if r.label]
    truth = np.array([splits.labels.index(r.label) for r in rows])
    before, _, _ = control(backbone, rows_file, tmp_path / "c", monkeypatch, steps=1)[0]
    begun = student_logits(before, modality, modality.encode([r.payload for r in rows]))
    trained = student_logits(first, modality, modality.encode([r.payload for r in rows]))
    losses = [torch.nn.functional.cross_entropy(logits, torch.from_numpy(truth)) for logits in (begun, trained)]
    assert losses[1] < 0.8 * losses[0]


def test_it_is_trained_again_with_the_rows_that_chose(tiny_teacher, rows_file, tmp_path, monkeypatch) -> None:
    learned, plans = [], []
    before, training = control_module.fit_control, control_module.Training

    def fit(run, splits, *args, **more):
        learned.append((more.get("chosen"), more.get("chosen") and len(splits.valid)))
        return before(run, splits, *args, **more)

    def train(*args, **more):
        plans.append(next(a for a in args if isinstance(a, TrainingPlan)))
        return training(*args, **more)

    monkeypatch.setattr(control_module, "fit_control", fit)
    monkeypatch.setattr(control_module, "Training", train)
    recipe = {**TINY, "data": {**TINY["data"], "valid_share": 0.4}, "verify": {**TINY["verify"], "control": True}}
    out = tmp_path / "out"
    report = limbeck.distill(recipe, data=rows_file, teacher=tiny_teacher[1], out=out)
    chosen = json.loads((out / "resolved.json").read_text())["measured"]["control.epochs"]
    assert [found for found, _ in learned] == [None, chosen]
    assert [plan.epochs for plan in plans] == [chosen["planned"]] * 2  # on more rows, by the schedule that chose
    assert learned[1][1] > 0
    assert report.control.quality is not None
    curves = [json.loads(line) for line in (out / "curves.jsonl").read_text().splitlines()]
    rows = {line["stage"] for line in curves}
    assert {"control", "student"} <= rows


def test_a_teacher_that_came_with_a_head_lends_no_start(tiny_teacher, rows_file, tmp_path, monkeypatch) -> None:
    (student, _, _), _, _ = control(tiny_teacher[1], rows_file, tmp_path / "a", monkeypatch)
    assert student.origin == "random"


def test_the_controls_views_all_keep_their_label() -> None:
    records = [Record(f"k{i}", f"how do I do thing number {i} with my card", f"c{i % 2}") for i in range(20)]
    plan = TextViews(per_record=6, case_share=0.3, synonym_share=0.5, span_share=0.2)
    near = {"card": ("account",), "thing": ("matter",)}
    assert any(v.label is None for v in plan.of(records, 0, near, near))
    views = plan.keeping_labels().of(records, 0, near, near)
    assert len(views) > 60
    label = {r.key: r.label for r in records}
    assert all(v.label == label[v.keys[0]] for v in views)


def test_half_of_the_rows_that_choose_stay_new_to_teacher_and_student(backbone, tmp_path, monkeypatch) -> None:
    import limbeck.pipeline.student as student_module
    from limbeck.data.split import spared
    from limbeck.pipeline.fine_tuning import _Tuning

    fitted, judged = [], []
    fit, near = _Tuning._fit, student_module.nearness

    def fit_seen(self, teacher, lesson, *more):
        fitted.append(({r.key for r in lesson.rows}, self._splits))
        return fit(self, teacher, lesson, *more)

    def near_seen(modality, payloads, *more):
        judged.append(set(payloads))
        return near(modality, payloads, *more)

    monkeypatch.setattr(_Tuning, "_fit", fit_seen)
    monkeypatch.setattr(student_module, "nearness", near_seen)
    rows = [(f"{word} number {n}", label) for n in range(220) for word, label in (("hello", "greeting"), ("where", "question"))]
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows), encoding="utf-8")
    recipe = {**TINY, "data": {**TINY["data"], "valid_share": 0.4}, "teacher": {"fine_tune": {"epochs": 1}}}
    limbeck.distill(recipe, data=data, teacher=backbone, out=tmp_path / "out")
    (choice, splits), (again, _) = fitted
    train, valid, new = ({r.key for r in of} for of in (splits.train, splits.valid, spared(splits)))
    assert choice == train
    assert again == train | (valid - new)
    assert 0.2 * len(valid) < len(new) < 0.8 * len(valid)
    assert judged == [{r.payload for r in splits.valid if r.key in new}]
