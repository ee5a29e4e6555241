"""A student whose teacher has a budget of calls is trained for no less than so many steps, unless the recipe says how long."""

from types import SimpleNamespace

from limbeck import Recipe
from limbeck.engine.batches import number_of_batches
from limbeck.pipeline.steps import LEAST_STEPS, plan_for


def steps(views: int, **sections: object) -> int:
    run = SimpleNamespace(recipe=Recipe.read({"data": {"train": "x.jsonl"}, **sections}))
    plan = plan_for(run, views)
    return plan.epochs * number_of_batches(views, plan.batch_size)


def test_few_views_are_seen_more_often() -> None:
    calls = {"teacher": {"calls": 500}}
    for views in (1, 100, 500, 3000):
        batches = number_of_batches(views, 128)
        assert LEAST_STEPS <= steps(views, **calls) < LEAST_STEPS + batches
    assert steps(100_000, **calls) == 12 * number_of_batches(100_000, 128)


def test_what_the_recipe_names_and_a_teacher_that_is_asked_all_stay_as_they_are() -> None:
    assert steps(500) == 12 * 4
    assert steps(500, teacher={"calls": 500}, training={"epochs": 3}) == 3 * 4
