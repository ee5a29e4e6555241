"""What one process counts: answers, replies, refusals, how long they took. Knows numbers and names; keeps no text and no client."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator

from limbeck.serve.answer import Answers
from limbeck.serve.figure import Figure

EDGES = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Upper edges of the histogram's buckets, seconds."""


class Counts:
    """Counters of a process; each method takes about a microsecond, since a bag's answer takes fifty.

    Example:
        >>> counts = Counts()
        >>> counts.replied("/v1/classify", 200)
        >>> ("limbeck_replies_total", {"path": "/v1/classify", "status": "200"}, 1) in list(counts.figures())
        True
    """

    def __init__(self) -> None:
        self._answers: Counter[tuple[str, str]] = Counter()
        self._abstained: Counter[str] = Counter()
        self._replies: Counter[tuple[str, int]] = Counter()
        self._refusals: Counter[str] = Counter()
        self._seconds = [0] * (len(EDGES) + 1)
        self._sum = 0.0

    def answered(self, answers: Answers) -> None:
        """The answers to one request were found."""
        for found in answers.results:
            self._answers[answers.model, found.answered_by] += 1
            if found.abstain:
                self._abstained[answers.model] += 1
        seconds = answers.milliseconds / 1e3
        self._seconds[bisect_left(EDGES, seconds)] += 1
        self._sum += seconds

    def replied(self, path: str, status: int) -> None:
        """A reply was made, on a path of the server's own."""
        self._replies[path, status] += 1

    def refused(self, code: str) -> None:
        """A request was refused, with a code of the server's own."""
        self._refusals[code] += 1

    def figures(self) -> Iterator[Figure]:
        """All of it, in the names and units of Prometheus."""
        for (model, by), count in self._answers.items():
            yield "limbeck_answers_total", {"model": model, "answered_by": by}, count
        for model, count in self._abstained.items():
            yield "limbeck_abstentions_total", {"model": model}, count
        for (path, status), count in self._replies.items():
            yield "limbeck_replies_total", {"path": path, "status": str(status)}, count
        for code, count in self._refusals.items():
            yield "limbeck_refusals_total", {"code": code}, count
        below = 0
        for edge, count in zip((*map(str, EDGES), "+Inf"), self._seconds, strict=True):
            below += count
            yield "limbeck_answer_seconds_bucket", {"le": edge}, below
        yield "limbeck_answer_seconds_count", {}, below
        yield "limbeck_answer_seconds_sum", {}, self._sum
