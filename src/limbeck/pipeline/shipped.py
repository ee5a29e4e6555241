"""The teacher as it would be shipped, so that the student is held against a fair peer. Knows teachers, files and scales; trains nothing.

    OUT/teacher-onnx/            a bundle like the student's: float32, the teacher's whole tokenizer, golden examples
    OUT/evidence/teacher.json    what it was made from, or why there is none

The folder stays: it answers like any bundle, and a run that is taken up does not write it again. It is as large as the teacher.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from limbeck import catalog
from limbeck.bundle import Bundle, seal
from limbeck.errors import BundleError, ExportError, TeacherError
from limbeck.evidence import Calibration
from limbeck.modalities._pruning import special_ids
from limbeck.pipeline.teacher import LOGITS
from limbeck.pipeline.teacher_graph import read_alike, teacher_graph
from limbeck.pipeline.written import digits
from limbeck.run import RESOLVED, Run, write_json
from limbeck.runtime.golden import MOST_TOLERANCE
from limbeck.targets._torch_export import write_by_name, write_module
from limbeck.teachers._for_export import logits_module
from limbeck.types import Fingerprint, digest
from limbeck.verify.exported import TOLERANCE, check_exported
from limbeck.verify.footprint import PROCESSES, Footprints, Model, footprints
from limbeck.verify.parity import BATCHES, check_parity

FOLDER, WRITTEN = "teacher-onnx", Path("evidence") / "teacher.json"
_OTHERWISE = 1e-3  # of a logit: more than float32 on another device does, less than a padding that is read as text


def teacher_bundle(run: Run, teacher: Any, thresholds: tuple[float, ...] = ()) -> Bundle | str:
    """The teacher as a sealed ONNX bundle in float32, from the run's folder if it is proven to lie there; of several labels with its thresholds.

    A transformer of BERT's kind under our own head is written operator by operator, as students are: of all forms that were measured
    (torch's exporter, that with ONNX Runtime's fusions, its fused attention) this one answers soonest (docs/diary.md). Every other
    teacher goes through torch's exporter.

    Returns:
        The bundle; or, in words, why there is none: then the teacher is measured as it answers.

    Raises:
        ParityError: the file does not say what the teacher says.
        MissingExtraError: onnx or onnxscript is not installed.
    """
    if isinstance(own := getattr(teacher, "bundle", None), Bundle):
        return own
    made_from = {"teacher": _without_precision(teacher.fingerprint()), "environment": run.environment}
    identity = digest({**made_from, "thresholds": list(thresholds)} if thresholds else made_from)
    if (before := _proven(run.folder, identity)) is not None:
        return before
    with run.stage("teacher_file"):
        run.progress("teacher file", 0, 1, "")
        draft = run.folder / ".teacher-draft"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        precision = getattr(teacher, "precision", None)
        try:
            if precision is not None:
                teacher.precision = "float32"
            found: Bundle | str = _written(run, teacher, draft, thresholds)
        except (TeacherError, ExportError, BundleError) as error:
            found = str(error)
        finally:
            if precision is not None:
                teacher.precision = precision
            shutil.rmtree(draft, ignore_errors=True)
        (run.folder / WRITTEN).parent.mkdir(exist_ok=True)
        result = {"bundle": found.sha256} if isinstance(found, Bundle) else {"reason": found}
        write_json(run.folder / WRITTEN, {"identity": identity, **result})
    note = f"{found.bytes:,} bytes, the file says what the teacher says" if isinstance(found, Bundle) else f"none: {found}"
    run.progress("teacher file", 1, 1, note)
    return found


def weighed(
    run: Run,
    teacher: Any,
    written: Bundle | str,
    student: Model,
    queries: Sequence[Any],
    threads: int = 1,
    processes: int = PROCESSES,
) -> Footprints:
    """The footprints of teacher and student, in this order, measured in turns by the same code; of a teacher that does not answer here
    (a file of answers, an endpoint), the student's alone.

    Args:
        run: whose threads torch gets back.
        teacher: as it answers.
        written: what `teacher_bundle` gave.
        student: with its bundle.
        queries: held-out payloads.
        threads: of ONNX Runtime, and of torch where the teacher has no file.
        processes: how many new processes each bundle is loaded in.
    """
    if isinstance(written, Bundle):
        return footprints([Model("onnx float32", teacher.parameters, written), student], queries, threads, processes)
    if not getattr(teacher, "answers_here", True):
        found = footprints([student], queries, threads, processes)
        return replace(found, notes=(*found.notes, f"The teacher's bytes and times are not measured: {written}"))
    form = getattr(teacher, "form", "torch float32")
    received = run.recipe.entry("modalities").received
    asked = Model(
        form, teacher.parameters, answer=lambda sent: teacher.answer([received(sent)], LOGITS), bytes=own_size(teacher)
    )
    torch.set_num_threads(threads)
    try:
        found = footprints([asked, student], queries, threads, processes)
    finally:
        torch.set_num_threads(run.threads)
    note = f"The teacher's latency is torch's and not that of an ONNX file, which would be shorter: {written}"
    if hasattr(teacher, "form"):
        note = f"The teacher's latency is that of {form}, as it answers: {written}"
    return replace(found, notes=(*found.notes, note))


def own_size(teacher: Any) -> int:
    """The bytes of a teacher that has no bundle."""
    return int(getattr(teacher, "bytes", 0) or 4 * teacher.parameters)


def _written(run: Run, teacher: Any, draft: Path, thresholds: tuple[float, ...]) -> Bundle:
    """The teacher's file in its bundle, held against the teacher."""
    target = catalog.find("targets", "onnx")()
    path = draft / target.filename
    vocabulary = run.recipe.entry("modalities").vocabulary
    modality = (_by_words if vocabulary else _by_arrays)(run, teacher, target, path)
    written, golden = target.load(path), list(map(modality.from_json, modality.golden))
    golden_BC = written(modality.collate(modality.encode(golden)))
    size = max(1.0, float(np.abs(golden_BC).max()))
    difference = float(np.abs(golden_BC - teacher.answer(golden, LOGITS).logits_BC).max())
    if not difference <= _OTHERWISE * size:  # the file is what torch is, so it is the company, or the reading
        why = "when shorter texts are filled up with id 0" if vocabulary else "when a bundle reads for it"
        raise TeacherError(f"it answers otherwise by {difference:.2g} in a logit {why}")
    tolerance = min(10 * target.tolerance * size, MOST_TOLERANCE["float32"])
    return seal(
        run.folder / FOLDER,
        task=run.recipe.task.replace("_", "-"),
        modality=run.recipe.entry("tasks").modality,
        target="onnx",
        labels=list(teacher.labels),
        spec=modality.spec(),
        golden={"payloads": list(modality.golden), "logits": digits(golden_BC), "tolerance": tolerance},
        model=path,
        calibration=Calibration(thresholds=thresholds),
    )


