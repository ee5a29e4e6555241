"""Processes that are started, watched and ended. Knows signals and exit codes; knows nothing of what the processes do.

The supervisor loads no model and has no threads, so forking is safe, and what shall be shared (sockets, memory) is made before.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Sequence

from limbeck.errors import LimbeckError

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
_LONGEST_PAUSE = 30.0
_log = logging.getLogger("limbeck.serve")

CANNOT_START = 2


class Supervisor:
    """Keeps one process alive for each of `works`.

    Args:
        works: what each process does; it returns when the process has had SIGTERM.
        reloads: which of them are told of SIGHUP, which is blocked in each until it can take it.
        drain_seconds: that a process may take to end.
        ended: called with the number of a process that has ended.
        tick: called about once a second.
    """

    def __init__(
        self,
        works: Sequence[Callable[[], None]],
        reloads: Sequence[int],
        drain_seconds: float,
        ended: Callable[[int], None],
        tick: Callable[[], None],
    ) -> None:
        self._works, self._reloads, self._drain = works, frozenset(reloads), drain_seconds
        self._ended, self._tick = ended, tick
        self._pids: dict[int, int] = {}
        self._begun: dict[int, float] = {}
        self._failures = dict.fromkeys(range(len(works)), 0)
        self._starts = dict.fromkeys(range(len(works)), 0)
        self._again: dict[int, float] = {}

    def run(self, stopping: Callable[[], None] = lambda: None) -> int:
        """Start all, keep them alive until SIGTERM or SIGINT, end them; the exit code.

        A process that cannot start at all (its bundle is broken) ends everything, but only at the start: later it is tried
        again, less and less often, while the others answer.

        Args:
            stopping: called when nothing new shall be accepted.
        """
        self._signals = _Signals()
        for number in range(len(self._works)):
            self._start(number)
        code = self._watch()
        stopping()
        self._end()
        return code

    def _watch(self) -> int:
        self._tick()
        while True:
            came = self._signals.wait(1.0)
            if came & {signal.SIGTERM, signal.SIGINT}:
                return 0
            if signal.SIGHUP in came:
                for number in self._reloads & self._pids.keys():
                    os.kill(self._pids[number], signal.SIGHUP)
            for number, code in self._reaped():
                self._ended(number)
                lived = time.monotonic() - self._begun[number]
                if code == CANNOT_START and self._starts[number] == 1:
                    return CANNOT_START
                self._failures[number] = 1 if lived > _LONGEST_PAUSE else self._failures[number] + 1
                pause = 0.0 if self._failures[number] == 1 else min(_LONGEST_PAUSE, 2.0 ** (self._failures[number] - 2))
                _log.error("process %d ended (%s); started again in %g s", number, _reason(code), pause)
                self._again[number] = time.monotonic() + pause
            for number, moment in list(self._again.items()):
                if time.monotonic() >= moment:
                    del self._again[number]
                    self._start(number)
            self._tick()

    def _start(self, number: int) -> None:
        self._starts[number] += 1
        self._begun[number] = time.monotonic()
        # A signal that comes now waits until the child no longer answers it in the supervisor's name.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        pid = os.fork()
        if pid:
            self._pids[number] = pid
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            return
        code = 1
        try:
            self._signals.close()
            # SIGHUP would kill it while it loads; it takes it when it can answer it.
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {*_SIGNALS} - {signal.SIGHUP})
            self._works[number]()
            code = 0
        except LimbeckError as error:
            sys.stderr.write(f"error: {error}\n")
            code = CANNOT_START
        except BaseException as error:
            _log.error("process %d fails: %s: %s", number, type(error).__name__, error)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)  # nothing of the supervisor's is to be cleaned up twice

    def _reaped(self) -> list[tuple[int, int]]:
        """Processes that have ended, with their exit codes; minus the number of the signal that killed one."""
        found = []
        for number, pid in list(self._pids.items()):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                del self._pids[number]
                found.append((number, os.waitstatus_to_exitcode(status)))
        return found

    def _end(self) -> None:
        for pid in self._pids.values():
            os.kill(pid, signal.SIGTERM)
        until = time.monotonic() + self._drain + 2
        while self._pids and time.monotonic() < until:
            self._signals.wait(0.1)
            self._reaped()
        for pid in self._pids.values():
            _log.error("a process did not end within %g s; it is killed", self._drain + 2)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


class _Signals:
    """Signals as something that can be waited for."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        for end in (self._read, self._write):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for one in _SIGNALS:
            signal.signal(one, lambda *_: None)

    def wait(self, seconds: float) -> set[int]:
        """The signals that have come, at the latest after some seconds."""
        ready, _, _ = select.select([self._read], [], [], seconds)
        return set(os.read(self._read, 1_024)) if ready else set()

    def close(self) -> None:
        """In a child: signals do again what they did."""
        signal.set_wakeup_fd(-1)
        os.close(self._read)
        os.close(self._write)
        for one in _SIGNALS:
            signal.signal(one, signal.SIG_DFL)


def _reason(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
