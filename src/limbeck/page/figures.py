"""The drawings of a page. Knows figures and axes; measures nothing. matplotlib comes with the extra `train`."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from limbeck.page.document import Figure
from limbeck.page.svg import ACCENT, INK, MUTED, canvas, drawn, quiet
from limbeck.search import plot
from limbeck.search.front import Front
from limbeck.types import Json
from limbeck.verify import wording as w
from limbeck.verify.details import Reliability

_COLOURS = {"teacher": MUTED, "student": ACCENT}
_STAGES = {
    "control": "Student without teacher",
    "control-choice": "Student without teacher, to choose its epochs",
    "teacher-choice": "Teacher, to choose its epochs",
}
_JUDGED = {
    "loss": "training loss",
    "accuracy": "accuracy, validation",
    "micro-F1": "micro-F1, validation",
    "-KL": "−KL from the teacher, validation",
    "agreement": "same answer, validation",
}
_MOST_CURVES = 8


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
    """A drawing for each training that has more than one line, up to eight: its loss, and what was judged on validation rows."""
    found: list[Figure] = []
    stages = dict.fromkeys(str(line["stage"]) for line in lines if isinstance(line.get("step"), int) and line.get("stage"))
    for stage in stages:
        of = [line for line in lines if line.get("stage") == stage]
        judged = {key for line in of for key in line} - {"stage", "step", "rate", "loss"}
        series = {
            name: [(line["step"], line[name]) for line in of if _is_number(line.get(name))]
            for name in ("loss", *sorted(judged))
        }
        panels = [(name, points) for name, points in series.items() if len(points) > 1][:3]
        if not panels or len(found) == _MOST_CURVES:
            continue
        figure, says = canvas(2.6 + 2.2 * len(panels), 2.6), []
        for axes, (name, points) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
            steps, values = [p[0] for p in points], [p[1] for p in points]
            what = _JUDGED.get(name, name)
            axes.plot(steps, values, color=ACCENT, lw=1.5, marker="o" if len(points) < 30 else "", ms=3.5)
            axes.set(xlabel="step", title=what)
            axes.title.set_color(INK)
            quiet(axes)
            says.append(f"{what} from {values[0]:.3g} to {values[-1]:.3g}")
        title = _STAGES.get(stage, stage.replace("-", " ").capitalize())
        found.append(Figure(title, f"{of[-1]['step']:,} steps: {', '.join(says)}.", drawn(figure, f"curve-{len(found)}")))
    return found


def _is_number(value: object) -> bool:
    return isinstance(value, float | int) and isfinite(value)
