"""A few numbers from independent sources: scipy, scikit-learn, papers, by hand. Never written by the code under test."""

import math

import numpy as np
import pytest
import torch

from limbeck.losses.divergence import forward_kl
from limbeck.losses.labels import cross_entropy
from limbeck.metrics.classification import accuracy, agreement, macro_f1


def test_forward_kl_against_scipy() -> None:
    from scipy.special import softmax
    from scipy.stats import entropy

    dice = np.random.default_rng(0)
    student, teacher = dice.normal(size=(2, 7, 5))
    for temperature in (0.5, 1.0, 4.0):
        expected = entropy(softmax(teacher / temperature, axis=1), softmax(student / temperature, axis=1), axis=1)
        found = forward_kl(torch.from_numpy(student), torch.from_numpy(teacher), temperature=temperature)
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-10)


def test_forward_kl_by_hand() -> None:
    # KL((1/2, 1/2) || (1/4, 3/4)) = 1/2 ln 2 + 1/2 ln 2/3
    student, teacher = torch.log(torch.tensor([[0.25, 0.75]])), torch.zeros(1, 2)
    assert forward_kl(student, teacher).item() == pytest.approx(0.5 * math.log(2) + 0.5 * math.log(2 / 3), rel=1e-6)


def test_forward_kl_refuses_nonsense() -> None:
    with pytest.raises(ValueError, match="one shape"):
        forward_kl(torch.zeros(1, 2), torch.zeros(1, 3))
    with pytest.raises(ValueError, match="positive"):
        forward_kl(torch.zeros(1, 2), torch.zeros(1, 2), temperature=0)


def test_cross_entropy_by_hand() -> None:
    found = cross_entropy(torch.log(torch.tensor([[0.2, 0.8], [0.5, 0.5], [0.1, 0.9]])), torch.tensor([1, 0, -1]))
    np.testing.assert_allclose(found, [-math.log(0.8), math.log(2), 0.0], rtol=1e-6)


def test_metrics_against_scikit_learn() -> None:
    from sklearn.metrics import accuracy_score, f1_score

    dice = np.random.default_rng(1)
    true, predicted = dice.integers(0, 9, (2, 200))
    assert accuracy(predicted, true) == pytest.approx(accuracy_score(true, predicted))
    assert macro_f1(predicted, true) == pytest.approx(f1_score(true, predicted, average="macro", zero_division=0))
    assert agreement(true, true) == 1.0
    with pytest.raises(ValueError, match="non-empty"):
        accuracy(true[:0], true[:0])
