"""A report as a page of text. Knows the nouns of a report; measures nothing and decides nothing."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from limbeck.evidence import Report, Verdict

_STYLE = {Verdict.KEPT: "bold green", Verdict.LOST: "bold red", Verdict.NOT_SHOWN: "bold yellow"}


def page(report: Report) -> RenderableType:
    """Teacher and student side by side, then the verdict in words; reads well without colour."""
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    table.add_column("")
    for name in ("teacher", "student", "ratio"):
        table.add_column(name, justify="right")
    t, s = report.teacher, report.student
    rows = [
        ("accuracy", *(f"{m.quality.accuracy:.4f}" for m in (t, s)), _kept(s.quality.accuracy, t.quality.accuracy)),
        ("macro-F1", *(f"{m.quality.macro_f1:.4f}" for m in (t, s)), _kept(s.quality.macro_f1, t.quality.macro_f1)),
        ("bytes", _bytes(t.bytes), _bytes(s.bytes), _share(s.bytes, t.bytes)),
        ("parameters", f"{t.parameters:,}", f"{s.parameters:,}", _share(s.parameters, t.parameters)),
        ("p50 latency", *(_time(m.latency.p50_us) for m in (t, s)), _share(s.latency.p50_us, t.latency.p50_us)),
        ("p95 latency", *(_time(m.latency.p95_us) for m in (t, s)), _share(s.latency.p95_us, t.latency.p95_us)),
    ]
    for row in rows:
        table.add_row(*row)
    return Group(table, Text(""), *_words(report))


def _words(report: Report) -> list[Text]:
    d = report.difference
    lines = [
        Text.assemble(
            "verdict: ",
            (str(report.verdict), _STYLE[report.verdict]),
            f" (accuracy student - teacher {d.estimate:+.4f}, 95 % bounds {d.low:+.4f} and {d.high:+.4f}, margin {report.margin:g})",
        ),
        Text(f"judged on {report.rows:,} rows: {report.held_out}; both gave the same answer to {report.agreement:.1%} of them"),
    ]
    if report.verdict is Verdict.NOT_SHOWN:
        more = None if report.rows_to_show is None else max(0, report.rows_to_show - report.rows)
        if more:
            lines.append(Text(f"about {more:,} more held-out rows would show it, if they disagreed as these do"))
        else:
            lines.append(Text("more rows would not show it: the student itself must become better"))
    lines += [Text(f"over budget: {miss}", style="bold red") for miss in report.budget_misses]
    lines.append(
        Text("latency: one query at a time, one thread, tokenising included, teacher (torch) and student taking turns")
    )
    return lines


def _kept(student: float, teacher: float) -> str:
    return f"{student / teacher:.3f}" if teacher else "–"


def _share(student: float, teacher: float) -> str:
    """How much smaller the student is ("1/32"), or how much larger ("× 2.5")."""
    return f"1/{teacher / student:,.0f}" if student <= teacher else f"× {student / teacher:,.1f}"


def _bytes(count: int) -> str:
    return f"{count / 1e6:,.2f} MB" if count >= 100_000 else f"{count / 1e3:,.1f} kB"


def _time(microseconds: float) -> str:
    return f"{microseconds / 1000:,.2f} ms" if microseconds >= 1000 else f"{microseconds:,.0f} µs"
