"""Means over seeds and what they are worth: the same figures as scipy's, and no warning where all seeds agree."""

import numpy as np
import pytest
from scipy.stats import ttest_ind

from limbeck.pipeline.seeds import over_parts, spread, told_of_seeds


def test_the_lead_over_the_controls_is_welchs() -> None:
    students, controls = (0.91, 0.93, 0.95, 0.93), (0.90, 0.89, 0.94, 0.91)
    found = spread(students, "accuracy", controls)
    bounds = ttest_ind(students, controls, equal_var=False).confidence_interval(0.9)
    assert found.lead is not None
    assert (found.lead.low, found.lead.high) == pytest.approx((bounds.low, bounds.high))
    assert found.lead.estimate == pytest.approx(np.mean(students) - np.mean(controls))
    assert "over 4 seeds of each: +2.0 points of accuracy, student - control" in told_of_seeds(found)[1]


def test_seeds_that_all_agree_have_no_width() -> None:
    lead = spread((0.5, 0.5), "accuracy", (0.25, 0.25)).lead
    assert lead is not None
    assert (lead.low, lead.estimate, lead.high) == (0.25, 0.25, 0.25)


def test_without_controls_there_is_no_lead() -> None:
    found = spread((0.1, 0.2), "accuracy")
    assert found.lead is None
    assert len(told_of_seeds(found)) == 1


def test_parts_are_held_against_the_teacher() -> None:
    true_N = np.array([0, 1])
    right, wrong, half = (np.eye(2)[list(said)][None] for said in ((0, 1), (1, 0), (0, 0)))
    found = over_parts(half, (right, half), (wrong, half), true_N)
    assert found is not None
    assert found.values == (0.5, 0.0)
    assert found.control == (-0.5, 0.0)
    assert over_parts(half, (right,), (), true_N) is None
