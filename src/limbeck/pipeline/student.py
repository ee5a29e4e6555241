"""The student's stages: training, and its bundle. Knows what a student is made from; knows nothing of files, nor of how it is judged."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from limbeck.bundle import Bundle
from limbeck.data.split import Splits
from limbeck.engine.as_int8 import AsInt8
from limbeck.engine.batches import Examples, lengths
from limbeck.engine.checkpoint import Checkpoint
from limbeck.engine.loop import Judge, Term, Training
from limbeck.losses.divergence import forward_kl
from limbeck.losses.questions import binary_kl
from limbeck.metrics.classification import agreement
from limbeck.pipeline.steps import plan_for
from limbeck.pipeline.teacher import LOGITS, unseen
from limbeck.pipeline.terms import terms as chosen_terms
from limbeck.pipeline.training import trained
from limbeck.pipeline.views import afresh, answers, labels_of, redrawn, views_of
from limbeck.pipeline.written import write_bundle
from limbeck.run import Run, write_json
from limbeck.signals.store import SignalStore
from limbeck.types import Json, Shapes, View, digest

BUILT = Path("evidence") / "student.json"
"""What the bundle was made from: its proof, until there is a report."""
_BATCH = 128
_MORE, _SLOWER = 0.25, 0.1
"""How long a student learns with rounding, as a share of its plan, and how fast."""


def fit_student(
    run: Run,
    teacher: Any,
    student: Any,
    modality: Any,
    store: SignalStore,
    views: Sequence[View],
    splits: Splits,
    identity: Json,
    name: str = "student",
    epochs: float | None = None,
    as_int8: bool = False,
) -> Checkpoint:
    """Train a student on the teacher's signals; it ends with the weights that are nearest to the teacher on validation rows that are
    new to both.

    Args:
        identity: what `made_from` says.
        name: of its files in the run.
        epochs: after so many of the plan's it stops, and can go on later from its checkpoint; None: after all.
        as_int8: it was trained already, and learns on for a part of the plan (`_MORE`) with its numbers rounded as an int8 file rounds them.

    Returns:
        Its checkpoint, to be removed when the student is safe.
    """
    recipe = run.recipe
    with run.stage("student"):
        payloads = [v.payload for v in views]
        teacher_shapes = Shapes(len(teacher.labels), getattr(teacher, "width", 0))
        terms = [Term(o, weight, o.init(student.shapes(), teacher_shapes)) for o, weight in chosen_terms(run, teacher)]
        for term in terms:
            if term.state is not None:
                term.state.to(run.device)
        needs = frozenset[str]().union(*(t.objective.needs for t in terms))
        live = frozenset[str]().union(*(t.objective.needs for t in terms if getattr(t.objective, "live", False)))
        label = partial(labels_of, labels=teacher.labels, several=recipe.several)
        examples = Examples(
            modality.encode(payloads),
            label(views),
            store.get(payloads, needs - live),
            words=modality.words(payloads) if "hidden_BWD" in needs else None,
            live=(lambda chosen_B: teacher.answer([payloads[i] for i in chosen_B], live)) if live else None,
        )
        planned = views_of(run, teacher)[0]
        if getattr(planned, "live", False):
            draw = redrawn(run, modality, splits.train, planned, first=run.recipe.training_plan().epochs if as_int8 else 0)
            examples = afresh(examples, modality, draw, label, answers(teacher, store, needs))
        judged = [r.payload for r in unseen(run, splits)]
        near = nearness_of_sets if recipe.several else nearness
        judge = near(modality, judged, store.get(judged, LOGITS).logits_BC, run.device) if judged else None
        plan = plan_for(run, len(views))
        if as_int8:
            plan = replace(plan, epochs=max(1, round(_MORE * plan.epochs)), learning_rate=_SLOWER * plan.learning_rate)
        training = Training(
            student,
            examples,
            modality.collate,
            terms,
            plan,
            judge=judge,
            seed=recipe.seed,
            device=run.device,
            epochs=epochs,
            around=AsInt8 if as_int8 else nullcontext,
        )
        note = f"{recipe.student.family}, {student.describe()['parameters']:,} parameters"
        checkpoint = trained(run, "student", name, training, identity, note, goes_on=epochs is not None)
    student.cpu().eval()
    return checkpoint


def distilled(
    run: Run, teacher: Any, untrained: tuple[Any, Any], store: SignalStore, views: Sequence[View], splits: Splits
) -> tuple[Bundle, Json]:
    """The written student, with what it says of itself; from the run's folder if it is proven to lie there.

    Args:
        untrained: the student and its modality; it is trained in place.
    """
    record = run.folder / BUILT
    of = made_from(run, teacher)
    identity = digest({**of, "environment": run.environment})
    try:
        before = json.loads(record.read_text(encoding="utf-8"))
        bundle = Bundle.open(run.folder / "bundle")
        if before["identity"] == identity and before["bundle"] == bundle.sha256:
            run.progress("student", 1, 1, "taken from this run's folder")
            return bundle, before["student"]
    except (OSError, ValueError, KeyError, TypeError):  # damaged, or not there: it is made again
        pass
    student, modality = untrained
    checkpoint = fit_student(run, teacher, student, modality, store, views, splits, of)

    def learned() -> tuple[Any, Checkpoint]:
        again = copy.deepcopy(student).to(run.device).train()
        with_int8 = fit_student(run, teacher, again, modality, store, views, splits, of, "student-int8", as_int8=True)
        return again, with_int8

    bundle = write_bundle(run, student, modality, teacher, splits, store, learned)
    record.parent.mkdir(exist_ok=True)
    write_json(record, {"identity": identity, "bundle": bundle.sha256, "student": student.describe()})
    checkpoint.remove()
    return bundle, student.describe()


def made_from(run: Run, teacher: Any) -> Json:
    """What decides a student's training."""
    return {"recipe": run.recipe.identity(), "data": run.data, "teacher": dict(teacher.fingerprint())}


