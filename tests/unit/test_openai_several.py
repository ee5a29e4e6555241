"""A teacher behind an endpoint where several labels may apply to a text, over a socket."""

import json
from collections.abc import Iterator
from importlib import import_module

import numpy as np
import pytest

from limbeck import distill
from limbeck.errors import TeacherError
from limbeck.label_sets import sigmoid
from limbeck.types import Record
from samples import SEVERAL, TINY, several
from served import LABELS, Served

_endpoint = import_module("limbeck.teachers._endpoint")
_chat = import_module("limbeck.teachers._chat")
_of_several = import_module("limbeck.teachers._chat_of_several")
TEXTS = [text for text, _ in SEVERAL]
ROWS = [Record(t, t, tuple(y)) for t, y in SEVERAL]
LOGITS = frozenset({"logits_BC"})


@pytest.fixture
def served(tmp_path, monkeypatch) -> Iterator[Served]:
    monkeypatch.setattr(_endpoint, "_FIRST_WAIT", 0.01)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    found = Served(tmp_path)
    found.chat.probabilities = lambda text: {label: 0.9 if label in several([text])[0] else 0.1 for label in LABELS}
    yield found
    found.close()


def asked(served: Served, **more):
    teacher = served.teacher(found=False, **more)
    teacher.answers_with(several=True)
    teacher.discover(ROWS, LABELS)
    return teacher


def test_it_is_asked_for_a_list_and_answers_are_kept(served) -> None:
    teacher = asked(served)
    assert (teacher.says, teacher.gives()) == ("labels", LOGITS)
    p_BC = sigmoid(teacher.answer(TEXTS, LOGITS).logits_BC)
    expected = np.array([[label in y for label in LABELS] for _, y in SEVERAL])
    np.testing.assert_allclose(p_BC, np.where(expected, 0.98, 0.02), atol=1e-5)
    before = served.asked()
    assert before == len(set(TEXTS))
    again = asked(served)
    assert again.fingerprint() == teacher.fingerprint()
    again.answer(TEXTS, LOGITS)
    assert served.asked() == before
    one = served.teacher()  # of one label among all: other questions
    assert one.fingerprint() != teacher.fingerprint()


def test_samples_become_probabilities(served) -> None:
    teacher = asked(served, samples=20)
    assert teacher.says == "probabilities"
    p_BC = sigmoid(teacher.answer(TEXTS, LOGITS).logits_BC)
    expected = np.array([[label in y for label in LABELS] for _, y in SEVERAL])
    assert abs(p_BC[expected].mean() - 0.9) < 0.06
    assert abs(p_BC[~expected].mean() - 0.1) < 0.06
    assert ((p_BC >= 0.0199) & (p_BC <= 0.9801)).all()


def test_faults_are_outlasted_and_what_cannot_be_used_is_told(served) -> None:
    teacher = asked(served)
    served.chat.faults = ["429", "500", "half", "invalid", "wrong", "slow"]
    more = [f"{t} today" for t in TEXTS]
    yes_BC = teacher.answer(more, LOGITS).logits_BC > 0
    assert yes_BC.tolist() == [[label in y for label in LABELS] for y in several(more)]
    others = sigmoid(teacher.answer(TEXTS, LOGITS).logits_BC).mean(axis=0)
    lost = "hello, where is it right now"
    served.chat.faults = ["wrong"] * 3
    p_C = sigmoid(teacher.answer([*TEXTS, lost], LOGITS).logits_BC)[-1]
    np.testing.assert_allclose(p_C, others, atol=1e-5)
    assert "could not be used" in " ".join(teacher.remarks())


@pytest.mark.parametrize(
    "text", ["greeting", '["greeting"]', '{"label": "greeting"}', '{"labels": "greeting"}', '{"labels": ["nobody"]}', '{"labels": [1]}', '{"labels": null}'],
)  # fmt: skip
def test_an_answer_of_another_form_is_none(text) -> None:
    chat = _of_several.ChatOfSeveral("u", "m", tuple(LABELS), "json")
    assert chat.heard({"text": text}) is None
    assert chat.heard({"text": '{"labels": ["thanks", "greeting", "thanks"]}'}).labels == ("greeting", "thanks")
    assert chat.heard({"text": '{"labels": []}'}).labels == ()
    assert chat.heard({"text": '{"labels": []}', "odd": True}) is None


def test_where_nothing_can_be_used_nothing_is_claimed() -> None:
    said = _of_several.said_of_several([[], []], LABELS, "here")
    assert (said.logits_BC == 0).all()
    assert (said.known_BC == 0).all()


def test_previous_labels_are_refused(served) -> None:
    with pytest.raises(TeacherError, match=r"teacher\.previous_labels: .* leave them out"):
        asked(served, labels=tuple(LABELS), previous_labels=tuple(LABELS[:2]))


def test_the_whole_way_from_an_endpoint_to_a_bundle(served, tmp_path) -> None:
    path = tmp_path / "lists.jsonl"
    path.write_text("".join(json.dumps({"text": t, "label": y}) + "\n" for t, y in SEVERAL), encoding="utf-8")
    teacher = {"kind": "openai", "model": "sorter", "endpoint": served.url, "answers": str(tmp_path / "kept.sqlite")}
    few = {key: value for key, value in TINY.items() if key != "views"}  # each would be a call
    recipe = {**few, "task": "multi-label-text-classification", "training": {"epochs": 30}, "teacher": teacher}
    report = distill(recipe, data=path, out=tmp_path / "run")
    assert report.several
    assert report.teacher.quality.micro_f1.estimate == 1.0
    assert report.student.quality.micro_f1.estimate > 0.5
    assert served.asked() == len(set(TEXTS))
