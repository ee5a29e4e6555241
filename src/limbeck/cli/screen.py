"""What the commands share on the screen: consoles, progress, JSON, the page of a report. Knows how things look; runs nothing."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

if TYPE_CHECKING:
    from limbeck.evidence import Report

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else on standard output.")]
ForceFlag = Annotated[bool, typer.Option("--force", help="Go on in spite of what the checks refuse; the report says so.")]
BudgetOption = Annotated[
    str | None,
    typer.Option(
        help="Limits such as 2MB,100us,memory=100MB; without student.family the search chooses what fits.", show_default=False
    ),
]
ProfileOption = Annotated[
    Path | None,
    typer.Option(help="What limbeck measure found on the machine that will run the student.", show_default="measured here"),
]


_SAYS_EVERY = 60.0
"""Seconds between the lines of a stage that goes on, where there is no terminal: a log shows that it goes on, and how far it is."""


class Watch:
    """Progress on standard error: a bar with the time left on a terminal; elsewhere one line for each finished stage, and one a minute within it."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._tasks: dict[str, Any] = {}
        self._last = self._said = time.perf_counter()

    def __enter__(self) -> Watch:
        if err.is_terminal:
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            self._bar = Progress(
                TextColumn("{task.description:<8}"), BarColumn(24), TimeRemainingColumn(), TextColumn("{task.fields[note]}", markup=False),
                console=err, transient=True,
            )  # fmt: skip
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
        if kind is KeyboardInterrupt:
            err.print("interrupted; the same command takes up where it stopped")

    def __call__(self, stage: str, done: int, total: int, note: str) -> None:
        if self._bar is not None:
            if stage not in self._tasks:
                self._tasks[stage] = self._bar.add_task(stage, total=total, note=note)
            self._bar.update(self._tasks[stage], completed=done, total=total, note=note)
        now = time.perf_counter()
        if done == total:
            err.print(f"{stage:<8} {now - self._last:6.1f} s  {note}", markup=False)
            self._last = self._said = now
            if self._bar is not None:
                self._bar.remove_task(self._tasks.pop(stage))
        elif self._bar is None and now - self._said >= _SAYS_EVERY:
            err.print(f"{stage:<8} {now - self._last:6.1f} s  {done / total:.0%}, {note}", markup=False)
            self._said = now


def show(report: Report, as_json: bool) -> None:
    """Print a report, as a page or as JSON."""
    if as_json:
        print_json(report.to_json())
        return
    from limbeck.verify.report import page

    out.print()
    out.print(page(report), soft_wrap=False)
    out.print(f"\nbundle: {report.bundle}", markup=False)


def print_json(value: object) -> None:
    """Print a value on standard output as JSON."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=1) + "\n")
