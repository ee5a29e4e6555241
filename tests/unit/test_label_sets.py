"""Labels of which several may apply: as names, as numbers, as an answer, at thresholds."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from limbeck.label_sets import aims, as_questions, names_of, shares, sigmoid, told
from limbeck.metrics.probabilities import log_softmax
from limbeck.metrics.sets import exact, macro_f1, micro_f1
from limbeck.tasks.multi_label_text_classification import MultiLabelTextClassification
from limbeck.verify.thresholds import EVEN, LEAST, calibrate_several, chosen_thresholds

CLASSES = ["a", "b", "c"]


def drawn(rows: int, labels: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """What applies, and probabilities that know some of it."""
    dice = np.random.default_rng(seed)
    applies_NC = dice.random((rows, labels)) < np.linspace(0.4, 0.05, labels)
    return applies_NC, sigmoid(np.where(applies_NC, 1.0, -1.0) + dice.normal(size=(rows, labels)))


def test_the_share_of_a_label_is_of_the_rows_that_say_so_and_never_sure() -> None:
    found = shares(aims([("a", "c"), ("a",), None, ("a",)], CLASSES, several=True))
    np.testing.assert_allclose(found, [4 / 5, 1 / 5, 2 / 5])
    assert found.dtype == np.float32
    assert shares(aims([None], CLASSES, several=True)).tolist() == [0.5, 0.5, 0.5]


def test_labels_become_numbers() -> None:
    assert aims(["b", None, "a"], CLASSES).tolist() == [1, -1, 0]
    found = aims([("a", "c"), (), None, "b"], CLASSES, several=True)
    assert found.tolist() == [[1, 0, 1], [0, 0, 0], [-1, -1, -1], [0, 1, 0]]
    assert found.dtype == np.float32
    with pytest.raises(KeyError):
        aims([("a", "z")], CLASSES, several=True)
    assert (names_of("a"), names_of(("a", "b")), names_of(()), told(("a", "b"))) == (("a",), ("a", "b"), (), "a + b")


def test_a_sigmoid_is_a_softmax_of_two_and_overflows_never() -> None:
    logits = np.array([[-1e4, -2.0, 0.0, 3.0, 1e4]])
    np.testing.assert_allclose(sigmoid(logits, 2.0), np.exp(log_softmax(as_questions(logits), 2.0))[..., 1], atol=1e-12)


def test_metrics_are_those_of_scikit_learn() -> None:
    applies_NC, p_NC = drawn(300)
    given_NC = p_NC > 0.5
    assert micro_f1(given_NC, applies_NC) == pytest.approx(f1_score(applies_NC, given_NC, average="micro"))
    assert macro_f1(given_NC, applies_NC) == pytest.approx(f1_score(applies_NC, given_NC, average="macro"))
    assert exact(given_NC, applies_NC) == accuracy_score(applies_NC, given_NC)
    nothing = np.zeros((2, 3), bool)
    assert micro_f1(nothing, nothing) == macro_f1(nothing, nothing) == exact(nothing, nothing) == 1.0
    with pytest.raises(ValueError, match="one shape"):
        micro_f1(nothing, nothing[:1])


def test_an_answer_holds_all_labels_over_their_thresholds_the_likeliest_first() -> None:
    task = MultiLabelTextClassification()
    logits = np.array([[0.0, 2.0, -4.0], [-3.0, -3.0, -3.0]])
    answers = task.answers(logits, CLASSES, temperature=1.0, threshold=(0.4, 0.4, 0.4))
    assert [a.labels for a in answers] == [("b", "a"), ()]
    assert answers[0].probabilities == pytest.approx((1 / (1 + np.exp(-2.0)), 0.5))
    assert [a.labels for a in task.answers(logits, CLASSES, threshold=(0.6, 0.9, 0.01))] == [("c",), ("c",)]
    assert task.answers(logits, CLASSES, temperature=2.0)[0].probabilities[0] == pytest.approx(1 / (1 + np.exp(-1.0)))


def test_thresholds_give_no_less_micro_f1_than_any_one_for_all() -> None:
    for seed in range(5):
        applies_NC, p_NC = drawn(200, seed=seed)
        reached = micro_f1(p_NC >= np.array(chosen_thresholds(p_NC, applies_NC)), applies_NC)
        assert reached >= max(micro_f1(p_NC >= one, applies_NC) for one in np.linspace(0.01, 0.99, 99)) - 1e-12


def test_a_rare_label_keeps_the_common_threshold() -> None:
    applies_NC, p_NC = drawn(200)
    applies_NC[:, 3] = False
    applies_NC[: LEAST - 1, 3] = True
    p_NC[:, 3] = 0.99
    found = chosen_thresholds(p_NC, applies_NC)
    alone = chosen_thresholds(p_NC[:, :3], applies_NC[:, :3])
    assert found[3] not in alone
    assert len({*found}) == 4
    none = np.zeros((5, 2), bool)
    assert chosen_thresholds(np.full((5, 2), 0.3), none) == (EVEN, EVEN)


def test_without_labels_the_teacher_is_the_truth() -> None:
    applies_NC, p_NC = drawn(300)
    teacher_NC = np.where(applies_NC, 2.0, -2.0)
    student_NC = 3.0 * np.log(p_NC / (1 - p_NC))
    by_teacher, by_labels = (
        calibrate_several(student_NC, teacher_NC, None),
        calibrate_several(student_NC, teacher_NC, applies_NC),
    )
    assert (by_teacher.against, by_labels.against) == ("teacher", "labels")
    assert by_teacher.thresholds == by_labels.thresholds
    assert by_labels.rows == 300
    assert by_labels.temperature > 1.0  # it was made too sure
