"""How many processes this machine, or this container, has cores for. Knows affinity and cgroups."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

_CGROUP, _OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def cores(cgroup: Path = _CGROUP, own: Path = _OWN) -> int:
    """Whole cores that may be used: those of the affinity, or fewer where a quota of a cgroup (version 2 or 1) allows less; at least one.

    A part of a core counts as one: two processes on 1.5 cores are throttled less than one is idle.

    Args:
        cgroup: where the control groups are mounted.
        own: the file that says in which group this process is.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([allowed, *(math.ceil(quota) for quota in _quotas(cgroup, own))]))


def _quotas(cgroup: Path, own: Path) -> Iterator[float]:
    """Cores that each group allows which this process is in, where it allows less than all: systemd's for a service, a container's at the root."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        lines = []
    place = next((line[3:].strip("/") for line in lines if line.startswith("0::")), "")
    for folder in (cgroup / place, *(cgroup / place).parents):
        if folder.is_relative_to(cgroup):
            yield from _quota([folder / "cpu.max"])
    yield from _quota([cgroup / "cpu" / "cpu.cfs_quota_us", cgroup / "cpu" / "cpu.cfs_period_us"])


def _quota(files: list[Path]) -> Iterator[float]:
    """Microseconds a period and the period, from one file or two; nothing where there is no quota."""
    try:
        limit, period = " ".join(file.read_text() for file in files).split()
        quota = int(limit) / int(period)
    except (OSError, ValueError, ZeroDivisionError):  # "max" is no number
        return
    if quota > 0:
        yield quota
