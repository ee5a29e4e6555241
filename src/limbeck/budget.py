"""What a student may cost. Knows limits and names of measurements; measures nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

_UNITS = {"bytes": "", "latency_p50": " µs", "memory": " bytes"}


@dataclass(frozen=True, slots=True)
class Budget:
    """Upper limits, measured on the written file on the machine at hand; None is no limit.

    bytes: size of `bundle/`. latency_p50: microseconds per answer at batch 1. memory: peak bytes of the process.
    """

    bytes: int | None = None
    latency_p50: float | None = None
    memory: int | None = None

    def misses(self, measured: Mapping[str, float | None]) -> list[str]:
        """One sentence for each limit that `measured` (by the same names) exceeds; what was not measured (None) is not shown to keep it."""
        found = []
        for limit in fields(self):
            allowed = getattr(self, limit.name)
            value = measured[limit.name]
            if allowed is not None and (value is None or value > allowed):
                unit = _UNITS[limit.name]
                is_ = "was not measured" if value is None else f"is {value:,.0f}{unit}"
                found.append(f"{limit.name} {is_}, the budget allows {allowed:,.0f}{unit}")
        return found
