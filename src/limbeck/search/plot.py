"""The front of a search as a picture. Knows figures and matplotlib, which comes with the extra `train`; measures nothing."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from limbeck.errors import missing_extra
from limbeck.search.front import Axis, Front, Point, front
from limbeck.verify import wording as w

_INK, _LINE, _CHOSEN, _DOT = "#7d858e", "#2f7fd6", "#d9730d", "#2f7fd6"  # each readable on white and on black
_LABELS: dict[Axis, str] = {"bytes": "bytes of the bundle", "latency_p50": "microseconds per answer (p50)"}


def draw(found: Front, path: Path) -> None:
    """Write the picture; the file's suffix names the format (svg, png, pdf).

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    drawn = figure(found)
    import matplotlib

    with matplotlib.rc_context({"svg.hashsalt": "limbeck"}):  # else each drawing has names of its own in it
        drawn.savefig(path, transparent=True, metadata={"Date": None} if path.suffix == ".svg" else None)


def figure(found: Front) -> Any:
    """Quality against bytes and against latency, on logarithmic axes, as matplotlib's figure.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise missing_extra("matplotlib", "train", "drawing the front of a search") from error
    drawn = Figure(figsize=(9.6, 3.9), layout="constrained")
    FigureCanvasAgg(drawn)
    panels = drawn.subplots(1, 2, sharey=True)
    for axes, axis in zip(panels, _LABELS, strict=True):
        _panel(axes, found, axis)
    panels[0].set_ylabel(f"{found.by} on {w.rows(found.rows)} of validation", color=_INK)
    return drawn


def _panel(axes: Any, found: Front, axis: Axis) -> None:
    axes.set_xscale("log")
    axes.margins(x=0.08)
    axes.xaxis.set_major_formatter(lambda x, _: _tick(x, axis))
    axes.xaxis.set_minor_formatter(lambda x, _: _tick(x, axis) if f"{x:e}"[0] in _between(axes, axis) else "")
    axes.set_xlabel(_LABELS[axis], color=_INK)
    axes.tick_params(colors=_INK, which="both")
    axes.grid(color=_INK, alpha=0.2, linewidth=0.6)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(_INK)
    trained = [p for p in found.points if p.quality is not None and getattr(p, axis) is not None]
    for point in trained:
        whole = point.trained >= 1.0
        face = _DOT if whole else "none"
        axes.plot(getattr(point, axis), point.quality, "o", ms=6, mec=_DOT, mfc=face, alpha=1.0 if whole else 0.7)
    line = front(trained, axis)
    axes.plot([getattr(p, axis) for p in line], [p.quality for p in line], color=_LINE, lw=1.2, drawstyle="steps-post")
    limit = found.budget.get(axis)
    if limit is not None:
        axes.axvline(limit, color=_INK, lw=1, ls=":")
        axes.annotate("budget", (limit, 0.02), (4, 0), xycoords=("data", "axes fraction"), textcoords="offset points",
                      color=_INK, fontsize=8)  # fmt: skip
    if not found.nearest:
        _enough(axes, found)
    for reference in found.references:
        cost = getattr(reference, axis)
        if cost is None:
            axes.axhline(reference.quality, color=_INK, lw=1, ls="-.", alpha=0.6)
            axes.annotate(reference.what, (1.0, reference.quality), (-2, 3), xycoords=("axes fraction", "data"),
                          textcoords="offset points", color=_INK, fontsize=8, ha="right")  # fmt: skip
        else:
            axes.plot(cost, reference.quality, "D", ms=6, color=_INK)
            axes.annotate(reference.what, (cost, reference.quality), (9, -3) if reference.what == "control" else (-9, -3),
                          textcoords="offset points", color=_INK, fontsize=8, va="baseline",
                          ha="left" if reference.what == "control" else "right")  # fmt: skip
    for point in trained:
        if point.name == found.chosen:
            _chosen(axes, point, axis)


def _chosen(axes: Any, point: Point, axis: Axis) -> None:
    """A ring around the chosen student, and its name below it: above lie the others that nearly were chosen."""
    place = getattr(point, axis), point.quality
    axes.plot(*place, "o", ms=11, mec=_CHOSEN, mfc="none", mew=2)
    low, high = axes.get_xlim()  # with all that is drawn
    beyond = math.log(place[0] / low) > 0.5 * math.log(high / low)
    ha, to = ("right", -8) if beyond else ("left", 10)
    axes.annotate(f"chosen: {point.name}", place, (to, -14), textcoords="offset points", color=_CHOSEN, fontsize=8, ha=ha)


def _between(axes: Any, axis: Axis) -> str:
    """The first digits that have a tick between powers of ten: the more, the less there is to see."""
    low, high = axes.get_xlim()
    if high / low < 4:
        return "23456789"
    return "25" if high / low < 30 else "" if axis == "bytes" else "235"


def _tick(x: float, axis: Axis) -> str:
    """A tick in words: 1 MB, 50."""
    return w.size(round(x)) if axis == "bytes" else f"{x:g}"


def _enough(axes: Any, found: Front) -> None:
    """The line of what is asked for."""
    axes.axhline(found.enough, color=_CHOSEN, lw=1, ls="--", alpha=0.8)
    # On the left, since the teacher, a little above it, is dear and lies on the right.
    axes.annotate("enough", (0.0, found.enough), (3, -10), xycoords=("axes fraction", "data"), textcoords="offset points",
                  color=_CHOSEN, fontsize=8, ha="left")  # fmt: skip
