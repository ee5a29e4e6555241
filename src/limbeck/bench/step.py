"""What became of the requests that were offered for some seconds. Knows when a step counts; offers nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from limbeck.bench.histogram import Histogram
from limbeck.verify.company import BUSY

ACHIEVED = 0.98
"""Share of the requests due in a step that must be answered within it; the last few may still be on their way."""
GENERATOR = 0.70
"""Share of its core that the generator may use; above it requests leave late, and it would measure itself."""


@dataclass(frozen=True, slots=True)
class Step:
    """One rate, offered for some seconds.

    rate: offered, requests/s; None: each connection asked again as soon as it had its answer. due: requests of the measured seconds;
    answered: those of them with a right answer before these were over. latency: from the moment a request was due, whenever it left;
    one without an answer is counted with the time that it had waited. errors: by kind. generator: share of a core that the generator
    used, others: share of all cores that went to other work than generator and server, delayed: share of the time in which the
    generator was ready to run and its core ran others. reopened: connections that the server closed between two answers.
    memory: the largest resident bytes of one process of the server; 0 where they cannot be seen. sent: all requests, those of the
    warm-up among them.
    """

    rate: float | None
    seconds: float
    due: int
    answered: int
    latency: Histogram
    errors: Mapping[str, int]
    generator: float = 0.0
    others: float = 0.0
    delayed: float = 0.0
    reopened: int = 0
    memory: int = 0
    sent: int = 0

    @property
    def achieved(self) -> float:
        """Right answers a second."""
        return self.answered / self.seconds

    @property
    def crowded(self) -> str:
        """How far other work on the machine was in the way; empty where it was not."""
        if self.others > BUSY:
            return f"other work took {self.others:.0%} of the cores ({BUSY:.0%} are allowed)"
        if self.delayed > BUSY:
            return f"other work kept the generator waiting for {self.delayed:.0%} of the time ({BUSY:.0%} are allowed)"
        return ""

    @property
    def void(self) -> str:
        """Why these figures say nothing of the server; empty where they count."""
        if self.generator > GENERATOR:
            return f"the generator used {self.generator:.0%} of its core ({GENERATOR:.0%} are allowed)"
        return self.crowded

    def failure(self, bound: float) -> str:
        """Why the server does not hold this rate with a p99 of at most `bound` seconds; empty where it does."""
        if self.errors:
            return ", ".join(f"{number:,} × {kind}" for kind, number in sorted(self.errors.items()))
        if self.answered < ACHIEVED * self.due:
            return f"{self.answered:,} of {self.due:,} answered in time"
        if not len(self.latency):
            return "no request was due"
        p99 = self.latency.percentile(0.99)
        return f"p99 {1e3 * p99:.1f} ms" if p99 > bound else ""

    def to_json(self) -> dict[str, Any]:
        """Its figures as plain JSON; latencies in seconds."""
        return {
            "rate": self.rate,
            "seconds": self.seconds,
            "due": self.due,
            "answered": self.answered,
            "achieved": self.achieved,
            "latency": self.latency.to_json(),
            "errors": dict(self.errors),
            "generator": round(self.generator, 4),
            "others": round(self.others, 4),
            "delayed": round(self.delayed, 4),
            "reopened": self.reopened,
            "memory": self.memory,
            "sent": self.sent,
            "void": self.void,
        }
