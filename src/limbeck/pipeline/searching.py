"""A search alone: its front without the final training, and its ladder as a file for another machine. Knows the order of the stages."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from limbeck.bundle import Bundle
from limbeck.data.split import Splits
from limbeck.errors import RecipeError
from limbeck.pipeline.admission import admitted, goes_on
from limbeck.pipeline.asked import asked_about
from limbeck.pipeline.chosen import chosen
from limbeck.pipeline.cleaned import lessons
from limbeck.pipeline.data import read_data
from limbeck.pipeline.drafts import Drafts
from limbeck.pipeline.drawn import draw_front
from limbeck.pipeline.field import Field, field_of
from limbeck.pipeline.fine_tuning import fine_tuned
from limbeck.pipeline.teacher import ask_teacher, load_teacher
from limbeck.pipeline.views import make_views
from limbeck.recipe import Recipe
from limbeck.run import Run, open_run
from limbeck.search import ladder as ladders
from limbeck.search import profile
from limbeck.search.front import Front
from limbeck.search.measure import QUERIES
from limbeck.signals.store import SignalStore
from limbeck.types import Progress, View, silent


@dataclass(frozen=True, slots=True)
class Found:
    """A finished search: the run with a recipe that names the student, and its front."""

    run: Run
    front: Front


def searched(run: Run, teacher: Any, store: SignalStore, views: Sequence[View], splits: Splits, field: Field) -> Found:
    """Race the candidates that fit, and draw the front."""
    named = chosen(run, teacher, store, views, splits, field.weighed)
    return Found(named, draw_front(named, teacher, store, views, splits, field.weighed, field.machine))


def search(recipe: Recipe, progress: Progress = silent) -> Front:
    """Search for the student that a recipe's budget asks for, and stop there; `distill` with the same recipe goes on from it.

    Raises:
        RecipeError: the recipe names a student.
        BudgetError: no candidate fits the budget.
    """
    with open_run(_searching(recipe), progress) as run:
        prepared = read_data(run)
        splits = prepared.splits
        teacher = load_teacher(run, splits)
        prepared.write(run.folder)
        checkup = admitted(run, teacher, prepared)
        field = field_of(run, teacher, splits)
        teacher = fine_tuned(run, teacher, splits)
        asked = asked_about(run, teacher, splits)
        views = make_views(run, teacher, asked)
        store = ask_teacher(run, teacher, views, asked)
        goes_on(run, teacher, replace(prepared, splits=asked), store, checkup)
        taught = lessons(run, teacher, store, views, asked)
        return searched(run, teacher, taught.store, taught.views, asked, field).front


def ladder(recipe: Recipe, out: Path, progress: Progress = silent) -> int:
    """Write the untrained candidates of a recipe's search to a file that `limbeck measure` measures on another machine.

    Those whose bytes alone are more than the budget allows are left out. Nothing is trained.

    Returns:
        How many candidates the file holds.
    """
    recipe = _searching(recipe)
    with tempfile.TemporaryDirectory() as folder:
        here = recipe.model_copy(update={"out": str(Path(folder) / "run"), "track": None})
        with open_run(here, progress) as run:
            splits = read_data(run).splits
            teacher = load_teacher(run, splits)
            drafts = Drafts(run, teacher, splits)
            queries = drafts.stand_ins(QUERIES)
            most = recipe.student.budget.bytes
            made_from = {**drafts.made_from(), profile.MOST: "" if most is None else str(most)}
            return ladders.write(out, made_from, queries, _bundles(run, drafts))


def _bundles(run: Run, drafts: Drafts) -> Iterator[tuple[str, Bundle]]:
    most = run.recipe.student.budget.bytes
    for done, candidate in enumerate(drafts.candidates):
        run.progress("candidates", done, len(drafts.candidates), candidate.name)
        if (draft := drafts.draft(candidate)) is None:
            continue
        with tempfile.TemporaryDirectory(dir=run.folder) as folder:
            bundle = draft.write(Path(folder))
        if most is None or bundle.bytes <= most:
            yield candidate.name, bundle
    run.progress("candidates", len(drafts.candidates), len(drafts.candidates), "written untrained")


def _searching(recipe: Recipe) -> Recipe:
    if not recipe.searches:
        raise RecipeError(
            f"there is nothing to search: the recipe's student is the family {recipe.student.family}. Give a budget "
            "(--budget 2MB,100us) and no student.family; or student.family: search, for the smallest that keeps enough at any cost."
        )
    return recipe
