"""What a run proves: limits, measurements, intervals, a verdict, and the report that holds them. Knows numbers and names; measures nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Literal, Self

from limbeck.types import Json


@dataclass(frozen=True, slots=True)
class Budget:
    """Upper limits, measured on the written file on the machine at hand; None is no limit.

    bytes: size of `bundle/`. latency_p50_us: microseconds per answer at batch 1. memory_bytes: peak of the process.
    """

    bytes: int | None = None
    latency_p50_us: float | None = None
    memory_bytes: int | None = None

    def misses(self, measured: Mapping[str, float]) -> list[str]:
        """One sentence for each limit that `measured` (by the same names) exceeds."""
        found = []
        for limit in fields(self):
            allowed = getattr(self, limit.name)
            if allowed is not None and measured[limit.name] > allowed:
                found.append(f"{limit.name} is {measured[limit.name]:,.0f}, the budget allows {allowed:,.0f}")
        return found


class Verdict(StrEnum):
    """Whether the student kept the teacher's quality, by the one-sided 95 % bounds of (student - teacher)."""

    KEPT = "kept"
    LOST = "lost"
    NOT_SHOWN = "not shown"


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its bounds at the stated one-sided confidence."""

    estimate: float
    low: float
    high: float
    confidence: float = 0.95


@dataclass(frozen=True, slots=True)
class Quality:
    """How a model answers held-out records; shares between 0 and 1."""

    accuracy: float
    macro_f1: float


@dataclass(frozen=True, slots=True)
class Latency:
    """Microseconds per answer at batch 1 on one thread, from the raw payload to the label."""

    p50_us: float
    p95_us: float


@dataclass(frozen=True, slots=True)
class Measured:
    """A model as it was measured: quality, latency, and the bytes that hold it."""

    quality: Quality
    latency: Latency
    bytes: int
    parameters: int


@dataclass(frozen=True, slots=True)
class Report:
    """Teacher and student on the same held-out records, and what follows from it.

    `held_out` says where the rows came from; `difference` is accuracy of student - teacher; `rows_to_show` is how many
    held-out rows would show non-inferiority if the disagreement stayed as it is (None: no number would).
    """

    task: str
    rows: int
    held_out: str
    teacher: Measured
    student: Measured
    agreement: float
    difference: Interval
    margin: float
    verdict: Verdict
    rows_to_show: int | None
    budget_misses: tuple[str, ...]
    seconds: Mapping[str, float]
    bundle: str
    lineage: Json
    schema_version: Literal[1] = 1

    def to_json(self) -> Json:
        """The report as plain JSON, as it lies in evidence/report.json."""
        return json.loads(json.dumps(asdict(self)))  # type: ignore[no-any-return]

    @classmethod
    def from_json(cls, data: Json) -> Self:
        """The report back from its JSON."""
        parts = dict(data)
        for name in ("teacher", "student"):
            parts[name] = Measured(
                Quality(**parts[name]["quality"]),
                Latency(**parts[name]["latency"]),
                parts[name]["bytes"],
                parts[name]["parameters"],
            )
        parts["difference"] = Interval(**parts["difference"])
        parts["verdict"] = Verdict(parts["verdict"])
        parts["budget_misses"] = tuple(parts["budget_misses"])
        return cls(**parts)
