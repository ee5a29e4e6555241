"""The models side by side: quality, what differences are worth, costs. Knows the nouns of a report; measures nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from limbeck.evidence import Basis, Comparison, Footprint, Interval, Measured, Quality, Report
from limbeck.page.document import Bar, Cell, Fact, Section, Table, Tone, row
from limbeck.verify import wording as w
from limbeck.verify.company import VOID
from limbeck.verify.sentences import holding_back

TITLES = {"teacher": "Teacher", "student": "Student", "control": "Student without teacher", "baseline": "Trivial baseline"}
_MARK: Mapping[bool | None, tuple[str, Tone]] = {
    True: ("passed", "good"),
    False: ("missed", "bad"),
    None: ("cannot be decided", "unsure"),
}


def facts(report: Report) -> tuple[Fact, ...]:
    """What is meant to be remembered: what was kept, and what became smaller."""
    pair = report.against("teacher")
    found = []
    if pair is not None and pair.retention is not None:
        bounds = f"of the teacher’s accuracy; 95% bounds {w.span(pair.retention)}%"
        found.append(Fact("Kept", w.percent(pair.retention.estimate), bounds))
    elif pair is not None and (d := pair.micro_f1_difference) is not None:
        found.append(Fact("Against its teacher", w.points(d.estimate), f"points of micro-F1; 95% bounds {w.point_span(d)}"))
    elif pair is not None:
        found.append(
            Fact("Same answer", w.percent(pair.agreement.estimate), f"as the teacher; 95% bounds {w.span(pair.agreement)}%")
        )
    t, s = report.teacher.footprint, report.student.footprint
    if s is None:
        return tuple(found)
    for name, shown, of in _COSTS[:3]:
        mine, theirs = of(s), None if t is None else of(t)
        if mine is not None:
            there = f"of the teacher’s {shown(theirs)}" if theirs else ""
            void = "; void, others were busy" if name == _TIME and _void(report) else ""
            found.append(Fact(name, w.ratio(mine, theirs) if theirs else shown(mine), f"{shown(mine)} {there}".strip() + void))
    return tuple(found)


_TIME = "Time per answer"
_COSTS: tuple[tuple[str, Callable[[float | None], str], Callable[[Footprint], float | None]], ...] = (
    ("Size", w.size, lambda f: f.bytes),
    (_TIME, w.duration, lambda f: f.latency.p50_us / 1e6 if f.latency else None),
    ("Memory", w.size, lambda f: f.peak_memory_bytes),
)


def _void(report: Report) -> tuple[str, ...]:
    """Why the times say nothing, where they do not."""
    return tuple(note for note in report.notes if VOID in note)


def quality(report: Report) -> Section:
    """The models on the same rows."""
    there = report.models
    names = [n for n in TITLES if n in there]
    pairs = {name: report.against("teacher", name) for name in names}
    lines: list[tuple[str, Callable[[str], Cell]]] = [
        ("Micro-F1", lambda n: _share(_of(there[n], lambda q: q.micro_f1))),
        (
            "All labels of a row right" if report.several else "Accuracy",
            lambda n: _share(_of(there[n], lambda q: q.accuracy)),
        ),
        ("Macro-F1", lambda n: _share(_of(there[n], lambda q: q.macro_f1))),
        ("Kept of the teacher’s accuracy", lambda n: _share(_pair(pairs[n], lambda p: p.retention))),
        ("Same answer as the teacher", lambda n: _share(_pair(pairs[n], lambda p: p.agreement))),
        ("Answers that differ from the teacher’s", lambda n: Cell(w.count(p.flips)) if (p := pairs[n]) else Cell("")),
        ("Distance from the teacher’s probabilities (KL, nats)", lambda n: _nats(_pair(pairs[n], lambda p: p.kl))),
        ("Calibration error as trained", lambda n: _plain(q.ece if (q := there[n].quality) else None)),
        ("Calibration error as shipped", lambda n: _plain(q.ece_scaled if (q := there[n].quality) else None)),
    ]
    rows = []
    for title, cell in lines:
        cells = [cell(name) for name in names]
        if any(c.text for c in cells):
            rows.append(row(title, *(c if c.text else Cell(w.NOTHING) for c in cells)))
    blocks = [Table("All models on the same held-out rows", ("", *(TITLES[n] for n in names)), tuple(rows))]
    blocks += [table for table in (_differences(report), _seeds(report)) if table is not None]
    notes = [f"{TITLES[n]}: {there[n].what}." for n in names]
    if report.basis is not Basis.AGREEMENT:
        notes.append(
            "Small figures are bounds: the truth lies above the lower one with 95% certainty, and below the upper one with 95% certainty. "
            "A difference whose bounds lie on both sides of 0 may be chance."
        )
        notes.append(
            "Macro-F1 weighs rare classes like frequent ones. The calibration error is how far, on average, a probability lies from the share of "
            "answers that are right; 0 is best. KL is 0 where both models give the same probabilities."
        )
    if report.several:
        notes.append(
            "Micro-F1 counts each label of each row, and the verdict is on it: 2 × those given rightly / (those given + those that apply). Each model "
            "with probabilities has thresholds of its own, chosen on the same validation rows for its largest micro-F1. The calibration error is "
            "of the yes or no to each label."
        )
    return Section(
        "models",
        "The four models side by side" if len(names) == 4 else "The models side by side",
        (),
        tuple(blocks),
        tuple(notes),
    )


def _differences(report: Report) -> Table | None:
    """What the differences of accuracy, or of micro-F1, are worth."""
    labelled = [(c, d) for c in report.comparisons if c.first == "student" and (d := c.decisive) is not None]
    if not labelled:
        return None
    reach = widest([d for _, d in labelled], report.margin)
    rows = []
    for c, d in labelled:
        limit = -100 * report.margin if c.second == "teacher" else None
        rows.append(
            row(
                f"Student {w.MINUS} {TITLES[c.second].lower()}",
                difference(d, reach, limit),
                w.count(c.gained or 0),
                w.count(c.lost or 0),
                "" if c.mcnemar_p is None else w.p_value(c.mcnemar_p),
            )
        )
    head = (
        "",
        "Micro-F1, points" if report.several else "Accuracy, points",
        "Only the student is right",
        "Only the other is right",
        "McNemar p",
    )
    return Table("What the differences are worth", head, tuple(rows))


def _seeds(report: Report) -> Table | None:
    """What students and controls from several seeds reach, so that nobody takes the dice of one for the method."""
    found = report.seeds
    if found is None:
        return None
    differs = found.of == "accuracy"
    shown: Callable[[float], str] = w.points if differs else w.percent
    span: Callable[[Interval], str] = w.point_span if differs else w.span
    of = [found.values, *([found.control] if found.control else [])]
    rows = [row(f"Seed {number}", *map(shown, values)) for number, values in enumerate(zip(*of, strict=True), 1)]
    rows.append(row("Range", *(f"{shown(min(values))} to {shown(max(values))}" for values in of)))
    means = [Cell(shown(sum(values) / len(values))) for values in of[1:]]
    rows.append(row("Mean", Cell(shown(found.interval.estimate), span(found.interval)), *means))
    if found.lead is not None:
        rows.append(
            row(
                f"Mean, student {w.MINUS} {TITLES['control'].lower()}",
                Cell(w.points(found.lead.estimate), w.point_span(found.lead)),
                "",
            )
        )
    names = (TITLES["student"], TITLES["control"])[: len(of)]
    head = [
        f"{name} {w.MINUS} teacher, points of accuracy" if differs else f"{name}: same answer as the teacher" for name in names
    ]
    return Table(f"The same from {len(found.values)} seeds", ("", *head), tuple(rows))


def difference(found: Interval | None, reach: float, limit: float | None = None) -> Cell:
    """A difference of shares in points, with its bounds in figures and to look at."""
    if found is None:
        return Cell("too few rows")
    tone: Tone = "bad" if found.high < 0 else "good" if found.low > 0 else ""
    bar = Bar(100 * found.low, 100 * found.estimate, 100 * found.high, reach, limit)
    return Cell(w.points(found.estimate), w.point_span(found), tone, bar)


def widest(found: list[Interval], least: float = 0.01) -> float:
    """How far an axis has to reach for all of them, in points."""
    return 100 * max([least, *(max(-d.low, d.high) for d in found)])


def costs(report: Report) -> Section | None:
    """What teacher and student cost on this machine, as figures and as ratios."""
    t, s = report.teacher.footprint, report.student.footprint
    if s is None:
        return None
    lines: list[tuple[str, Callable[[float | None], str], Callable[[Footprint], float | None]]] = [
        ("Size of the files", w.size, lambda f: f.bytes),
        ("Size as one compressed file", w.size, lambda f: f.bytes_compressed),
        ("Parameters", w.whole, lambda f: f.parameters),
        ("Time per answer, median (p50)", w.duration, lambda f: f.latency.p50_us / 1e6 if f.latency else None),
        ("Time per answer, slowest 5% (p95)", w.duration, lambda f: f.latency.p95_us / 1e6 if f.latency else None),
        ("Peak memory of a process", w.size, lambda f: f.peak_memory_bytes),
        ("From start to first answer", w.duration, lambda f: f.cold_start_seconds),
    ]
    rows = [row("Form", *([t.form, s.form, ""] if t else [s.form]))]
    for name, shown, of in lines:
        mine, theirs = of(s), of(t) if t else None
        if mine is not None or theirs is not None:
            rows.append(row(name, *([shown(theirs), shown(mine), w.ratio(mine, theirs)] if t else [shown(mine)])))
    head = ("", "Teacher", "Student", "Student / teacher") if t else ("", "Student")
    notes = []
    if s.latency:
        notes.append("Time per answer: one query at a time on one thread, reading included, the models taking turns.")
        notes += [f"{note}." for note in _void(report)]
    return Section("costs", "What it costs", (), (Table("Costs on the machine of the run", head, tuple(rows)),), tuple(notes))


def asked(report: Report) -> Section | None:
    """Gates and budget: what else was asked, and whether it was met."""
    if not report.gates and not report.budget_misses:
        return None
    rows = []
    for gate in report.gates:
        word, tone = _MARK[gate.passed]
        limit, found = w.limit(gate.name, gate.limit), w.limit(gate.name, gate.measured)
        rows.append(row(gate.name, limit, found, Cell(word, tone=tone), gate.note))
    rows += [row("budget", "", "", Cell("missed", tone="bad"), miss) for miss in report.budget_misses]
    table = Table("Limits that were asked for", ("", "Limit", "Found", "Result", "Note"), tuple(rows), words=(3, 4))
    return Section("asked", "What was asked besides", (), (table,))


def scope(report: Report) -> Section | None:
    """What is refused of texts that no class is for, and what that costs."""
    found = report.out_of_scope
    if found is None:
        return None
    t, s = found.teacher, found.student
    rows = [
        row(
            f"Refused of {found.rows:,} such texts",
            _share(t.recall),
            _share(s.recall),
            difference(found.difference, widest([found.difference])),
        )
    ]
    if t.cost is not None and s.cost is not None:
        held = "Answers held back" if report.basis is Basis.AGREEMENT else "Right answers held back"
        rows.append(row(held, _share(t.cost), _share(s.cost), ""))
    table = Table("Texts that no class is for", ("", "Teacher", "Student", "Difference, points"), tuple(rows))
    says = (f"A text that no class is for should be refused. {holding_back(found, report.calibration)}",)
    return Section("scope", "Out of scope", says, (table,))


def _of(model: Measured, part: Callable[[Quality], Interval | None]) -> Interval | None:
    return None if model.quality is None else part(model.quality)


def _pair(pair: Comparison | None, part: Callable[[Comparison], Interval | None]) -> Interval | None:
    return None if pair is None else part(pair)


def _share(found: Interval | None) -> Cell:
    return Cell("") if found is None else Cell(w.percent(found.estimate), w.span(found))


def _nats(found: Interval | None) -> Cell:
    return Cell("") if found is None else Cell(w.nats(found.estimate), f"{found.low:.3f}–{found.high:.3f}")


def _plain(value: float | None) -> Cell:
    return Cell("") if value is None else Cell(w.plain(value))
