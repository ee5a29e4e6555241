"""Who used the cores while requests were offered: the generator, the server, others. Knows clocks; knows nothing of requests."""

from __future__ import annotations

import time
from dataclasses import dataclass

from limbeck.bench.processes import Behind, waited
from limbeck.verify.company import Company


@dataclass(frozen=True, slots=True)
class Shares:
    """generator: share of a core that this process used. others: share of all cores that went to neither generator nor server.
    delayed: share of the time in which this process was ready to run and its core ran others."""

    generator: float
    others: float
    delayed: float


class Usage:
    """Shares from now on.

    Args:
        behind: the server's processes, where they can be seen.
    """

    def __init__(self, behind: Behind | None) -> None:
        self._company = Company(behind.seconds if behind is not None else lambda: 0.0)
        self._began, self._used, self._waited = time.perf_counter(), time.process_time(), waited()

    def shares(self, idle: float = 0.0) -> Shares:
        """What was used so far; `idle` of the generator's seconds on its core went by in polling for nothing."""
        seconds = time.perf_counter() - self._began
        own, delayed = (time.process_time() - self._used - idle) / seconds, (waited() - self._waited) / seconds
        return Shares(own, self._company.share(), delayed)
