"""A bundle's answers to new rows as a page of text. Knows the nouns of `limbeck.verify.again`; measures nothing and decides nothing."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.constrain import Constrain
from rich.text import Text

from limbeck.verify import wording as w
from limbeck.verify.again import Remeasured
from limbeck.verify.report import WIDTH, columns, cut

_WORST = 10


def remeasured_page(found: Remeasured) -> RenderableType:
    """Accuracy first, then what else was measured, then at most ten classes that are wrong most often, and as many values of each slice."""
    q = found.quality
    without = f"; {w.rows(found.left_out)} without a label left out" if found.left_out else ""
    accuracy = f"{w.percent(q.accuracy.estimate)} ({w.span(q.accuracy)})"
    first = f"accuracy {accuracy}" if (f1 := q.micro_f1) is None else f"micro-F1 {w.percent(f1.estimate)} ({w.span(f1)})"
    parts: list[RenderableType] = [
        Text(f"{first} on {w.rows(found.rows)}{without}", style="bold"),
        *([] if f1 is None else [Text(f"all labels right on {accuracy} of the rows")]),
        Text(f"macro-F1 {w.percent(q.macro_f1.estimate)} ({w.span(q.macro_f1)})"),
    ]
    if q.ece is not None:
        scaled = "" if q.ece_scaled is None else f", {w.plain(q.ece_scaled)} with the bundle's temperature"
        parts.append(Text(f"calibration error {w.plain(q.ece)}{scaled}"))
    if found.answered is not None:
        right = (
            "" if (of := found.answered_accuracy) is None else f"; {w.percent(of.estimate)} ({w.span(of)}) of these are right"
        )
        parts.append(
            Text(
                f"answers {w.percent(found.answered.estimate)} of the rows and abstains from the others, below a probability of "
                f"{found.threshold:.3f}{right}"
            )
        )
    if found.absent:
        parts.append(Text(f"{len(found.absent):,} of its {len(found.absent) + len(found.classes):,} classes have no row here"))
    wrong = [k for k in found.classes if k.right.estimate < 1]
    worst = "classes that are wrong most often" if f1 is None else "labels that are missed most often"
    for title, shares in ((worst, wrong), *found.slices.items()):
        table = columns(cut(title).plain, "rows", "right", "bounds")
        for k in shares[:_WORST]:
            table.add_row(cut(k.label), w.count(k.rows), w.percent(k.right.estimate, 0), w.span(k.right))
        if table.row_count:
            parts += [Text(""), table]
    parts += [
        Text(""),
        *(Text(f"{w.clean(note)}.", style="dim") for note in found.notes),
        Text("Bounds are one-sided at 95%, each by itself.", style="dim"),
    ]
    return Constrain(Group(*parts), WIDTH)
