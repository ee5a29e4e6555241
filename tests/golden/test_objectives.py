"""Objectives against numbers from elsewhere: numpy from the papers' formulas, scipy, by hand.

Letters: B examples, C classes, D width, T tokens, W words.
"""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import cosine
from scipy.special import softmax

from limbeck.losses.decoupled import decoupled_kl
from limbeck.losses.divergence import bucketed_kl, forward_kl
from limbeck.losses.regression import centred_squared_error, cosine_distance, relative_squared_error
from limbeck.losses.words import mean_by_word
from limbeck.objectives.dkd import Dkd
from limbeck.objectives.logit_mse import LogitMse
from limbeck.types import Batch, Outputs, Signal


def zhao(student_C: np.ndarray, teacher_C: np.ndarray, target: int, temperature: float) -> tuple[float, float, float]:
    """TCKD, NCKD and p_t of the teacher, as equations 1 to 6 of Zhao et al. (2022) say, one example, with plain sums."""
    p_teacher, p_student = softmax(teacher_C / temperature), softmax(student_C / temperature)
    others = [i for i in range(len(teacher_C)) if i != target]
    not_t_teacher, not_t_student = sum(p_teacher[i] for i in others), sum(p_student[i] for i in others)
    tckd = p_teacher[target] * np.log(p_teacher[target] / p_student[target])
    tckd += not_t_teacher * np.log(not_t_teacher / not_t_student)
    nckd = 0.0
    for i in others:
        hat_teacher, hat_student = p_teacher[i] / not_t_teacher, p_student[i] / not_t_student
        nckd += hat_teacher * np.log(hat_teacher / hat_student)
    return float(tckd), float(nckd), float(p_teacher[target])


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
@pytest.mark.parametrize("classes", [2, 3, 7])
def test_decoupled_kl_against_the_papers_formulas(temperature: float, classes: int) -> None:
    dice = np.random.default_rng(classes)
    student, teacher = dice.normal(size=(2, 9, classes))
    target = dice.integers(0, classes, 9)
    tensors = torch.from_numpy(student), torch.from_numpy(teacher), torch.from_numpy(target)
    tckd_B, nckd_B = decoupled_kl(*tensors, temperature=temperature)
    expected = [zhao(s, t, c, temperature) for s, t, c in zip(student, teacher, target, strict=True)]
    np.testing.assert_allclose(tckd_B, [e[0] for e in expected], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(nckd_B, [e[1] for e in expected], rtol=1e-9, atol=1e-12)


def test_dkd_weighs_the_parts_and_takes_the_label_or_else_the_teachers_choice() -> None:
    dice = np.random.default_rng(0)
    student, teacher = dice.normal(size=(2, 4, 5))
    labels = np.array([1, -1, 3, -1])
    given_signal = Signal(logits_BC=torch.from_numpy(teacher))
    batch = Batch({}, torch.from_numpy(labels), given_signal)
    objective = Dkd(alpha=0.5, beta=3.0, temperature=2.0)
    found = objective(Outputs(torch.from_numpy(student)), given_signal, batch, None, torch.ones(4)).per_element
    target = np.where(labels < 0, teacher.argmax(1), labels)
    parts = [zhao(s, t, c, 2.0) for s, t, c in zip(student, teacher, target, strict=True)]
    np.testing.assert_allclose(found, [4.0 * (0.5 * tckd + 3.0 * nckd) for tckd, nckd, _ in parts], rtol=1e-9)


LOGITS = arrays(np.float64, (3, 6), elements=st.floats(-30, 30))


@settings(max_examples=100, deadline=None)
@given(LOGITS, LOGITS, st.integers(0, 5), st.sampled_from([0.5, 1.0, 4.0]))
def test_the_parts_are_the_whole(student: np.ndarray, teacher: np.ndarray, target: int, temperature: float) -> None:
    """Equation 6: KD = TCKD + (1 - p_t) NCKD, for any class as target."""
    tensors = torch.from_numpy(student), torch.from_numpy(teacher)
    tckd_B, nckd_B = decoupled_kl(*tensors, torch.full((3,), target), temperature=temperature)
    p_t_B = torch.softmax(tensors[1] / temperature, -1)[:, target]
    torch.testing.assert_close(
        forward_kl(*tensors, temperature=temperature), tckd_B + (1 - p_t_B) * nckd_B, rtol=1e-6, atol=1e-9
    )


def test_decoupled_kl_by_hand_where_probabilities_are_0_in_float32() -> None:
    """Teacher sure of class 0 by 10,000 nats, student of class 1: TCKD is the student's distance, NCKD compares classes 1 and 2."""
    student, teacher = torch.tensor([[0.0, 1e4, 0.0]]), torch.tensor([[1e4, 0.0, 0.0]])
    tckd_B, nckd_B = decoupled_kl(student, teacher, torch.tensor([0]))
    assert tckd_B.item() == pytest.approx(1e4)
    assert nckd_B.item() == pytest.approx(0.5 * 1e4 - np.log(2.0))  # KL((1/2, 1/2) || (1, e**-10000))


def test_logit_mse_by_hand() -> None:
    # Differences (-3, -1, 1) less their mean -1: (-2, 0, 2), so (4 + 0 + 4) / 3.
    student, teacher = torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[4.0, 3.0, 2.0]])
    given_signal = Signal(logits_BC=teacher)
    objective, batch = LogitMse(), Batch({}, torch.tensor([0]), given_signal)
    assert objective(Outputs(student), given_signal, batch, None, torch.ones(1)).total.item() == pytest.approx(8 / 3)
    assert objective(Outputs(student + 7.0), given_signal, batch, None, torch.ones(1)).total.item() == pytest.approx(8 / 3)


