"""What a student is sure of, and what it would hand over: the cascade that validation rows chose. Knows a run's material; chooses nothing."""

from __future__ import annotations

from limbeck.cascaded import Point
from limbeck.page.document import Cell, Section, Table, row
from limbeck.page.material import Material
from limbeck.verify import wording as w
from limbeck.verify.hand_over import told

_SHOWN = 10


def cascade(material: Material) -> Section | None:
    """Below which confidence the teacher is asked, how often that is, and what both together are worth."""
    found = material.cascade
    if found is None:
        return None
    of = "Accuracy" if found.against == "labels" else "Same answer as the teacher"
    every = max(1, len(found.points) // _SHOWN)
    shown = sorted({*found.points[::every], found.points[-1], found.chosen}, key=lambda p: -p.threshold)
    table = Table(
        "Thresholds on the validation rows",
        ("Asked below", "To the teacher", of, "Cascade − teacher, points"),
        tuple(_line(point, point.threshold == found.chosen.threshold) for point in shown),
    )
    notes = (
        "Validation rows chose it, which trained neither teacher nor student; the rows that judge were not looked at. Small figures are bounds, each "
        "one-sided at 95% for its line alone. limbeck cascade chooses by another margin or share, limbeck serve --teacher asks.",
    )
    return Section("cascade", "What if the teacher stays behind it?", told(found), (table,), notes)


def _line(point: Point, chosen: bool) -> tuple[Cell, ...]:
    below = f"{min(point.threshold, 1.0):.3f}"
    return row(
        Cell(f"{below}, chosen" if chosen else below, tone="good" if chosen else ""),
        Cell(w.percent(point.share.estimate), w.span(point.share)),
        Cell(w.percent(point.accuracy.estimate), w.span(point.accuracy)),
        Cell(w.points(point.difference.estimate), w.point_span(point.difference)),
    )
