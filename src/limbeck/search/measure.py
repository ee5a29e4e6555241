"""What a candidate costs on this machine: bytes, latency, memory of its written file. Knows bundles and clocks; knows no recipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.bundle import Bundle
from limbeck.runtime.predict import Predictor
from limbeck.types import Json
from limbeck.verify.company import BUSY, Company
from limbeck.verify.footprint import answer_seconds, latency, new_process

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
    """Measure a bundle, with ONNX Runtime on one thread; three times where others are busy meanwhile, and of each query the quickest counts.

    Whoever else is busy makes an answer slower and never quicker. With two other processes on the same core the p50 of a student that takes
    125 to 139 microseconds was 187 to 237, and 135 by the quickest of three (docs/diary.md). It stays void: as a figure it says too much, but
    a student that others made slow is not left out of a search for it.

    Args:
        bundle: written; with trained weights or without.
        queries: payloads as users send them.

    Raises:
        BundleError: it does not load on this machine.
    """
    predictor = Predictor(bundle)
    memory = new_process(bundle, queries[0]).peak_memory_bytes
    seconds_TN: list[NDArray[np.float64]] = []
    shares: list[float] = []
    while len(shares) < _TRIES and min(shares, default=1.0) > BUSY:
        company = Company()
        seconds_TN.append(answer_seconds([lambda payload: predictor.predict([payload])], queries)[0])
        shares.append(round(company.share(), 3))
    quiet = shares[-1] <= BUSY
    found = latency(seconds_TN[-1] if quiet else np.min(seconds_TN, axis=0))
    return Cost(bundle.bytes, round(found.p50_us, 1), round(found.p95_us, 1), memory, min(shares))
