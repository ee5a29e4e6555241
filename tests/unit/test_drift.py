"""What has not moved raises no alarm, what has moved does; nothing is kept of a text."""

from dataclasses import asdict

import numpy as np
import pytest

from limbeck.drift import CONFIDENCE, Counts, Reference, by_chance, jensen_shannon, moved, packed, stability_index, unpacked


def counted(seed: int, rows: int, sure=(8, 2), mix=(0.5, 0.3, 0.2), longer: int = 0, strange: float = 0.0) -> Reference:
    dice = np.random.default_rng(seed)
    counts = Counts(3, known=frozenset(range(100)))
    for _ in range(rows):
        length = int(dice.integers(3, 12)) + longer
        ids = np.where(dice.random(length) < strange, 500, dice.integers(0, 100, length))
        counts.add(float(dice.beta(*sure)), int(dice.choice(3, p=mix)), ids.tolist())
    return counts.reference()


REFERENCE = counted(0, 500)


def test_what_has_not_moved_raises_no_alarm() -> None:
    for seed in range(1, 9):
        found = moved(REFERENCE, counted(seed, 1000))
        assert [m.what for m in found] == ["confidence", "pieces", "rare", "labels"]
        assert not any(m.alarm for m in found), found


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("confidence", {"sure": (4, 3)}),
        ("pieces", {"longer": 8}),
        ("rare", {"strange": 0.3}),
        ("labels", {"mix": (0.1, 0.3, 0.6)}),
    ],
)
def test_what_has_moved_is_named_alone(what: str, change) -> None:
    assert [m.what for m in moved(REFERENCE, counted(1, 1000, **change)) if m.alarm] == [what]


def test_the_index_by_hand() -> None:
    before, after = np.array([60.0, 40.0]), np.array([40.0, 60.0])
    p, q = 60.5 / 101, 40.5 / 101
    assert stability_index(before, after) == pytest.approx(2 * (p - q) * np.log(p / q))
    assert stability_index(before, before * 10) == pytest.approx(0.0, abs=1e-4)
    assert jensen_shannon(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == pytest.approx(np.log(2))
    assert jensen_shannon(before, before * 10) == 0.0


def test_the_limit_by_chance_is_chi_squared() -> None:
    # 99.9 % quantiles of chi-squared with 1, 10 and 76 degrees of freedom, from a table.
    for bins, quantile in ((2, 10.828), (11, 29.588), (77, 119.85)):
        assert by_chance(bins, 1000.0, 1000.0) == pytest.approx(quantile * 2 / 1000, rel=0.035)


def test_pieces_are_not_counted_where_there_are_none() -> None:
    counts = Counts(2)
    counts.add(1.0, 1)
    counts.add(0.0, 0, ())
    assert counts.reference() == Reference((1, *[0] * (len(CONFIDENCE) - 1), 1), (1, 1))
    assert [m.what for m in moved(counts.reference(), counts.reference())] == ["confidence", "labels"]
    assert moved(Reference((), ()), counts.reference()) == ()


def test_a_set_of_ids_comes_back() -> None:
    for ids in (set(), {0}, {7, 8}, {3, 30_521}):
        assert unpacked(packed(ids)) == ids
    with pytest.raises(ValueError, match="non-hexadecimal"):
        unpacked("zz")


def test_a_reference_holds_numbers_alone() -> None:
    for value in asdict(REFERENCE).values():
        assert isinstance(value, str) or all(type(v) is int for v in value)
    assert unpacked(REFERENCE.known) == frozenset(range(100))
