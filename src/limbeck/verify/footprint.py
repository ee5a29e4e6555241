"""What models cost on this machine: bytes, latency, memory, cold start. Knows bundles, clocks and processes; knows nothing of training.

All models are measured by the same code and take turns, so a slow minute of the machine falls on all of them.
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck import catalog
from limbeck.bundle import MANIFEST, Bundle
from limbeck.errors import BundleError
from limbeck.evidence import Footprint, Latency
from limbeck.runtime.predict import Predictor
from limbeck.verify.company import BUSY, VOID, Company

Answer = Callable[[Any], object]

MOST_QUERIES = 2_000
"""More than these tell no more of p50 and p95."""
PROCESSES = 5
"""New processes for memory and cold start; the median counts, so the first one may read files that nobody had read before."""
_SECONDS = 300.0  # a process that has not answered by then never will

_CHILD = """
import json, sys, limbeck
payload = json.loads(sys.stdin.readline())
limbeck.load(sys.argv[1], int(sys.argv[2])).predict([payload])
print("answered", flush=True)
peak = 0
try:
    with open("/proc/self/status") as file:
        peak = next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))
except (OSError, StopIteration):
    try:
        import resource
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    except ImportError:
        pass
print(peak, "torch" in sys.modules, flush=True)
"""
# VmHWM and not ru_maxrss where there is a choice: Linux hands a parent's peak down through fork and exec.


@dataclass(frozen=True, slots=True)
class Model:
    """What is put on the scales: a bundle, or else something that answers one payload and says how many bytes it would be written in."""

    form: str
    parameters: int
    bundle: Bundle | None = None
    answer: Answer | None = None
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Footprints:
    """One footprint for each model, in order. notes: what a reader has to know of the conditions, as sentences."""

    of: tuple[Footprint, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Started:
    """A new process: seconds from before it was spawned until its first answer arrived, and the peak of its resident bytes (None:
    this system does not tell)."""

    seconds: float
    peak_memory_bytes: int | None


def footprints(models: Sequence[Model], queries: Sequence[Any], threads: int = 1, processes: int = PROCESSES) -> Footprints:
    """Measure models beside each other.

    Args:
        models: a bundle gets all figures; what has none gets bytes, as said, and latency.
        queries: payloads as users send them, asked one at a time; the first of them is what new processes answer. At most
            `MOST_QUERIES` are asked.
        threads: of ONNX Runtime.
        processes: how many new processes each bundle is loaded in.

    Raises:
        BundleError: a new process cannot answer with a bundle.
    """
    company = Company()
    answers = [_answer(m, threads) for m in models]
    times = interleaved_latency(answers, queries[:MOST_QUERIES])
    starts: list[list[Started]] = [[] for _ in models]
    for _ in range(processes):
        for place, model in enumerate(models):
            if model.bundle is not None:
                starts[place].append(new_process(model.bundle, queries[0], threads))
    share = company.share()
    notes: tuple[str, ...] = ()
    if share > BUSY:
        # Not even their ratio: a large model that shares its caches with others loses twice as much as a small one.
        notes = (
            f"Others took {share:.0%} of the cores while latency and cold start were measured, so these figures and their ratios "
            f"{VOID}. Remove evidence/report.json and run the same command on a quiet machine to measure them again",
        )
    return Footprints(tuple(map(_footprint, models, times, starts)), notes)


def interleaved_latency(models: Sequence[Answer], queries: Sequence[Any], block: int = 20) -> list[Latency]:
    """p50 and p95 of each model's `answer_seconds`."""
    return [latency(seconds_N) for seconds_N in answer_seconds(models, queries, block)]


def latency(seconds_N: NDArray[np.float64]) -> Latency:
    """p50 and p95, in microseconds, of the seconds that N answers took."""
    return Latency(*(float(np.percentile(seconds_N, p)) * 1e6 for p in (50, 95)))


