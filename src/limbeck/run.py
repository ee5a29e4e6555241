"""The folder of a run: what was settled at its first start, and what is finished in it. Knows files; runs no stage.

OUT/
  resolved.json            recipe, data, surroundings, and what measurements chose, as they were settled at the first start
  curves.jsonl             learning curves
  teacher/                 the fine-tuned teacher, with complete.json as its proof
  asked.jsonl              which training texts it is asked about, where the recipe names a number of calls
  signals/                 what the teacher said
  search/                  where a budget chose the student: front.json, front.svg, and the scores of the race
  bundle/                  the files needed to answer
  teacher-onnx/            the teacher as a bundle too, in float32: what the student's bytes, speed and memory are held against
  evidence/report.json     the proof
  complete.json            the report's sha256, and its bundle's: written last
"""

from __future__ import annotations

import errno
import json
import os
import platform
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from limbeck._version import __version__
from limbeck.bundle import Bundle, sha256_of
from limbeck.curves import Curves
from limbeck.data.formats import fingerprint
from limbeck.disk import write_whole
from limbeck.engine.device import available_cores, best_device
from limbeck.errors import BudgetError, CheckupError, LimbeckError, RecipeError, RunFolderError, listing
from limbeck.evidence import Report
from limbeck.recipe import FILES, Recipe
from limbeck.types import Fingerprint, Json, Progress, silent

RESOLVED, LOCK, CURVES, COMPLETE, REPORT = "resolved.json", ".lock", "curves.jsonl", "complete.json", "report.json"


