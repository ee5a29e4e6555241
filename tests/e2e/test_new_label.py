"""A label that is added later: the answers that were paid for stand where it cannot change them, counted at the door."""

from importlib import import_module

import numpy as np
import pytest

from limbeck.errors import TeacherError
from limbeck.types import Record
from samples import ROWS
from served import LABELS, Served

NEW = [f"please cancel my {thing}" for thing in ("order", "booking", "subscription", "delivery", "contract")]
OLD_ROWS = [Record(t, t, y) for t, y in ROWS]
ROWS_NOW = [*OLD_ROWS, *(Record(t, t, "cancel") for t in NEW)]
OLD, NOW = sorted(LABELS), sorted([*LABELS, "cancel"])
LOGITS = frozenset({"logits_BC", "known_BC"})


@pytest.fixture
def served(tmp_path, monkeypatch):
    monkeypatch.setattr(import_module("limbeck.teachers._endpoint"), "_FIRST_WAIT", 0.01)
    found = Served(tmp_path)
    own = found.chat.probabilities  # sure of what it says, but of one text
    found.chat.probabilities = lambda text: (
        {n: 0.4 if p == max(own(text).values()) else 0.3 for n, p in own(text).items()}
        if text == "hiya"
        else {n: 0.98 if p == max(own(text).values()) else 0.01 for n, p in own(text).items()}
        if "cancel" not in text
        else {"cancel": 0.98, "greeting": 0.019, "question": 0.0005, "thanks": 0.0005}  # without it, it is sure of a greeting
    )
    yield found
    found.close()


@pytest.fixture
def paid(served):
    """The old rows, and one that is about the new label without anybody knowing it then, answered under the old labels."""
    teacher = served.teacher(found=False, labels=tuple(OLD))
    teacher.discover(OLD_ROWS, OLD)
    teacher.answer([*(t for t, _ in ROWS), "cancel my order please"], LOGITS)
    return served.asked()


def renewed(served, rows=ROWS_NOW, previous=tuple(OLD), **more):
    teacher = served.teacher(found=False, labels=tuple(NOW), previous_labels=previous, **more)
    teacher.discover(rows, NOW)
    return teacher


def test_only_what_could_change_is_asked_again(served, paid) -> None:
    texts = [*(t for t, _ in ROWS), "cancel my order please", *NEW]
    estimate = served.teacher(found=False, labels=tuple(NOW), previous_labels=tuple(OLD))
    estimate.expect(NOW, ROWS_NOW)
    expected = estimate.estimate(texts).calls
    teacher = renewed(served)
    signal = teacher.answer(texts, LOGITS)
    assert served.asked() - paid == expected == 1 + 1 + len(NEW)  # the unsure one, the near one, and those of the new label
    said = [teacher.labels[i] for i in signal.logits_BC.argmax(axis=1)]
    assert said[len(ROWS) :] == ["cancel"] * 6
    assert said[: len(ROWS)] == served.expected([t for t, _ in ROWS])
    stands = signal.known_BC[:, NOW.index("cancel")] == 0.0
    assert stands.sum() == len(ROWS) - 1  # of the new label these say only that it is among the others
    assert "answers that the new cancel cannot change are those under the labels before" in " ".join(teacher.remarks())
    again = served.asked()
    renewed(served).answer(texts, LOGITS)
    assert served.asked() == again


def test_its_answers_are_another_teachers(served, paid) -> None:
    plain = served.teacher(found=False, labels=tuple(NOW))
    plain.expect(NOW)
    assert renewed(served).fingerprint() != plain.fingerprint()


def test_a_new_label_with_one_row(served, paid) -> None:
    teacher = renewed(served, [*OLD_ROWS, Record("k", NEW[0], "cancel")])
    before = served.asked()
    teacher.answer([t for t, _ in ROWS], LOGITS)
    assert served.asked() == before  # the unsure one was among the rows that it was tried with


@pytest.mark.parametrize(
    ("rows", "previous", "said"),
    [
        (OLD_ROWS, OLD, "no row bears the new label 'cancel'"),
        (ROWS_NOW, [*OLD, "thank"], "names 'thank', which is no label now. Did you mean 'thanks'"),
        (ROWS_NOW, NOW, "names all labels, so none is new"),
        (ROWS_NOW, OLD[::-1], "no answer under these 3 labels lies in"),
    ],
)
def test_what_cannot_be_is_said(served, paid, rows, previous, said) -> None:
    with pytest.raises(TeacherError, match=said):
        renewed(served, rows, tuple(previous))
    assert served.asked() == paid


def test_of_several_samples_all_have_to_agree(served) -> None:
    first = served.teacher(found=False, labels=tuple(OLD), samples=3)
    first.discover(OLD_ROWS, OLD)
    first.answer([t for t, _ in ROWS], frozenset({"logits_BC"}))
    paid = served.asked()
    assert paid == 3 * len(ROWS)
    votes_NC = np.exp(first.answer([t for t, _ in ROWS], frozenset({"logits_BC"})).logits_BC)
    split = int((votes_NC.max(axis=1) < 0.9).sum())  # three votes of three are (3 + 1/6) / 3.5
    renewed(served, samples=3).answer([t for t, _ in ROWS], frozenset({"logits_BC"}))
    assert split >= 1
    assert served.asked() - paid == 3 * (split + 1)  # and a row of the new label, with which the endpoint was tried
