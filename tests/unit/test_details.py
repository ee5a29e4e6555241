"""What a page shows beyond the report, held against counts by hand."""

import json

import numpy as np
import pytest
from pydantic import TypeAdapter

from limbeck.verify.compare import Answers, quality_of
from limbeck.verify.details import MOST_CHANGES, Details, details, flips, reliability

LABELS = ["a", "b", "c"]


def sure(classes: list[int], strength: list[float] | float = 3.0) -> np.ndarray:
    """Logits whose largest is that of the class."""
    return np.eye(3)[classes] * np.broadcast_to(np.asarray(strength), len(classes))[:, None]


def told(teacher: np.ndarray, student: np.ndarray, true: np.ndarray | None, **more) -> Details:
    rows = teacher.shape[-2]
    given = {"text_N": np.arange(rows), "texts": None, **more}
    return details(
        Answers(teacher), Answers(student), true, LABELS, [f"line {n}" for n in range(rows)], bundle="x", lineage={}, **given
    )


def test_flips_and_confusions_are_counted_in_both_directions() -> None:
    true = np.array([0, 0, 0, 1, 1, 2])
    teacher, student = sure([0, 0, 1, 1, 2, 1]), sure([0, 1, 1, 1, 1, 0])
    found = told(teacher, student, true)
    assert found.flips == flips(Answers(teacher).classes, Answers(student).classes, true[None])
    assert (found.flips.both_right, found.flips.gained, found.flips.lost) == (2, 1, 1)
    assert (found.flips.both_wrong_alike, found.flips.both_wrong_otherwise) == (1, 1)
    pairs = {(c.truth, c.answer): (c.teacher, c.student) for c in found.confusions}
    assert pairs == {("a", "b"): (1, 2), ("c", "a"): (0, 1)}
    assert [c.where for c in found.lost] == ["line 1"]
    assert [c.where for c in found.gained] == ["line 4"]
    assert (found.lost_rows, found.gained_rows) == (1, 1)


def test_repeats_of_cross_fitting_are_means() -> None:
    true = np.array([0, 1])
    teacher = np.stack([sure([0, 1]), sure([0, 1])])
    student = np.stack([sure([0, 1]), sure([2, 1])])
    found = told(teacher, student, true)
    assert (found.flips.both_right, found.flips.lost) == (1.5, 0.5)
    assert [(c.truth, c.answer, c.student) for c in found.confusions] == [("a", "c", 0.5)]
    assert found.lost_rows == 1


def test_the_surest_mistakes_come_first_and_copies_once() -> None:
    true = np.zeros(6, dtype=int)
    student = sure([1] * 6, [1.0, 5.0, 5.0, 2.0, 3.0, 4.0])
    found = told(sure([0] * 6), student, true, text_N=np.array([0, 1, 1, 2, 3, 4]))
    assert [c.where for c in found.lost] == ["line 1", "line 5", "line 4", "line 3", "line 0"]
    assert found.lost_rows == 6
    assert found.lost[0].student_probability > found.lost[1].student_probability
    assert all(c.text is None for c in found.lost)
    many = told(sure([0] * 60), sure([1] * 60), np.zeros(60, dtype=int))
    assert (len(many.lost), many.lost_rows) == (MOST_CHANGES, 60)


def test_without_labels_a_change_is_what_the_teacher_would_have_said_otherwise() -> None:
    found = told(sure([0, 1, 2]), sure([0, 2, 2]), None, texts=["x", "y", "z"])
    assert found.flips is None
    assert found.reliability == ()
    assert [(c.truth, c.teacher, c.student, c.text) for c in found.lost] == [(None, "b", "c", "y")]
    assert found.gained == ()


def test_the_bins_are_those_of_the_calibration_error() -> None:
    dice = np.random.default_rng(4)
    logits, true = dice.normal(size=(400, 3)) * 2, dice.integers(3, size=400)
    answers = Answers(logits, temperature=1.7)
    bins = reliability("student", answers, true).bins
    assert sum(b.rows for b in bins) == 400
    error = sum(b.rows * abs(b.right.estimate - b.confidence) for b in bins) / 400
    assert error == pytest.approx(quality_of(answers, true, np.arange(400)).ece_scaled)
    assert all(b.low < b.confidence <= b.high and b.right.low <= b.right.estimate <= b.right.high for b in bins)


def test_json_and_back() -> None:
    found = told(sure([0, 1, 2]), sure([0, 2, 1]), np.array([0, 1, 2]))
    assert TypeAdapter(Details).validate_python(json.loads(json.dumps(found.to_json()))) == found
