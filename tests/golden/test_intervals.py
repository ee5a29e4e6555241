"""Intervals against papers, R and statsmodels 0.15.0 (which computed its numbers elsewhere: it is not installed here), and a search."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limbeck.evidence import Interval, Verdict
from limbeck.metrics.classification import macro_f1
from limbeck.verify.bootstrap import Resampled, mean_interval
from limbeck.verify.classes import adjusted_bounds
from limbeck.verify.sample_size import power, provable_margin, rows_to_show, rows_to_show_agreement
from limbeck.verify.statistics import (
    mcnemar,
    paired_bounds,
    paired_difference,
    paired_ratio,
    paired_score,
    proportion,
    proportion_bounds,
    unpaired_difference,
    verdict,
)


@pytest.mark.parametrize(
    ("gained", "lost", "rows", "confidence", "low", "high", "digits"),
    [
        # Tango (1998), the crossover trial of 44 patients with disinfected contact lenses (43, 0, 1, 0): 90 % and 95 %.
        (0, 1, 44, 0.95, -0.096, 0.037, 3),
        (0, 1, 44, 0.975, -0.118, 0.059, 3),
        # Fagerland, Lydersen and Laake (2014), airway hyper-responsiveness of 21 children (1, 1, 7, 12): 95 %, also R's ratesci.
        (1, 7, 21, 0.975, -0.517, -0.026, 3),
        # R's PropCIs 0.3-0, scoreci.mp(25, 28, 618, 0.90).
        (28, 25, 618, 0.95, -0.0148, 0.0247, 4),
    ],
)
def test_paired_differences_as_published(
    gained: int, lost: int, rows: int, confidence: float, low: float, high: float, digits: int
) -> None:
    found = paired_difference(gained, lost, rows, confidence, correction=0)
    assert (round(found.low, digits), round(found.high, digits)) == (low, high)


def test_a_difference_of_other_rows_as_published() -> None:
    # Newcombe (1998), Statistics in Medicine 17, 873-890, table II: 56/70 - 48/80 by method 10, 95 %.
    found = unpaired_difference(proportion(56, 70, 0.975, correction=0), proportion(48, 80, 0.975, correction=0))
    assert (found.estimate, round(found.low, 4), round(found.high, 4)) == (pytest.approx(0.2), 0.0524, 0.3339)


def test_shares_by_the_row_are_those_alone() -> None:
    low_K, high_K = proportion_bounds([0, 3, 10], 10, 0.95)
    for k, successes in enumerate((0, 3, 10)):
        alone = proportion(successes, 10)
        assert (alone.low, alone.high) == (low_K[k], high_K[k])


@pytest.mark.parametrize(
    ("both", "gained", "lost", "neither", "confidence", "low", "high"),
    [
        # statsmodels.stats.proportion._confint_riskratio_paired_nam (Nam and Blackwelder 2002), 95 % and 90 %.
        (1, 1, 7, 12, 0.975, 0.06527922396859524, 0.9068805565791801),
        (59, 6, 16, 80, 0.975, 0.7475790590229959, 0.9876149285961321),
        (2700, 90, 110, 180, 0.95, 0.9845701499039042, 1.0011732282064398),
        (80, 3, 7, 10, 0.95, 0.8873962581764966, 1.0161999397175852),
    ],
)
def test_ratios_against_statsmodels(
    both: int, gained: int, lost: int, neither: int, confidence: float, low: float, high: float
) -> None:
    found = paired_ratio(both, gained, lost, both + gained + lost + neither, confidence, correction=0)
    assert found is not None
    assert found.low == pytest.approx(low, abs=1e-8)
    assert found.high == pytest.approx(high, abs=1e-8)


@pytest.mark.parametrize(
    ("successes", "rows", "confidence", "correction", "low", "high"),
    [
        # statsmodels.stats.proportion.proportion_confint(method="wilson", alpha=0.1).
        (90, 100, 0.95, 0, 0.8396444903889078, 0.9392813329845529),
        (2990, 3080, 0.95, 0, 0.9653593434363184, 0.9753727372380561),
        (3, 3, 0.95, 0, 0.525804425842487, 1.0),
        (0, 20, 0.95, 0, 0.0, 0.11915783736096455),
        # Newcombe (1998), table I, methods 3 and 4: 95 %, to four decimals.
        (81, 263, 0.975, 0, 0.2553, 0.3662),
        (81, 263, 0.975, 0.5, 0.2535, 0.3682),
        (15, 148, 0.975, 0, 0.0624, 0.1605),
        (15, 148, 0.975, 0.5, 0.0598, 0.1644),
        (0, 20, 0.975, 0.5, 0.0, 0.2005),
        (1, 29, 0.975, 0.5, 0.0018, 0.1963),
    ],
)
def test_one_share(successes: int, rows: int, confidence: float, correction: float, low: float, high: float) -> None:
    found = proportion(successes, rows, confidence, correction)
    assert (found.low, found.high) == pytest.approx((low, high), abs=6e-5 if confidence == 0.975 else 1e-9)


def test_mcnemar_against_statsmodels() -> None:
    # statsmodels.stats.contingency_tables.mcnemar(exact=True).pvalue
    for gained, lost, p in ((10, 20, 0.09873714670538905), (3, 14, 0.012725830078125), (60, 90, 0.017597691928785828)):
        assert mcnemar(gained, lost) == pytest.approx(p, rel=1e-12)
        assert mcnemar(lost, gained) == mcnemar(gained, lost)
    assert mcnemar(30, 30) == mcnemar(0, 0) == 1.0
    assert mcnemar(400, 20) < 1e-80
    assert mcnemar(12.5, 20.5) == mcnemar(12, 20)


def test_holm_against_statsmodels() -> None:
    # multipletests(p, alpha=0.05, method="holm"): of p = .001, .02, .04, .011, .3 the first and the fourth are rejected. Here: five
    # classes of 2,000 rows, none gained, so many lost that the test of "lost 0.1 or more" has these p.
    from scipy.optimize import brentq
    from scipy.stats import norm

    lost = np.array(
        [
            brentq(lambda x, p=p: float(paired_score(0, x, 2000, -0.1, 0.5)) - norm.isf(p), 1, 300)
            for p in (0.001, 0.02, 0.04, 0.011, 0.3)
        ]
    )
    low, high = adjusted_bounds(np.zeros(5), lost, np.full(5, 2000.0), 0.1)
    assert [bool(x >= -0.1) for x in low] == [True, False, False, True, False]
    assert low[0] == low[3] == -0.1  # what Holm rejects is bounded by the limit
    assert low[1] == pytest.approx(paired_difference(0, lost[1], 2000, 1 - 0.05 / 3).low)  # the others at 0.05 / 3 left
    assert (high > -0.1).all()


def restricted_score(gained: float, lost: float, rows: int, delta: float, shift: float) -> float:
    """Tango's statistic with its restricted maximum-likelihood estimate found by a search, not by the closed form."""
    from scipy.optimize import minimize_scalar

    rest = rows - gained - lost

    def negative(q: float) -> float:  # q: share that only the second has right; p = q + delta: only the first
        parts = [(gained, q + delta), (lost, q), (rest, 1 - 2 * q - delta)]
        return -sum(n * math.log(p) if n else 0.0 for n, p in parts if n == 0 or p > 0) + sum(
            1e9 for n, p in parts if n and p <= 0
        )

    low, high = max(0.0, -delta), (1 - delta) / 2
    q = minimize_scalar(negative, bounds=(low, high), method="bounded", options={"xatol": 1e-13}).x
    return (gained - lost - rows * delta - shift) / math.sqrt(rows * (2 * q + delta * (1 - delta)))


