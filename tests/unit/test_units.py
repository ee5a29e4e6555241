"""Sizes, times and budgets in one line: what people write, and what nobody can mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck import Recipe
from limbeck.budget import Budget
from limbeck.errors import RecipeError
from limbeck.units import limits, microseconds, size


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("2MB", 2_000_000),
        ("500 kB", 500_000),
        ("1.5MiB", 1_572_864),
        ("7", 7),
        (7, 7),
        (7.0, 7),
        ("1e3kb", 10**6),
        (" 3 B ", 3),
    ],
)
def test_a_size(text: str, number: int) -> None:
    assert size(text) == number


@pytest.mark.parametrize(
    ("text", "number"), [("100us", 100.0), ("0.1ms", 100.0), ("100 µs", 100.0), ("100μs", 100.0), ("2s", 2e6), (3, 3.0)]
)
def test_a_time(text: str, number: float) -> None:
    assert microseconds(text) == pytest.approx(number)


@pytest.mark.parametrize(
    "text", ["", "MB", "two MB", "2 MB 3", "2 elephants", "100us", "2m", "0x10", "1_000", True, None, [2], "١٢ MBs"]
)
def test_no_size(text: object) -> None:
    with pytest.raises(ValueError, match="expected a size such as 2MB"):
        size(text)


@pytest.mark.parametrize("text", ["-2MB", "0", "0kB", -1, 0, float("nan"), float("inf"), "1e999MB"])
def test_a_size_is_above_zero(text: object) -> None:
    with pytest.raises(ValueError, match="must be above 0 and finite"):
        size(text)


@given(st.integers(1, 10**12), st.sampled_from([("B", 1), ("kB", 10**3), ("MB", 10**6), ("KiB", 2**10), ("GiB", 2**30)]))
def test_units_multiply(number: int, unit: tuple[str, int]) -> None:
    assert size(f"{number}{unit[0]}") == pytest.approx(number * unit[1], rel=1e-15)


def test_a_budget_in_one_line() -> None:
    assert limits("2MB,100us") == {"bytes": "2MB", "latency_p50": "100us"}
    assert limits(" memory = 100MB , 1ms ") == {"memory": "100MB", "latency_p50": "1ms"}
    budget = Recipe.asked({"data": {"train": "x"}}, budget="2MB,100us,memory=100MB").student.budget.budget()
    assert budget == Budget(2_000_000, 100.0, 100_000_000)
    assert Recipe.read({"data": {"train": "x"}}, ["student.budget=2MB"]).student.budget.budget() == Budget(2_000_000)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2MB,3MB", "two sizes; write memory=100MB"),
        ("1ms,2ms", "latency_p50 twice"),
        ("2 elephants", "'2 elephants' is no limit"),
        ("", "'' is no limit"),
        ("2MB,", "'' is no limit"),
        ("-2MB", "student.budget.bytes: must be above 0"),
        ("-5us", "student.budget.latency_p50: must be above 0"),
        ("byts=2MB", "student.budget.byts: unknown key. Did you mean 'bytes'?"),
        ("bytes=100us", "student.budget.bytes: expected a size"),
        ("memory=x", "student.budget.memory: expected a size"),
    ],
)
def test_a_budget_that_nobody_can_mean(text: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        Recipe.asked({"data": {"train": "x"}}, budget=text)
    assert message in str(caught.value)


def test_a_budget_without_a_family_is_a_search() -> None:
    def family(student: object) -> str:
        return Recipe.read({"data": {"train": "x"}, "student": student}).student.family

    assert family({"budget": "2MB"}) == family({"budget": {"memory": 1e8}}) == "search"
    assert family({}) == family({"budget": {}}) == family({"budget": {"bytes": None}}) == "bag"
    assert family({"family": "conv_text", "budget": "2MB"}) == "conv_text"


def test_a_searching_recipe_round_trips_and_knows_its_budget() -> None:
    recipe = Recipe.asked({"data": {"train": "x"}}, budget="2MB,100us")
    assert Recipe.read(recipe.complete()).complete() == recipe.complete()
    assert Recipe.read(recipe).fingerprint() == recipe.fingerprint()
    assert Recipe.asked({"data": {"train": "x"}}, budget="2000kB,0.1ms").fingerprint() == recipe.fingerprint()
    assert Recipe.asked({"data": {"train": "x"}}, budget="3MB,100us").fingerprint() != recipe.fingerprint()
    named = recipe.naming({"family": "bag", "width": 16, "hidden": 32, "min_count": 4})
    assert (named.student.family, named.settings("students").width, named.student.min_count) == ("bag", 16, 4)
    assert named.student.budget == recipe.student.budget


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"student": {"budget": "2MB", "width": 64}}, "student.width: the search chooses the student's settings"),
        ({"student": {"budget": "2MB", "kep": 0.9}}, "Did you mean 'keep'?"),
        ({"student": {"budget": "2MB", "min_count": 4}}, "set those, or name a student.family"),
        ({"student": {"budget": "2MB", "keep": 1.5}}, "student.keep"),
        ({"student": {"budget": "2MB"}, "data": {"train": "x", "valid_share": 0.0}}, "data.valid_share: is 0"),
        ({"student": {"budget": "2MB"}, "search": {"families": ["bg"]}}, "search.families: 'bg' is not among the students"),
        ({"search": {"families": []}}, "search.families"),
        ({"search": {"precisions": ["int2"]}}, "search.precisions"),
        ({"search": {"min_counts": [0]}}, "search.min_counts"),
    ],
)
def test_what_a_search_cannot_do_with(content: dict, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        Recipe.read({"data": {"train": "x"}, **content})
    assert message in str(caught.value)
