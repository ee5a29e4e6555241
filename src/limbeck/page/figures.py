"""The drawings of a page. Knows figures and axes; measures nothing. matplotlib comes with the extra `train`."""

from __future__ import annotations

from collections.abc import Sequence

from limbeck.page.document import Figure
from limbeck.page.svg import ACCENT, INK, MUTED, canvas, drawn, quiet
from limbeck.search import plot
from limbeck.search.front import Front
from limbeck.types import Json
from limbeck.verify import wording as w
from limbeck.verify.details import Reliability

_COLOURS = {"teacher": MUTED, "student": ACCENT}
_STAGES = {"teacher": "Teacher", "student": "Student", "control": "Student without teacher"}
_FIGURES = {"loss": "loss", "accuracy": "accuracy on validation rows", "kl": "KL from the teacher on validation rows"}


def reliability(found: Sequence[Reliability]) -> Figure:
    """Accuracy against probability, and how many rows lie where."""
    figure = canvas(6.4, 5.0)
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    axes.plot([0, 1], [0, 1], color=INK, lw=1, ls=":", alpha=0.7)
    says = []
    most = max(b.rows for of in found for b in of.bins)
    for k, of in enumerate(found):
        colour = _COLOURS.get(of.model, INK)
        for b in of.bins:
            axes.plot(
                [b.confidence, b.confidence],
                [b.right.low, b.right.high],
                color=colour,
                lw=1.2,
                alpha=0.75 if b.rows >= 5 else 0.3,
            )
        x, y = [b.confidence for b in of.bins], [b.right.estimate for b in of.bins]
        axes.plot(x, y, color=colour, lw=1.4, label=of.model.capitalize())
        axes.scatter(x, y, [10 + 70 * b.rows / most for b in of.bins], color=colour, marker="os"[k % 2], zorder=3)
        width = 0.4 / 15
        below.bar([(b.low + b.high) / 2 + (k - 0.5) * width for b in of.bins], [b.rows for b in of.bins], width, color=colour)
        rows = sum(b.rows for b in of.bins)
        sure, right = sum(b.rows * b.confidence for b in of.bins) / rows, sum(b.rows * b.right.estimate for b in of.bins) / rows
        says.append(f"The {of.model} is on average {w.percent(sure)} sure and {w.percent(right)} right.")
    axes.set(xlim=(0, 1.02), ylim=(0, 1.03), ylabel="share that is right")
    below.set(xlabel="probability of the answer", ylabel="rows")
    for each in (axes, below):
        quiet(each)
    axes.legend(frameon=False, labelcolor=INK, loc="upper left")
    return Figure("Reliability diagram", " ".join(says), drawn(figure, "reliability"))


def front(found: Front) -> Figure:
    """Quality against bytes and against latency."""
    return Figure("Quality against size and time", found.says, drawn(plot.figure(found), "front"))


def curves(lines: Sequence[Json]) -> list[Figure]:
    """A drawing for each training that had more than one line: its loss, and what was judged on validation rows."""
    found = []
    for stage, title in _STAGES.items():
        of = [line for line in lines if line.get("stage") == stage and isinstance(line.get("step"), int)]
        panels = [
            (name, points)
            for name in _FIGURES
            if len(points := [(p["step"], p[name]) for p in of if isinstance(p.get(name), float | int)]) > 1
        ]
        if not panels:
            continue
        figure = canvas(6.4, 2.6)
        says = []
        for axes, (name, points) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
            steps, values = [p[0] for p in points], [p[1] for p in points]
            axes.plot(steps, values, color=ACCENT, lw=1.5, marker="o" if len(points) < 30 else "", ms=3.5)
            axes.set(xlabel="step", title=_FIGURES[name])
            axes.title.set_color(INK)
            quiet(axes)
            says.append(f"{_FIGURES[name]} goes from {values[0]:.3g} to {values[-1]:.3g}")
        found.append(Figure(title, f"Over {of[-1]['step']:,} steps, {', '.join(says)}.", drawn(figure, f"curve-{stage}")))
    return found
