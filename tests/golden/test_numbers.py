"""A few numbers from independent sources: scipy, scikit-learn, papers, by hand. Never written by the code under test."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from limbeck.evidence import Verdict
from limbeck.losses.divergence import forward_kl
from limbeck.losses.labels import cross_entropy
from limbeck.metrics.classification import accuracy, agreement, macro_f1
from limbeck.verify.statistics import paired_difference, rows_to_show, verdict


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


def restricted_score(gained: int, lost: int, rows: int, delta: float) -> float:
    """Tango's statistic with its restricted maximum-likelihood estimate found by a search, not by the closed form."""
    from scipy.optimize import minimize_scalar

    rest = rows - gained - lost

    def negative(q: float) -> float:  # q: share that only the first has right; p = q + delta: only the second
        parts = [(gained, q + delta), (lost, q), (rest, 1 - 2 * q - delta)]
        return -sum(n * math.log(p) if n else 0.0 for n, p in parts if n == 0 or p > 0) + sum(
            1e9 for n, p in parts if n and p <= 0
        )

    low, high = max(0.0, -delta), (1 - delta) / 2
    q = minimize_scalar(negative, bounds=(low, high), method="bounded", options={"xatol": 1e-13}).x
    return (gained - lost - rows * delta) / math.sqrt(rows * (2 * q + delta * (1 - delta)))


@pytest.mark.parametrize(("gained", "lost", "rows"), [(12, 5, 60), (1, 9, 100), (3, 2, 400), (60, 90, 3080)])
def test_the_score_interval_against_a_numerical_search(gained: int, lost: int, rows: int) -> None:
    interval = paired_difference(gained, lost, rows)
    assert restricted_score(gained, lost, rows, interval.low) == pytest.approx(1.6449, abs=2e-3)
    assert restricted_score(gained, lost, rows, interval.high) == pytest.approx(-1.6449, abs=2e-3)


def test_the_score_interval_without_disagreement_is_wilsons() -> None:
    # With no discordant pair the score interval is z^2 / (n + z^2), Wilson's upper limit for 0 of n.
    interval = paired_difference(0, 0, 100)
    z2 = 1.6448536**2
    assert interval.high == pytest.approx(z2 / (100 + z2), abs=1e-6)
    assert interval.low == pytest.approx(-z2 / (100 + z2), abs=1e-6)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 500), st.data())
def test_the_interval_holds_its_estimate_and_mirrors(rows: int, data: st.DataObject) -> None:
    gained = data.draw(st.integers(0, rows))
    lost = data.draw(st.integers(0, rows - gained))
    found, mirrored = paired_difference(gained, lost, rows), paired_difference(lost, gained, rows)
    assert -1 <= found.low <= found.estimate <= found.high <= 1
    assert found.low == pytest.approx(-mirrored.high, abs=1e-6)


def test_coverage_at_small_n_and_rare_disagreement() -> None:
    dice = np.random.default_rng(2)
    gained, lost, _ = dice.multinomial(400, [0.004, 0.016, 0.98], size=2000).T
    intervals = {pair: paired_difference(*pair, 400) for pair in set(zip(gained.tolist(), lost.tolist(), strict=True))}
    covered = [intervals[pair].low <= -0.012 for pair in zip(gained.tolist(), lost.tolist(), strict=True)]
    assert np.mean(covered) >= 0.94


def test_verdicts() -> None:
    assert verdict(paired_difference(30, 30, 3080), 0.02) is Verdict.KEPT
    assert verdict(paired_difference(10, 200, 3080), 0.02) is Verdict.LOST
    assert verdict(paired_difference(0, 0, 3), 0.02) is Verdict.NOT_SHOWN


def test_rows_to_show_is_where_the_verdict_turns() -> None:
    needed = rows_to_show(20, 25, 400, 0.02)
    assert needed is not None
    gained, lost = 20 / 400, 25 / 400
    assert (
        verdict(paired_difference(round(gained * needed * 1.05), round(lost * needed * 1.05), round(needed * 1.05)), 0.02)
        is Verdict.KEPT
    )
    assert (
        verdict(paired_difference(round(gained * needed * 0.9), round(lost * needed * 0.9), round(needed * 0.9)), 0.02)
        is Verdict.NOT_SHOWN
    )
    assert rows_to_show(0, 40, 400, 0.02) is None
    assert rows_to_show(0, 0, 3, 0.02) > 50
    with pytest.raises(ValueError, match="impossible"):
        paired_difference(5, 5, 3)
