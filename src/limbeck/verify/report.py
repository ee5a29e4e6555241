"""A report as a page of text. Knows the nouns of a report; measures nothing and decides nothing.

The verdict comes first, in words; then the four models on the same rows, what their differences are worth, what the file costs, the
classes that lost most, gates and notes. A part that was not measured leaves out its line, its column or its table.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich.console import Group, RenderableType
from rich.constrain import Constrain
from rich.table import Table
from rich.text import Text

from limbeck.evidence import Basis, Footprint, Measured, Report, Verdict
from limbeck.verify import sentences as said
from limbeck.verify import wording as w

WIDTH = 100
WORST = 5
_STYLE = {Verdict.KEPT: "bold green", Verdict.LOST: "bold red", Verdict.NOT_SHOWN: "bold yellow"}
_MARK = {True: "passed", False: "MISSED", None: "undecided"}


def page(report: Report) -> RenderableType:
    """The whole report; made for 80 columns, at most 100 wide, and readable without colour."""
    there = report.models
    parts: list[RenderableType] = [_verdict(report), *map(Text, said.basis(report)), Text("")]
    for table in (
        _quality(report, there),
        _differences(report),
        _scope(report),
        _costs(report),
        _worst(report),
        _gates(report),
    ):
        if table is not None:
            parts += [table, Text("")]
    parts += [_item(line) for line in said.remarks(report)]
    return Constrain(Group(*parts), WIDTH)


def _verdict(report: Report) -> Text:
    """The mark in its colour, and the sentence."""
    return Text.assemble((f"{report.verdict}", _STYLE[report.verdict]), said.verdict(report).removeprefix(report.verdict))


def _quality(report: Report, there: dict[str, Measured]) -> Table | None:
    """The models side by side on the same rows."""
    pairs = {name: report.against("teacher", name) for name in there}
    table = columns("", *there)
    several: list[tuple[str, Callable[[str], str]]] = [
        ("micro-F1", lambda n: w.percent(f.estimate) if (q := there[n].quality) and (f := q.micro_f1) else ""),
        ("", lambda n: w.span(q.micro_f1) if (q := there[n].quality) else ""),
    ]
    lines: list[tuple[str, Callable[[str], str]]] = [
        *(several if report.several else []),
        (
            "all labels right" if report.several else "accuracy",
            lambda n: w.percent(q.accuracy.estimate) if (q := there[n].quality) else "",
        ),
        ("", lambda n: w.span(q.accuracy) if (q := there[n].quality) else ""),
        ("retained of the teacher's", lambda n: w.percent(p.retention.estimate) if (p := pairs[n]) and p.retention else ""),
        ("", lambda n: w.span(p.retention) if (p := pairs[n]) else ""),
        ("macro-F1", lambda n: w.percent(q.macro_f1.estimate) if (q := there[n].quality) else ""),
        ("", lambda n: w.span(q.macro_f1) if (q := there[n].quality) else ""),
        ("answers as the teacher", lambda n: w.percent(p.agreement.estimate) if (p := pairs[n]) else ""),
        ("", lambda n: w.span(p.agreement) if (p := pairs[n]) else ""),
        ("  answers changed", lambda n: w.count(p.flips) if (p := pairs[n]) else ""),
        ("KL from the teacher, nats", lambda n: w.nats(p.kl.estimate) if (p := pairs[n]) and p.kl else ""),
        ("calibration error", lambda n: w.plain(q.ece) if (q := there[n].quality) and q.ece is not None else ""),
        (
            "  after temperature",
            lambda n: w.plain(q.ece_scaled) if (q := there[n].quality) and q.ece_scaled is not None else "",
        ),
    ]
    return _filled(table, lines, there)


def _differences(report: Report) -> Table | None:
    """What the differences of accuracy, or of micro-F1, are worth."""
    labelled = [(c, d) for c in report.comparisons if c.first == "student" and (d := c.decisive) is not None]
    if not labelled:
        return None
    table = columns(
        "micro-F1, points" if report.several else "accuracy, points", "difference", "bounds", "right alone", "McNemar p"
    )
    for c, difference in labelled:
        table.add_row(
            f"student {w.MINUS} {c.second}",
            w.points(difference.estimate),
            w.point_span(difference),
            f"{w.count(c.gained or 0)} / {w.count(c.lost or 0)}",
            "" if c.mcnemar_p is None else w.p_value(c.mcnemar_p),
        )
    return table


def _scope(report: Report) -> Table | None:
    """What is refused of texts that no class is for, and what that costs."""
    found = report.out_of_scope
    if found is None:
        return None
    table = columns("below the threshold", "teacher", "student", "difference", "bounds")
    t, s, d = found.teacher, found.student, found.difference
    of = f"refused of {found.rows:,} out of scope"
    table.add_row(of, w.percent(t.recall.estimate), w.percent(s.recall.estimate), w.points(d.estimate), w.point_span(d))
    table.add_row("", w.span(t.recall), w.span(s.recall), "", "", style="dim")
    if t.cost is not None and s.cost is not None:
        held = "answers held back" if report.basis is Basis.AGREEMENT else "right answers held back"
        table.add_row(held, w.percent(t.cost.estimate), w.percent(s.cost.estimate), "", "")
        table.add_row("", w.span(t.cost), w.span(s.cost), "", "", style="dim")
    return table


def _costs(report: Report) -> Table | None:
    """What teacher and student cost on this machine; ratios, since a busy machine is slow for both."""
    t, s = report.teacher.footprint, report.student.footprint
    if s is None:
        return None
    table = columns("on this machine", *(["teacher", "student", "ratio"] if t else ["student"]))
    table.add_row("form", *([t.form, s.form, ""] if t else [s.form]))
    lines: list[tuple[str, Callable[[float | None], str], Callable[[Footprint], float | None]]] = [
        ("bytes", w.size, lambda f: f.bytes),
        ("  compressed", w.size, lambda f: f.bytes_compressed),
        ("parameters", w.whole, lambda f: f.parameters),
        ("latency, p50", w.duration, lambda f: f.latency.p50_us / 1e6 if f.latency else None),
        ("  p95", w.duration, lambda f: f.latency.p95_us / 1e6 if f.latency else None),
        ("peak memory of a process", w.size, lambda f: f.peak_memory_bytes),
        ("cold start", w.duration, lambda f: f.cold_start_seconds),
    ]
    for name, shown, of in lines:
        student, teacher = of(s), of(t) if t else None
        if student is not None or teacher is not None:
            table.add_row(name, *([shown(teacher), shown(student), w.ratio(student, teacher)] if t else [shown(student)]))
    return table


def _worst(report: Report) -> Table | None:
    """At most five classes that lost most."""
    lost = [c for c in report.classes if c.student < c.teacher][:WORST]
    if not lost:
        return None
    agreeing = report.basis is Basis.AGREEMENT
    names = ("rows", "as the teacher", "bounds") if agreeing else ("rows", "teacher", "student", "points", "bounds")
    lost_most = "labels that are missed more" if report.several else "classes that lost most"
    table = columns(lost_most if not agreeing else "the teacher's answers that change most", *names)
    for c in lost:
        bounds = "too few rows" if c.difference is None else w.point_span(c.difference)
        if agreeing:
            table.add_row(cut(c.label), w.count(c.rows), w.percent(c.student, 0), bounds)
        else:
            shares = (w.percent(c.teacher, 0), w.percent(c.student, 0), w.points(c.student - c.teacher))
            table.add_row(cut(c.label), w.count(c.rows), *shares, bounds)
    return table


def _gates(report: Report) -> Table | None:
    """What else was asked, and whether it was met."""
    if not report.gates and not report.budget_misses:
        return None
    table = columns("asked besides", "limit", "found", "", left=("why",))
    for gate in report.gates:
        style = "bold red" if gate.passed is False else ""
        table.add_row(
            gate.name,
            w.limit(gate.name, gate.limit),
            w.limit(gate.name, gate.measured),
            Text(_MARK[gate.passed], style=style),
            gate.note,
        )
    for miss in report.budget_misses:
        table.add_row("budget", "", "", Text(_MARK[False], style="bold red"), miss)
    return table


class _Rows(Table):
    """A table whose cells are taken as they are: a label of a customer may hold brackets, or characters that no terminal should get."""

    def add_row(self, *cells: RenderableType | None, **settings: Any) -> None:
        super().add_row(*(Text(w.clean(c)) if isinstance(c, str) else c for c in cells), **settings)


def columns(first: str, *names: str, left: tuple[str, ...] = ()) -> Table:
    """An empty table without lines: the first column and those of `left` read as words, the others as figures; cells are cleaned."""
    table = _Rows(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column(first, no_wrap=True)
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for name in left:
        table.add_column(name, overflow="fold")
    return table


def _filled(table: Table, lines: list[tuple[str, Callable[[str], str]]], there: dict[str, Measured]) -> Table | None:
    """The table with the lines that say anything; a cell without a figure gets a dash, but for the bounds below it."""
    for title, cell in lines:
        cells = [cell(name) for name in there]
        if any(cells):
            table.add_row(title, *(c or (w.NOTHING if title else "") for c in cells), style="" if title else "dim")
    return table if table.row_count else None


def _item(line: str) -> RenderableType:
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_row("·", Text(w.clean(line)))
    return grid


def cut(label: str, most: int = 30) -> Text:
    """A label as a cell that leaves room for the others."""
    found = Text(w.clean(label))
    found.truncate(most, overflow="ellipsis")
    return found
