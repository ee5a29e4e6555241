"""A page as plain data: sections of sentences, tables and figures. Knows no format: HTML and Markdown are made from the same document."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Tone = Literal["", "good", "bad", "unsure"]


@dataclass(frozen=True, slots=True)
class Bar:
    """An interval to look at beside its figures, in points: a line from low to high with a dot, on an axis from -reach to reach.

    limit: where a second line of the axis stands; None: there is none.
    """

    low: float
    estimate: float
    high: float
    reach: float
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell: its text, what stands small below it (bounds), and perhaps an interval to look at. `text` may be a customer's: it is escaped."""

    text: str
    small: str = ""
    tone: Tone = ""
    bar: Bar | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose first column names its rows. words: the numbers of further columns that hold words; the others hold figures.

    folded: behind a line that opens it, since few readers want it.
    """

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    words: tuple[int, ...] = ()
    folded: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing. title: its name; says: in words, for who cannot see it."""

    title: str
    says: str
    svg: str


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page under a heading: sentences, then tables and figures, then what has to be known to read them."""

    key: str
    title: str
    says: tuple[str, ...] = ()
    blocks: tuple[Table | Figure, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fact:
    """A figure that is meant to be remembered: its name, the figure, and what it means."""

    name: str
    figure: str
    means: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """A whole page. verdict: one word; sentence: the same in one sentence; basis: what it is about."""

    title: str
    verdict: str
    tone: Tone
    sentence: str
    basis: tuple[str, ...]
    facts: tuple[Fact, ...]
    sections: tuple[Section, ...]
    footer: str
    warnings: tuple[str, ...] = field(default=())


def row(*cells: Cell | str) -> tuple[Cell, ...]:
    """A row of a table; a text alone is a cell."""
    return tuple(Cell(c) if isinstance(c, str) else c for c in cells)
