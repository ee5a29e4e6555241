"""A report as a page of text. Knows the nouns of a report; measures nothing and decides nothing.

The verdict comes first, in words; then the four models on the same rows, what their differences are worth, what the file costs, the
classes that lost most, gates and notes. A part that was not measured leaves out its line, its column or its table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from rich.console import Group, RenderableType
from rich.constrain import Constrain
from rich.table import Table
from rich.text import Text

from limbeck.evidence import Basis, Footprint, Measured, Report, Verdict
from limbeck.verify import wording as w

WIDTH = 100
WORST = 5
_STYLE = {Verdict.KEPT: "bold green", Verdict.LOST: "bold red", Verdict.NOT_SHOWN: "bold yellow"}
_MARK = {True: "passed", False: "MISSED", None: "undecided"}


def page(report: Report) -> RenderableType:
    """The whole report; made for 80 columns, at most 100 wide, and readable without colour."""
    models = {"teacher": report.teacher, "student": report.student, "control": report.control, "baseline": report.baseline}
    there = {name: model for name, model in models.items() if model is not None}
    parts: list[RenderableType] = [_verdict(report), *_basis(report), Text("")]
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
    parts += [_item(said) for said in _remarks(report, there)]
    return Constrain(Group(*parts), WIDTH)


def _verdict(report: Report) -> Text:
    """One sentence: what was found, how sure it is, what was asked."""
    pair = report.against("teacher")
    if pair is None:
        return Text(str(report.verdict), style=_STYLE[report.verdict])
    d = pair.difference
    if d is None:
        a = pair.agreement
        bound = f"at most {w.percent(a.high)}" if report.verdict is Verdict.LOST else f"at least {w.percent(a.low)}"
        said = (
            f"the student answers as its teacher does on {w.percent(a.estimate)} of the rows and, with 95% certainty, on {bound} "
            f"of all ({w.fine(report.least_agreement)}% are asked for)."
        )
    else:
        size = w.points(d.estimate, sign=False)
        change = f"loses {size} points of" if d.estimate < 0 else f"gains {size} points of"
        change = "has the same" if float(size) == 0 else change
        if report.verdict is Verdict.LOST:
            sure = f"has lost at least {w.points(d.high, sign=False)}"
        else:
            sure = "has lost nothing" if d.low >= 0 else f"has lost at most {w.points(d.low, sign=False)}"
        allowed = "1 is" if report.margin == 0.01 else f"{w.fine(report.margin)} are"
        said = (
            f"the student {change} accuracy {'as' if change == 'has the same' else 'against'} its teacher and, with 95% "
            f"certainty, {sure} ({allowed} allowed)."
        )
    return Text.assemble((f"{report.verdict}: ", _STYLE[report.verdict]), said)


def _basis(report: Report) -> list[Text]:
    """What the verdict is about, and what the rows can and cannot show."""
    unseen, bare = f"that no training of this run saw: {report.held_out}", f"without labels: {report.held_out}"
    if report.measured_again:
        known = f"{report.held_out}; whether it was trained on some of them, nobody here knows"
        unseen, bare = f"of {known}", f"without labels, of {known}"
    lines = {
        Basis.LABELS: f"Judged by the written file on {w.rows(report.rows)} {unseen}.",
        Basis.CROSS_FITTING: (
            f"Labels are few, so all {w.rows(report.rows)} judge, each answered by students that were trained without it. "
            "The written file learned from all of them; it is not judged by itself."
        ),
        Basis.AGREEMENT: (
            f"Judged by the written file on {w.rows(report.rows)} {bare}. Accuracy is not measurable"
            + (
                f": label about {report.rows_to_label:,} rows to measure it to within {w.fine(report.margin)} points."
                if report.rows_to_label
                else "."
            )
        ),
    }
    said = [lines[report.basis]]
    if report.verdict is Verdict.NOT_SHOWN:
        if report.rows_to_show is None:
            said.append("More rows would not show it: the student itself must become better.")
        else:
            more = report.rows_to_show - report.rows
            said.append(
                f"If these rows are typical, {report.rows_to_show:,} rows show it four times out of five"
                + (f": {more:,} more than there are." if more > 0 else "; these do not.")
            )
    if report.provable_margin is not None:
        said.append(
            f"The smallest margin that {w.rows(report.rows)} with this much disagreement can show: {100 * report.provable_margin:.1f} "
            "points (four times out of five, for a student as good as its teacher)."
        )
    return [Text(line) for line in said]


def _quality(report: Report, there: dict[str, Measured]) -> Table | None:
    """The models side by side on the same rows."""
    pairs = {name: report.against("teacher", name) for name in there}
    table = columns("", *there)
    lines: list[tuple[str, Callable[[str], str]]] = [
        ("accuracy", lambda n: w.percent(q.accuracy.estimate) if (q := there[n].quality) else ""),
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
    """What the differences of accuracy, or of answers, are worth."""
    labelled = [(c, c.difference) for c in report.comparisons if c.first == "student" and c.difference is not None]
    if not labelled:
        return None
    table = columns("accuracy, points", "difference", "bounds", "right alone", "McNemar p")
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
    table = columns("classes that lost most" if not agreeing else "the teacher's answers that change most", *names)
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
        found = w.NOTHING if gate.measured is None else w.figure(gate.measured)
        style = "bold red" if gate.passed is False else ""
        table.add_row(gate.name, w.figure(gate.limit), found, Text(_MARK[gate.passed], style=style), gate.note)
    for miss in report.budget_misses:
        table.add_row("budget", "", "", Text(_MARK[False], style="bold red"), miss)
    return table


def _remarks(report: Report, there: dict[str, Measured]) -> Iterable[str]:
    """What the figures mean, and what they cannot tell."""
    for name in ("control", "baseline"):
        if name in there:
            yield f"{name}: {there[name].what}."
    c = report.calibration
    if c.rows:
        against = "labels" if c.against == "labels" else "the teacher's probabilities"
        yield f"Probabilities are divided by a temperature of {c.temperature:.2f}, fitted to {against} of {w.rows(c.rows)} of validation."
        if (scope := report.out_of_scope) is not None and c.threshold_found:
            yield (
                f"Below a probability of {c.threshold:.2f} it abstains; the teacher's threshold is {scope.teacher.threshold:.2f}. Each held back "
                f"{'right answers' if c.against == 'labels' else 'answers of the teacher'} to at most {w.fine(scope.allowed)}% of "
                f"{w.rows(c.rows)} of validation, and bounds of what is refused are for these two thresholds."
            )
        elif not c.threshold_found:
            yield "No confidence makes the answers as good as the teacher's, so the student never abstains."
        elif c.threshold > 0:
            good = "as accurately as the teacher all" if c.against == "labels" else "as the teacher does as often as asked"
            yield f"Below a probability of {c.threshold:.2f} it abstains: of those rows it answers {w.percent(c.answered, 0)}, {good}."
    if report.student.footprint and report.student.footprint.latency:
        yield "Latency: one query at a time on one thread, tokenising included, the models taking turns."
    if any(p.difference is not None for p in report.comparisons):
        together = "; those of classes hold for all classes at once" if any(k.difference for k in report.classes) else ""
        yield f"Bounds are one-sided at 95%{together}. McNemar's p decides nothing."
    yield from (f"{note.removesuffix('.')}." for note in report.notes)


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


def _item(said: str) -> RenderableType:
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_row("·", Text(w.clean(said[0].upper() + said[1:])))
    return grid


def cut(label: str, most: int = 30) -> Text:
    """A label as a cell that leaves room for the others."""
    found = Text(w.clean(label))
    found.truncate(most, overflow="ellipsis")
    return found