@pytest.mark.parametrize(("gained", "lost", "rows"), [(12, 5, 60), (1, 9, 100), (3, 2, 400), (60, 90, 3080), (4.5, 8.25, 300)])
def test_the_score_interval_against_a_numerical_search(gained: float, lost: float, rows: int) -> None:
    found = paired_difference(gained, lost, rows)
    assert restricted_score(gained, lost, rows, found.low, 0.5) == pytest.approx(1.6449, abs=2e-3)
    assert restricted_score(gained, lost, rows, found.high, -0.5) == pytest.approx(-1.6449, abs=2e-3)


def test_without_disagreement_the_interval_is_that_of_no_row_in_n() -> None:
    found, alone = paired_difference(0, 0, 100), proportion(0, 100)
    assert found.high == pytest.approx(alone.high, abs=1e-9)
    assert found.low == pytest.approx(-alone.high, abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 500), st.data())
def test_the_interval_holds_its_estimate_and_mirrors(rows: int, data: st.DataObject) -> None:
    gained = data.draw(st.integers(0, rows))
    lost = data.draw(st.integers(0, rows - gained))
    found, mirrored = paired_difference(gained, lost, rows), paired_difference(lost, gained, rows)
    assert -1 <= found.low <= found.estimate <= found.high <= 1
    assert found.low == pytest.approx(-mirrored.high, abs=1e-6)
    plain = paired_difference(gained, lost, rows, correction=0)
    assert found.low <= plain.low + 1e-9
    assert plain.high <= found.high + 1e-9
    both = data.draw(st.integers(0, rows - gained - lost))
    ratio = paired_ratio(both, gained, lost, rows)
    if ratio is not None:
        assert 0 <= ratio.low <= ratio.estimate <= ratio.high < 1000