def answer_seconds(models: Sequence[Answer], queries: Sequence[Any], block: int = 20) -> NDArray[np.float64]:
    """Seconds that each model takes for each query (models, queries), one at a time, the models taking turns on every block of queries.

    Taking turns lets a slow second of a shared machine fall on all models alike. It goes by blocks, each after two queries that
    are not counted, since a large model throws a small one out of the processor's caches, and nobody serves them in turns: by
    single queries a bag of 2.6 MB looked eight times slower than it is alone.
    """
    seconds = np.zeros((len(models), len(queries)))
    was_on = gc.isenabled()
    gc.disable()  # a collection that one model caused must not be charged to the next
    try:
        for first in range(0, len(queries), block):
            columns = range(first, min(first + block, len(queries)))
            for row, model in enumerate(models):
                for column in (*columns[:2], *columns):  # the first two warm up; counting them again overwrites their time
                    start = time.perf_counter()
                    model(queries[column])
                    seconds[row, column] = time.perf_counter() - start
    finally:
        if was_on:
            gc.enable()
    return seconds


def compressed_bytes(bundle: Bundle) -> int:
    """Bytes of the bundle as one zip archive, deflated at level 9; the archive is counted and not kept."""
    count = _Count()
    with zipfile.ZipFile(count, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted([MANIFEST, *bundle.manifest.files]):
            archive.write(bundle.path / name, name)
    return count.bytes


def new_process(bundle: Bundle, payload: Any, threads: int = 1) -> Started:
    """Load a bundle in a new process, and let it answer one payload.

    Nothing is subtracted: the start of Python, imports, the check of every file and the golden examples are all in it.

    Raises:
        BundleError: the process ends without an answer.
    """
    command = [sys.executable, "-P", "-c", _CHILD, str(bundle.path.resolve()), str(threads)]
    sent = catalog.find("modalities", bundle.manifest.modality).to_json(payload)
    with tempfile.TemporaryFile() as errors:  # a pipe that nobody reads could fill up
        began = time.perf_counter()
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=_environment()
        ) as child:
            assert child.stdin is not None
            assert child.stdout is not None
            impatience = threading.Timer(_SECONDS, child.kill)
            impatience.start()
            try:
                with contextlib.suppress(BrokenPipeError):  # it ended before it read, and says why
                    child.stdin.write(json.dumps(sent).encode() + b"\n")
                    child.stdin.close()
                line = child.stdout.readline()
                seconds = time.perf_counter() - began
                rest = child.stdout.read()
            finally:
                impatience.cancel()
        errors.seek(0)
        said = errors.read().decode(errors="replace").strip().splitlines() or ["it said nothing"]
    if line.strip() != b"answered" or child.returncode != 0:
        raise BundleError(f"{bundle.path}: a new process ended with {child.returncode} and could not answer: {said[-1]}")
    peak, torch_too = rest.split()
    assert torch_too == b"False", "limbeck.load imported torch"
    return Started(seconds, int(peak) or None)


def _answer(model: Model, threads: int) -> Answer:
    if model.bundle is not None:
        predictor = Predictor(model.bundle, threads)
        return lambda payload: predictor.predict([payload])
    assert model.answer is not None, "a model without a bundle says how it answers"
    return model.answer


def _footprint(model: Model, latency: Latency, starts: Sequence[Started]) -> Footprint:
    if model.bundle is None:
        return Footprint(form=model.form, bytes=model.bytes, parameters=model.parameters, latency=latency)
    peaks = [s.peak_memory_bytes for s in starts if s.peak_memory_bytes is not None]
    return Footprint(
        form=model.form,
        bytes=model.bundle.bytes,
        parameters=model.parameters,
        bytes_compressed=compressed_bytes(model.bundle),
        latency=latency,
        peak_memory_bytes=int(statistics.median(peaks)) if peaks else None,
        cold_start_seconds=statistics.median(s.seconds for s in starts) if starts else None,
    )


def _environment() -> dict[str, str]:
    # Compiled modules are read, and written where they are missing, as in any process that serves.
    return {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


class _Count(io.RawIOBase):
    """A stream that keeps nothing but the number of its bytes."""

    bytes = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        size = memoryview(data).nbytes
        self.bytes += size
        return size
