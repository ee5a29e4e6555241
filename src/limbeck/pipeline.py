"""The whole way from a recipe to a bundle. Knows all stages and the order of a run; each stage's work is in its own room."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from limbeck import catalog
from limbeck._version import __version__
from limbeck.bundle import Bundle, replace_folder, seal, sha256_of
from limbeck.data.labels import matched_labels
from limbeck.data.prepare import Prepared, prepare
from limbeck.data.split import Splits
from limbeck.errors import TeacherError, missing_extra
from limbeck.evidence import Measured, Report
from limbeck.recipe import Recipe
from limbeck.runtime.predict import Predictor
from limbeck.types import Progress, Start, View, digest, silent

try:
    import torch

    from limbeck.engine.batches import Examples
    from limbeck.engine.loop import Schedule, Step, Term, train
    from limbeck.run import Run, finished, is_proven, open_run, settle, write_json
    from limbeck.signals.store import SignalStore
    from limbeck.signals.teach import teach
except ImportError as error:
    raise missing_extra(error.name or "torch", "train", "distilling") from error

from limbeck.verify.compare import compare
from limbeck.verify.measure import check_parity, interleaved_latency, peak_memory

GOLDEN = (
    "hello", "thank you very much", "WHERE IS IT?!", "I would like my money back, please.", "", "123 456", "ça va déjà 👍",
    "one two three four five six seven eight nine ten eleven twelve",
)  # fmt: skip
"""Synthetic texts whose logits a bundle carries; never a customer's."""


def distill(
    recipe: str | Path | Mapping[str, Any] | Recipe | None = None,
    *,
    data: str | Path | None = None,
    test: str | Path | None = None,
    teacher: str | Path | None = None,
    out: str | Path | None = None,
    overrides: Sequence[str] = (),
    progress: Progress = silent,
) -> Report:
    """Distil a teacher into a student, and write a bundle with the proof of what it kept.

    Args:
        recipe: a YAML file, a mapping or a `Recipe`; None takes the defaults, then `data` is needed.
        data, test, teacher, out: short forms of data.train, data.test, teacher.model and out.
        overrides: further settings as "key=value" with dotted keys.
        progress: called as progress(stage, done, total, note).

    Returns:
        The report. `out` then holds bundle/, evidence/report.json and resolved.json.

    Raises:
        LimbeckError: with what was wrong, where, and the next step.

    Example:
        >>> report = limbeck.distill(data="train.jsonl.gz", out="runs/bank")  # doctest: +SKIP
        >>> limbeck.load(report.bundle).predict(["I lost my card"])  # doctest: +SKIP
    """
    short = {"data.train": data, "data.test": test, "teacher.model": teacher, "out": out}
    given = {key: str(value) for key, value in short.items() if value is not None}
    run = open_run(Recipe.read({} if recipe is None else recipe, overrides, given), progress)
    data_found = read_data(run)
    splits = data_found.splits
    the_teacher = load_teacher(run, splits)
    data_found.write(run.folder)
    if done := finished(run):
        return done
    the_teacher = fine_tuned(run, the_teacher, splits)
    views = make_views(run, the_teacher, splits)
    store = ask_teacher(run, the_teacher, views)
    student, modality = fit_student(run, the_teacher, store, views)
    bundle = write_bundle(run, student, modality, the_teacher)
    return prove(run, the_teacher, student, bundle, splits)


def read_data(run: Run) -> Prepared:
    """Read the data, set aside what cannot be used, and divide the rest."""
    prepared = prepare(run.recipe.data)
    run.progress("data", 1, 1, prepared.note())
    return prepared


def load_teacher(run: Run, splits: Splits) -> Any:
    """Load the teacher; from here on the run's folder is settled.

    Raises:
        TeacherError: it cannot be loaded, or its labels are not the data's.
    """
    teacher = run.recipe.entry("teachers").load(run.recipe.settings("teachers"), run.device)
    if teacher.has_head:
        teacher.labels = matched_labels(teacher.labels, splits.labels)
    settle(run, teacher.fingerprint())
    return teacher


