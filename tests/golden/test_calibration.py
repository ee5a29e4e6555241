"""Probabilities and their calibration against scipy and by hand."""

import math

import numpy as np
import pytest
from scipy.stats import binom

from limbeck.errors import DataError
from limbeck.evidence import Calibration
from limbeck.metrics.probabilities import confidence, expected_calibration_error, kl
from limbeck.verify.calibrate import (
    calibrate,
    can_be_shown,
    fit_temperature,
    least_confidence,
    may_be_held,
    most_confidence,
    temperatures,
)
from limbeck.verify.out_of_scope import Heard, out_of_scope


def logits(rows: int, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Over-confident logits and the truth that they were drawn around."""
    dice = np.random.default_rng(seed)
    honest = dice.normal(size=(rows, classes)) * 2
    chance = np.exp(honest) / np.exp(honest).sum(axis=1, keepdims=True)
    true = np.array([dice.choice(classes, p=p) for p in chance])
    return honest * 2.5, true


def test_calibration_error_by_hand() -> None:
    # Two bins of 15: (0.6, 0.6667] holds 0.62 and 0.64 with one right, (0.9333, 1] holds 0.95 and 1.0 with both right.
    found = expected_calibration_error(np.array([0.62, 0.95, 0.64, 1.0]), np.array([True, True, False, True]))
    assert found == pytest.approx(0.5 * abs(0.5 - 0.63) + 0.5 * abs(1 - 0.975))
    # A bin holds its upper end: 0.2 lies in (2/15, 3/15].
    assert expected_calibration_error(np.array([0.2, 0.14]), np.array([True, False])) == pytest.approx(abs(0.5 - 0.17))
    with pytest.raises(ValueError, match="non-empty"):
        expected_calibration_error(np.array([]), np.array([], dtype=bool))


def test_kl_by_hand_and_against_scipy() -> None:
    from scipy.special import softmax
    from scipy.stats import entropy

    # KL((1/2, 1/2) || (1/4, 3/4)) = 1/2 ln 2 + 1/2 ln 2/3
    found = kl(np.zeros((1, 2)), np.log([[0.25, 0.75]]))
    assert found[0] == pytest.approx(0.5 * math.log(2) + 0.5 * math.log(2 / 3))
    teacher, student = np.random.default_rng(0).normal(size=(2, 9, 5))
    expected = entropy(softmax(teacher, axis=1), softmax(student, axis=1), axis=1)
    np.testing.assert_allclose(kl(teacher, student), expected, rtol=1e-10)
    assert (kl(teacher, teacher) == 0).all()
    assert np.isfinite(kl(np.array([[1e4, -1e4]]), np.array([[-1e4, 1e4]]))).all()


def test_the_temperature_is_where_scipy_finds_the_least_likelihood() -> None:
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    given, true = logits(400, 6, 1)

    def loss(t: float) -> float:
        return -float(log_softmax(given / t, axis=1)[np.arange(400), true].mean())

    found = fit_temperature(given, np.eye(6)[true])
    assert found == pytest.approx(
        minimize_scalar(loss, bounds=(0.1, 10), method="bounded", options={"xatol": 1e-9}).x, abs=1e-5
    )
    assert 2 < found < 3.1  # they were made 2.5 times too sure


def test_temperatures_that_rows_cannot_tell() -> None:
    given, true = logits(50, 4, 2)
    assert fit_temperature(given, np.eye(4)[given.argmax(axis=1)]) == 1.0  # nothing is wrong
    assert fit_temperature(given, np.eye(4)[given.argmin(axis=1)]) == 10.0  # always wrong: no temperature is high enough
    assert fit_temperature(given * 1e-3, np.eye(4)[true]) == 0.1
    assert fit_temperature(np.zeros((5, 3)), np.eye(3)[[0, 1, 2, 0, 1]]) == 1.0  # no logit differs, none is better


def test_soft_targets() -> None:
    from scipy.special import softmax

    given, _ = logits(200, 5, 3)
    assert fit_temperature(given, softmax(given / 3, axis=1)) == pytest.approx(3, rel=1e-6)


def test_the_least_confidence_by_hand() -> None:
    sure = np.array([0.9, 0.8, 0.8, 0.6, 0.4])
    good = np.array([True, True, False, True, False])
    assert least_confidence(sure, good, 0.6) == 0.0  # all rows together
    assert least_confidence(sure, good, 0.75) == pytest.approx(0.5)  # the first four: between 0.6 and 0.4
    assert least_confidence(sure, good, 0.9) == pytest.approx(0.85)  # 0.8 has one of two right and cannot be cut
    assert least_confidence(sure, ~good, 0.9) is None
    assert least_confidence(np.full(4, 0.5), np.array([True, True, False, True]), 0.8) is None


def test_a_student_is_calibrated_against_labels_or_its_teacher() -> None:
    student, true = logits(600, 6, 4)
    dice = np.random.default_rng(5)
    teacher = np.where(dice.random((600, 1)) < 0.5, np.eye(6)[true] * 6, student)
    found = calibrate(student, teacher, true)
    sure, right = confidence(student, found.temperature), student.argmax(axis=1) == true
    answered = sure >= found.threshold
    assert found.rows == 600
    assert found.against == "labels"
    assert 0 < found.threshold < 1
    assert right[answered].mean() >= (teacher.argmax(axis=1) == true).mean()
    assert found.answered == pytest.approx(answered.mean())
    assert expected_calibration_error(sure, right) < expected_calibration_error(confidence(student), right)
    assert calibrate(student, student, true).threshold == 0.0
    alone = calibrate(student, teacher, None, least_agreement=0.95)
    assert alone.against == "teacher"
    agreeing = student.argmax(axis=1) == teacher.argmax(axis=1)
    assert agreeing[confidence(student, alone.temperature) >= alone.threshold].mean() >= 0.95


def test_calibration_that_cannot_be() -> None:
    student, true = logits(20, 3, 6)
    wrong = calibrate(np.eye(3)[(true + 1) % 3] * 5, np.eye(3)[true] * 5, true)
    assert (wrong.threshold, wrong.answered, wrong.threshold_found) == (0.0, 1.0, False)
    assert calibrate(student[:0], student[:0], true[:0]).rows == 0
    with pytest.raises(DataError, match="same rows"):
        calibrate(student, student[:3], true)
    with pytest.raises(DataError, match="finite"):
        calibrate(student * np.nan, student, true)


def test_no_row_chooses_its_own_temperature() -> None:
    said, true = logits(400, 4, 0)
    part = np.arange(400) % 4
    found = temperatures(said[None], true, part[None])
    for fold in range(4):
        others = part != fold
        assert found[0, part == fold] == pytest.approx(fit_temperature(said[others], np.eye(4)[true[others]]))
    wrong = true.copy()
    wrong[part == 0] = (wrong[part == 0] + 1) % 4
    assert (temperatures(said[None], wrong, part[None])[0, part == 0] == found[0, part == 0]).all()
    assert (temperatures(said[None], true, np.zeros((1, 400), int)) == 1).all()


def test_what_refusing_may_cost_is_counted_in_right_answers() -> None:
    sure = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
    right = np.array([False, True, False, True, True, True, True, True, True, True])
    for held, expected in ((0, 0.15), (1, 0.35), (2, 0.45)):
        found = most_confidence(sure, right, held)
        assert found == pytest.approx(expected)
        assert (right & (sure < found)).sum() == held
    assert most_confidence(np.array([0.5, 0.5, 0.9]), np.array([True, True, True]), 1) == 0.5  # equal ones go together
    assert most_confidence(sure, right, 8) is most_confidence(sure, np.zeros(10, dtype=bool), 0) is None  # nothing to lose
    assert most_confidence(sure, np.ones(10, dtype=bool), 0) == 0.1
    given, true = logits(500, 6, 5)
    found = calibrate(given, given, true, cost=0.02)
    held = (given.argmax(1) == true) & (confidence(given, found.temperature) < found.threshold)
    assert held.sum() == may_be_held(500, 0.02) == 4  # 10 would be 2 % of these rows, and more of others half of the time
    assert found.answered < 0.992


def kept(rows: int, cost: float, held: int, drawn: np.random.Generator, copies: int = 1) -> float:
    """In which share of draws a threshold costs no more than it may: confidences are uniform, so it costs its size times the share of good answers."""
    within = []
    for _ in range(4000):
        sure, good = drawn.uniform(size=rows // copies), drawn.uniform(size=rows // copies) < 0.9
        threshold = most_confidence(np.repeat(sure, copies), np.repeat(good, copies), held)
        within.append(0.9 * threshold <= cost)
    return float(np.mean(within))


@pytest.mark.parametrize(("rows", "cost"), [(473, 0.01), (299, 0.01), (628, 0.01), (59, 0.05)])
def test_a_threshold_costs_others_no_more_in_nineteen_of_twenty_draws(rows: int, cost: float) -> None:
    drawn, held = np.random.default_rng(rows), may_be_held(rows, cost)
    assert kept(rows, cost, held, drawn) >= 0.95
    assert kept(rows, cost, held + 1, drawn) < 0.93  # one more would be too many


def test_copies_of_a_text_are_held_back_as_one_row() -> None:
    drawn = np.random.default_rng(0)
    assert kept(1500, 0.01, may_be_held(1500, 0.01), drawn, copies=5) < 0.92
    assert kept(1500, 0.01, 5 * may_be_held(300, 0.01), drawn, copies=5) >= 0.95
    said, true = logits(1500, 6, 5)
    found = calibrate(said, said, true, cost=0.02, text_N=np.arange(1500) // 5)
    held = (said.argmax(1) == true) & (confidence(said, found.temperature) < found.threshold)
    assert held.sum() == 5 * may_be_held(300, 0.02) == 5
    assert [can_be_shown(np.arange(rows) // 2, 0.01) for rows in (597, 598)] == [False, True]


def test_as_many_may_be_held_back_as_the_binomial_distribution_allows() -> None:
    for rows in (1, 100, 298, 299, 472, 473, 785, 1506, 100_000):
        for cost in (0.001, 0.01, 0.2, 0.5, 0.99):
            held = np.arange(int(cost * rows) + 1)
            expected = held[binom.cdf(held, rows, cost) <= 0.05].max(initial=0)
            assert may_be_held(rows, cost) == expected, (rows, cost)
    assert [may_be_held(rows, 0.01) for rows in (472, 473, 785, 1506)] == [0, 1, 3, 8]
    assert may_be_held(50, 0.0) == 0


def test_out_of_scope_by_hand() -> None:
    def two(margins: list[float]) -> np.ndarray:
        return np.array([[m, 0.0] for m in margins])

    half = Calibration(threshold=0.75, rows=100)  # a margin of ln 3 = 1.0986
    teacher = Heard(two([0.5, 0.5, 2, 0.5]), two([3, 3, -3, 1]), half)
    student = Heard(two([0.5, 2, 2, 2]), two([3, 0.5, -3, 3]), half)
    found = out_of_scope(teacher, student, np.array([0, 0, 1, 1]), 0.01, np.arange(4), np.arange(4))
    assert (found.rows, found.allowed) == (4, 0.01)
    assert (found.teacher.recall.estimate, found.student.recall.estimate) == (0.75, 0.25)
    assert (found.teacher.cost.estimate, found.student.cost.estimate) == (
        0.0,
        0.25,
    )  # the teacher's silence was no right answer
    assert found.difference.estimate == -0.5
    without = out_of_scope(teacher, student, None, 0.01, np.arange(4), np.arange(4))
    assert without.teacher.cost.estimate == 0.25  # its own answers are the goal
    crossed = out_of_scope(
        *(Heard(h.outside_MC, None, half) for h in (teacher, student)), None, 0.01, np.arange(4), np.arange(4)
    )
    assert crossed.student.cost is None
    assert crossed.difference == found.difference
    copies = out_of_scope(teacher, student, None, 0.01, np.arange(4), np.zeros(4, dtype=int))
    assert copies.student.recall.estimate == 0.25
    assert copies.student.recall.high > found.student.recall.high