def nearness(modality: Any, payloads: Sequence[Any], teacher_NC: NDArray[np.float32], device: str) -> Judge:
    """How near a student is to the teacher on these payloads: minus the KL divergence in nats, and the share of equal answers."""
    encoded = modality.encode(payloads)
    target_NC = torch.from_numpy(teacher_NC)

    def judge(module: nn.Module) -> Mapping[str, float]:
        logits_NC = student_logits(module, modality, encoded, device)
        divergence = float(forward_kl(logits_NC, target_NC).mean())
        return {"-KL": -divergence, "agreement": agreement(logits_NC.argmax(1).numpy(), teacher_NC.argmax(axis=1))}

    return judge


def nearness_of_sets(modality: Any, payloads: Sequence[Any], teacher_NC: NDArray[np.float32], device: str) -> Judge:
    """The same where several labels may apply: the divergence of all labels, and the share of rows whose likely labels are the teacher's."""
    encoded = modality.encode(payloads)
    target_NC = torch.from_numpy(teacher_NC)

    def judge(module: nn.Module) -> Mapping[str, float]:
        logits_NC = student_logits(module, modality, encoded, device)
        alike_N = ((logits_NC > 0) == (target_NC > 0)).all(dim=1)
        return {"-KL": -float(binary_kl(logits_NC, target_NC).mean()), "agreement": float(alike_N.double().mean())}

    return judge


def student_logits(module: nn.Module, modality: Any, encoded: Sequence[NDArray[Any]], device: str = "cpu") -> torch.Tensor:
    """Logits (N, C) of encoded payloads, in order, in batches of equal length."""
    order = np.argsort(lengths(encoded), kind="stable")
    parts = []
    with torch.inference_mode():
        for start in range(0, len(order), _BATCH):
            arrays = modality.collate([encoded[i] for i in order[start : start + _BATCH]])
            parts.append(module(**{k: torch.from_numpy(v).to(device) for k, v in arrays.items()}).logits_BC.float().cpu())
    return torch.cat(parts)[torch.from_numpy(np.argsort(order))]
