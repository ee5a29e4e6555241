"""The views that a student learns from, and a teacher that is fine-tuned: how many, whether the teacher can answer them, and the same again by
other dice. Knows recipes, modalities and teachers; trains nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.data.split import Splits
from limbeck.engine.batches import Examples
from limbeck.errors import RecipeError
from limbeck.label_sets import aims
from limbeck.modalities._dice import dice_of
from limbeck.pipeline.origin import lent_table
from limbeck.pipeline.untrained import full_modality
from limbeck.run import Run
from limbeck.signals.store import SignalStore
from limbeck.types import Record, Signal, View

Answer = Callable[[Sequence[Any]], Signal]
"""A teacher's numpy signals of payloads, in order."""


def make_views(run: Run, teacher: Any, splits: Splits) -> list[View]:
    """The views of all training records that the teacher will label."""
    modality, (plan, why) = full_modality(run, teacher), views_of(run, teacher)
    if why:
        run.progress("views", 1, 1, why)
    views: list[View] = modality.views(splits.train, plan, run.recipe.seed, lent_table(run, teacher))
    return views


def views_of(run: Run, teacher: Any) -> tuple[Any, str]:
    """The plan of views, and, in words, why there are none beside the records: the teacher cannot answer other texts, or each costs money
    and the recipe does not ask for any.

    Raises:
        RecipeError: they are to be drawn anew in each epoch, and nobody may ask this teacher so often.
    """
    plan, why = run.recipe.view_plan(), ""
    if getattr(plan, "live", False):
        _check_live(run, teacher)
    if plan.per_record and not getattr(teacher, "answers_anything", True):
        why = "none: this teacher's answers are written down, and there are none to other texts"
    elif plan.per_record and "per_record" not in run.recipe.views.settings and getattr(teacher, "paid", False):
        why = "none: each would be a paid call; views.per_record asks for some"
    return (replace(plan, per_record=0) if why else plan), why


def lesson_size(run: Run) -> int:
    """How many examples a teacher that is fine-tuned learns of each row, the row itself among them."""
    plan = run.recipe.lesson_plan()
    return 1 if plan is None else 1 + int(plan.per_record)


def lesson_views(run: Run, teacher: Any, rows: Sequence[Record], seed: int) -> tuple[list[Any], NDArray[np.int64]]:
    """The payloads that a teacher is fine-tuned on, and the number of the row that each is of (N,): the rows, and views of them by dice that are
    another seed's others."""
    plan = run.recipe.lesson_plan()
    if plan is None:
        return [r.payload for r in rows], np.arange(len(rows))
    number = {r.key: n for n, r in enumerate(rows)}
    views = full_modality(run, teacher).views(rows, plan, dice_of("teacher", seed, run.recipe.seed))
    # The rows come first, and copies of one payload may have labels of their own.
    return [v.payload for v in views], np.array([*range(len(rows)), *(number[v.keys[0]] for v in views[len(rows) :])])


def redrawn(run: Run, modality: Any, records: Sequence[Record], plan: Any, first: int = 0) -> Callable[[int], list[View]]:
    """The views of an epoch, from number 1 on: as many, of the same records in the same order, by other dice.

    Args:
        modality: whose views they are.
        records, plan: what they are views of, and how.
        first: how many epochs a training has had before this one.
    """

    def draw(epoch: int) -> list[View]:
        views: list[View] = modality.views(records, plan, dice_of("epoch", first + epoch, run.recipe.seed))
        return views

    return draw


def afresh(
    examples: Examples,
    modality: Any,
    draw: Callable[[int], Sequence[View]],
    label: Callable[[Sequence[View]], NDArray[Any]],
    answer: Answer | None = None,
) -> Examples:
    """Examples whose views are drawn anew in each epoch but the first.

    Args:
        examples: of the first epoch.
        modality: a student's, which reads them.
        draw: the views of an epoch.
        label: their labels, as `Examples` has them.
        answer: the teacher's, for which a training waits at every step; None: it learns from labels alone.

    Source: Beyer et al. (2022), Knowledge Distillation: A Good Teacher Is Patient and Consistent, section 3: teacher and student see the same
    view, and seldom the same again.
    """

    def anew(epoch: int) -> Examples:
        views = draw(epoch)
        assert len(views) == len(examples), "an epoch has as many views as the first one"
        payloads = [v.payload for v in views]
        again = replace(examples, encoded=modality.encode(payloads), labels_N=label(views), anew=None)
        if answer is None:
            return again
        return replace(again, signal=Signal(), live=lambda chosen_B: answer([payloads[i] for i in chosen_B]))

    return replace(examples, anew=anew)


def labels_of(views: Sequence[View], labels: Sequence[str], several: bool) -> NDArray[Any]:
    """The labels of views as `Examples` has them; -1 where nobody knows one, as of a mix."""
    return aims((v.label for v in views), labels, several)


def answers(teacher: Any, store: SignalStore, needs: frozenset[str]) -> Answer:
    """The teacher's answers to payloads: those that the store holds from there, the others from the teacher, in the number type in which it
    labelled these, whatever it computes in by then."""

    def answer(payloads: Sequence[Any]) -> Signal:
        new = store.missing(payloads, needs)
        old = list(dict.fromkeys(payloads).keys() - set(new))
        with _as_labelled(teacher, store):
            parts = ([teacher.answer(new, needs)] if new else []) + ([store.get(old, needs)] if old else [])
        place = {payload: row for row, payload in enumerate((*new, *old))}
        order = [place[p] for p in payloads]
        names = parts[0].given()
        return Signal(**{name: np.concatenate([np.asarray(getattr(part, name)) for part in parts])[order] for name in names})

    return answer


@contextmanager
def _as_labelled(teacher: Any, store: SignalStore) -> Iterator[None]:
    before, labelled = getattr(teacher, "precision", None), store.fingerprint.get("precision")
    if before is None or labelled is None:
        yield
        return
    teacher.precision = labelled
    try:
        yield
    finally:
        teacher.precision = before


def _check_live(run: Run, teacher: Any) -> None:
    section = run.recipe.teacher
    corrected = section.prior is not None or section.gold != "weigh" or section.filter != type(section.filter)()
    why = {
        "its answers are written down": not getattr(teacher, "answers_anything", True),
        "each answer costs money": getattr(teacher, "paid", False),
        "teacher.calls allows few": section.calls is not None,
        "its answers are corrected or listed (teacher.filter, gold, prior), which takes all of them together": corrected,
    }
    if said := [words for words, holds in why.items() if holds]:
        raise RecipeError(
            f"views.live asks the teacher about new views in every epoch, and here {said[0]}. Leave out views.live."
        )
