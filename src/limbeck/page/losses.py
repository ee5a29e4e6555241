"""Where the student loses: its probabilities, classes, slices, changed answers. Knows a report and its details; measures nothing."""

from __future__ import annotations

from collections.abc import Sequence

from limbeck.evidence import Basis, ClassResult, Report
from limbeck.page import figures
from limbeck.page.document import Cell, Section, Table, Tone, row
from limbeck.page.material import Material
from limbeck.page.models import difference, widest
from limbeck.verify import wording as w
from limbeck.verify.classes import LEAST_ROWS
from limbeck.verify.details import Change

_OPEN, _MOST = 12, 200
"""So many classes stand open, and so many on the page at all; those between are folded away."""
_MOST_TEXT = 400


def reliability(material: Material) -> Section | None:
    """Whether the probabilities can be believed."""
    details = material.details
    if details is None or not details.reliability:
        return None
    drawn = figures.reliability(details.reliability)
    scaled = any(r.scaled for r in details.reliability if r.model == "student")
    as_shipped = "The student’s probabilities are those that the bundle gives, after its temperature. " if scaled else ""
    of_what = "the yes and no to each label" if material.report.several else "the answers"
    says = (
        f"Of {of_what} that a model gives with a probability of 80%, eight in ten should be right: then its points lie on the dotted line. "
        "Points below it are answers of which the model is too sure.",
    )
    notes = (f"{as_shipped}Vertical lines are bounds, each one-sided at 95%. A larger point stands for more rows.",)
    rows = []
    for of in details.reliability:
        for b in of.bins:
            span = f"{100 * b.low:.0f} to {100 * b.high:.0f}%"
            rows.append(
                row(
                    f"{of.model.capitalize()}, {span}",
                    w.count(round(b.rows, 1)),
                    w.percent(b.confidence),
                    Cell(w.percent(b.right.estimate), w.span(b.right)),
                )
            )
    table = Table(
        "Rows by the probability of their answer",
        ("", "Rows", "Mean probability", "Right"),
        tuple(rows),
        folded="The same as a table",
    )
    return Section("reliability", "Can its probabilities be believed?", says, (drawn, table), notes)


def classes(report: Report) -> Section | None:
    """Each class, the most damaged first."""
    if not report.classes:
        return None
    agreeing = report.basis is Basis.AGREEMENT
    bounded = [c.difference for c in report.classes if c.difference is not None]
    reach = widest(bounded) if bounded else 1.0
    hurt = sum(c.difference is not None and c.difference.high < 0 for c in report.classes)
    few = sum(c.difference is None for c in report.classes)
    says = [
        f"{'No class is' if hurt == 0 else '1 class is' if hurt == 1 else f'{hurt} classes are'} shown to have lost accuracy."
    ]
    if report.several:
        verb = "No label is" if hurt == 0 else "1 label is" if hurt == 1 else f"{hurt} labels are"
        says = [
            f"{verb} shown to be missed more often than by the teacher. Shares are of the rows to which a label applies: on how many it is given."
        ]
    if agreeing:
        says = ["By the teacher’s answer: on how many of the rows the student answers as the teacher does."]
    if few:
        says.append(f"{few} of {len(report.classes)} classes have fewer than {LEAST_ROWS} rows; of these nothing is claimed.")
    shown = _results("Class", report.classes[:_MOST], reach, agreeing)
    blocks = [Table("Classes, the largest loss first", shown.head, shown.rows[:_OPEN])]
    if len(shown.rows) > _OPEN:
        rest = len(shown.rows) - _OPEN
        blocks.append(
            Table(
                "Further classes", shown.head, shown.rows[_OPEN:], folded=f"{rest} more {'class' if rest == 1 else 'classes'}"
            )
        )
    notes = []
    if len(report.classes) > _MOST:
        notes.append(f"The page shows the {_MOST} classes that lost most of {len(report.classes):,}; report.json holds all.")
    with_slices = " and slices" if report.slices else ""
    if bounded:
        notes.append(
            f"Bounds hold for all classes{with_slices} at once (Holm’s procedure), so they are wider than those of one class by itself."
        )
    return Section("classes", "Class by class", tuple(says), tuple(blocks), tuple(notes))


def slices(report: Report) -> Section | None:
    """Each slice, the most damaged value first."""
    if not report.slices:
        return None
    bounded = [v.difference for s in report.slices for v in s.values if v.difference is not None]
    reach = widest(bounded) if bounded else 1.0
    blocks, notes = [], []
    for s in report.slices:
        if s.values:
            shown = _results(
                s.name.capitalize() if s.name.islower() else s.name, s.values[:_MOST], reach, report.basis is Basis.AGREEMENT
            )
            blocks.append(Table(f"By {s.name}", shown.head, shown.rows))
        if len(s.values) > _MOST:
            notes.append(
                f"{s.name}: the page shows the {_MOST} values that lost most of {len(s.values):,}; report.json holds all."
            )
        if s.few_values:
            named = ", ".join(f"‘{w.short(v)}’" for v in s.few)
            more = f" and {s.few_values - len(s.few)} more" if s.few_values > len(s.few) else ""
            values = "1 value has" if s.few_values == 1 else f"{s.few_values:,} values have"
            notes.append(
                f"{s.name}: {values} fewer than {LEAST_ROWS} rows each ({w.rows(s.few_rows)} in all) and cannot be judged: {named}{more}."
            )
        if s.without:
            notes.append(f"{s.name}: {w.rows(s.without)} without a value.")
    if bounded:
        notes.append("Bounds hold for all classes and slices at once (Holm’s procedure).")
    return Section("slices", "Parts of the data", (), tuple(blocks), tuple(notes))


