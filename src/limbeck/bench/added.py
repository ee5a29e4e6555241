"""What a server adds to its model. Knows steps and histograms; knows nothing of servers and models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

from limbeck.bench.histogram import Histogram
from limbeck.bench.step import Step

TURNS = 5


@dataclass(frozen=True, slots=True)
class Added:
    """Steps of a server and, each right after one of them, the latencies of its model alone at the same rate."""

    steps: tuple[Step, ...]
    models: tuple[Histogram, ...]

    def by_turns(self, share: float) -> list[float]:
        """By how many seconds a percentile of the server's latencies lies above the model's, in each turn."""
        return [s.latency.percentile(share) - m.percentile(share) for s, m in zip(self.steps, self.models, strict=True)]

    def latency(self, share: float) -> float:
        """The median of these."""
        return median(self.by_turns(share))

    def model(self, share: float) -> float:
        """The model's own percentile, seconds: the median over the turns."""
        return median(found.percentile(share) for found in self.models)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON, each turn by itself too; seconds."""
        shares = {"p50": 0.5, "p99": 0.99}
        return {
            **{n: {"added": self.latency(s), "by_turns": self.by_turns(s), "model": self.model(s)} for n, s in shares.items()},
            "steps": [step.to_json() for step in self.steps],
            "models": [found.to_json() for found in self.models],
        }


def added(served: Callable[[], Step], alone: Callable[[], Histogram], turns: int = TURNS) -> Added:
    """Measure a server and its model by turns, so that a slow second of the machine falls on one turn and not on one side."""
    found = [(served(), alone()) for _ in range(turns)]
    return Added(tuple(step for step, _ in found), tuple(model for _, model in found))