def test_logit_mse_is_what_a_divergence_becomes_at_a_high_temperature() -> None:
    """Kim et al. (2021), section 3.2; an expansion to second order: 2 T**2 KL -> the variance of the difference."""
    dice = torch.Generator().manual_seed(0)
    student, teacher = torch.randn(2, 8, 5, generator=dice, dtype=torch.float64)
    limit = 2 * 1e4**2 * forward_kl(student, teacher, temperature=1e4)
    torch.testing.assert_close(centred_squared_error(student, teacher), limit, rtol=1e-3, atol=0.0)


def test_distances_of_states_against_numpy_and_scipy() -> None:
    dice = np.random.default_rng(1)
    a, b = dice.normal(size=(2, 6, 3, 5))
    tensors = torch.from_numpy(a), torch.from_numpy(b)
    expected = ((a - b) ** 2).sum(-1) / ((b - b.mean(-1, keepdims=True)) ** 2).sum(-1)
    np.testing.assert_allclose(relative_squared_error(*tensors), expected, rtol=1e-5)
    expected = [cosine(x, y) for x, y in zip(a.reshape(-1, 5), b.reshape(-1, 5), strict=True)]
    np.testing.assert_allclose(cosine_distance(*tensors).flatten(), expected, rtol=1e-9)


@pytest.mark.parametrize("distance", [centred_squared_error, relative_squared_error, cosine_distance])
def test_distances_refuse_two_shapes(distance) -> None:
    with pytest.raises(ValueError, match=r"one shape; got \(1, 2\) and \(1, 3\)"):
        distance(torch.zeros(1, 2), torch.zeros(1, 3))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 5))
def test_mean_by_word_against_a_loop(seed: int, words: int) -> None:
    dice = np.random.default_rng(seed)
    hidden, numbers = dice.normal(size=(2, 6, 3)), dice.integers(-1, 7, (2, 6))
    mean, mask = mean_by_word(torch.from_numpy(hidden), torch.from_numpy(numbers), words)
    for row in range(2):
        for word in range(words):
            own = hidden[row][numbers[row] == word]
            assert mask[row, word] == bool(len(own))
            np.testing.assert_allclose(mean[row, word], own.mean(0) if len(own) else np.zeros(3), atol=1e-12)


@pytest.mark.parametrize(
    ("target", "known", "expected"),
    [
        (
            [0.6, 0.3, 0.1],
            [1.0, 0.0, 0.0],
            0.6 * np.log(0.6 * 3) + 0.4 * np.log(0.4 * 1.5),
        ),  # by hand, against a student that is even
        ([0.6, 0.3, 0.1], [1.0, 1.0, 1.0], 0.6 * np.log(0.6 * 3) + 0.3 * np.log(0.3 * 3) + 0.1 * np.log(0.1 * 3)),
        ([0.6, 0.3, 0.1], [1.0, 1.0, 0.0], 0.6 * np.log(0.6 * 3) + 0.3 * np.log(0.3 * 3) + 0.1 * np.log(0.1 * 3)),
        ([0.6, 0.3, 0.1], [0.0, 0.0, 0.0], 0.0),
    ],
)
def test_bucketed_kl_by_hand(target: list[float], known: list[float], expected: float) -> None:
    found = bucketed_kl(torch.zeros(1, 3, dtype=torch.float64), torch.tensor([target]).double().log(), torch.tensor([known]))
    np.testing.assert_allclose(found, [expected], atol=1e-6)


def test_how_a_rest_is_divided_is_no_matter() -> None:
    known, logits = torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([[1.0, 2.0, -1.0]])
    other = torch.tensor([[1.0, -1.0, 2.0]])
    np.testing.assert_allclose(bucketed_kl(other, logits, known), [0.0], atol=1e-6)
    assert forward_kl(other, logits) > 1.0
