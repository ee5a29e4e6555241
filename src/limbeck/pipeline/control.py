"""The control: the same student without the teacher. Knows labels and the pre-trained start; never sees what a teacher is unsure of.

What a teacher is worth is what the student loses without it. So the control has the same architecture, the same pre-trained start
(before any fine-tuning; a teacher that came with a head lends none, since it has learned the labels), as many steps, and views of the labelled rows whose label is known to hold:
those that the teacher was fine-tuned on, where it had its own (`teacher.fine_tune.views`), or the student's but for mixes. Where the training rows have no
labels, there is no student without a teacher: the control then learns the teacher's hard labels, and says what the soft ones are worth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from limbeck import catalog
from limbeck.data.split import Splits
from limbeck.engine.batches import Examples, number_of_batches
from limbeck.engine.loop import Judge, Term, Training
from limbeck.label_sets import aims
from limbeck.metrics.classification import accuracy
from limbeck.metrics.sets import micro_f1
from limbeck.pipeline.origin import origin_of
from limbeck.pipeline.steps import plan_for
from limbeck.pipeline.student import student_logits
from limbeck.pipeline.teacher import LOGITS, loaded, unseen
from limbeck.pipeline.training import trained
from limbeck.pipeline.untrained import full_modality, new_student, seeded
from limbeck.pipeline.views import afresh, answers, labels_of, redrawn, views_of
from limbeck.run import Run
from limbeck.signals.store import SignalStore
from limbeck.types import Json, Shapes, Signal, TrainingPlan, View


def control_logits(
    run: Run, teacher: Any, store: SignalStore, views: Sequence[View], splits: Splits, more: int = 0
) -> tuple[NDArray[np.float32], str]:
    """What the control says of the test rows, logits (N, C), and what it is in words.

    It is trained by the student's own plan: as many trials as the student had, which is one. Like the teacher it is chosen on the
    labelled validation rows, and trained again with them. That of the seed that comes `more` behind the recipe's learns from the same views (of
    live ones the first epoch's), and as long as the first.
    """
    plan = plan_for(run, len(views))
    if any(r.label is not None for r in splits.train):
        steps = plan.epochs * number_of_batches(len(views), plan.batch_size)
        chosen = None
        if any(r.label is not None for r in splits.valid):
            chosen = control_choice(run, splits, plan, steps, teacher.labels)
        control, modality, _ = fit_control(run, splits, plan, steps, labels=teacher.labels, chosen=chosen, more=more)
        what = f"the same {run.recipe.student.family} on the labels alone, without the teacher"
        what += ", from a random start" if control.origin == "random" else ""
    else:
        control, modality = _fit_hard_labels(run, teacher, store, views, splits, plan, more)
        what = f"the same {run.recipe.student.family} on the teacher's hard labels"
    return student_logits(control, modality, modality.encode([r.payload for r in splits.test])).numpy(), what


def control_choice(run: Run, splits: Splits, plan: TrainingPlan, steps: int, labels: Sequence[str]) -> Json:
    """What the control reaches on the labelled validation rows, which choose after how many "epochs" of how many "planned" ones; trained once
    in a run."""
    return run.decided("control.epochs", lambda: fit_control(run, splits, plan, steps, "control-choice", labels)[2])


def fit_control(
    run: Run,
    splits: Splits,
    plan: TrainingPlan,
    steps: int,
    name: str = "control",
    labels: Sequence[str] | None = None,
    chosen: Json | None = None,
    more: int = 0,
) -> tuple[Any, Any, Json]:
    """Train the recipe's student on labels alone.

    Args:
        run: a settled run.
        splits: its records; those without a label are left out.
        plan: batch size, rates; its epochs are replaced by as many as come nearest to `steps`.
        steps: how many steps the student had.
        name: of its files in the run.
        labels: the classes in their order; None: those of the data.
        chosen: what `control_choice` found: it ends after so many epochs of as many planned ones, and the validation rows train too; None: they
            choose the epoch.
        more: its seed comes so many behind the recipe's, of which its views are.

    Returns:
        The control, its modality, and what it reached on the validation rows after how many "epochs" of how many "planned" ones.
    """
    recipe = run.recipe
    backbone = loaded(run)
    # A teacher that came with a head has learned the labels already; what students start from in its place has not.
    started = not backbone.has_head or origin_of(run, backbone) is not backbone
    labelled, valid = ([r for r in rows if r.label is not None] for rows in (splits.train, splits.valid))
    if chosen:
        labelled, valid = [*labelled, *valid], []
    view_plan = recipe.label_plan()
    views = full_modality(run, backbone).views(labelled, view_plan, recipe.seed)
    payloads = [v.payload for v in views]
    labels = labels or splits.labels
    student, modality = new_student(seeded(run, more), backbone, payloads, labels, started)
    classes_N, true_N = (aims((x.label for x in some), labels, recipe.several) for some in (views, valid))
    # With the rows that chose an epoch is longer: by a plan of its own the rate would have fallen to nothing before the chosen one is over.
    epochs = chosen["planned"] if chosen else max(1, round(steps / number_of_batches(len(payloads), plan.batch_size)))
    plan = replace(plan, epochs=epochs)
    judge = _right(modality, [r.payload for r in valid], true_N, run.device)
    identity: Json = {
        "control": dict(backbone.fingerprint()),
        "plan": str(plan),
        "rows": [(r.key, r.label) for r in (*labelled, *valid)],
        "last": chosen["epochs"] if chosen else None,
    }
    note = f"the same {recipe.student.family} without a teacher, {len(labelled):,} labelled rows"
    examples = Examples(modality.encode(payloads), classes_N)
    if getattr(view_plan, "live", False):
        label = partial(labels_of, labels=labels, several=recipe.several)
        examples = afresh(examples, modality, redrawn(seeded(run, more), modality, labelled, view_plan), label)
    last = chosen["epochs"] if chosen else None
    training = _fit(run, student, modality, examples, judge, plan, name, identity, note, last, more)
    return student, modality, {**training.best, "epochs": training.best_epoch, "planned": epochs}


def _fit_hard_labels(
    run: Run, teacher: Any, store: SignalStore, views: Sequence[View], splits: Splits, plan: TrainingPlan, more: int
) -> tuple[Any, Any]:
    payloads, judged = [v.payload for v in views], [r.payload for r in unseen(run, splits)]
    student, modality = new_student(seeded(run, more), teacher, payloads, teacher.labels)
    classes_N, true_N = (_answers(store, texts) for texts in (payloads, judged))
    judge = _right(modality, judged, true_N, run.device)
    identity: Json = {"teacher": dict(teacher.fingerprint()), "plan": str(plan)}
    note = f"the same {run.recipe.student.family} on the teacher's hard labels"
    examples, view_plan = Examples(modality.encode(payloads), classes_N), views_of(run, teacher)[0]
    if getattr(view_plan, "live", False):
        ask = answers(teacher, store, LOGITS)

        def label(drawn: Sequence[View]) -> NDArray[np.int64]:
            return _best(ask([v.payload for v in drawn]))

        examples = afresh(examples, modality, redrawn(seeded(run, more), modality, splits.train, view_plan), label)
    _fit(run, student, modality, examples, judge, plan, "control", identity, note, more=more)
    return student, modality


def _answers(store: SignalStore, payloads: Sequence[Any]) -> NDArray[np.int64]:
    if not payloads:
        return np.zeros(0, np.int64)
    return _best(store.get(payloads, LOGITS))


def _best(signal: Signal) -> NDArray[np.int64]:
    best_N: NDArray[np.int64] = np.asarray(signal.logits_BC).argmax(axis=1).astype(np.int64)
    return best_N


def _fit(
    run: Run,
    student: Any,
    modality: Any,
    examples: Examples,
    judge: Judge | None,
    plan: TrainingPlan,
    name: str,
    identity: Json,
    note: str,
    epochs: int | None = None,
    more: int = 0,
) -> Training:
    """Train a student on hard labels; it stands ready to answer in the end."""
    run = seeded(run, more)
    objective = catalog.find("objectives", "binary_hard_labels" if run.recipe.several else "hard_labels")()
    shapes = student.shapes()
    training = Training(
        student,
        examples,
        modality.collate,
        [Term(objective, 1.0, objective.init(shapes, Shapes(shapes.classes, shapes.width)))],
        plan,
        judge=judge,
        seed=run.recipe.seed,
        device=run.device,
        epochs=epochs,
    )
    with run.stage("control"):
        identity = {"recipe": run.recipe.identity(), "data": run.data, **identity}
        # The first one's checkpoint stays until the run is complete: a kill behind it, while other seeds are trained, does not cost it.
        name = f"{name}-seed-{more}" if more else name
        ended = trained(run, "control", name, training, identity, note, goes_on=not more)
        if more:
            ended.remove()
    student.cpu().eval()
    return training


def _right(modality: Any, payloads: Sequence[Any], true_N: NDArray[Any], device: str) -> Judge | None:
    if not payloads:
        return None
    encoded = modality.encode(payloads)

    def judge(module: nn.Module) -> Mapping[str, float]:
        logits_NC = student_logits(module, modality, encoded, device).numpy()
        if true_N.ndim == 2:
            return {"micro-F1": micro_f1(logits_NC > 0, true_N)}
        return {"accuracy": accuracy(logits_NC.argmax(axis=1), true_N)}

    return judge