def fine_tuned(run: Run, teacher: Any, splits: Splits) -> Any:
    """The teacher as it will answer: as it is if it has a head, else with one that is fine-tuned on the labelled rows."""
    settings = run.recipe.settings("teachers")
    folder = run.folder / "teacher"
    with run.stage("teacher"):
        if teacher.has_head:
            run.progress("teacher", 1, 1, f"{settings.model} answers as it is")
            return teacher
        identity = digest(
            {
                "backbone": dict(teacher.fingerprint()),
                "fine_tune": run.recipe.teacher.fine_tune.model_dump(mode="json"),
                "seed": run.recipe.seed,
                "rows": [(r.key, r.label) for r in splits.train],
            }
        )
        if is_proven(folder, identity):
            run.progress("teacher", 1, 1, "taken from this run's folder")
            return type(teacher).load(dataclasses.replace(settings, model=str(folder), revision=None), run.device)
        _fine_tune(run, teacher, splits)
        draft = run.folder / ".teacher-draft"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        teacher.save(draft)
        files = {p.name: sha256_of(p) for p in sorted(draft.iterdir())}
        write_json(draft / "complete.json", {"identity": identity, "files": files})
        replace_folder(draft, folder)
    return teacher


def make_views(run: Run, teacher: Any, splits: Splits) -> list[View]:
    """The views of all training records that the teacher will label."""
    modality = _full_modality(run, teacher)
    views: list[View] = modality.views(splits.train, run.recipe.view_plan(), run.recipe.seed, teacher.token_embeddings())
    return views


def ask_teacher(run: Run, teacher: Any, views: Sequence[View]) -> SignalStore:
    """The teacher's signals of all views, asked once."""
    needs = frozenset[str]().union(*(objective.needs for objective, _ in run.recipe.terms()))
    with run.stage("signals"):
        store = SignalStore(run.folder / "signals", teacher.fingerprint())
        for done, total in teach(teacher, store, views, needs):
            run.progress("signals", done, total, f"{len(views):,} views labelled by the teacher")
    return store


def fit_student(run: Run, teacher: Any, store: SignalStore, views: Sequence[View]) -> tuple[Any, Any]:
    """Build the student over the pieces that the views use, and train it on the teacher's signals."""
    recipe = run.recipe
    with run.stage("student"):
        payloads = [v.payload for v in views]
        modality, pruned = _full_modality(run, teacher).pruned(payloads)
        student = recipe.entry("students")(
            recipe.settings("students"),
            pieces=modality.vocabulary_size,
            classes=len(teacher.labels),
            start=Start(teacher.token_embeddings()[pruned.old_ids_V]),
            used_V=pruned.used_V,
            seed=recipe.seed,
        ).to(run.device)
        shapes = student.shapes()
        terms = [Term(o, weight, o.init(shapes, shapes)) for o, weight in recipe.terms()]
        needs = frozenset[str]().union(*(t.objective.needs for t in terms))
        index = {label: i for i, label in enumerate(teacher.labels)}
        labels_N = np.array([-1 if v.label is None else index[v.label] for v in views], dtype=np.int64)
        examples = Examples(modality.encode(payloads), labels_N, store.get(payloads, needs))
        t = recipe.training
        schedule = Schedule(t.epochs, t.batch_size, t.learning_rate, t.weight_decay, t.warmup_share)
        steps = train(student, examples, modality.collate, terms, schedule, seed=recipe.seed, device=run.device)
        _watch(run, "student", steps, f"{recipe.student.family}, {student.describe()['parameters']:,} parameters")
    return student.cpu().eval(), modality


def write_bundle(run: Run, student: Any, modality: Any, teacher: Any) -> Bundle:
    """Write the student's file, hold it against the student, and seal the bundle."""
    with run.stage("bundle"):
        target = catalog.find("targets", "onnx")()
        draft = run.folder / ".draft"
        draft.mkdir(exist_ok=True)
        model = draft / target.filename
        target.write(student.graph(), model)
        written = target.load(model)
        golden = list(GOLDEN)
        check_parity(
            lambda texts: _logits(student, modality, texts),
            lambda texts: written(modality.collate(modality.encode(texts))),
            [*golden, "x " * 10_000],
            target.tolerance,
        )
        logits_BC = written(modality.collate(modality.encode(golden)))
        bundle = seal(
            run.folder / "bundle",
            task=run.recipe.task.replace("_", "-"),
            modality=run.recipe.entry("tasks").modality,
            target="onnx",
            labels=list(teacher.labels),
            spec=modality.spec(),
            golden={"payloads": golden, "logits": logits_BC.tolist(), "tolerance": 10 * target.tolerance},
            model=model,
        )
        shutil.rmtree(draft)
    run.progress("bundle", 1, 1, f"{bundle.bytes:,} bytes, the written file says what the student says")
    return bundle


