"""Everybody's answers of several labels to the same held-out rows. Knows models and their thresholds; knows nothing of what a report says.

Each model that has probabilities has thresholds of its own, chosen in one way on the same validation rows, so none is held against another at
thresholds that suit the other alone. Letters: N rows, C labels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.data.split import Splits
from limbeck.engine.batches import number_of_batches
from limbeck.label_sets import aims, sigmoid
from limbeck.pipeline.control import fit_control
from limbeck.pipeline.steps import plan_for
from limbeck.pipeline.student import student_logits
from limbeck.pipeline.teacher import LOGITS, name_of
from limbeck.pipeline.written import calibration_rows
from limbeck.run import Run
from limbeck.runtime.predict import Predictor
from limbeck.signals.store import SignalStore
from limbeck.types import View
from limbeck.verify.compare_sets import SetAnswers
from limbeck.verify.thresholds import EVEN, chosen_thresholds

Ask = Callable[[Sequence[Any]], NDArray[Any]]


def held_out_sets(
    run: Run, teacher: Any, predictor: Predictor, store: SignalStore, views: Sequence[View], splits: Splits
) -> tuple[dict[str, SetAnswers], dict[str, str]]:
    """The answers of teacher, written student, control and baseline to the rows that judge, by name, and what each of them is."""
    section, labels = run.recipe.verify, teacher.labels
    payloads = [r.payload for r in splits.test]
    chosen_by, true_NC = calibration_rows(run, splits, labels)

    def asked(model: Ask, of_validation: Ask | None = None) -> SetAnswers:
        """A model's answers at the thresholds that the validation rows choose for it; a half where they choose none."""
        thresholds = (EVEN,) * len(labels)
        if chosen_by and true_NC is not None:
            p_NC = sigmoid((of_validation or model)([r.payload for r in chosen_by]))
            thresholds = chosen_thresholds(p_NC, true_NC > 0.5)
        return SetAnswers(np.asarray(model(payloads)), thresholds)

    def of_teacher(texts: Sequence[Any]) -> NDArray[Any]:
        return np.asarray(teacher.answer(texts, LOGITS).logits_BC)

    fitted = predictor.calibration
    answers = {
        "teacher": asked(of_teacher, lambda texts: np.asarray(store.get(texts, LOGITS).logits_BC)),
        "student": SetAnswers(
            predictor.logits(payloads), fitted.thresholds, temperature=fitted.temperature if fitted.rows else None
        ),
    }
    what = {"teacher": name_of(run, teacher), "student": run.recipe.student.family}
    learned = [r for r in (*splits.train, *splits.valid) if r.label is not None]
    if section.control and any(r.label is not None for r in splits.train):
        plan = plan_for(run, len(views))
        steps = plan.epochs * number_of_batches(len(views), plan.batch_size)
        control, modality, _ = fit_control(run, splits, plan, steps, labels=labels)
        answers["control"] = asked(lambda texts: student_logits(control, modality, modality.encode(texts)).numpy())
        what["control"] = (
            f"the same {run.recipe.student.family} on the labels alone, without the teacher; validation rows choose and do not train it"
        )
        what["control"] += ", from a random start" if control.origin == "random" else ""
    if section.baseline and learned:
        task = run.recipe.entry("tasks")
        aims_NC = aims((r.label for r in learned), labels, several=True)
        varies_C = np.ptp(aims_NC, axis=0) > 0  # what all rows have, or none has, is nothing to learn
        if varies_C.any() and (model := task.baseline([r.payload for r in learned], aims_NC[:, varies_C])) is not None:
            given_NC = np.tile(aims_NC[0] > 0.5, (len(payloads), 1))
            given_NC[:, varies_C] = np.asarray(model.predict(payloads)).reshape(len(payloads), -1) > 0.5
            answers["baseline"], what["baseline"] = SetAnswers(predicted=given_NC), task.trivial
    return answers, what
