"""What a candidate costs on this machine: bytes, latency, memory of its written file. Knows bundles and clocks; knows no recipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from limbeck.bundle import Bundle
from limbeck.runtime.predict import Predictor
from limbeck.types import Json
from limbeck.verify.company import BUSY, Company
from limbeck.verify.footprint import interleaved_latency, new_process

QUERIES = 200
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Cost:
    """What one candidate costs, by the names of a budget's limits.

    bytes: of the bundle. latency_p50, latency_p95: microseconds per answer at batch 1 on one thread. memory: peak bytes of a new
    process that loads it and answers once. company: share of the cores that others took meanwhile; the times are void above a tenth.
    None was not measured.
    """

    bytes: int
    latency_p50: float | None = None
    latency_p95: float | None = None
    memory: int | None = None
    company: float = 0.0

    @property
    def void(self) -> bool:
        """Whether others took so much of the machine that the times say nothing."""
        return self.company > BUSY

    def limits(self) -> dict[str, float | None]:
        """By the names of a budget's limits."""
        return {"bytes": float(self.bytes), "latency_p50": self.latency_p50, "memory": self.memory}

    @classmethod
    def from_json(cls, content: Any) -> Cost:
        """Back from its fields.

        Raises:
            ValueError, TypeError: they are none.
        """
        found = cls(**content)
        for name, value in content.items():
            if type(value) not in (int, float) and (value is not None or name in ("bytes", "company")):
                raise ValueError(f"{name} is {value!r:.40}; a number is expected")
        return found

    def to_json(self) -> Json:
        """Its fields."""
        return asdict(self)


def cost(bundle: Bundle, queries: Sequence[Any]) -> Cost:
    """Measure a bundle, with ONNX Runtime on one thread; up to three times where others are busy meanwhile, and the quietest counts.

    Args:
        bundle: written; with trained weights or without.
        queries: payloads as users send them.

    Raises:
        BundleError: it does not load on this machine.
    """
    predictor = Predictor(bundle)
    tried: list[Cost] = []
    while len(tried) < _TRIES and all(c.void for c in tried):
        company = Company()
        latency = interleaved_latency([lambda payload: predictor.predict([payload])], queries)[0]
        memory = tried[0].memory if tried else new_process(bundle, queries[0]).peak_memory_bytes
        times = round(latency.p50_us, 1), round(latency.p95_us, 1)
        tried.append(Cost(bundle.bytes, *times, memory, round(company.share(), 3)))
    return min(tried, key=lambda c: c.company)
