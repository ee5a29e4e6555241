"""The teacher as it labels many views: by an int8 file, where that is quicker and says the same. Knows teachers, graphs and stores' folders.

    SIGNALS/int8/            beside the answers that it gave, so that whoever adds to them is answered by the same file
      0.onnx, 1.onnx, ...    the teacher; of an averaged one each member
      record.json            how near it is, how quick, and whether it was taken

Letters: N rows, C classes.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from limbeck import catalog
from limbeck.bundle import sha256_of
from limbeck.engine.device import is_heavy
from limbeck.errors import TeacherError
from limbeck.graph import Graph
from limbeck.metrics.classification import agreement
from limbeck.metrics.probabilities import kl, mean_probability
from limbeck.pipeline.int8 import MOST_KL, calibration_and_judging
from limbeck.pipeline.int8_bench import Bench, Rows, Smooth, sorted_logits
from limbeck.pipeline.teacher_graph import read_alike, teacher_graph
from limbeck.pipeline.training import precision
from limbeck.quantize import Scheme, quantized
from limbeck.run import Run, write_json
from limbeck.signals.store import described, is_store
from limbeck.teachers._joined import Joined
from limbeck.types import Fingerprint, Json, Runner, Signal, digest

FOLDER, RECORD, MEASURED = "int8", "record.json", "labelling"
_MANY, _QUICKER = 50_000, 1.3
"""Views that are worth a file of their own, and how many times quicker it must answer."""
_SCREENED, _TIMED, _ROUNDS = 256, 512, 2
_LEFT_OUT, _AT_ONCE, _SURE = 3, 2, 0.5
"""At most a third of the products stays float32, two more each time, until the divergence on a few rows leaves room for all of them."""
_ALIKE = 0.98
"""Of the labels. Of many a view no one can tell what it is, and there a last digit decides; what is taught is the probabilities."""
_LOGITS = frozenset({"logits_BC"})


class Int8Teacher:
    """A teacher whose logits come from its int8 file; everything else it says itself.

    Args:
        teacher: whose file it is.
        modality: reads as the teacher does.
        runners: of the file of each member.
        files: their sha256.
    """

    def __init__(self, teacher: Any, modality: Any, runners: Sequence[Runner], files: Sequence[str]) -> None:
        self._teacher, self._modality, self._runners, self._files = teacher, modality, runners, list(files)
        self.labels = teacher.labels

    def gives(self) -> frozenset[str]:
        """What the teacher gives."""
        found: frozenset[str] = self._teacher.gives()
        return found

    def fingerprint(self) -> Fingerprint:
        """That of the teacher, and which file answers in its place."""
        return {**self._teacher.fingerprint(), "precision": "int8", "file": digest(self._files)}

    def answer(self, payloads: Sequence[Any], needs: frozenset[str]) -> Signal:
        """Signals of the payloads, in order; of several members the logarithm of the mean probability of each class."""
        encoded = self._modality.encode(payloads)
        logits = [sorted_logits(run, encoded, self._modality.collate) for run in self._runners]
        others = self._teacher.answer(payloads, needs - _LOGITS).given() if needs - _LOGITS else {}
        return Signal(**others, logits_BC=logits[0] if len(logits) == 1 else mean_probability(logits))


def labelling_teacher(run: Run, teacher: Any, folder: Path, payloads: Sequence[Any]) -> Any:
    """Who answers the views: whoever gave the answers that lie in the store already, else whoever is quicker.

    Args:
        run: settled; where its recipe names a precision, that is taken.
        teacher: fine-tuned; its precision is set.
        folder: of the signal store.
        payloads: all that will be asked, training views first.
    """
    if isinstance(teacher, Joined):
        return teacher.over(labelling_teacher(run, teacher.network, folder, payloads))
    if not hasattr(teacher, "precision"):
        return teacher
    before = described(folder).get("precision") if is_store(folder) else None
    if run.recipe.precision != "auto" or before not in (None, "int8"):
        teacher.precision = before if run.recipe.precision == "auto" else precision(run, teacher.module)
        return teacher
    teacher.precision = precision(run, teacher.module)
    reads_words = run.recipe.entry("modalities").vocabulary  # other teachers have no file that a graph writes
    worth = reads_words and len(payloads) >= _MANY and run.device == "cpu" and is_heavy(teacher.module)
    if before != "int8" and not worth:
        return teacher
    place = folder / FOLDER
    record = run.decided(MEASURED, lambda: _record(place, teacher) or _measured(run, teacher, place, payloads))
    if before == "int8" or record["taken"]:
        return _loaded(run, teacher, place) or _written(run, teacher, place, payloads)[0] or teacher
    return teacher


def told_of_labelling(record: Json) -> tuple[str, ...]:
    """What a report says of it; nothing where the teacher answered itself."""
    if not record["taken"]:
        return ()
    return (
        f"the training views were labelled by the teacher's int8 file: {record['agreement']:.2%} of its labels and a KL of "
        f"{record['kl']:.2g} nats on {record['rows']:,} other rows, {record['quicker']:.1f} times as fast; the teacher is judged as it is",
    )


def _measured(run: Run, teacher: Any, place: Path, payloads: Sequence[Any]) -> Json:
    """Write the file, hold it against the teacher, and write down whether it is taken."""
    run.progress("signals", 0, len(payloads), "an int8 file of the teacher is tried")
    found, judging = _written(run, teacher, place, payloads)
    record: Json = {"teacher": _identity(teacher), "taken": False}
    if found is None:
        record["why"] = "it cannot be written, or none is near enough"
    else:
        whole_NC, file_NC = (np.asarray(t.answer(judging, _LOGITS).logits_BC) for t in (teacher, found))
        record |= {
            "rows": len(judging),
            "agreement": agreement(whole_NC.argmax(axis=1), file_NC.argmax(axis=1)),
            "kl": float(f"{kl(whole_NC, file_NC).mean():.3g}"),
            "quicker": round(_seconds(teacher, judging) / _seconds(found, judging), 2),
        }
        record["taken"] = record["agreement"] >= _ALIKE and record["kl"] <= MOST_KL and record["quicker"] >= _QUICKER
    if record["taken"]:
        write_json(place / RECORD, record)
    else:
        shutil.rmtree(place, ignore_errors=True)
    return record


def _written(run: Run, teacher: Any, place: Path, payloads: Sequence[Any]) -> tuple[Int8Teacher | None, list[Any]]:
    """The int8 file of each member, by the scheme that is nearest to it, and the rows that judged; None where one cannot be written."""
    members = list(getattr(teacher, "members", (teacher,)))
    calibration, judging = calibration_and_judging(payloads, ())
    try:
        modality = read_alike(run, teacher)
        graphs = [teacher_graph(member) for member in members]
    except TeacherError:
        return None, judging
    target = catalog.find("targets", "onnx")()
    rows = Rows(modality.encode(calibration), modality.encode(judging[:_SCREENED]), modality.collate)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    bench = Bench(target, rows, place)
    for number, (member, graph) in enumerate(zip(members, graphs, strict=True)):
        if graph is None:
            return None, judging
        said_NC = np.asarray(member.answer(judging[:_SCREENED], _LOGITS).logits_BC)
        smooth = bench.smooth(graph)
        noisiest = sorted(smooth.noise, key=lambda weight: -smooth.noise[weight])

        def file(bits7: bool, left_out: int, smooth: Smooth = smooth, noisiest: Sequence[str] = noisiest) -> Graph:
            return quantized(smooth.graph, Scheme(reduce_range=bits7), smooth.seen, {*smooth.pooled, *noisiest[:left_out]})

        def far(graph: Graph, said_NC: Any = said_NC) -> float:
            return float(kl(said_NC, sorted_logits(bench.load(graph), rows.judging, rows.collate)).mean())

        # What serves here alone need not keep within 7 bits: where a processor saturates, the divergence shows it.
        divergence, bits7 = min((far(file(bits7, 0)), bits7) for bits7 in (False, True))
        candidate, left_out = file(bits7, 0), 0
        # A few products, those with the widest ranges, do most of the harm; as float32 they cost little time.
        while divergence > _SURE * MOST_KL and (left_out := left_out + _AT_ONCE) <= len(noisiest) // _LEFT_OUT:
            candidate = file(bits7, left_out)
            divergence = far(candidate)
        target.write(candidate, place / f"{number}.onnx")
    return _loaded(run, teacher, place), judging


def _loaded(run: Run, teacher: Any, place: Path) -> Int8Teacher | None:
    """The teacher's files, if they lie there."""
    members = list(getattr(teacher, "members", (teacher,)))
    files = [place / f"{number}.onnx" for number in range(len(members))]
    if not all(file.is_file() for file in files):
        return None
    target = catalog.find("targets", "onnx")()
    runners = [target.load(file, run.threads) for file in files]
    return Int8Teacher(teacher, read_alike(run, teacher), runners, [sha256_of(file) for file in files])


def _record(place: Path, teacher: Any) -> Json | None:
    """What was written down beside the files of this very teacher, by whichever run."""
    try:
        found: Json = json.loads((place / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if found.get("teacher") == _identity(teacher) else None


def _identity(teacher: Any) -> str:
    return digest({k: v for k, v in teacher.fingerprint().items() if k != "precision"})


def _seconds(teacher: Any, payloads: Sequence[Any]) -> float:
    """The shortest time for some of the payloads."""
    some, found = payloads[:_TIMED], []
    for _ in range(_ROUNDS):
        start = time.perf_counter()
        teacher.answer(some, _LOGITS)
        found.append(time.perf_counter() - start)
    return min(found)
