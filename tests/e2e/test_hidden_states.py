"""A live objective on the whole way, and what is refused before the teacher is asked anything."""

import shutil

import pytest
import torch
import transformers

import limbeck
from limbeck.errors import LimbeckError, RecipeError, TeacherError
from limbeck.students.encoder import Encoder
from limbeck.teachers.huggingface import Huggingface
from samples import TINY

LIVE = {**TINY, "student": {"family": "encoder", "layers": 1}, "objectives": {"soft_targets": {}, "hidden_states": {}}}


def asked(monkeypatch) -> list[int]:
    from limbeck.signals.store import SignalStore

    committed: list[int] = []
    whole = SignalStore.commit

    def commit(self, payloads, signal) -> None:
        committed.append(len(payloads))
        whole(self, payloads, signal)

    monkeypatch.setattr(SignalStore, "commit", commit)
    return committed


@pytest.mark.parametrize("live", [True, False])
def test_states_teach_live_and_from_the_store(tiny_run, tmp_path, live: bool) -> None:
    _, _, data, teacher = tiny_run
    recipe = {**LIVE, "objectives": {"soft_targets": {}, "hidden_states": {"live": live}}}
    report = limbeck.distill(recipe, data=data, teacher=teacher, out=tmp_path / "out")
    assert report.lineage["student"]["origin"].startswith("teacher's layers 1")
    again = limbeck.distill(recipe, data=data, teacher=teacher, out=tmp_path / "again")
    assert again.lineage["bundle"] == report.lineage["bundle"]


def test_what_averaged_teachers_cannot_give_is_said_before_they_are_asked(tiny_run, tmp_path, monkeypatch) -> None:
    _, _, data, teacher = tiny_run
    backbone = tmp_path / "backbone"
    backbone.mkdir()
    for file in teacher.iterdir():
        if file.name not in ("head.safetensors", "limbeck_teacher.json"):
            (backbone / file.name).write_bytes(file.read_bytes())
    committed = asked(monkeypatch)
    recipe = {**LIVE, "teacher": {"fine_tune": {"epochs": 1, "seeds": 2}}}
    with pytest.raises(TeacherError, match=r"need hidden_BWD, mask_BW, but this teacher gives only logits_BC"):
        limbeck.distill(recipe, data=data, teacher=backbone, out=tmp_path / "out")
    assert not committed


def test_layers_that_the_teacher_lacks_are_said_before_it_is_asked(tiny_run, tmp_path, monkeypatch) -> None:
    _, _, data, teacher = tiny_run
    committed = asked(monkeypatch)
    with pytest.raises(LimbeckError, match="layer"):
        limbeck.distill(LIVE, data=data, teacher=teacher, out=tmp_path / "out", overrides=["student.layers=9"])
    assert not committed


def test_student_and_control_take_the_layers_that_the_teacher_misses_most(tiny_run, tmp_path, monkeypatch) -> None:
    """Measured once, with the teacher that has learned the labels; the control's has not, and could not say."""
    _, _, data, teacher = tiny_run
    deep = tmp_path / "deep"
    shutil.copytree(teacher, deep)
    for name in ("head.safetensors", "limbeck_teacher.json"):
        (deep / name).unlink()
    torch.manual_seed(0)
    transformers.BertModel(transformers.BertConfig.from_pretrained(deep, num_hidden_layers=3)).save_pretrained(deep)
    shown, made, whole = [], [], Huggingface.most_missed

    def most_missed(self, number: int, payloads) -> tuple[int, ...]:
        shown.append(len(payloads))
        assert set(whole(self, number, payloads)) < {1, 2, 3}
        return (2,)

    def init(self, settings, *given, **named) -> None:
        begin(self, settings, *given, **named)
        made.append(self.chosen)

    begin = Encoder.__init__
    monkeypatch.setattr(Huggingface, "most_missed", most_missed)
    monkeypatch.setattr(Encoder, "__init__", init)
    student = {"family": "encoder", "layers": 1, "choose": "important"}
    recipe = {**TINY, "student": student, "teacher": {"fine_tune": {"epochs": 1}}}
    recipe["verify"] = {**TINY["verify"], "control": True}
    report = limbeck.distill(recipe, data=data, teacher=deep, out=tmp_path / "out")
    assert report.lineage["student"]["origin"].startswith("teacher's layers 2,")
    assert len(shown) == 1
    assert 0 < shown[0] <= 256
    assert report.control is not None
    assert set(made) == {(2,), (1, 2, 3), (3,)}  # the whole is the teacher's own file, the last the doctor's first lesson
    assert made.count((2,)) > 1
    with pytest.raises(RecipeError, match=r"student\.layers names the layers"):
        limbeck.distill(recipe, data=data, teacher=deep, out=tmp_path / "o", overrides=["student.layers=[1,2]"])
