"""The front of a finished search beside teacher, control and baseline, on the validation rows. Knows figures and stages; knows no axes.

OUT/search/front.json    a `limbeck.search.front.Front`
OUT/search/front.svg     the same to look at; not there without matplotlib
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from limbeck.bundle import Bundle
from limbeck.data.split import Splits
from limbeck.engine.batches import number_of_batches
from limbeck.errors import MissingExtraError
from limbeck.metrics.classification import accuracy
from limbeck.pipeline.baseline import baseline_answers
from limbeck.pipeline.chosen import FOLDER, Yardstick, yardstick
from limbeck.pipeline.control import control_choice
from limbeck.pipeline.shipped import own_size, teacher_bundle
from limbeck.pipeline.steps import plan_for
from limbeck.pipeline.teacher import LOGITS
from limbeck.run import Run, write_json
from limbeck.search.fit import Weighed
from limbeck.search.front import Front, Point, Reference, with_fronts
from limbeck.search.machine import card, words
from limbeck.search.measure import cost
from limbeck.search.plot import draw
from limbeck.search.race import Score
from limbeck.signals.store import SignalStore
from limbeck.types import Json, View
from limbeck.verify.footprint import MOST_QUERIES

_QUERIES = min(60, MOST_QUERIES)


def draw_front(
    run: Run, teacher: Any, store: SignalStore, views: Sequence[View], splits: Splits, field: Sequence[Weighed], machine: str
) -> Front:
    """Write OUT/search/front.json and front.svg.

    Args:
        run: with the recipe that names the chosen student.
        field: all candidates that were measured.
        machine: where, in words; an empty text: here.
    """
    judged, raced = yardstick(run, store, splits, teacher.labels), run.measured("search")
    assert raced is not None, "a front is drawn of a finished search"
    chosen = next(w for w in field if w.candidate.name == raced["chosen"])
    with run.stage("front"):
        references = [_teacher(run, teacher, splits, judged, not machine)]
        references += [*_control(run, teacher, views, splits, judged, chosen), *_baseline(run, teacher, store, splits, judged)]
        found = Front(
            by=judged.by,
            rows=len(judged.rows),
            enough=judged.enough,
            nearest=judged.nearest,
            budget=asdict(run.recipe.student.budget.budget()),
            machine=machine or words(card()),
            chosen=chosen.candidate.name,
            points=with_fronts([_point(w, raced["scores"]) for w in field]),
            references=tuple(references),
        )
        folder = run.folder / FOLDER
        folder.mkdir(exist_ok=True)
        write_json(folder / "front.json", found.to_json())
        try:
            draw(found, folder / "front.svg")
        except MissingExtraError as error:  # figures are no reason to lose a run
            run.progress("front", 0, 1, str(error))
    run.progress("front", 1, 1, found.says)
    return found


def _point(weighed: Weighed, scores: Json) -> Point:
    candidate, costs = weighed.candidate, weighed.cost
    reached = [Score(*rung) for rung in scores.get(candidate.name, [])]
    return Point(
        name=candidate.name,
        student=candidate.section(),
        size=candidate.size,
        precision=candidate.precision,
        misses=weighed.misses,
        quality=reached[-1].quality if reached else None,
        trained=reached[-1].trained if reached else 0.0,
        **costs.to_json(),
    )


def _teacher(run: Run, teacher: Any, splits: Splits, judged: Yardstick, here: bool) -> Reference:
    """The teacher, as it would be shipped; its time only where the candidates were timed too, and where it has a file."""
    written = teacher_bundle(run, teacher)
    if not isinstance(written, Bundle) or not here:
        size = written.bytes if isinstance(written, Bundle) else own_size(teacher) or None
        return Reference("teacher", judged.teacher, size)
    queries = [run.recipe.entry("modalities").as_sent(r.payload) for r in splits.train[:_QUERIES]]
    costs = run.decided("search.teacher", lambda: cost(written, queries).to_json())
    return Reference("teacher", judged.teacher, costs["bytes"], costs["latency_p50"])


def _control(
    run: Run, teacher: Any, views: Sequence[View], splits: Splits, judged: Yardstick, chosen: Weighed
) -> list[Reference]:
    """The chosen student without the teacher, where the recipe asks for it and labels can say what it reaches."""
    labelled = any(r.label is not None for r in splits.train)
    if not run.recipe.verify.control or judged.by != "accuracy" or not labelled:
        return []
    plan = plan_for(run, len(views))
    steps = plan.epochs * number_of_batches(len(views), plan.batch_size)
    reached = control_choice(run, splits, plan, steps, teacher.labels)["accuracy"]
    return [Reference("control", reached, chosen.cost.bytes, chosen.cost.latency_p50)]


def _baseline(run: Run, teacher: Any, store: SignalStore, splits: Splits, judged: Yardstick) -> list[Reference]:
    """A linear model of words, on the labels; without labels on the teacher's answers."""
    if not run.recipe.verify.baseline:
        return []
    rows = [r for r in splits.train if judged.by == "agreement" or r.label is not None]
    texts, index = [r.payload for r in rows], {label: i for i, label in enumerate(teacher.labels)}

    def answers(payloads: Sequence[Any]) -> Any:
        return np.asarray(store.get(payloads, LOGITS).logits_BC).argmax(axis=1)

    if judged.by == "accuracy":
        labels, true_N = [str(r.label) for r in rows], np.array([index[str(r.label)] for r in judged.rows])
    else:
        labels, true_N = [teacher.labels[i] for i in answers(texts)], answers([r.payload for r in judged.rows])
    found_N = baseline_answers(run.recipe.entry("tasks"), texts, labels, judged.rows, teacher.labels)
    return [] if found_N is None else [Reference("baseline", accuracy(found_N, true_N))]
