"""Views are labelled by an int8 file of the teacher: only where it is near and quick, and by the same file whoever adds to the store."""

import numpy as np
import pytest
import torch

from limbeck.errors import SignalError
from limbeck.pipeline import labelling
from limbeck.pipeline.labelling import FOLDER, MEASURED, Int8Teacher, labelling_teacher, told_of_labelling
from limbeck.recipe import Recipe
from limbeck.run import Run, write_json
from limbeck.signals.store import SignalStore, described
from limbeck.signals.teach import teach
from limbeck.teachers._averaged import Averaged
from limbeck.teachers.huggingface import Huggingface
from limbeck.types import View

LOGITS = frozenset({"logits_BC"})
TEXTS = [f"{a} {b}{c}" for a in "abcdefg" for b in "abc" for c in "adg"]


@pytest.fixture
def teacher(tmp_path):
    found = Huggingface.tiny(tmp_path)
    with torch.no_grad():
        found.module.head.weight.mul_(50.0)
    return found


@pytest.fixture(autouse=True)
def worth_it(monkeypatch) -> None:
    monkeypatch.setattr(labelling, "_MANY", 10)
    monkeypatch.setattr(labelling, "_QUICKER", 0.0)
    monkeypatch.setattr(labelling, "is_heavy", lambda module: True)


def a_run(folder, **asked) -> Run:
    folder.mkdir()
    write_json(folder / "resolved.json", {"measured": {"precision": {"precision": "float32"}}})
    recipe = Recipe.read({**asked}, [], {"data.train": "rows.jsonl", "out": str(folder)})
    return Run(recipe, folder, threads=1, device="cpu", environment={}, data={})


def labelled(run: Run, teacher, signals, texts=TEXTS) -> SignalStore:
    """What `ask_teacher` does with it."""
    by = labelling_teacher(run, teacher, signals, texts)
    store = SignalStore(signals, by.fingerprint())
    for _ in teach(by, store, [View((t,), (), 0, t) for t in texts], LOGITS):
        pass
    return store


def test_a_near_and_quick_file_labels_and_is_spoken_of(teacher, tmp_path) -> None:
    run = a_run(tmp_path / "run")
    store = labelled(run, teacher, tmp_path / "signals")
    assert described(tmp_path / "signals")["precision"] == "int8"
    said, meant = store.get(TEXTS, LOGITS).logits_BC, teacher.answer(TEXTS, LOGITS).logits_BC
    assert 0.0 < np.abs(said - meant).max() < 0.1 * np.abs(meant).max()
    record = run.measured(MEASURED)
    assert record["taken"]
    assert record["agreement"] >= 0.995
    assert "by the teacher's int8 file" in told_of_labelling(record)[0]
    assert teacher.precision == "float32"


def test_whoever_adds_to_a_store_is_answered_by_the_same_file(teacher, tmp_path, monkeypatch) -> None:
    signals = tmp_path / "signals"
    labelled(a_run(tmp_path / "first"), teacher, signals)
    before = described(signals)
    monkeypatch.setattr(labelling, "_QUICKER", 1e9)  # it would not be taken today
    monkeypatch.setattr(labelling, "_MANY", 10**9)
    second = a_run(tmp_path / "second")
    store = labelled(second, teacher, signals, [*TEXTS, "one more"])
    assert described(signals) == before
    assert len(store) == len(TEXTS) + 1
    with pytest.raises(SignalError, match="precision"):
        labelled(a_run(tmp_path / "third", precision="float32"), teacher, signals)


def test_a_lost_file_is_made_again_from_the_same_texts_and_from_no_others(teacher, tmp_path) -> None:
    signals = tmp_path / "signals"
    labelled(a_run(tmp_path / "first"), teacher, signals)
    (signals / FOLDER / "0.onnx").unlink()
    labelled(a_run(tmp_path / "second"), teacher, signals)
    (signals / FOLDER / "0.onnx").unlink()
    with pytest.raises(SignalError, match="another teacher .file: "):
        labelled(a_run(tmp_path / "third"), teacher, signals, TEXTS[::2])


@pytest.mark.parametrize("limit", [("MOST_KL", -1.0), ("_ALIKE", 1.1), ("_QUICKER", 1e9)])
def test_a_file_that_is_not_near_or_not_quicker_is_not_taken_and_does_not_stay(teacher, tmp_path, monkeypatch, limit) -> None:
    monkeypatch.setattr(labelling, *limit)
    run = a_run(tmp_path / "run")
    assert labelling_teacher(run, teacher, tmp_path / "signals", TEXTS) is teacher
    assert not run.measured(MEASURED)["taken"]
    assert told_of_labelling(run.measured(MEASURED)) == ()
    assert not (tmp_path / "signals" / FOLDER).exists()


def test_few_views_and_a_precision_that_is_asked_for_try_nothing(teacher, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(labelling, "_MANY", len(TEXTS) + 1)
    few, asked = a_run(tmp_path / "few"), a_run(tmp_path / "asked", precision="float32")
    assert labelling_teacher(few, teacher, tmp_path / "signals", TEXTS) is teacher
    assert few.measured(MEASURED) is None
    assert labelling_teacher(asked, teacher, tmp_path / "signals", TEXTS * 2) is teacher


def test_averaged_teachers_have_a_file_each(teacher, tmp_path) -> None:
    (tmp_path / "other").mkdir()
    other = Huggingface.tiny(tmp_path / "other")
    with torch.no_grad():
        other.module.head.weight.mul_(-30.0)
    both = Averaged([teacher, other])
    found = labelling_teacher(a_run(tmp_path / "run"), both, tmp_path / "signals", TEXTS)
    assert isinstance(found, Int8Teacher)
    assert sorted(p.name for p in (tmp_path / "signals" / FOLDER).iterdir()) == ["0.onnx", "1.onnx", "record.json"]
    said, meant = (np.exp(t.answer(TEXTS, LOGITS).logits_BC) for t in (found, both))
    assert np.allclose(meant.sum(1), 1.0, atol=1e-5)
    assert np.abs(said - meant).max() < 0.05
