"""What a search found: quality against cost, as data and as a table. Knows figures; measures and draws nothing.

OUT/search/front.json is a `Front`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from rich.table import Table

from limbeck.types import Json
from limbeck.verify import wording as w

Axis = Literal["bytes", "latency_p50"]
_FEW = 50
_OF_AGREEMENT = " (verify.least_agreement; student.keep speaks of accuracy, which takes more labels)"


@dataclass(frozen=True, slots=True)
class Point:
    """One candidate.

    student: as a recipe's section `student` names it. bytes: of its bundle, written untrained. latency_p50, latency_p95: microseconds per
    answer; memory: peak bytes of a new process; None where its bytes alone are more than the budget allows. company: share of the
    cores that others took meanwhile; above a tenth the times are void. misses: one sentence for each limit of the budget, less its
    reserve, that it misses. quality: on the validation rows, None where it was not trained; trained: which share of its plan it was
    trained when that was found. on_front: for each cost whether no other candidate that was trained is better in one and as good
    in the other.
    """

    name: str
    student: Json
    size: str
    precision: str
    bytes: int
    latency_p50: float | None
    latency_p95: float | None
    memory: int | None
    company: float
    misses: tuple[str, ...]
    quality: float | None = None
    trained: float = 0.0
    on_front: dict[Axis, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reference:
    """What the candidates are seen beside: "teacher", "control" (the chosen student without the teacher) or "baseline" (a linear model of words)."""

    what: str
    quality: float
    bytes: int | None = None
    latency_p50: float | None = None


@dataclass(frozen=True, slots=True)
class Front:
    """A finished search.

    by: what quality is: "accuracy" on the labels of the validation rows, or "agreement" with the teacher. rows: how many these are.
    enough: the least quality that was asked for. nearest: the nearest to the teacher was, however large. budget: its limits. machine: where costs were measured. chosen: the name of a point.
    """

    by: Literal["accuracy", "agreement"]
    rows: int
    enough: float
    budget: dict[str, float | None]
    machine: str
    chosen: str
    points: tuple[Point, ...]
    references: tuple[Reference, ...]
    nearest: bool = False
    front: Literal[1] = 1

    @property
    def kept(self) -> bool:
        """Whether the chosen student keeps enough."""
        return next(p.quality or 0.0 for p in self.points if p.name == self.chosen) >= self.enough

    @property
    def says(self) -> str:
        """What it found, in a sentence."""
        chosen = next(p for p in self.points if p.name == self.chosen)
        teacher = next((r.quality for r in self.references if r.what == "teacher"), None)
        reached = f"{chosen.name} ({chosen.size}): {w.percent(chosen.quality)} {self.by} on {w.rows(self.rows)}"
        reached += "" if teacher is None else f", the teacher {w.percent(teacher)}"
        if self.rows < _FEW:
            reached += " (so few tell little)"
        if self.nearest:
            return f"The nearest to the teacher within the budget: {reached}."
        asked = f"{w.percent(self.enough)} is asked for" + (_OF_AGREEMENT if self.by == "agreement" else "")
        if self.kept:
            return f"The smallest that keeps enough: {reached}; {asked}."
        short = w.points(self.enough - (chosen.quality or 0.0), sign=False)
        return f"Nothing within the budget keeps enough. The best is {reached}; {asked}: {short} points are missing."

    def to_json(self) -> Json:
        """As it lies in OUT/search/front.json."""
        return json.loads(json.dumps(asdict(self)))  # type: ignore[no-any-return]


def with_fronts(points: Sequence[Point]) -> tuple[Point, ...]:
    """The points, each told on which fronts it lies."""
    axes: tuple[Axis, ...] = ("bytes", "latency_p50")
    fronts = {axis: {p.name for p in front(points, axis)} for axis in axes}
    return tuple(replace(p, on_front={axis: p.name in fronts[axis] for axis in axes}) for p in points)


def front(points: Sequence[Point], axis: Axis) -> list[Point]:
    """Those with a quality that no cheaper one, and no equally cheap one, reaches; from cheap to dear."""
    priced = [(cost, p) for p in points if (cost := getattr(p, axis)) is not None and p.quality is not None]
    found: list[Point] = []
    for _, point in sorted(priced, key=lambda pair: (pair[0], -(pair[1].quality or 0.0))):
        if not found or (point.quality or 0.0) > (found[-1].quality or 0.0):
            found.append(point)
    return found


def table(found: Front) -> Table:
    """The candidates that were trained and the references, from small to large; reads well without colour."""
    shown = Table(box=None, pad_edge=False, header_style="bold")
    shown.add_column("")
    shown.add_column("student", no_wrap=True, overflow="ellipsis")
    for name in ("bytes", "p50", "memory", found.by, "of its plan"):
        shown.add_column(name, justify="right")
    for point in found.points:
        if point.quality is None:
            continue
        mark = "→" if point.name == found.chosen else "·" if any(point.on_front.values()) else ""
        shown.add_row(
            mark,
            f"{point.name}  {point.size}",
            w.size(point.bytes),
            w.duration(None if point.latency_p50 is None else point.latency_p50 / 1e6),
            w.size(point.memory),
            w.percent(point.quality),
            w.percent(point.trained, 0),
            style="bold" if mark == "→" else "",
        )
    for reference in found.references:
        latency = None if reference.latency_p50 is None else reference.latency_p50 / 1e6
        shown.add_row("", reference.what, w.size(reference.bytes), w.duration(latency), "", w.percent(reference.quality), "")
    return shown


def page(found: Front) -> list[Any]:
    """What a terminal shows of a search, part by part."""
    outside = [p for p in found.points if p.misses]
    waiting = [p for p in found.points if not p.misses and p.quality is None]
    said = [f"→ chosen, · on a front. Measured on {found.machine}."]
    if outside:
        said.append(f"{len(outside)} more candidates miss the budget and were not trained.")
    if waiting:
        said.append(f"{len(waiting)} within the budget did not need to be trained: a smaller one keeps enough.")
    if any(p.company > 0.1 for p in found.points):
        said.append("Others were busy on this machine: times are void. Search again on a quiet one, with another --out.")
    return [found.says, "", table(found), "", *said]
