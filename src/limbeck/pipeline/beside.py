"""A linear model of words and letters beside a fine-tuned network. Knows rows and teachers; knows nothing of students.

Where a network of a few thousand rows is unsure, the words alone often are not; both together are right more often than either, and a student that
learns from both is too (docs/diary.md). It is fitted anew whenever a run is taken up, from the same rows to the same weights, in seconds.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

from limbeck.data.split import Splits, can_choose
from limbeck.metrics.probabilities import log_softmax
from limbeck.pipeline.teacher import LOGITS, name_of, unseen
from limbeck.run import Run
from limbeck.teachers._joined import Joined, joined, scores
from limbeck.types import Json, Record, digest

DECIDED = "teacher.words"


def with_words(run: Run, teacher: Any, taught: Sequence[Record], splits: Splits) -> Any:
    """The teacher with a linear model beside it; the teacher alone where that says nothing more, or too few rows can tell.

    Args:
        teacher: fine-tuned.
        taught: the rows that it was trained with; the linear model is too.
        splits: whose validation rows that neither was trained with weigh the two.
    """
    judging = [r for r in unseen(run, splits) if r.label is not None]
    # The parts of cross-fitting have fewer rows to weigh by: what the whole run found holds for them.
    if run.measured(DECIDED) is None and not can_choose(judging):
        run.progress("teacher", 1, 1, f"no linear model beside it: {len(judging)} validation rows are too few to weigh it by")
        return teacher
    start = time.monotonic()
    texts, labels = [r.payload for r in taught], [str(r.label) for r in taught]
    if (linear := run.recipe.entry("tasks").linear(texts, labels)) is None:
        run.progress("teacher", 1, 1, "no linear model beside it: the texts hold no words, or the rows one label alone")
        return teacher
    found = run.decided(DECIDED, lambda: _weighed(teacher, linear, judging))
    note = f"{found['before']:.4f} to {found['after']:.4f} nats on {found['rows']:,} rows, {time.monotonic() - start:.0f} s"
    run.progress("teacher", 1, 1, f"a linear model of words and letters beside it: {note}")
    if found["linear"] <= 0 or found["after"] >= found["before"]:
        return teacher
    origin = digest({"rows": [[r.payload, r.label] for r in taught], "made by": f"scikit-learn {version('scikit-learn')}"})
    return Joined(teacher, linear, (found["network"], found["linear"]), origin, name_of(run, teacher))


def _weighed(teacher: Any, linear: Any, judging: Sequence[Record]) -> Json:
    """How much each counts: what makes the labels of these rows the most probable, a convex problem of two numbers; not below 0."""
    from scipy.optimize import minimize

    texts, place = [r.payload for r in judging], {label: i for i, label in enumerate(teacher.labels)}
    true_N = np.array([place[str(r.label)] for r in judging])
    logits_NC, scores_NC = teacher.answer(texts, LOGITS).logits_BC, scores(linear, texts, teacher.labels)

    def loss(weights: Any) -> float:
        log_NC = joined(logits_NC, scores_NC, (weights[0], weights[1]))
        return float(-log_NC[np.arange(len(true_N)), true_N].mean())

    found = minimize(loss, [1.0, 1.0], method="L-BFGS-B", bounds=[(0.0, None), (0.0, None)])
    before = float(-log_softmax(logits_NC)[np.arange(len(true_N)), true_N].mean())
    network, words = (float(f"{w:.4g}") for w in found.x)
    return {
        "network": network,
        "linear": words,
        "before": round(before, 5),
        "after": round(float(found.fun), 5),
        "rows": len(true_N),
    }
