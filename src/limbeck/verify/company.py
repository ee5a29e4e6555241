"""How busy a machine is with other work than ours. Knows the system's clocks; knows nothing of what is timed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

BUSY = 0.10
"""Share of the cores' time that others may take before times are void."""
VOID = "are void"
"""What a note says of such times."""
_STAT = Path("/proc/stat")


class Company:
    """How much of the cores' time goes to other work than ours, from now on.

    A process that we started counts as ours when it has ended and was waited for.

    Args:
        also: seconds that further processes of ours have used, which still run.

    Example:
        >>> 0.0 <= Company().share() <= 1.0
        True
    """

    def __init__(self, also: Callable[[], float] = lambda: 0.0) -> None:
        self._also = also
        self._began, self._before, self._also_before = time.perf_counter(), _busy(), also()

    def share(self) -> float:
        """Share of the cores' time, in [0, 1]; 0 where it cannot be known."""
        now = _busy()
        if self._before is None or now is None:
            return 0.0
        others = (now[0] - self._before[0]) - (now[1] - self._before[1]) - (self._also() - self._also_before)
        return min(1.0, max(0.0, others / ((time.perf_counter() - self._began) * (os.cpu_count() or 1))))


def _busy() -> tuple[float, float] | None:
    """Seconds that all cores have been busy for anybody, the hypervisor's other guests among them, and for us; None where unknown."""
    if not _STAT.is_file():
        return None
    user, nice, system, _, _, irq, softirq, steal = map(int, _STAT.read_text(encoding="utf-8").split()[1:9])
    own = os.times()
    mine = own.user + own.system + own.children_user + own.children_system
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK"), mine
