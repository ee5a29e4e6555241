"""The student's written file: each form of it held against the one before, calibrated, sealed. Knows targets and int8; trains nothing itself.

Letters: B examples, N rows, C classes.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from limbeck import catalog
from limbeck.bundle import Bundle, seal
from limbeck.data.split import Splits
from limbeck.engine.batches import lengths
from limbeck.engine.checkpoint import Checkpoint
from limbeck.evidence import Calibration
from limbeck.label_sets import aims
from limbeck.manifest import Precision
from limbeck.pipeline.int8 import Form, in_int8
from limbeck.pipeline.int8_bench import spread
from limbeck.pipeline.teacher import LOGITS, unseen
from limbeck.pipeline.untrained import full_modality
from limbeck.run import Run, write_json
from limbeck.signals.store import SignalStore
from limbeck.types import Json, Record, Runner
from limbeck.verify.calibrate import calibrate
from limbeck.verify.parity import BATCHES, check_parity, check_pieces
from limbeck.verify.statistics import copies
from limbeck.verify.thresholds import EVEN, calibrate_several

_BATCH, _PIECES_CHECKED = 128, 200
_LEAST_TO_CALIBRATE = 50  # rows: fewer say little of how sure a student may be
Learned = Callable[[], tuple[Any, Checkpoint]]
"""Gives a student that has learned on with rounding, and its checkpoint, to be removed when it is safe."""


def write_bundle(
    run: Run,
    student: Any,
    modality: Any,
    teacher: Any,
    splits: Splits,
    store: SignalStore | None = None,
    learned: Learned | None = None,
) -> Bundle:
    """Write the student's file, hold each form of it against the one before, calibrate the last one, and seal the bundle.

    Args:
        learned: the same student, and its checkpoint, once it has learned on with rounding: asked where no int8 form is near enough, and taken where
            its own is. Then the float32 file in evidence/ is of that student too.
    """
    with run.stage("bundle"):
        target = catalog.find("targets", "onnx")()
        draft = run.folder / ".draft"
        draft.mkdir(exist_ok=True)
        model = draft / target.filename
        if modality.vocabulary:
            texts = [r.payload for r in spread(splits.train, _PIECES_CHECKED)]
            check_pieces(modality.pieces(texts), full_modality(run, teacher).pieces(texts), texts)
        form = _written(run, student, target, model, modality, splits)
        if form.missed and learned is not None:
            again, checkpoint = learned()
            found = _written(run, again, target, model, modality, splits, form.record)
            if found.record["chosen"]:
                form = found
            else:
                target.write(form.graph, model)  # all is as before
                record = {**form.record, "after it learned with rounding": found.record}
                write_json(run.folder / "evidence" / "int8.json", record)
            checkpoint.remove()
        written = target.load(model)
        calibration = _calibrated(run, teacher, store, splits, lambda texts: _answered(written, modality, texts))
        precision: Precision = "int8" if form.record["chosen"] else "float32"
        bundle = sealed(run, run.folder / "bundle", teacher.labels, modality, model, form.tolerance, precision, calibration)
        shutil.rmtree(draft)
    run.progress("bundle", 1, 1, f"{bundle.bytes:,} bytes, {form.note}")
    return bundle


def _written(
    run: Run, student: Any, target: Any, model: Path, modality: Any, splits: Splits, before: Json | None = None
) -> Form:
    """A student's float32 file, held against the student, or its int8 form, held against that file."""
    graph = student.graph()
    target.write(graph, model)
    sweep = modality.sweep(modality.encode(modality.golden), BATCHES[-1])
    check_parity(_logits_of(student), target.load(model), sweep, modality.collate, target.tolerance)
    return in_int8(run, student, graph, target, model, modality, splits, before)


def _logits_of(student: Any) -> Callable[[Mapping[str, NDArray[Any]]], NDArray[np.float32]]:
    """What a trained student says of arrays."""

    def logits(arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        with torch.inference_mode():
            logits_BC: NDArray[np.float32] = student(**{k: torch.from_numpy(v) for k, v in arrays.items()}).logits_BC.numpy()
        return logits_BC

    return logits


def sealed(
    run: Run,
    folder: Path,
    labels: Sequence[str],
    modality: Any,
    model: Path,
    tolerance: float,
    precision: Precision,
    calibration: Calibration | None = None,
) -> Bundle:
    """A student's written file as a bundle, with what it says of the golden examples."""
    logits_BC = catalog.find("targets", "onnx")().load(model)(modality.collate(modality.encode(modality.golden)))
    return seal(
        folder,
        task=run.recipe.task.replace("_", "-"),
        modality=run.recipe.entry("tasks").modality,
        target="onnx",
        labels=list(labels),
        spec=modality.spec(),
        golden={"payloads": list(modality.golden), "logits": digits(logits_BC), "tolerance": tolerance},
        model=model,
        precision=precision,
        calibration=calibration,
    )


def digits(logits_BC: NDArray[Any]) -> list[list[float]]:
    """Logits of golden examples with five digits behind the point: no tolerance asks for more, and bytes are counted."""
    found: list[list[float]] = np.round(logits_BC.astype(np.float64), 5).tolist()
    return found


def _calibrated(
    run: Run, teacher: Any, store: SignalStore | None, splits: Splits, answer: Callable[[Sequence[Any]], NDArray[np.float32]]
) -> Calibration:
    """Temperature and threshold of the written file on validation rows: against their labels where enough of them have one."""
    rows, true_N = calibration_rows(run, splits, teacher.labels)
    if store is None or not rows:
        return Calibration(thresholds=(EVEN,) * len(teacher.labels) if run.recipe.several else ())
    payloads = [r.payload for r in rows]
    teacher_NC = np.asarray(store.get(payloads, LOGITS).logits_BC)
    section = run.recipe.verify
    if run.recipe.several:
        return calibrate_several(answer(payloads), teacher_NC, true_N)
    cost = section.abstain_cost if splits.outside else None
    return calibrate(answer(payloads), teacher_NC, true_N, section.least_agreement, cost, copies([r.key for r in rows]))


def calibration_rows(run: Run, splits: Splits, labels: Sequence[str]) -> tuple[list[Record], NDArray[Any] | None]:
    """The validation rows that a model may be calibrated on, which trained neither teacher nor student, none where they are too few; and their
    classes (`limbeck.label_sets.aims`), None where too few of them have a label."""
    there = unseen(run, splits)
    labelled = [r for r in there if r.label is not None]
    if len(labelled) >= _LEAST_TO_CALIBRATE:
        return labelled, aims((r.label for r in labelled), labels, run.recipe.several)
    return (list(there) if len(there) >= _LEAST_TO_CALIBRATE else []), None


def _answered(written: Runner, modality: Any, payloads: Sequence[Any]) -> NDArray[np.float32]:
    encoded = modality.encode(payloads)
    order = np.argsort(lengths(encoded), kind="stable")
    parts = [
        written(modality.collate([encoded[i] for i in order[start : start + _BATCH]])) for start in range(0, len(order), _BATCH)
    ]
    return np.asarray(np.concatenate(parts)[np.argsort(order)])
