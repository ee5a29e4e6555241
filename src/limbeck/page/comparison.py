"""Several runs on one page: verdicts, quality and costs side by side, and the settings in which they differ. Knows reports; measures nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from limbeck._version import __version__
from limbeck.errors import InputFileError
from limbeck.evidence import Report, Verdict
from limbeck.page.document import Cell, Document, Section, Table, row
from limbeck.page.material import Material
from limbeck.page.models import difference, widest
from limbeck.page.origins import flat
from limbeck.page.whole import TONES
from limbeck.verify import wording as w

MOST_RUNS = 50
_UNTOLD = {"out", "signals", "track", "checkpoint_seconds"}


def compared(runs: Sequence[Material]) -> Document:
    """One page about several runs, in the order in which they were given.

    Raises:
        InputFileError: more runs than a page can hold.
    """
    if len(runs) > MOST_RUNS:
        raise InputFileError(f"{len(runs)} runs were given; a page compares at most {MOST_RUNS}. Give fewer.")
    names = _names(runs)
    kept = [
        (r.report.student.footprint.bytes, n)
        for r, n in zip(runs, names, strict=True)
        if r.report.verdict is Verdict.KEPT and r.report.student.footprint
    ]
    sentence = (
        f"{sum(r.report.verdict is Verdict.KEPT for r in runs)} of {len(runs)} students kept the quality of their teacher."
    )
    if kept:
        size, name = min(kept)
        sentence += f" The smallest of them is ‘{name}’ with {w.size(size)}."
    parts = [_quality(runs, names), _costs(runs, names), _settings(runs, names)]
    return Document(
        title=f"{len(runs)} runs compared",
        verdict="Comparison",
        tone="",
        sentence=sentence,
        basis=_basis(runs),
        facts=(),
        sections=tuple(part for part in parts if part is not None),
        footer=f"Written by limbeck {__version__} from the runs’ evidence. This page loads nothing from anywhere.",
    )


def _basis(runs: Sequence[Material]) -> tuple[str, ...]:
    """Whether figures may be held against each other."""
    rows = {_judged(r.report) for r in runs}
    if len(rows) == 1:
        rows_, held_out = runs[0].report.rows, runs[0].report.held_out
        return (f"All were judged on the same {w.rows(rows_)}: {held_out}.",)
    return (
        "These runs were not judged on the same rows. Each figure holds for its own rows; a difference between two runs may come from the rows "
        "alone.",
    )


def _judged(report: Report) -> tuple[str, ...]:
    """What decides which rows judged."""
    data: dict[str, Any] = report.lineage.get("data") or {}
    own = {"test": data["test"]} if "test" in data else data
    return (str(sorted(own.items())) if own else report.bundle, str(report.rows), report.held_out, str(report.basis))


def _quality(runs: Sequence[Material], names: Sequence[str]) -> Section:
    pairs = [r.report.against("teacher") for r in runs]
    found = [d for p in pairs if p is not None and (d := p.decisive) is not None]
    reach = widest(found, max(r.report.margin for r in runs)) if found else 1.0
    rows = []
    for name, run, pair in zip(names, runs, pairs, strict=True):
        report = run.report
        q, t, c = report.student.quality, report.teacher.quality, report.control.quality if report.control else None
        rows.append(
            row(
                name,
                Cell(str(report.verdict), tone=TONES[report.verdict]),
                Cell(w.percent(q.decisive.estimate), w.span(q.decisive)) if q else w.NOTHING,
                w.percent(t.decisive.estimate) if t else w.NOTHING,
                w.percent(c.decisive.estimate) if c else w.NOTHING,
                difference(pair.decisive, reach, -100 * report.margin) if pair and pair.decisive else w.NOTHING,
                w.percent(pair.agreement.estimate) if pair else w.NOTHING,
                w.count(report.rows),
            )
        )
    head = (
        "Run",
        "Verdict",
        "Student’s micro-F1 or accuracy" if any(r.report.several for r in runs) else "Student’s accuracy",
        "Teacher’s",
        "Without teacher",
        "Student − teacher, points",
        "Same answer",
        "Rows",
    )
    notes = ("Small figures are bounds, each one-sided at 95%. The dashed line is the loss that was allowed.",)
    return Section("quality", "What was kept", (), (Table("Quality of each run", head, tuple(rows), words=(1,)),), notes)


def _costs(runs: Sequence[Material], names: Sequence[str]) -> Section | None:
    rows = []
    for name, run in zip(names, runs, strict=True):
        s, t = run.report.student.footprint, run.report.teacher.footprint
        if s is None:
            continue
        time = None if s.latency is None else s.latency.p50_us / 1e6
        theirs = None if t is None or t.latency is None else t.latency.p50_us / 1e6
        rows.append(
            row(
                name,
                s.form,
                Cell(w.size(s.bytes), w.ratio(s.bytes, t.bytes if t else None)),
                Cell(w.duration(time), w.ratio(time, theirs)),
                Cell(w.size(s.peak_memory_bytes), w.ratio(s.peak_memory_bytes, t.peak_memory_bytes if t else None)),
                w.duration(s.cold_start_seconds),
            )
        )
    if not rows:
        return None
    head = ("Run", "Form", "Size", "Time per answer, median", "Peak memory", "From start to first answer")
    notes = (
        "Small figures are shares of the teacher’s. Times of runs from different machines, or different hours, differ for that reason too.",
    )
    return Section("costs", "What each costs", (), (Table("Costs of each student", head, tuple(rows), words=(1,)),), notes)


def _settings(runs: Sequence[Material], names: Sequence[str]) -> Section | None:
    """The settings in which the recipes differ."""
    told = [dict(flat(r.details.lineage.get("recipe", {}), ".")) if r.details is not None else {} for r in runs]
    keys = [
        k for k in dict.fromkeys(key for of in told for key in of) if k not in _UNTOLD and len({of.get(k) for of in told}) > 1
    ]
    if not keys:
        return None
    rows = tuple(row(key, *(of.get(key, w.NOTHING) for of in told)) for key in keys)
    table = Table("Settings that differ", ("Key", *names), rows, words=tuple(range(1, len(names) + 1)))
    return Section("settings", "In what they differ", (), (table,))


def _names(runs: Sequence[Material]) -> list[str]:
    """Names that tell the runs apart."""
    names = [r.name for r in runs]
    return [name if names.count(name) == 1 else f"{name} ({k})" for k, name in enumerate(names, 1)]