def _by_words(run: Run, teacher: Any, target: Any, path: Path) -> Any:
    """Write a teacher that reads ids of a vocabulary; returns the modality that reads for its file."""
    with logits_module(teacher) as module:
        modality = read_alike(run, teacher)
        if (graph := teacher_graph(teacher)) is not None:
            target.write(graph, path)
        else:
            _export(module, modality, path)
        texts_own = sorted(set(range(len(teacher.token_embeddings()))) - special_ids(teacher.tokenizer_json()))
        check_exported(module, target.load(path, run.threads), np.array(texts_own), teacher.max_tokens)
    return modality


def _by_arrays(run: Run, teacher: Any, target: Any, path: Path) -> Any:
    """Write a teacher that reads arrays of one shape, as the modality whose spec it states (`reads`) collates them."""
    members = list(getattr(teacher, "members", (teacher,)))
    if not all(hasattr(m, "reads") for m in members):
        raise TeacherError(f"a teacher of kind {type(members[0]).__name__} does not say in a spec how it reads")
    specs = [m.reads() for m in members]
    if any(spec != specs[0] for spec in specs):
        raise TeacherError("its members read in different ways, and a bundle reads in one")
    modality = run.recipe.entry("modalities").from_spec(specs[0])
    sweep = modality.sweep(modality.encode(list(map(modality.from_json, modality.golden))), BATCHES[-1])
    with logits_module(teacher) as module:
        example = modality.collate(next(iter(sweep.values()))[:2])
        write_by_name(module, {name: torch.from_numpy(value) for name, value in example.items()}, path)

        def answers(arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
            with torch.inference_mode():
                found: NDArray[np.float32] = module(*map(torch.from_numpy, arrays.values())).float().numpy()
            return found

        largest = max(float(np.abs(answers(modality.collate(rows))).max()) for rows in sweep.values())
        check_parity(answers, target.load(path, run.threads), sweep, modality.collate, TOLERANCE * max(1.0, largest))
    return modality


def _export(module: nn.Module, modality: Any, path: Path) -> None:
    example = modality.collate(modality.encode(["hello there", "thank you very much"]))
    write_module(module, torch.from_numpy(example["ids"]), torch.from_numpy(example["mask"]), path, modality.max_tokens)


def as_it_came(run: Run, teacher: Any) -> bool:
    """Whether the teacher is the one that was loaded: it had a head, and learned nothing in this run."""
    loaded = json.loads((run.folder / RESOLVED).read_text(encoding="utf-8"))["teacher"]
    return _without_precision(loaded) == _without_precision(teacher.fingerprint())


def _without_precision(fingerprint: Fingerprint) -> dict[str, str]:
    """What a float32 file depends on: not in which type the teacher answers."""
    return {k: v for k, v in fingerprint.items() if k != "precision"}


def _proven(folder: Path, identity: str) -> Bundle | str | None:
    """What was found before from the same teacher and surroundings; None: nothing, or it is damaged."""
    try:
        before = json.loads((folder / WRITTEN).read_text(encoding="utf-8"))
        if before["identity"] != identity:
            return None
        if "reason" in before:
            return str(before["reason"])
        bundle = Bundle.open(folder / FOLDER)
        return bundle if bundle.sha256 == before["bundle"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