def prove(run: Run, teacher: Any, student: Any, bundle: Bundle, splits: Splits) -> Report:
    """Measure teacher and written student on the same held-out rows, and write the report."""
    recipe = run.recipe
    with run.stage("verify"):
        run.progress("verify", 0, 1, "")
        predictor = Predictor(bundle)
        payloads = [r.payload for r in splits.test]
        index = {label: i for i, label in enumerate(teacher.labels)}
        true_N = np.array([index[str(r.label)] for r in splits.test], dtype=np.int64)
        teacher_NC = teacher.answer(payloads, frozenset({"logits_BC"})).logits_BC
        student_NC = predictor.logits(payloads)
        queries = [payloads[i % len(payloads)] for i in range(recipe.verify.latency_queries)]
        torch.set_num_threads(1)
        try:
            times = interleaved_latency(
                [lambda q: teacher.answer([q], frozenset({"logits_BC"})), lambda q: predictor.predict([q])],
                queries,
            )
        finally:
            torch.set_num_threads(run.threads)
        compared = compare(teacher_NC, student_NC, true_N, recipe.verify.margin)
        budget = recipe.student.budget.budget()
        measured = {
            "bytes": float(bundle.bytes),
            "latency_p50_us": times[1].p50_us,
            "memory_bytes": float(peak_memory(bundle.path) if budget.memory_bytes else 0),
        }
    report = Report(
        task=recipe.task,
        rows=len(true_N),
        held_out=splits.held_out,
        teacher=Measured(compared.teacher, times[0], 4 * teacher.parameters, teacher.parameters),
        student=Measured(compared.student, times[1], bundle.bytes, student.describe()["parameters"]),
        agreement=compared.agreement,
        difference=compared.difference,
        margin=recipe.verify.margin,
        verdict=compared.verdict,
        rows_to_show=compared.rows_to_show,
        budget_misses=tuple(budget.misses(measured)),
        seconds=run.seconds,
        bundle=str(bundle.path),
        lineage={
            "limbeck": __version__,
            "recipe": recipe.fingerprint(),
            "bundle": bundle.sha256,
            "data": run.data,
            "teacher": dict(teacher.fingerprint()),
            "student": student.describe(),
            "environment": run.environment,
        },
    )
    evidence = run.folder / "evidence"
    evidence.mkdir(exist_ok=True)
    write_json(evidence / "report.json", report.to_json())
    run.progress("verify", 1, 1, f"{len(true_N):,} held-out rows")
    return report


def _full_modality(run: Run, teacher: Any) -> Any:
    """The task's modality over the teacher's whole vocabulary."""
    return run.recipe.entry("modalities")(teacher.tokenizer_json(), teacher.max_tokens)


def _fine_tune(run: Run, teacher: Any, splits: Splits) -> None:
    section = run.recipe.teacher.fine_tune
    labelled = [r for r in splits.train if r.label is not None]
    index = {label: i for i, label in enumerate(splits.labels)}
    teacher.add_head(splits.labels, run.recipe.seed)
    teacher.freeze(section.frozen_layers)
    examples = Examples(
        teacher.encode([r.payload for r in labelled]),
        np.array([index[str(r.label)] for r in labelled], dtype=np.int64),
    )
    schedule = Schedule(section.epochs, section.batch_size, section.learning_rate, section.weight_decay, section.warmup_share)
    steps = train(
        teacher.module,
        examples,
        teacher.collate,
        [Term(catalog.find("objectives", "hard_labels")(), 1.0)],
        schedule,
        rates={"head": section.head_learning_rate},
        seed=run.recipe.seed,
        device=run.device,
    )
    _watch(run, "teacher", steps, f"fine-tuned on {len(labelled):,} labelled rows")


def _watch(run: Run, stage: str, steps: Iterator[Step], note: str) -> None:
    """Consume the steps of a training, telling the progress about it and stopping when the loss is lost.

    Raises:
        TeacherError: the loss is not a number any more.
    """
    mean = None
    for step in steps:
        if not np.isfinite(step.loss):
            raise TeacherError(
                f"training the {stage} diverged at step {step.number}: the loss is {step.loss}. Lower its learning rate."
            )
        mean = step.loss if mean is None else 0.98 * mean + 0.02 * step.loss
        if step.number == 1 or step.number % 10 == 0 or step.number == step.total:
            run.progress(stage, step.number, step.total, f"{note}, loss {mean:.3f}")


def _logits(student: Any, modality: Any, payloads: Sequence[Any]) -> Any:
    arrays = modality.collate(modality.encode(payloads))
    with torch.inference_mode():
        return student(**{k: torch.from_numpy(v) for k, v in arrays.items()}).logits_BC.numpy()
