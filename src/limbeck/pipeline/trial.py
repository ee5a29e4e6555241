"""A first lesson: the student that will be trained, on one small batch, thrown away afterwards. Knows how a student is taught; judges nothing.

A teacher that does not know its classes yet is stood in for by smoothed labels; objectives that need more of it are left out then.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from limbeck.data.prepare import Prepared
from limbeck.doctor.lesson import FALL, Lesson, lesson_findings
from limbeck.engine.batches import Examples
from limbeck.engine.loop import Term, Training
from limbeck.findings import Finding
from limbeck.label_sets import Label, aims
from limbeck.metrics.probabilities import confidence
from limbeck.pipeline.student import student_logits
from limbeck.pipeline.terms import named_terms
from limbeck.pipeline.untrained import new_student
from limbeck.run import Run
from limbeck.types import Batch, Record, Shapes, Signal

ROWS, STEPS, PATIENCE = 16, 60, 3.0
"""Rows of the batch, steps at the most, and seconds of every thread after which no further step is made."""
_SURE = 0.9


def trial_findings(run: Run, teacher: Any, prepared: Prepared) -> Iterator[Finding]:
    """What is wrong with the student; nothing is looked for where a search is still to choose it."""
    if run.recipe.searches:
        return
    labels = teacher.labels or prepared.splits.labels
    rows = _rows(prepared.splits.train)
    named = named_terms(run, teacher)
    terms = {name: term for name, term in named.items() if teacher.has_head or term[0].needs <= {"logits_BC"}}
    if not terms or len(rows) < 2:
        return
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.recipe.seed)
        settings = run.recipe.settings("students")
        if hasattr(
            settings, "choose"
        ):  # which layers are missed most can only be asked of a teacher that has learned the labels
            settings = replace(settings, choose="even")
        student, modality = new_student(run, teacher, [r.payload for r in rows], labels, settings=settings)
        lesson = _taught(run, teacher, student, modality, rows, labels, terms)
    yield from lesson_findings(lesson)


def _rows(records: Sequence[Record]) -> list[Record]:
    """A few rows of different labels and texts."""
    by_label: dict[Label | None, list[Record]] = {}
    for r in {r.key: r for r in records if not isinstance(r.payload, str) or r.payload.strip()}.values():
        by_label.setdefault(r.label, []).append(r)
    turns = max(map(len, by_label.values()), default=0)
    return [of[i] for i in range(min(turns, ROWS)) for of in by_label.values() if i < len(of)][:ROWS]


def _taught(
    run: Run,
    teacher: Any,
    student: Any,
    modality: Any,
    rows: Sequence[Record],
    labels: Sequence[str],
    terms: Mapping[str, tuple[Any, float]],
) -> Lesson:
    payloads, classes_B = [r.payload for r in rows], aims((r.label for r in rows), labels, run.recipe.several)
    needs = frozenset[str]().union(*(o.needs for o, _ in terms.values()))
    shapes, theirs = student.shapes(), Shapes(len(labels), getattr(teacher, "width", 0))
    made = [Term(o, weight, o.init(shapes, theirs)) for o, weight in terms.values()]
    for term in made:
        if term.state is not None:
            term.state.to(run.device)
    signal = _signal(teacher, payloads, classes_B, len(labels), needs)
    words = modality.words(payloads) if "hidden_BWD" in needs else None
    examples = Examples(modality.encode(payloads), classes_B, signal, words=words)
    batch = examples.batch(np.arange(len(rows)), modality.collate, run.device)
    trainable = sum(p.numel() for p in student.parameters() if p.requires_grad)
    gradients = _gradients(student, batch, made, list(terms))
    plan = run.recipe.training_plan()
    if not trainable or not any(gradients.values()):
        return Lesson((0.0,), gradients, trainable, plan.learning_rate)
    plan = replace(plan, epochs=STEPS, batch_size=len(rows), warmup_share=0.05, ema=0.0)
    training = Training(student, examples, modality.collate, made, plan, seed=run.recipe.seed, device=run.device)
    losses, asleep, complete, start = [], tuple[str, ...](), True, time.process_time()
    for step in training.steps():
        losses.append(step.loss)
        asleep = asleep or tuple(name or "the student" for name, m in student.named_modules() if not m.training)
        if not np.isfinite(step.loss) or step.loss < (1 - 4 * FALL) * losses[0]:
            break
        if time.process_time() - start > PATIENCE * run.threads:
            complete = False
            break
    student.eval()
    awake = tuple(name or "the student" for name, m in student.named_modules() if m.training)
    first, again = (student_logits(student, modality, examples.encoded, run.device).numpy() for _ in range(2))
    noise = float(np.abs(first - again).max()) if np.isfinite(first).all() else 0.0
    apart = float(np.ptp(first, axis=0).max())
    softened = {
        name: _softened(signal, o.temperature)
        for name, (o, _) in terms.items()
        if hasattr(o, "temperature") and signal.logits_BC is not None and not run.recipe.several
    }
    return Lesson(tuple(losses), gradients, trainable, plan.learning_rate, asleep, awake, noise, apart, softened, complete)


def _signal(teacher: Any, payloads: Sequence[Any], classes_B: Any, classes: int, needs: frozenset[str]) -> Signal:
    """What the teacher says of the rows, or smoothed labels in its place."""
    if teacher.has_head:
        found: Signal = teacher.answer(payloads, needs)
        return found
    if classes_B.ndim == 2:  # of several labels
        return Signal(
            logits_BC=np.where(classes_B > 0.5, 1.0, -1.0).astype(np.float32) * np.float32(np.log(_SURE / (1 - _SURE)))
        )
    dice = np.random.default_rng(0)
    aimed_B = np.where(classes_B >= 0, classes_B, dice.integers(0, classes, len(classes_B)))
    said_BC = np.full((len(aimed_B), classes), (1 - _SURE) / max(1, classes - 1))
    said_BC[np.arange(len(aimed_B)), aimed_B] = _SURE
    return Signal(logits_BC=np.log(said_BC).astype(np.float32))


def _softened(signal: Signal, temperature: float) -> tuple[float, float]:
    """The mean probability of the teacher's answer, without a temperature and with it, times the number of classes."""
    logits_BC = np.asarray(signal.logits_BC)
    even = 1 / logits_BC.shape[1]
    return float(confidence(logits_BC).mean() / even), float(confidence(logits_BC, temperature).mean() / even)


def _gradients(student: nn.Module, batch: Batch, terms: Sequence[Term], names: Sequence[str]) -> Mapping[str, float]:
    """The norm of each objective's gradient over the student's weights, its weight in the sum counted."""
    found: dict[str, float] = {}
    share_B = torch.full((len(batch.labels_B),), 1.0 / len(batch.labels_B), device=batch.labels_B.device)
    student.train()
    for name, term in zip(names, terms, strict=True):
        _forget(student, term.state)
        outputs = student(**batch.inputs)
        loss = term.objective(outputs, batch.signal, batch, term.state, share_B * term.weight).total
        if loss.requires_grad:
            loss.backward()
        squares = [float(p.grad.float().pow(2).sum()) for p in student.parameters() if p.grad is not None]
        found[name] = float(sum(squares)) ** 0.5
        _forget(student, term.state)
    return found


def _forget(*modules: nn.Module | None) -> None:
    for module in modules:
        if module is not None:
            module.zero_grad(set_to_none=True)
