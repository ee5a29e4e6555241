"""A report in sentences: the verdict, what it is about, and what the figures mean. Knows the nouns of a report; decides nothing."""

from __future__ import annotations

from collections.abc import Iterator

from limbeck.evidence import Basis, Calibration, OutOfScope, Report, Verdict
from limbeck.verify import wording as w


def verdict(report: Report) -> str:
    """One sentence: what was found, how sure it is, what was asked."""
    pair = report.against("teacher")
    if pair is None:
        return str(report.verdict)
    d, figure = pair.decisive, "micro-F1" if report.several else "accuracy"
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
            f"the student {change} {figure} {'as' if change == 'has the same' else 'against'} its teacher and, with 95% "
            f"certainty, {sure} ({allowed} allowed)."
        )
    return f"{report.verdict}: {said}"


def basis(report: Report) -> list[str]:
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
    return said


def remarks(report: Report) -> list[str]:
    """What the figures mean, and what they cannot tell: whole sentences."""
    return [f"{line[0].upper()}{line[1:]}" for line in _remarks(report)]


def holding_back(scope: OutOfScope, chosen: Calibration) -> str:
    """How the thresholds of teacher and student were chosen where they are to refuse what no class is for."""
    of_labels, rows = chosen.against == "labels", f"{w.rows(chosen.rows)} of validation"
    good = "right answer" if of_labels else "answer of the teacher's"
    if not chosen.threshold_found:
        return f"The student gives so few {good}s on {rows} that all of them could be held back: it has no threshold and refuses nothing."
    if not scope.allowed:
        return f"Each threshold holds back no {good} on {rows}."
    bound = f"at most {w.fine(scope.allowed)}% of other rows lose {'a' if of_labels else 'an'} {good}"
    if not scope.shown:
        return f"Each threshold holds back no {good} on {rows}; they are too few to show that {bound}."
    return f"Each threshold was chosen on {rows} so that at 95% {bound}."


def _remarks(report: Report) -> Iterator[str]:
    there = report.models
    for name in ("control", "baseline"):
        if name in there:
            yield f"{name}: {there[name].what}."
    c = report.calibration
    if c.rows:
        against = "labels" if c.against == "labels" else "the teacher's probabilities"
        yield f"Probabilities are divided by a temperature of {c.temperature:.2f}, fitted to {against} of {w.rows(c.rows)} of validation."
        if (scope := report.out_of_scope) is not None:
            if c.threshold_found:
                yield (
                    f"Below a probability of {c.threshold:.2f} it abstains; the teacher's threshold is {scope.teacher.threshold:.2f}. Bounds of "
                    "what is refused are for these two thresholds."
                )
            yield holding_back(scope, c)
        elif not c.threshold_found:
            yield "No confidence makes the answers as good as the teacher's, so the student never abstains."
        elif c.threshold > 0:
            good = "as accurately as the teacher all" if c.against == "labels" else "as the teacher does as often as asked"
            yield f"Below a probability of {c.threshold:.2f} it abstains: of those rows it answers {w.percent(c.answered, 0)}, {good}."
    if report.several and c.thresholds:
        low, high = (f"{end(c.thresholds):.2f}" for end in (min, max))
        chosen = f", chosen for the largest micro-F1 on {w.rows(c.rows)} of validation" if c.rows else ""
        yield (
            f"A label is given where its probability reaches its own threshold, {low} to {high}{chosen}; the models that it is held against have "
            "thresholds of their own, from the same rows."
        )
        yield "Bounds of micro-F1 and of its differences are those of a paired bootstrap of rows."
    if report.student.footprint and report.student.footprint.latency:
        yield "Latency: one query at a time on one thread, reading included, the models taking turns."
    if any(p.difference is not None for p in report.comparisons):
        of = "classes and slices" if any(part.values for part in report.slices) else "classes"
        together = f"; those of {of} hold for all {of} at once" if any(k.difference for k in report.classes) else ""
        yield f"Bounds are one-sided at 95%{together}. McNemar's p decides nothing."
    yield from (f"{note.removesuffix('.')}." for note in report.notes)
