"""Learning curves: a line of JSON for what a training said at a step, in the run's folder, and to a tracker that people have.

Knows numbers by name; knows nothing of models. Trackers come through accelerate, so whatever it can talk to, limbeck can.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from limbeck.disk import write_whole
from limbeck.errors import MissingExtraError
from limbeck.types import Json


class Curves:
    """The curves of one run.

    Args:
        path: a file of JSON lines: stage, step, and the figures.
        tracker: "tensorboard", "mlflow", "wandb" or "trackio"; None tells nobody else.
        recipe: what the tracker is told about the run.

    Raises:
        MissingExtraError: the tracker's package is not installed.
    """

    def __init__(self, path: Path, tracker: str | None = None, recipe: Json | None = None) -> None:
        self._path = path
        self._tracker = tracker
        self._recipe = recipe or {}
        self._accelerator: Any = None
        if tracker is not None:
            from accelerate.tracking import get_available_trackers

            if tracker not in {known.value for known in get_available_trackers()}:
                raise MissingExtraError(f"'track: {tracker}' needs the package '{tracker}'. Run: pip install {tracker}")

    def note(self, stage: str, step: int, figures: Mapping[str, float]) -> None:
        """Add what a stage says at a step."""
        line = {"stage": stage, "step": step, **{name: float(f"{value:.6g}") for name, value in figures.items()}}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        if self._tracker is not None:
            self._told().log({f"{stage}/{name}": value for name, value in figures.items()}, step=step)

    def _told(self) -> Any:
        """The accelerator that speaks to the tracker; made at the first line, so that a finished run leaves no empty page there."""
        if self._accelerator is None:
            from accelerate import Accelerator

            self._accelerator = Accelerator(log_with=self._tracker, project_dir=self._path.parent / "tracking")
            self._accelerator.init_trackers("limbeck", config=dict(_flat(self._recipe)))
        return self._accelerator

    def rewind(self, stage: str, step: int) -> None:
        """Forget what a stage said after `step`: it is taken up from there."""
        if not self._path.is_file():
            return
        kept = [line for line in self._path.read_text(encoding="utf-8").splitlines() if not _after(line, stage, step)]
        write_whole(self._path, [f"{line}\n".encode() for line in kept])

    def close(self) -> None:
        """Let the tracker finish."""
        if self._accelerator is not None:
            self._accelerator.end_training()


def read_curves(path: Path) -> list[Json]:
    """All lines of a file of curves; a last line that a kill cut in two is left out."""
    if not path.is_file():
        return []
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


class Pace:
    """Says when it is time for another line: at most one a second, so that a quick training writes no book."""

    def __init__(self, seconds: float = 1.0) -> None:
        self._seconds, self._next = seconds, 0.0

    def due(self) -> bool:
        """Whether a second has passed since the last time it was due."""
        now = time.perf_counter()
        if now < self._next:
            return False
        self._next = now + self._seconds
        return True


def _after(line: str, stage: str, step: int) -> bool:
    try:
        content = json.loads(line)
        return bool(content["stage"] == stage and content["step"] > step)
    except (ValueError, KeyError, TypeError):
        return True  # cut in two by a kill


def _flat(content: Any, path: str = "") -> Iterator[tuple[str, str | int | float | bool]]:
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield from _flat(value, f"{path}.{key}" if path else str(key))
    elif isinstance(content, str | int | float | bool):
        yield path, content
    else:
        yield path, json.dumps(content)
