"""Counts of the last two minutes, second by second: how many answers, how long they took, who gave them. Knows numbers and intents' names; no text.

Each process writes into its own part of one block of memory that all of them share, so no lock is needed and any of them can say
what all did. A reader may catch a second half written, which moves one figure for one second.
"""

from __future__ import annotations

import math
import mmap
import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from limbeck.serve.answer import Answers
from limbeck.types import Json

SECONDS = 120
SETTLED = 10
"""Over how many of the last seconds the figures of now are taken."""

_STAMP, _ANSWERS, _TEACHER, _PERSON, _REFUSED, _WAITING, _FIRST = range(7)
_BUCKETS = 168
_PER_OCTAVE = 8  # a bucket is 9 % wide, so a percentile is right to 4.5 %
_SHORTEST = 1e-5  # seconds; the last bucket begins at 21 s
_MOST_INTENTS = 1000
_SHOWN = 8


class Live:
    """Counts that several processes may write and each can read.

    Args:
        intents: the names that are counted apart; any other is counted without its name.
        processes: how many will write.
        clock: seconds, the same for all processes.

    Example:
        >>> live = Live(["greeting", "thanks"], clock=lambda: 1000.0)
        >>> live.answer("thanks", 0.002)
        >>> live.data()["total"]["answers"]
        1
    """

    def __init__(self, intents: Sequence[str], processes: int = 1, clock: Callable[[], float] = time.monotonic) -> None:
        self._names = tuple(dict.fromkeys(intents))[:_MOST_INTENTS]
        self._slots = {name: _FIRST + _BUCKETS + i for i, name in enumerate(self._names)}
        self._width = _FIRST + _BUCKETS + len(self._names)
        self._clock = clock
        # One more row than seconds: what never fades.
        self._memory = mmap.mmap(-1, processes * (SECONDS + 1) * self._width * 8)
        self._cells = memoryview(self._memory).cast("q")
        self._counts = np.frombuffer(self._memory, np.int64).reshape(processes, SECONDS + 1, self._width)
        self.process(0)

    def process(self, number: int) -> None:
        """From now on this process writes the part `number`; what is called behind a fork."""
        # Its pages are mapped now, not one by one over two minutes in which the process would seem to grow.
        self._counts[number] += 0
        self._start = number * (SECONDS + 1) * self._width
        self._forever = self._start + SECONDS * self._width

    def answer(self, intent: str, seconds: float, by: str = "student", waiting: int = 0) -> None:
        """One answer was given.

        Args:
            intent: its label.
            seconds: from the request to the answer.
            by: "student", "teacher" or "person".
            waiting: texts that wait at this moment.
        """
        cells, row = self._cells, self._row()
        bucket = int(_PER_OCTAVE * math.log2(seconds / _SHORTEST)) if seconds > _SHORTEST else 0
        cells[row + _ANSWERS] += 1
        cells[row + _FIRST + min(bucket, _BUCKETS - 1)] += 1
        cells[self._forever + _ANSWERS] += 1
        if waiting > cells[row + _WAITING]:
            cells[row + _WAITING] = waiting
        if slot := self._slots.get(intent):
            cells[row + slot] += 1
        if by != "student":
            self._count(row, _TEACHER if by == "teacher" else _PERSON)

    def watch(self, answers: Answers, waiting: int = 0) -> None:
        """The answers to one request were given, while so many texts waited."""
        for found in answers.results:
            self.answer(found.label, answers.milliseconds / 1000, found.answered_by, waiting)

    def hand_over(self) -> None:
        """A conversation went to a person."""
        self._count(self._row(), _PERSON)

    def refuse(self) -> None:
        """A request was turned away, since too many came."""
        self._count(self._row(), _REFUSED)

    def data(self) -> Json:
        """The figures of all processes: lists have one entry for each of the last whole seconds, oldest first; milliseconds, or None where
        nothing was answered; `now` is over the last `SETTLED` of them, `total` since the start."""
        now = int(self._clock())
        seconds = np.arange(now - SECONDS, now)  # the present one is not over
        rows = self._counts[:, seconds % SECONDS]
        counts: NDArray[np.int64] = np.where(rows[:, :, :1] == seconds[None, :, None], rows, 0).sum(axis=0)
        answers, times = counts[:, _ANSWERS], counts[:, _FIRST : _FIRST + _BUCKETS]
        last = counts[-SETTLED:].sum(axis=0)
        intents = counts[:, _FIRST + _BUCKETS :].sum(axis=0)
        total = self._counts[:, SECONDS].sum(axis=0)
        most = [int(i) for i in np.argsort(-intents, kind="stable")[:_SHOWN] if intents[i]]
        return {
            "rate": answers.tolist(),
            **{f"p{p}_ms": [_percentile(t, p) for t in times] for p in (50, 95, 99)},
            "queue": counts[:, _WAITING].tolist(),
            "teacher_share": [_share(row[_TEACHER], row[_ANSWERS]) for row in counts],
            "refused": counts[:, _REFUSED].tolist(),
            "now": {
                "rate": round(float(last[_ANSWERS]) / SETTLED, 1),
                **{f"p{p}_ms": _percentile(last[_FIRST : _FIRST + _BUCKETS], p) for p in (50, 95, 99)},
                "queue": int(counts[-1, _WAITING]),
                "teacher_share": _share(last[_TEACHER], last[_ANSWERS]),
            },
            "answers": int(answers.sum()),
            "intents": [{"intent": self._names[i], "count": int(intents[i])} for i in most],
            "total": {
                "answers": int(total[_ANSWERS]),
                "teacher": int(total[_TEACHER]),
                "person": int(total[_PERSON]),
                "refused": int(total[_REFUSED]),
            },
        }

    def _row(self) -> int:
        """Where this second's counts of this process lie; what lay there two minutes ago is wiped."""
        second = int(self._clock())
        row = self._start + (second % SECONDS) * self._width
        if self._cells[row + _STAMP] != second:
            self._cells[row : row + self._width] = memoryview(bytes(self._width * 8)).cast("q")
            self._cells[row + _STAMP] = second
        return row

    def _count(self, row: int, field: int) -> None:
        self._cells[row + field] += 1
        self._cells[self._forever + field] += 1


def _share(part: int, whole: int) -> float | None:
    return round(int(part) / int(whole), 4) if whole else None


def _percentile(buckets: NDArray[np.int64], percent: int) -> float | None:
    """The middle of the bucket (milliseconds) in which the answer of that rank lies."""
    below = np.cumsum(buckets)
    if not below[-1]:
        return None
    bucket = int(np.searchsorted(below, below[-1] * percent / 100))
    return float(f"{1000 * _SHORTEST * 2 ** ((bucket + 0.5) / _PER_OCTAVE):.3g}")
