"""The teacher's stage alone: what asking will take, and asking. Knows the stages up to the signals; trains no student."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from limbeck.data.split import Splits
from limbeck.pipeline.asked import about_as_many, asked_about
from limbeck.pipeline.data import read_data
from limbeck.pipeline.fine_tuning import fine_tuned
from limbeck.pipeline.origin import settle_origin
from limbeck.pipeline.teacher import LOGITS, ask_teacher, load_teacher, loaded, name_of
from limbeck.pipeline.views import make_views
from limbeck.recipe import Recipe
from limbeck.run import Run, open_run
from limbeck.types import Progress, View, silent


@dataclass(frozen=True, slots=True)
class Asked:
    """What a teacher is asked for a run, or what that took.

    texts: that train, choose and judge. calls: for a paid teacher those still to be made (an estimate) or made so far, with their tokens;
    None: it costs nothing. money: in the currency of the recipe's prices; None: it names none.
    """

    teacher: str
    texts: int
    calls: int | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    money: float | None = None


def estimate(recipe: Recipe, progress: Progress = silent) -> Asked:
    """What asking the teacher will take; nothing is asked, and nothing is written.

    Raises:
        LimbeckError: with what was wrong, where, and the next step.
    """
    with open_run(recipe, progress) as run:
        splits = read_data(run).splits
        teacher = loaded(run)
        settle_origin(run, teacher, (r.payload for r in splits.train))
        texts = _texts(make_views(run, teacher, about_as_many(run, teacher, splits)), splits)
        if not hasattr(teacher, "estimate"):
            return Asked(name_of(run, teacher), len(set(texts)))
        teacher.expect(splits.labels, [*splits.valid, *splits.train])
        found = teacher.estimate(texts)
        return Asked(name_of(run, teacher), found.rows, found.calls, found.tokens_in, found.tokens_out, found.money)


def teach(recipe: Recipe, progress: Progress = silent) -> Asked:
    """Ask the teacher all that `distill` with the same recipe will need, and stop there.

    Raises:
        LimbeckError: with what was wrong, where, and the next step; what was answered until then is kept.
    """
    with open_run(recipe, progress) as run:
        prepared = read_data(run)
        splits = prepared.splits
        teacher = load_teacher(run, splits)
        prepared.write(run.folder)
        teacher = fine_tuned(run, teacher, splits)
        splits = asked_about(run, teacher, splits)
        views = make_views(run, teacher, splits)
        ask_teacher(run, teacher, views, splits)
        texts = _texts(views, splits)
        if getattr(teacher, "paid", False):
            _judging(run, teacher, splits)
        if not hasattr(teacher, "spent"):
            return Asked(name_of(run, teacher), len(set(texts)))
        spent = teacher.spent()
        return Asked(name_of(run, teacher), len(set(texts)), spent.calls, spent.tokens_in, spent.tokens_out, spent.money)


def _texts(views: Sequence[View], splits: Splits) -> list[str]:
    """All that a run asks its teacher."""
    return [*(v.payload for v in views), *(r.payload for r in (*splits.valid, *splits.test, *splits.outside))]


def _judging(run: Run, teacher: Any, splits: Splits) -> None:
    """Ask for the rows that judge, too: their answers lie in no signal store, but a paid one lies in its own file."""
    rows = [r.payload for r in (*splits.test, *splits.outside)]
    for start in range(0, len(rows), teacher.shard):
        run.progress("judging", start, len(rows), f"{len(rows):,} held-out rows")
        teacher.answer(rows[start : start + teacher.shard], LOGITS)
    run.progress("judging", max(1, len(rows)), max(1, len(rows)), f"{len(rows):,} held-out rows answered by the teacher")