def trinomial(rows: int, gain: float, loss: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every count of gained and lost rows with its exact probability."""
    from scipy.stats import multinomial

    gained, lost = (x.ravel() for x in np.meshgrid(np.arange(rows + 1), np.arange(rows + 1)))
    possible = gained + lost <= min(rows, 60)
    gained, lost = gained[possible], lost[possible]
    chance = multinomial.pmf(np.stack([gained, lost, rows - gained - lost], axis=1), rows, [gain, loss, 1 - gain - loss])
    return gained, lost, chance


@pytest.mark.parametrize(
    ("rows", "gain", "loss"),
    [(100, 0.015, 0.035), (400, 0.0025, 0.0075), (400, 0.0, 0.01), (30, 0.02, 0.08), (100, 0.025, 0.025)],
)
def test_exact_coverage_where_rows_hardly_disagree(rows: int, gain: float, loss: float) -> None:
    gained, lost, chance = trinomial(rows, gain, loss)
    low, high = paired_bounds(gained, lost, rows, 0.95)
    truth = gain - loss
    assert chance.sum() == pytest.approx(1, abs=1e-6)
    assert chance[low <= truth + 1e-12].sum() >= 0.94
    assert chance[high >= truth - 1e-12].sum() >= 0.94
    if truth < 0:  # `kept` at exactly the margin
        assert chance[low > truth].sum() <= 0.055


def test_without_the_correction_the_upper_bound_falls_short() -> None:
    gained, lost, chance = trinomial(100, 0.015, 0.035)
    assert chance[paired_bounds(gained, lost, 100, 0.95, 0)[1] >= -0.02].sum() < 0.93


def test_verdicts() -> None:
    assert verdict(paired_difference(30, 30, 3080), -0.02) is Verdict.KEPT
    assert verdict(paired_difference(10, 200, 3080), -0.02) is Verdict.LOST
    assert verdict(paired_difference(0, 0, 3), -0.02) is Verdict.NOT_SHOWN
    assert verdict(proportion(2950, 3080), 0.9) is Verdict.KEPT
    assert verdict(proportion(80, 100), 0.9) is Verdict.LOST


def test_impossible_counts_are_refused() -> None:
    for wrong in (
        lambda: paired_difference(5, 5, 3),
        lambda: paired_difference(-1, 0, 3),
        lambda: paired_difference(0, 0, 0),
        lambda: paired_ratio(3, 1, 0, 3),
        lambda: proportion(4, 3),
        lambda: proportion(0, 0),
    ):
        with pytest.raises(ValueError, match="impossible"):
            wrong()
    assert paired_ratio(0, 2, 0, 5) is None  # a teacher that is never right
    assert paired_ratio(0, 1, 1, 2) is not None


def test_rows_to_show_keeps_its_promise() -> None:
    for gained, lost, rows, margin in ((20, 20, 400, 0.02), (2, 2, 400, 0.02), (60, 75, 3080, 0.02)):
        needed = rows_to_show(gained, lost, rows, margin)
        assert needed is not None
        rates = (gained + 0.5) / (rows + 1), (lost + 0.5) / (rows + 1)
        counts = np.random.default_rng(5).multinomial(needed, [*rates, 1 - sum(rates)], size=4000)
        share = np.mean(paired_bounds(counts[:, 0], counts[:, 1], needed, 0.95)[0] > -margin)
        assert 0.785 <= share <= 0.86, (gained, lost, rows, needed, share)
        assert power(*rates, needed // 2, margin) < 0.75
    assert rows_to_show(0, 40, 400, 0.02) is None
    few = rows_to_show(0, 0, 3, 0.02)
    assert few is not None
    assert few > 1000


def test_rows_to_show_agreement_and_what_rows_can_show() -> None:
    needed = rows_to_show_agreement(95, 100, 0.9)
    assert needed is not None
    found = np.random.default_rng(6).binomial(needed, 95.5 / 101, size=4000)
    kept = {k: verdict(proportion(k, needed), 0.9) for k in set(found.tolist())}
    assert 0.785 <= np.mean([kept[k] is Verdict.KEPT for k in found.tolist()]) <= 0.86
    assert rows_to_show_agreement(89, 100, 0.9) is None
    # ANCHOR: at 5 % disagreement 3,080 rows show a margin of 0.02 comfortably, 400 rows cannot show 0.01.
    assert provable_margin(0.05, 3080) < 0.012
    assert provable_margin(0.05, 400) > 0.02


def test_macro_f1_is_resampled_as_scikit_learn_scores_it() -> None:
    from sklearn.metrics import f1_score

    dice = np.random.default_rng(0)
    true = dice.integers(0, 5, 60)
    first, second = (np.where(dice.random(60) < share, true, dice.integers(0, 5, 60)) for share in (0.8, 0.7))
    found = Resampled(true, np.stack([first, second])[:, None])
    interval = found.macro_f1(0, Interval(0, 0, 1))
    assert interval.estimate == pytest.approx(macro_f1(first, true))
    slow = []
    for _ in range(500):
        at = dice.integers(0, 60, 60)
        slow.append(f1_score(true[at], first[at], average="macro", zero_division=0))
    drawn = found._f1["macro"][0][1]
    assert np.quantile(drawn, [0.1, 0.5, 0.9]) == pytest.approx(np.quantile(slow, [0.1, 0.5, 0.9]), abs=0.02)
    away = [f1_score(np.delete(true, i), np.delete(first, i), average="macro", zero_division=0) for i in range(60)]
    assert np.average(found._f1["macro"][0][2], weights=found.counts_K) == pytest.approx(np.mean(away), abs=1e-9)
    difference = found.macro_f1_difference(0, 1, Interval(0, -1, 1))
    assert difference.estimate == pytest.approx(macro_f1(first, true) - macro_f1(second, true))
    assert difference.low < difference.estimate < difference.high


def test_bca_against_scipy() -> None:
    from scipy.stats import bootstrap

    values = np.random.default_rng(3).exponential(size=80)
    theirs = bootstrap((values,), np.mean, confidence_level=0.9, n_resamples=20_000, method="BCa", rng=4).confidence_interval
    ours = mean_interval(values)
    assert ours is not None
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.02)
    assert mean_interval(values[:9]) is None
    many = np.random.default_rng(5).exponential(size=60_000)
    wide, narrow = mean_interval(many), mean_interval(many[:50_000])
    assert wide is not None
    assert narrow is not None
    assert wide.high - wide.low == pytest.approx((narrow.high - narrow.low) * (5 / 6) ** 0.5, rel=0.05)
    still = mean_interval(np.zeros(50))
    assert still == Interval(0.0, 0.0, 0.0)
