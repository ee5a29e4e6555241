"""What few labelled rows say of many others by their neighbours."""

from __future__ import annotations

import numpy as np

from limbeck.pipeline.neighbours import said_by_neighbours


def moons(number: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Three bent bands on a sphere: nothing linear, but whoever walks from neighbour to neighbour stays in his band."""
    dice = np.random.default_rng(seed)
    class_N = np.arange(number) % 3
    along_N = dice.uniform(0, 1.8, number)
    height_N = 0.9 * class_N - 0.9 + 0.35 * np.sin(5 * along_N) + dice.normal(0, 0.05, number)
    return np.stack([np.cos(along_N), np.sin(along_N), height_N], axis=1), class_N


def test_labels_walk_along_the_bands() -> None:
    rows_ND, class_N = moons(900)
    found_UC = said_by_neighbours(rows_ND, class_N[:9], 3)
    assert found_UC.shape == (891, 3)
    np.testing.assert_allclose(found_UC.sum(axis=1), 1.0)
    from sklearn.linear_model import LogisticRegression

    unit_ND = rows_ND / np.linalg.norm(rows_ND, axis=1, keepdims=True)
    linear = LogisticRegression(C=10).fit(unit_ND[:9], class_N[:9]).predict(unit_ND[9:])
    ours, theirs = (found_UC.argmax(1) == class_N[9:]).mean(), (linear == class_N[9:]).mean()
    assert ours > 0.9
    assert ours > theirs + 0.05


def test_it_is_the_same_twice_and_knows_no_scale() -> None:
    rows_ND, class_N = moons(200, 1)
    first = said_by_neighbours(rows_ND, class_N[:9], 3)
    np.testing.assert_array_equal(first, said_by_neighbours(rows_ND, class_N[:9], 3))
    np.testing.assert_allclose(said_by_neighbours(4 * rows_ND, class_N[:9], 3), first, atol=1e-6)


def test_a_class_without_a_label_few_rows_and_rows_far_from_all() -> None:
    rows_ND, class_N = moons(60, 2)
    two = class_N[:9] % 2
    found = said_by_neighbours(rows_ND, two, 5)
    assert found.shape == (51, 5)
    assert (found[:, 2:] < 1e-3).all()
    small = said_by_neighbours(rows_ND[:4], class_N[:3], 3)
    assert small.shape == (1, 3)
    rows_ND[20:25] = 0.0
    assert np.isfinite(said_by_neighbours(rows_ND, class_N[:9], 3)).all()
    alone = said_by_neighbours(rows_ND, np.ones(9, int), 3)
    assert (alone[:, 1] > 0.99).mean() > 0.9  # where everything is one class, nothing is told apart


def test_names_that_say_something_are_labelled_rows_and_others_are_none() -> None:
    dice = np.random.default_rng(0)
    middle_CD = dice.normal(size=(12, 16))
    class_N = np.concatenate([np.arange(6), dice.integers(0, 12, 400)])  # six classes have no label
    rows_ND = middle_CD[class_N] + dice.normal(size=(406, 16))
    without, with_ = (said_by_neighbours(rows_ND, class_N[:6], 12, names) for names in (None, middle_CD))
    right = [(found.argmax(1) == class_N[6:]).mean() for found in (without, with_)]
    assert right[1] > right[0] + 0.3
    nonsense = said_by_neighbours(rows_ND, class_N[:6], 12, dice.normal(size=(12, 16)))
    np.testing.assert_array_equal(nonsense, without)
