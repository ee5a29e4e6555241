"""The last stage: everybody's answers to the same held-out rows. Knows what a report says; knows nothing of training.

Letters: N rows, C classes.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck._version import __version__
from limbeck.bundle import Bundle
from limbeck.data.split import Splits
from limbeck.disk import write_whole
from limbeck.evidence import Basis, Calibration, Measured, OutOfScope, Report, SeedSpread
from limbeck.findings import Checkup
from limbeck.label_sets import aims
from limbeck.pipeline.asked import told_of_asked
from limbeck.pipeline.baseline import baseline_answers
from limbeck.pipeline.cascade import write_cascade
from limbeck.pipeline.chosen import told
from limbeck.pipeline.cleaned import told_of_lessons
from limbeck.pipeline.control import control_logits
from limbeck.pipeline.cross_fit import cross_fit
from limbeck.pipeline.field import spent, told_of_elsewhere
from limbeck.pipeline.labelling import MEASURED, told_of_labelling
from limbeck.pipeline.proof_of_several import held_out_sets
from limbeck.pipeline.seeds import over_parts, over_seeds, told_of_seeds
from limbeck.pipeline.shipped import as_it_came, teacher_bundle, weighed
from limbeck.pipeline.teacher import LOGITS, name_of
from limbeck.pipeline.written import calibration_rows
from limbeck.run import REPORT, Run, complete, write_json
from limbeck.runtime.predict import Predictor
from limbeck.signals.store import SignalStore
from limbeck.types import Json, Record, View
from limbeck.verify import levels
from limbeck.verify.calibrate import calibrate, can_be_shown, temperatures
from limbeck.verify.compare import Answers, Compared, compare
from limbeck.verify.compare_sets import compare_sets
from limbeck.verify.doors import same_through_cli
from limbeck.verify.footprint import Model
from limbeck.verify.gates import judge
from limbeck.verify.notes import repeated
from limbeck.verify.out_of_scope import Heard, out_of_scope
from limbeck.verify.parity import check_alone
from limbeck.verify.slices import parted
from limbeck.verify.statistics import copies

ANSWERS = "answers.npz"
"""In evidence/: what everybody answered, by the rows' keys; no text."""
_NOTHING = Checkup()


@dataclass(frozen=True, slots=True)
class Judged:
    """The held-out rows and everybody's answers to them; `what` says of each model what it is, `seeds` what students of other seeds reach."""

    rows: tuple[Record, ...]
    answers: dict[str, Any]
    what: dict[str, str]
    seeds: SeedSpread | None = None


