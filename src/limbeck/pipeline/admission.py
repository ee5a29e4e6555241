"""Whether a run may start, and go on: all checks in their order. Knows what each check needs; the judgement is that of `limbeck.doctor`.

A teacher that knows its classes is asked about some labelled rows, through the run's store: the run would ask them anyway.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from limbeck.data.prepare import Prepared
from limbeck.data.split import Splits
from limbeck.doctor.estimates import Paid, Plan, estimate_findings
from limbeck.doctor.lesson import plan_findings
from limbeck.doctor.likeness import likeness_findings
from limbeck.doctor.power import power_finding
from limbeck.doctor.probe import Probe, probe, probe_findings
from limbeck.doctor.rows import row_findings
from limbeck.engine.batches import number_of_batches
from limbeck.engine.device import matrix_rate, memory_of
from limbeck.errors import CheckupError
from limbeck.evidence import Basis
from limbeck.findings import Checkup, Finding, Severity
from limbeck.pipeline.asked import about_as_many, first_asked, most_rows
from limbeck.pipeline.fine_tuning import EPOCHS, LEAST_STEPS
from limbeck.pipeline.shipped import as_it_came
from limbeck.pipeline.steps import plan_for
from limbeck.pipeline.teacher_checkup import fine_tuned_findings, teacher_findings
from limbeck.pipeline.terms import terms
from limbeck.pipeline.trial import trial_findings
from limbeck.pipeline.views import lesson_size, views_of
from limbeck.run import Run, write_json
from limbeck.signals.store import SignalStore
from limbeck.types import Record

CHECKUP = "doctor.json"
"""In evidence/: what was found before the run."""
_NOT_TO_BE_ASKED = {"teacher_not_finite", "tokenizer_of_another_model"}


def admitted(run: Run, teacher: Any, prepared: Prepared) -> Checkup:
    """What was found before anything is trained.

    Args:
        run: settled.
        teacher: as it came.

    Raises:
        CheckupError: there is a refusal, and the recipe does not say `doctor.force`; the folder of a new run is empty again then.
    """
    with run.stage("doctor"):
        run.progress("doctor", 0, 1, "")
        checkup = Checkup.of(findings(run, teacher, prepared), forced=run.recipe.doctor.force)
    return passed(run, checkup)


def goes_on(run: Run, teacher: Any, prepared: Prepared, store: SignalStore, before: Checkup) -> Checkup:
    """What was found before, and what the teacher that this run has fine-tuned answers; the folder stays, whatever that is.

    Args:
        teacher: as it was asked.
        store: with its answers.
        before: what `admitted` gave.

    Raises:
        CheckupError: as `admitted`.
    """
    if as_it_came(run, teacher):
        return before
    with run.stage("doctor"):
        words = _probed(run, prepared, {})
        found = fine_tuned_findings(run, teacher, prepared, store, words.accuracy if words else None)
        checkup = Checkup.of((*before.findings, *found), run.recipe.doctor.force)
    return passed(run, checkup) if len(checkup.findings) > len(before.findings) else before


def findings(run: Run, teacher: Any, prepared: Prepared) -> Iterator[Finding]:
    """All that can be found before anything is trained."""
    splits, section = prepared.splits, run.recipe.verify
    yield from row_findings(prepared)
    judging = len(splits.test)
    if splits.basis is Basis.CROSS_FITTING:
        judging = sum(r.label is not None for r in (*splits.train, *splits.valid))
    if run.recipe.several:
        yield _of_one_label()
    else:
        yield from power_finding(splits.basis, judging, section.margin, section.least_agreement)
    others = {"test": prepared.test_as_read, "validation": prepared.valid_as_read}
    words = _probed(run, prepared, others)
    to_ask = replace(prepared, splits=first_asked(run, teacher, splits))  # what the run would not ask is not asked here either
    of_teacher = list(teacher_findings(run, teacher, to_ask, words.accuracy if words else None))
    yield from of_teacher
    alike = list(likeness_findings([r for r in prepared.as_read if r.label is not None], prepared.test_as_read))
    yield from alike
    if words is not None:
        yield from _of_words(words, splits.labels, [*of_teacher, *alike])
    if not any(f.severity is Severity.REFUSAL and f.code in _NOT_TO_BE_ASKED for f in of_teacher):
        yield from trial_findings(run, teacher, to_ask)
    if not run.recipe.searches:
        yield from _of_training(run, teacher, splits)
    yield from estimate_findings(_plan(run, teacher, prepared))


def _of_training(run: Run, teacher: Any, splits: Splits) -> Iterator[Finding]:
    """What is wrong with the student's training as the recipe has it."""
    views = most_rows(run, teacher, splits) * _views_each(run, teacher)
    plan = plan_for(run, views)
    steps = plan.epochs * number_of_batches(views, plan.batch_size)
    hears = any(objective.needs for objective, _ in terms(run, teacher))
    yield from plan_findings(steps, plan.epochs, plan.batch_size, hears)


