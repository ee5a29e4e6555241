"""Whether a run may start, and go on: all checks in their order. Knows what each check needs; the judgement is that of `limbeck.doctor`.

A teacher that knows its classes is asked about some labelled rows, through the run's store: the run would ask them anyway.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from limbeck.data.prepare import Prepared
from limbeck.doctor.estimates import Plan, estimate_findings
from limbeck.doctor.power import power_finding
from limbeck.doctor.probe import Probe, probe, probe_findings
from limbeck.doctor.rows import row_findings
from limbeck.engine.batches import number_of_batches
from limbeck.engine.device import matrix_rate, memory_of
from limbeck.errors import CheckupError
from limbeck.evidence import Basis
from limbeck.findings import Checkup, Finding, Severity
from limbeck.pipeline.asked import first_asked, most_rows
from limbeck.pipeline.fine_tuning import EPOCHS, LEAST_STEPS
from limbeck.pipeline.shipped import as_it_came
from limbeck.pipeline.student import views_of
from limbeck.pipeline.teacher_checkup import fine_tuned_findings, teacher_findings
from limbeck.pipeline.trial import trial_findings
from limbeck.run import Run, write_json
from limbeck.signals.store import SignalStore

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
    told = passed(run, checkup)
    run.fresh = False
    return told


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
        words = _probed(run, prepared)
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
    yield from power_finding(splits.basis, judging, section.margin, section.least_agreement)
    words = _probed(run, prepared)
    to_ask = replace(prepared, splits=first_asked(run, teacher, splits))  # what the run would not ask is not asked here either
    of_teacher = list(teacher_findings(run, teacher, to_ask, words.accuracy if words else None))
    yield from of_teacher
    if words is not None:
        yield from _of_words(words, splits.labels, of_teacher)
    if not any(f.severity is Severity.REFUSAL and f.code in _NOT_TO_BE_ASKED for f in of_teacher):
        yield from trial_findings(run, teacher, to_ask)
    yield from estimate_findings(_plan(run, teacher, prepared))


def _probed(run: Run, prepared: Prepared) -> Probe | None:
    """A linear model of words on the rows, where they hold words."""
    if not run.recipe.entry("modalities").vocabulary:
        return None
    return probe(prepared.as_read, prepared.test_as_read, prepared.splits.labels)


def _plan(run: Run, teacher: Any, prepared: Prepared) -> Plan:
    """What decides the costs of this run on this machine."""
    splits, tuning = prepared.splits, run.recipe.teacher.fine_tune
    texts = [r.payload for r in splits.train[:256]]
    encode = getattr(getattr(teacher, "members", (teacher,))[0], "encode", None)
    modality = run.recipe.entry("modalities")
    work = map(len, encode(texts)) if encode and modality.vocabulary else map(modality.work, texts)
    tokens = sum(work) / max(1, len(texts))
    labelled = sum(r.label is not None for r in splits.train)
    epochs = (
        0
        if teacher.has_head
        else tuning.epochs or max(EPOCHS, -(-LEAST_STEPS // number_of_batches(max(1, labelled), tuning.batch_size)))
    )
    place = run.folder
    while not place.exists():
        place = place.parent
    table_VD = teacher.token_embeddings() if hasattr(teacher, "token_embeddings") else None
    return Plan(
        weights=teacher.parameters,
        table=0 if table_VD is None else int(np.prod(table_VD.shape)),
        classes=len(teacher.labels or splits.labels),
        views=most_rows(run, teacher, splits) * (1 + getattr(views_of(run, teacher)[0], "per_record", 0)) + len(splits.valid),
        tokens=tokens,
        rows=labelled,
        epochs=epochs,
        seeds=tuning.seeds if epochs else 1,
        rate=matrix_rate(run.device),
        free_disk=shutil.disk_usage(place).free,
        memory=memory_of(run.device),
        price=run.recipe.doctor.price,
    )


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


def _of_words(words: Probe, labels: Sequence[str], of_teacher: Sequence[Finding]) -> Iterator[Finding]:
    """What the probe says of the labels, where the teacher has not said it already."""
    codes = {f.code for f in of_teacher}
    for finding in probe_findings(words, labels):
        if finding.code not in codes:
            yield finding