@dataclass(slots=True)
class Run:
    """A run's folder, its settled surroundings, and the seconds that its stages took. Leaving it lets others into the folder.

    fresh: the folder was empty, and nothing in it is worth keeping yet: a run that is refused then leaves none behind.
    ready: a teacher that this run does not train: handed over from Python, or loaded with its classes. origin: what students read and
    start from, where that is not the teacher's. owned: what it has opened and will close.
    """

    recipe: Recipe
    folder: Path
    threads: int
    device: str
    environment: Json
    data: Json
    progress: Progress = silent
    seconds: dict[str, float] = field(default_factory=dict)
    curves: Curves | None = None
    lock: FileLock | None = None
    fresh: bool = False
    ready: Any = None
    origin: Any = None
    owned: list[Any] = field(default_factory=list)

    def __enter__(self) -> Run:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        for opened in self.owned:
            opened.close()
        if self.curves is not None:
            self.curves.close()
        if self.lock is not None:
            self.lock.release()
        if self.fresh and isinstance(
            error, BudgetError | CheckupError | RecipeError
        ):  # else a mended recipe would be another run's
            shutil.rmtree(self.folder, ignore_errors=True)
        # Some writers are not Python's: their errors hold the system's words and no number.
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        if error is not None and (full or os.strerror(errno.ENOSPC) in str(error)) and not isinstance(error, LimbeckError):
            raise RunFolderError(
                f"the disk of {self.folder} is full. What was committed stays: make room and run the same command again."
            ) from error

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the seconds of a stage."""
        start = time.perf_counter()
        yield
        self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - start, 2)

    def decided(self, name: str, measure: Callable[[], Json]) -> Json:
        """What a measurement chose under this name at the first time; it is measured once, written down, and obeyed from then on."""
        if (before := self.measured(name)) is not None:
            return before
        found = measure()  # which may decide something else meanwhile
        content = json.loads((self.folder / RESOLVED).read_text(encoding="utf-8"))
        content["measured"][name] = found
        write_json(self.folder / RESOLVED, content)
        return found

    def measured(self, name: str) -> Json | None:
        """What `decided` wrote down under this name; None where nothing was."""
        found: Json | None = json.loads((self.folder / RESOLVED).read_text(encoding="utf-8"))["measured"].get(name)
        return found


def open_run(recipe: Recipe, progress: Progress = silent) -> Run:
    """Open the folder of a run, new or begun; nothing is written yet. What was settled at its first start holds.

    Raises:
        RunFolderError: the folder holds another run, or something that is not a run, or cannot be one.
        InputFileError: a data file is missing.
    """
    folder = Path(recipe.out or Path("runs") / Path(recipe.data.train).name.split(".")[0])
    files = {key: getattr(recipe.data, key) for key in FILES}
    files["profile"] = recipe.search.profile
    modality = recipe.entry("modalities")
    sums = {use: fingerprint(name, modality) for use, name in files.items() if name is not None}
    threads = recipe.threads or available_cores()
    environment = _environment(threads)
    try:
        if before := _settled(folder):
            # A machine with more cores is not another run: the number of threads settled at the first start is obeyed.
            if recipe.threads is None:
                environment["threads"] = threads = before["environment"]["threads"]
            _compare(folder, before, {"recipe": recipe.identity(), "data": sums, "environment": environment})
        elif folder.exists() and (
            others := sorted(p.name for p in folder.iterdir() if not p.name.startswith((RESOLVED, LOCK)))
        ):
            raise RunFolderError(f"{folder} is not empty and holds no run ({listing(others, 3)}). Give another --out.")
    except OSError as error:
        if isinstance(error, RunFolderError):
            raise
        raise RunFolderError(f"{folder} cannot be the folder of a run: {error.strerror}. Give another --out.") from error
    torch.set_num_threads(threads)
    return Run(recipe, folder, threads, best_device(), environment, sums, progress)


def settle(run: Run, teacher: Fingerprint) -> None:
    """Take the folder, and write resolved.json at the first start, once data and teacher are known to be there; later compare with it.

    Raises:
        RunFolderError: another process works in the folder, it was begun with another teacher, or it cannot be written.
    """
    try:
        run.folder.mkdir(parents=True, exist_ok=True)
        run.lock = FileLock(run.folder / LOCK)
        run.lock.acquire(timeout=0)
    except Timeout as error:
        run.lock = None
        raise RunFolderError(
            f"another process works in {run.folder} at this moment. Wait for it, or give another --out."
        ) from error
    except OSError as error:
        run.lock = None
        raise RunFolderError(f"cannot write to {run.folder}: {error.strerror}. Give another --out.") from error
    run.curves = Curves(run.folder / CURVES, run.recipe.track, run.recipe.complete())
    if before := _settled(run.folder):
        _compare(run.folder, before, {"recipe": run.recipe.identity(), "data": run.data, "teacher": dict(teacher)})
        return
    content = {
        "recipe": run.recipe.complete(),
        "fingerprint": run.recipe.fingerprint(),
        "data": run.data,
        "teacher": dict(teacher),
        "environment": run.environment,
        "measured": {},
    }
    try:
        write_json(run.folder / RESOLVED, content)
    except OSError as error:
        raise RunFolderError(f"cannot write to {run.folder}: {error.strerror}. Give another --out.") from error
    run.fresh = True


def finished(run: Run) -> Report | None:
    """The report of a run that was completed before, if neither it nor the bundle that it speaks of has changed."""
    try:
        content = json.loads((run.folder / "evidence" / REPORT).read_text(encoding="utf-8"))
        report = replace(Report.from_json(content), bundle=str(run.folder / "bundle"))
        bundle = Bundle.open(run.folder / "bundle")
        proven = report.lineage["bundle"] == bundle.sha256 and is_proven(run.folder, bundle.sha256)
    except (OSError, ValueError, KeyError, TypeError):  # damaged, or not there: the last stages make it again
        return None
    return report if proven else None


def complete(run: Run, bundle: Bundle) -> None:
    """Write down that the run is done: the report is that of this bundle. No training goes on from here."""
    write_json(
        run.folder / COMPLETE,
        {"identity": bundle.sha256, "files": {f"evidence/{REPORT}": sha256_of(run.folder / "evidence" / REPORT)}},
    )
    for left in run.folder.glob(".*.checkpoint"):
        left.unlink()


def _settled(folder: Path) -> Json | None:
    try:
        data = (folder / RESOLVED).read_bytes()
    except FileNotFoundError:
        return None
    try:
        content: Json = json.loads(data)
        content["environment"]["threads"], content["recipe"], content["data"], content["teacher"], content["measured"]
    except (ValueError, KeyError, TypeError) as error:
        raise RunFolderError(f"{folder / RESOLVED} is damaged, so nobody knows what run this is. Remove {folder}.") from error
    return content


def _compare(folder: Path, before: Json, now: Json) -> None:
    # Files may be named by another path: their sha256, and the teacher's fingerprint, say whether they are the same.
    same = {"recipe.teacher.model"}
    differing = [f"{key}: {a!r} there, {b!r} now" for key, a, b in _differences(before, now) if key not in same]
    if differing:
        raise RunFolderError(
            f"{folder} holds another run; it differs in\n  - "
            + "\n  - ".join(differing)
            + "\nGive another --out, or remove that folder."
        )


def is_proven(folder: Path, identity: str) -> bool:
    """Whether a folder was completed for this identity and its files are still what they were."""
    try:
        proof = json.loads((folder / COMPLETE).read_text(encoding="utf-8"))
        return proof["identity"] == identity and all(sha256_of(folder / n) == s for n, s in proof["files"].items())
    except (OSError, ValueError, KeyError, TypeError):
        return False


def write_json(path: Path, content: Json) -> None:
    write_whole(path, [json.dumps(content, ensure_ascii=False, indent=1).encode()])


def _environment(threads: int) -> Json:
    packages = ("torch", "transformers", "tokenizers", "accelerate", "numpy", "onnx", "onnxruntime")
    return {
        "limbeck": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "instruction_set": torch.backends.cpu.get_cpu_capability(),
        "device": best_device(),
        "threads": threads,
        "packages": {name: _version(name) for name in packages},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def _differences(before: Any, now: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Where two JSON values differ, as (dotted path, before, now); where a recipe holds paths, or how a teacher is asked, only what
    `now` has is compared."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in now if path in ("", "recipe", "recipe.data", "recipe.search", "recipe.teacher") else sorted({*before, *now}):
            yield from _differences(before.get(key), now.get(key), f"{path}.{key}" if path else key)
    elif before != now:
        yield path, before, now
