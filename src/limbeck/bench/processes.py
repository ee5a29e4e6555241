"""What the processes behind a port use: time of the cores, memory. Knows Linux's /proc; elsewhere it finds none and says so by emptiness."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_PROC = Path("/proc")
_LISTENS = "0A"


class Behind:
    """The processes that listen on a port of this machine, with all that they have started.

    Example:
        >>> Behind(1).memory()
        {}
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._seconds: dict[int, float] = {}
        self._roots = listening(port)

    def pids(self) -> list[int]:
        """Those that live now. All processes are looked through only where one has gone, since that takes milliseconds."""
        if not all((_PROC / str(pid)).exists() for pid in self._roots):
            self._roots = listening(self._port)
        found = list(self._roots)
        for pid in found:  # which grows meanwhile
            found += [child for child in children(pid) if child not in found]
        return found

    def seconds(self) -> float:
        """Time of the cores that they have used, those that have ended meanwhile (as far as they were seen) among them."""
        for pid in self.pids():
            with contextlib.suppress(OSError):
                fields = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
                self._seconds[pid] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return sum(self._seconds.values())

    def memory(self) -> dict[int, int]:
        """Resident bytes by process."""
        return {pid: resident for pid, (resident, _) in self._pages().items()}

    def private(self) -> dict[int, int]:
        """Resident bytes by process that are neither pages of files nor shared with others: what a leak would be made of."""
        return {pid: resident - shared for pid, (resident, shared) in self._pages().items()}

    def _pages(self) -> dict[int, tuple[int, int]]:
        found = {}
        for pid in self.pids():
            with contextlib.suppress(OSError):
                fields = (_PROC / str(pid) / "statm").read_text(encoding="ascii").split()
                resident, shared = (int(pages) * os.sysconf("SC_PAGE_SIZE") for pages in fields[1:3])
                found[pid] = resident, shared
        return found


def listening(port: int) -> list[int]:
    """The processes that hold a socket which listens there."""
    sockets = set()
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in (_PROC / "net" / table).read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENS and int(fields[1].rpartition(":")[2], 16) == port:
                    sockets.add(f"socket:[{fields[9]}]")
    return [pid for pid in _numbers(_PROC) if sockets and sockets & _open(pid)]


def children(pid: int) -> list[int]:
    """The processes that this one has started and that still run."""
    found: list[int] = []
    for thread in _numbers(_PROC / str(pid) / "task"):
        with contextlib.suppress(OSError):
            found += map(int, (_PROC / str(pid) / "task" / str(thread) / "children").read_text(encoding="ascii").split())
    return found


def waited() -> float:
    """Seconds that this process was ready to run while its core ran others; 0 where the kernel does not say."""
    with contextlib.suppress(OSError, IndexError, ValueError):
        return int((_PROC / "self" / "schedstat").read_text(encoding="ascii").split()[1]) * 1e-9
    return 0.0


def _open(pid: int) -> set[str]:
    """What a process has open, as far as we may know."""
    found = set()
    with contextlib.suppress(OSError):
        for entry in os.scandir(_PROC / str(pid) / "fd"):
            with contextlib.suppress(OSError):
                found.add(os.readlink(entry.path))  # noqa: PTH115 (a Path for each of some thousand)
    return found


def _numbers(folder: Path) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(name) for name in os.listdir(folder) if name.isdigit()]  # noqa: PTH208
    return []
