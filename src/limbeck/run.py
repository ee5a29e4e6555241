"""The folder of a run: what was settled at its first start, and what is finished in it. Knows files; runs no stage.

OUT/
  resolved.json            recipe, data and surroundings as they were settled at the first start
  teacher/                 the fine-tuned teacher, with complete.json as its proof
  signals/                 what the teacher said
  bundle/                  the files needed to answer
  evidence/report.json     the proof
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from limbeck._version import __version__
from limbeck.bundle import Bundle, sha256_of
from limbeck.data.read import check_readable
from limbeck.engine.device import available_cores, best_device
from limbeck.errors import RunFolderError, listing
from limbeck.recipe import Recipe
from limbeck.types import Json, Progress, Report, silent


@dataclass(slots=True)
class Run:
    """A run's folder, its settled surroundings, and the seconds that its stages took."""

    recipe: Recipe
    folder: Path
    threads: int
    device: str
    environment: Json
    data: Json
    progress: Progress = silent
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the seconds of a stage."""
        start = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - start, 2)


def open_run(recipe: Recipe, progress: Progress = silent) -> Run:
    """Make or reopen the folder of a run; what was settled at its first start holds.

    Raises:
        RunFolderError: the folder holds another run, or something that is not a run.
        InputFileError: a data file is missing.
    """
    folder = Path(recipe.out or Path("runs") / Path(recipe.data.train).name.split(".")[0])
    files = {"train": recipe.data.train, "test": recipe.data.test}
    for name in files.values():  # a missing file is said before a folder is made for it
        if name is not None:
            check_readable(Path(name))
    sums = {use: sha256_of(Path(name)) for use, name in files.items() if name is not None}
    settled = folder / "resolved.json"
    threads = recipe.threads or available_cores()
    environment = _environment(threads)
    if settled.is_file():
        before = json.loads(settled.read_text(encoding="utf-8"))
        now = {"recipe": recipe.identity(), "data": sums, "environment": environment}
        # A machine with more cores is not another run: the number of threads settled at the first start is obeyed.
        if recipe.threads is None:
            environment["threads"] = threads = before["environment"]["threads"]
        differing = [f"{k}: {a!r} there, {b!r} now" for k, a, b in _differences(before, now)]
        if differing:
            raise RunFolderError(
                f"{folder} holds another run; it differs in\n  - "
                + "\n  - ".join(differing)
                + "\nGive another --out, or remove that folder."
            )
    elif folder.exists() and any(folder.iterdir()):
        raise RunFolderError(
            f"{folder} is not empty and holds no run ({listing(sorted(p.name for p in folder.iterdir()), 3)}). Give another --out."
        )
    else:
        folder.mkdir(parents=True, exist_ok=True)
        content = {
            "recipe": recipe.identity(),
            "fingerprint": recipe.fingerprint(),
            "data": sums,
            "environment": environment,
        }
        write_json(settled, content)
    torch.set_num_threads(threads)
    return Run(recipe, folder, threads, best_device(), environment, sums, progress)


def finished(run: Run) -> Report | None:
    """The report of a run that was completed before, if its bundle is still what the report speaks of."""
    path = run.folder / "evidence" / "report.json"
    if not path.is_file():
        return None
    Bundle.open(run.folder / "bundle")
    return Report.from_json(json.loads(path.read_text(encoding="utf-8")))


def is_proven(folder: Path, identity: str) -> bool:
    """Whether a folder was completed for this identity and its files are still what they were."""
    try:
        proof = json.loads((folder / "complete.json").read_text(encoding="utf-8"))
        return proof["identity"] == identity and all(sha256_of(folder / n) == s for n, s in proof["files"].items())
    except (OSError, ValueError, KeyError):
        return False


def write_json(path: Path, content: Json) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")
    draft.replace(path)


def _environment(threads: int) -> Json:
    packages = ("torch", "transformers", "tokenizers", "numpy", "onnx", "onnxruntime")
    return {
        "limbeck": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "instruction_set": torch.backends.cpu.get_cpu_capability(),
        "device": best_device(),
        "dtype": "float32",
        "threads": threads,
        "packages": {name: _version(name) for name in packages},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def _differences(before: Any, now: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Where two JSON values differ, as (dotted path, before, now); keys that only `before` has at the top are not compared."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        keys = list(now) if not path else sorted({*before, *now})
        for key in keys:
            yield from _differences(before.get(key), now.get(key), f"{path}.{key}" if path else key)
    elif before != now:
        yield path, before, now
