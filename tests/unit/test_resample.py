"""Another rate: tones stay what they are, or vanish; golden values by the ideal sine at the new times."""

import tracemalloc
from fractions import Fraction

import numpy as np
import pytest

from limbeck.modalities._resample import resampled, step_between

PAIRS = [(44100, 8000), (8000, 16000), (22050, 16000), (16000, 8000), (48000, 44100)]


def sine(hertz: float, rate: int, count: int) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(count) / rate).astype(np.float32)


@pytest.mark.parametrize(("old", "new"), PAIRS)
@pytest.mark.parametrize("share", [0.05, 0.2, 0.4])
def test_a_tone_stays_what_it_is(old: int, new: int, share: float) -> None:
    hertz = share * min(old, new)
    found = resampled(sine(hertz, old, old // 4), step_between(old, new))
    middle = slice(len(found) // 4, -len(found) // 4)
    np.testing.assert_allclose(found[middle], sine(hertz, new, len(found))[middle], atol=1e-3)


@pytest.mark.parametrize(("old", "new"), [pair for pair in PAIRS if pair[0] > pair[1]])
def test_a_tone_that_the_new_rate_cannot_hold_vanishes(old: int, new: int) -> None:
    found = resampled(sine(0.53 * new, old, old // 4), step_between(old, new))
    assert np.abs(found[len(found) // 4 : -len(found) // 4]).max() < 2e-3


@pytest.mark.parametrize("step", [Fraction(2), Fraction(1, 2), Fraction(441, 80), Fraction(53, 50)])
@pytest.mark.parametrize("count", [0, 1, 2, 7, 100])
def test_the_length_is_the_old_one_by_the_step_rounded_up(step: Fraction, count: int) -> None:
    found = resampled(np.ones(count, np.float32), step)
    assert len(found) == -(-count * step.denominator // step.numerator)
    assert found.dtype == np.float32


def test_each_result_is_the_formula() -> None:
    # By the formula in the module's docstring, one result at a time.
    x = np.random.default_rng(0).standard_normal(60).astype(np.float32)
    found = resampled(x, Fraction(3, 2))
    cut = 0.95 * 2 / 3
    for place in (0, 1, 7, 25, 39):
        time = place * 1.5 - np.arange(60)
        window = np.where(np.abs(time) * cut < 24, np.cos(np.pi * time * cut / 48) ** 2, 0)
        assert found[place] == pytest.approx(float((x * cut * np.sinc(cut * time) * window).sum()), abs=1e-5)


def test_a_factor_that_is_no_fraction_is_taken_in_thousandths() -> None:
    assert step_between(1.23456, 1) == Fraction(1235, 1000)
    assert step_between(16000, 8000) == 2


def test_rates_with_nothing_in_common_take_little_memory_and_leave_none() -> None:
    samples, step = sine(440, 191_999, 1_000), step_between(191_999, 8_000)
    tracemalloc.start()
    found = resampled(samples, step)
    now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found) == 42
    assert peak < 16e6  # the whole filter would be 39 MB, and several times as much while it is reckoned
    assert now < 1e5


def test_a_filter_that_is_reckoned_in_parts_is_the_same() -> None:
    long = sine(1_000, 44_101, 44_101)  # 8,000 phases of 282 numbers
    whole = resampled(long, step_between(44_101, 8_000))
    assert float(np.abs(whole[200:-200] - sine(1_000, 8_000, len(whole))[200:-200]).max()) < 0.003