def prove(
    run: Run,
    teacher: Any,
    student: Json,
    bundle: Bundle,
    store: SignalStore,
    views: Sequence[View],
    splits: Splits,
    checkup: Checkup = _NOTHING,
) -> Report:
    """Let teacher, written student, control and baseline answer the same rows, measure what they cost, and write the report."""
    recipe, section = run.recipe, run.recipe.verify
    if hasattr(teacher, "precision"):
        teacher.precision = "float32"  # it is judged at its best
    predictor = Predictor(bundle)
    crossed = splits.basis is Basis.CROSS_FITTING
    several = recipe.several
    if several:
        judged = Judged(splits.test, *held_out_sets(run, teacher, predictor, store, views, splits))
    else:
        judged = (
            _out_of_fold(run, teacher, bundle, splits) if crossed else _held_out(run, teacher, predictor, store, views, splits)
        )
    written = teacher_bundle(run, teacher, judged.answers["teacher"].thresholds if several else ())
    seeds = judged.seeds
    if not crossed and not several:
        given = {name: np.asarray(a.logits) for name, a in judged.answers.items() if a.logits is not None}
        seeds = over_seeds(run, teacher, store, views, splits, given)
    with run.stage("verify"):
        run.progress("verify", 0, 1, "")
        true_N = None
        if splits.basis is not Basis.AGREEMENT:
            true_N = aims((r.label for r in judged.rows), teacher.labels, several)
        how: dict[str, Any] = {
            "margin": section.margin,
            "least_agreement": section.least_agreement,
            "text_N": copies([r.key for r in judged.rows]),
            "parted": parted(judged.rows, recipe.data.slices, recipe.entry("modalities").measure),
        }
        of_one: dict[str, Any] = {} if several else {"basis": splits.basis, "class_drop": section.gates.class_drop}
        held_against: Any = compare_sets if several else compare
        compared: Compared = held_against(judged.answers, true_N, teacher.labels, **how, **of_one)
        of_levels = _levels(run, teacher, judged, true_N)
        payloads = [r.payload for r in judged.rows]
        check_alone(predictor.logits, payloads)
        same_through_cli(bundle, payloads[:64], predictor)
        as_sent = recipe.entry("modalities").as_sent
        queries = [as_sent(payloads[i % len(payloads)]) for i in range(section.latency_queries)]
        budget = recipe.student.budget.budget()
        starts = section.cold_starts or (1 if budget.memory else 0)
        table = student.get("precision", bundle.manifest.precision)
        form = f"onnx {table} table" if table != bundle.manifest.precision else f"onnx {table}"
        weights = weighed(run, teacher, written, Model(form, student["parameters"], bundle), queries, processes=starts)
        costs = dict(zip(("teacher", "student")[-len(weights.of) :], weights.of, strict=True))
        measured = {name: Measured(what, compared.quality.get(name), costs.get(name)) for name, what in judged.what.items()}
        cost = costs["student"]
        scope = _out_of_scope(run, teacher, predictor, judged, splits, true_N)
        report = Report(
            task=recipe.task,
            basis=splits.basis,
            rows=compared.rows,
            held_out=splits.held_out,
            teacher=measured["teacher"],
            student=measured["student"],
            control=measured.get("control"),
            baseline=measured.get("baseline"),
            comparisons=compared.comparisons,
            classes=compared.classes,
            slices=compared.slices,
            margin=section.margin,
            least_agreement=section.least_agreement,
            verdict=compared.verdict,
            rows_to_show=compared.rows_to_show,
            rows_to_label=compared.rows_to_label,
            gates=judge(section.gates, measured["student"], compared.comparisons[0], compared.classes, compared.slices),
            budget_misses=tuple(budget.misses(spent(run, cost))),
            calibration=bundle.manifest.calibration,
            notes=(
                *_overruled(checkup),
                *compared.notes,
                *of_levels,
                *_remarks(run, teacher, judged, splits, scope),
                *told_of_seeds(seeds),
                *told_of_elsewhere(run),
                *weights.notes,
            ),
            seconds=dict(run.seconds),
            bundle=str(bundle.path),
            provable_margin=compared.provable_margin,
            out_of_scope=scope,
            checkup=checkup,
            seeds=seeds,
            lineage={
                **({"search": raced} if (raced := run.measured("search")) else {}),
                "limbeck": __version__,
                "recipe": recipe.fingerprint(),
                "bundle": bundle.sha256,
                "data": run.data,
                "teacher": dict(teacher.fingerprint()),
                "student": student,
                "environment": run.environment,
            },
        )
    evidence = run.folder / "evidence"
    evidence.mkdir(exist_ok=True)
    _write_answers(run, judged)
    if not several:
        write_cascade(run, teacher, written, bundle, predictor, splits)
    write_json(evidence / REPORT, report.to_json())
    complete(run, bundle)
    run.progress("verify", 1, 1, f"{report.rows:,} held-out rows")
    return report


def _held_out(
    run: Run, teacher: Any, predictor: Predictor, store: SignalStore, views: Sequence[View], splits: Splits
) -> Judged:
    """Answers to rows that no model has seen, the student's by the written file."""
    section = run.recipe.verify
    payloads = [r.payload for r in splits.test]
    answers = {
        "teacher": Answers(np.asarray(teacher.answer(payloads, LOGITS).logits_BC)),
        "student": Answers(predictor.logits(payloads), temperature=_fitted(predictor.calibration)),
    }
    what = _what(run, teacher)
    if section.control:
        logits_NC, what["control"] = control_logits(run, teacher, store, views, splits)
        answers["control"] = Answers(logits_NC)
    if section.baseline:
        learned = [r for r in (*splits.train, *splits.valid) if r.label is not None]
        texts, labels, of = [r.payload for r in learned], [str(r.label) for r in learned], ""
        if not learned:
            texts = [r.payload for r in (*splits.train, *splits.valid)]
            labels = [teacher.labels[i] for i in np.asarray(store.get(texts, LOGITS).logits_BC).argmax(axis=1)]
            of = ", on the teacher's hard labels"
        task = run.recipe.entry("tasks")
        if (found_N := baseline_answers(task, texts, labels, splits.test, teacher.labels)) is not None:
            answers["baseline"], what["baseline"] = Answers(predicted=found_N), task.trivial + of
    return Judged(splits.test, answers, what)


def _out_of_fold(run: Run, teacher: Any, bundle: Bundle, splits: Splits) -> Judged:
    """Answers of models that were made as the shipped ones were, to rows that they have not seen."""
    found = cross_fit(run, teacher, splits)
    true_N = aims((r.label for r in found.rows), teacher.labels)
    calibration = bundle.manifest.calibration
    # A temperature that was fitted on some of the judged rows is fitted anew for each part, on the others.
    seen = calibration.rows > 0 and calibration.against == "labels"
    temperature = temperatures(found.student_RNC, true_N, found.part_RN) if seen else _fitted(calibration)
    answers = {
        "teacher": Answers(found.teacher_RNC),
        "student": Answers(found.student_RNC, temperature=temperature),
    }
    what = _what(run, teacher)
    if found.control_RNC is not None:
        answers["control"], what["control"] = Answers(found.control_RNC), found.control
    if found.baseline_RN is not None:
        answers["baseline"], what["baseline"] = Answers(predicted=found.baseline_RN), run.recipe.entry("tasks").trivial
    controls = () if found.control_RNC is None else (found.control_RNC, *found.control_seeds)
    return Judged(found.rows, answers, what, over_parts(found.teacher_RNC, (found.student_RNC, *found.seeds), controls, true_N))