def flips(material: Material) -> Section | None:
    """Who is right where."""
    pair, found = material.report.against("teacher"), material.details and material.details.flips
    if pair is None or not found:
        return None
    rows = pair.rows

    def line(name: str, value: float, tone: Tone = "") -> tuple[Cell, ...]:
        return row(name, Cell(w.count(round(value, 1)), tone=tone), w.percent(value / rows))

    lines = (
        line("Both are right", found.both_right),
        line("Only the teacher is right: lost", found.lost, "bad" if found.lost else ""),
        line("Only the student is right: gained", found.gained, "good" if found.gained else ""),
        line("Both are wrong with the same answer", found.both_wrong_alike),
        line("Both are wrong with different answers", found.both_wrong_otherwise),
    )
    says = (
        f"The student changes {w.count(round(pair.flips, 1))} of {w.rows(rows)}: it loses {w.count(round(found.lost, 1))} "
        f"and gains {w.count(round(found.gained, 1))} that the teacher had wrong.",
    )
    return Section("flips", "Answers that change", says, (Table("Rows by who is right", ("", "Rows", "Share"), lines),))


def confusions(material: Material) -> Section | None:
    """The mistakes that the student adds."""
    details = material.details
    if details is None or not details.confusions:
        return None
    agreeing = material.report.basis is Basis.AGREEMENT
    rows = tuple(
        row(
            w.short(c.truth),
            w.short(c.answer),
            w.count(round(c.teacher, 1)),
            w.count(round(c.student, 1)),
            f"+{w.count(round(c.student - c.teacher, 1))}",
        )
        for c in details.confusions
    )
    head = ("Teacher’s answer" if agreeing else "Right answer", "Answer given", "By the teacher", "By the student", "Added")
    more = details.confusions_in_all - len(rows)
    notes = (f"{more:,} further pairs add as many rows or fewer.",) if more > 0 else ()
    says = ("Pairs of classes that the student confuses more often than its teacher does.",)
    return Section(
        "confusions",
        "Confusions that the student adds",
        says,
        (Table("Pairs that are confused more often", head, rows, words=(1,)),),
        notes,
    )


def regressions(material: Material) -> Section | None:
    """The worst changed answers row by row, in both directions."""
    details = material.details
    if details is None or not (details.lost or details.gained):
        return None
    agreeing = material.report.basis is Basis.AGREEMENT
    blocks = []
    if details.lost:
        of = f"{len(details.lost)} of {w.rows(details.lost_rows)}"
        name = (
            f"Worst changes: {of} that the student answers otherwise"
            if agreeing
            else f"Worst regressions: {of} that only the teacher has right"
        )
        blocks.append(_changes(name, details.lost, details.texts))
    if details.gained:
        of = f"{len(details.gained)} of {w.rows(details.gained_rows)} that only the student has right"
        blocks.append(_changes(f"Gains: {of}", details.gained, details.texts, folded=f"Gains: {of}"))
    notes = [
        "E-mail and web addresses, account, card and telephone numbers are replaced; names are not found, so read before you pass this on."
        if details.texts
        else "Texts are not shown. With report.texts: true in the recipe, the same command adds them to this page, redacted."
    ]
    return Section(
        "regressions", "Row by row", ("The rows in which the student is surest come first.",), tuple(blocks), tuple(notes)
    )


def _changes(caption: str, found: Sequence[Change], texts: bool, folded: str = "") -> Table:
    right = "" if found[0].truth is None else "Student" if found[0].truth == found[0].student else "Teacher"
    models = tuple(
        f"{name}, right" if name == right else f"{name}, wrong" if right else name for name in ("Teacher", "Student")
    )
    head = ("Row", *(["Text"] if texts else []), *models)
    rows = []
    for c in found:
        cells: list[Cell | str] = [c.where]
        if texts:
            cells.append(w.short(c.text or "", _MOST_TEXT))
        cells += [
            Cell(w.short(c.teacher), w.percent(c.teacher_probability, 0)),
            Cell(w.short(c.student), w.percent(c.student_probability, 0)),
        ]
        rows.append(row(*cells))
    return Table(caption, head, tuple(rows), words=tuple(range(1, len(head))), folded=folded)


def _results(name: str, found: Sequence[ClassResult], reach: float, agreeing: bool) -> Table:
    """Classes, or values of a slice, as a table; the difference comes first, since a phone shows the first columns."""
    models = ("Same answer",) if agreeing else ("Teacher", "Student")
    rows = []
    for c in found:
        shares = [w.percent(c.student)] if agreeing else [w.percent(c.teacher), w.percent(c.student)]
        rows.append(row(w.short(c.label), difference(c.difference, reach), *shares, w.count(c.rows)))
    return Table("", (name, "Difference, points", *models, "Rows"), tuple(rows))