def _of_one_label() -> Finding:
    """What is not looked at where several labels may apply to a text."""
    return Finding(
        "several_labels",
        Severity.NOTE,
        "Several labels may apply to a text, so checks of one label among all are left out.",
        "These hold a teacher's answers, a linear model of words and the number of test rows against one label for each text.",
        "The report says what teacher and student reach, and how far each bound reaches.",
    )


def _views_each(run: Run, teacher: Any) -> int:
    """How many views the teacher labels of each row, the row itself among them."""
    return 1 + int(getattr(views_of(run, teacher)[0], "per_record", 0))


def _probed(run: Run, prepared: Prepared, others: Mapping[str, Sequence[Record]]) -> Probe | None:
    """A linear model of words on the rows, and on those of other files by their names, where they hold words."""
    if run.recipe.several or not run.recipe.entry("modalities").vocabulary:
        return None
    return probe(prepared.as_read, others, prepared.splits.labels)


def _plan(run: Run, teacher: Any, prepared: Prepared) -> Plan:
    """What decides the costs of this run on this machine."""
    splits, tuning = prepared.splits, run.recipe.teacher.fine_tune
    texts = [r.payload for r in splits.train[:256]]
    encode = getattr(getattr(teacher, "members", (teacher,))[0], "encode", None)
    modality = run.recipe.entry("modalities")
    work = map(len, encode(texts)) if encode and modality.vocabulary else map(modality.work, texts)
    tokens = sum(work) / max(1, len(texts))
    lessons = sum(r.label is not None for r in splits.train) * lesson_size(run)
    epochs = (
        0
        if teacher.has_head
        else tuning.epochs or max(EPOCHS, -(-LEAST_STEPS // number_of_batches(max(1, lessons), tuning.batch_size)))
    )
    place = run.folder
    while not place.exists():
        place = place.parent
    table_VD = teacher.token_embeddings() if hasattr(teacher, "token_embeddings") else None
    views = most_rows(run, teacher, splits) * _views_each(run, teacher)
    learners = 0  # that ask for views at every step: students, and controls where no label is known
    if getattr(views_of(run, teacher)[0], "live", False):
        hard = run.recipe.verify.control and not any(r.label is not None for r in splits.train)
        learners = run.recipe.verify.seeds * (2 if hard else 1)
    return Plan(
        counted=run.recipe.entry("modalities").vocabulary,
        weights=teacher.parameters,
        table=0 if table_VD is None else int(np.prod(table_VD.shape)),
        classes=len(teacher.labels or splits.labels),
        views=views + len(splits.valid),
        live=views * (plan_for(run, views).epochs - 1) * learners if learners else 0,
        tokens=tokens,
        rows=lessons,
        epochs=epochs,
        seeds=tuning.seeds if epochs else 1,
        rate=matrix_rate(run.device),
        free_disk=shutil.disk_usage(place).free,
        memory=memory_of(run.device),
        price=run.recipe.doctor.price,
        paid=_paid(run, teacher, prepared),
    )


def _paid(run: Run, teacher: Any, prepared: Prepared) -> Paid | None:
    """What a teacher that is paid for is still to be asked; further views of a text, if any, are taken to cost what the text does."""
    if not hasattr(teacher, "estimate"):
        return None
    splits = about_as_many(run, teacher, prepared.splits)
    others = (*splits.valid, *splits.test, *splits.outside)
    found = teacher.estimate([r.payload for r in (*splits.train, *others)])
    more = len(splits.train) * (_views_each(run, teacher) - 1)
    times = 1 + more / max(1, len(splits.train) + len(others))
    calls, tokens_in, tokens_out = (round(times * n) for n in (found.calls, found.tokens_in, found.tokens_out))
    return Paid(calls, tokens_in, tokens_out, None if found.money is None else times * found.money)


def passed(run: Run, checkup: Checkup) -> Checkup:
    """Write down what was found, and stop where it says so.

    Raises:
        CheckupError: there is a refusal that nobody overruled.
    """
    (run.folder / "evidence").mkdir(parents=True, exist_ok=True)
    write_json(run.folder / "evidence" / CHECKUP, checkup.to_json())
    run.progress("doctor", 1, 1, checkup.summary())
    if checkup.refusals and not checkup.forced:
        told = "".join(f"\n  - {f}" for f in checkup.refusals)
        raise CheckupError(
            f"the run is refused, since it would be worth nothing:{told}\n"
            "Mend it and run the same command again, or go on all the same with --force (doctor.force); the report will say so."
        )
    return checkup


def _of_words(words: Probe, labels: Sequence[str], before: Sequence[Finding]) -> Iterator[Finding]:
    """What the probe says of the labels, where it was not said already."""
    codes = {f.code for f in before}
    for finding in probe_findings(words, labels):
        if finding.code not in codes:
            yield finding