def _out_of_scope(
    run: Run, teacher: Any, predictor: Predictor, judged: Judged, splits: Splits, true_N: NDArray[np.int64] | None
) -> OutOfScope | None:
    """What teacher and student refuse of texts that no class is for, each by a threshold from the same validation rows."""
    if not splits.outside:
        return None
    rows, chosen_by = calibration_rows(run, splits, teacher.labels)
    if not rows:
        return None

    def answered(records: Sequence[Record]) -> NDArray[np.float32]:
        return np.asarray(teacher.answer([r.payload for r in records], LOGITS).logits_BC)

    allowed, validated_NC = run.recipe.verify.abstain_cost, answered(rows)
    text_N, text_M, text_V = (copies([r.key for r in of]) for of in (judged.rows, splits.outside, rows))
    own = calibrate(validated_NC, validated_NC, chosen_by, cost=allowed, text_N=text_V)
    crossed = splits.basis is Basis.CROSS_FITTING
    inside = {name: None if crossed else judged.answers[name].logits for name in ("teacher", "student")}
    return out_of_scope(
        Heard(answered(splits.outside), inside["teacher"], own),
        Heard(predictor.logits([r.payload for r in splits.outside]), inside["student"], predictor.calibration),
        true_N,
        allowed,
        text_N,
        text_M,
        can_be_shown(text_V, allowed),
    )


def _fitted(calibration: Calibration) -> float | None:
    """The temperature; None where none was fitted, so that nothing is called scaled which is not."""
    return calibration.temperature if calibration.rows else None


def _remarks(run: Run, teacher: Any, judged: Judged, splits: Splits, scope: OutOfScope | None) -> tuple[str, ...]:
    """What limbeck cannot know of these rows, or a reader would not guess."""
    found = [*repeated(len(judged.rows), len({r.key for r in judged.rows}))]
    if raced := run.measured("search"):
        found.append(told(raced))
    if labelled := run.measured(MEASURED):
        found += told_of_labelling(labelled)
    found += [*told_of_asked(run), *told_of_lessons(run.measured("filter"))]
    if hasattr(teacher, "remarks"):
        found.extend(teacher.remarks())
    if splits.outside and scope is None:
        found.append(
            "too few validation rows for a threshold, so nothing out of scope is refused: give more of them (data.valid, data.valid_share)"
        )
    if run.recipe.verify.baseline and "baseline" not in judged.answers:
        found.append("there is no linear baseline: the rows that it could learn from hold one label only, or nothing to learn")
    if splits.basis is not Basis.AGREEMENT and as_it_came(run, teacher):
        found.append(
            "the teacher came with its classes: whether it was trained on these rows, nobody here knows; if so, it looks better than it is"
        )
    return tuple(found)


def _levels(run: Run, teacher: Any, judged: Judged, true_N: Any) -> tuple[str, ...]:
    """What the answers are worth by the first level of the labels, where the recipe says what parts them; written to evidence/levels.json."""
    section = run.recipe.verify
    if section.levels is None:
        return ()
    text_N = copies([r.key for r in judged.rows])
    how = {"margin": section.margin, "least_agreement": section.least_agreement, "text_N": text_N}
    groups, found = levels.first_level(judged.answers, true_N, teacher.labels, section.levels, **how)
    (run.folder / "evidence").mkdir(exist_ok=True)
    write_json(run.folder / "evidence" / "levels.json", levels.to_json(groups, found))
    return (levels.told(groups, len(teacher.labels), found),)


def _overruled(checkup: Checkup) -> tuple[str, ...]:
    """The refusals that --force went past."""
    return tuple(f"The doctor refused this run, and it was forced ({f.code}): {f.what} {f.evidence}" for f in checkup.refusals)


def _what(run: Run, teacher: Any) -> dict[str, str]:
    return {"teacher": name_of(run, teacher), "student": run.recipe.student.family}


def _write_answers(run: Run, judged: Judged) -> None:
    arrays: dict[str, NDArray[Any]] = {"keys": np.array([r.key for r in judged.rows])}
    for name, given in judged.answers.items():
        arrays[name] = np.asarray(given.predicted if given.logits is None else given.logits)
        if len(thresholds := getattr(given, "thresholds", ())):
            arrays[f"{name}_thresholds"] = np.asarray(thresholds)
    if isinstance(fitted := judged.answers["student"].temperature, np.ndarray):
        arrays["temperature"] = fitted  # of the part that each row was in
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    write_whole(run.folder / "evidence" / ANSWERS, [buffer.getvalue()])
