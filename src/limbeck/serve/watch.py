"""Whether what comes in is still what a student was made for: texts and answers are counted and held against a reference. Keeps counts and no text.

A share of the texts is looked at, taken by dice, in windows that do not overlap. Where no reference was stored the first texts make one: half a window
says which pieces are not rare, the next whole one what is usual.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

from limbeck.drift import Counts, Moved, Reference, moved, unpacked
from limbeck.runtime.pieces import Pieces
from limbeck.serve.answer import Answer
from limbeck.serve.figure import Figure
from limbeck.serve.payload import Payload


class Watch:
    """What has moved.

    Args:
        labels: the student's, in order.
        pieces: its reader; None: it reads none.
        reference: a time that was in order; None: the first texts are.
        share: of the texts that is looked at.
        window: texts that are judged together.
        dice: a number in [0, 1).
    """

    def __init__(
        self,
        labels: Sequence[str],
        pieces: Pieces | None,
        reference: Reference | None = None,
        share: float = 0.1,
        window: int = 1000,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self._index = {label: i for i, label in enumerate(labels)}
        self._pieces, self._share, self._window, self._dice = pieces, share, window, dice
        self._known: set[int] | frozenset[int] | None = None if pieces is None else set()
        self._learning = 0 if pieces is None else window // 2
        self._reference = reference
        if reference is not None:
            self._learning = 0
            # Without pieces in the reference, theirs are not compared.
            self._known = unpacked(reference.known) if pieces is not None and reference.pieces else None
        self._counts = self._fresh()
        self.moved: tuple[Moved, ...] = ()
        """Of the last whole window."""

    def seen(self, text: Payload, answer: Answer) -> None:
        """Perhaps count a text and its answer."""
        if self._dice() >= self._share:
            return
        ids: Sequence[int] = ()
        if self._pieces is not None and self._known is not None:
            assert isinstance(text, str)  # nothing else has pieces
            ids = self._pieces(text)
        if self._learning:
            assert isinstance(self._known, set)
            self._known.update(ids)
            self._learning -= 1
            if not self._learning:
                self._counts = self._fresh()
            return
        self._counts.add(answer.confidence, self._index[answer.label], ids)
        if self._counts.rows == self._window:
            found = self._counts.reference()
            if self._reference is None:
                self._reference = found
            else:
                self.moved = moved(self._reference, found)
            self._counts = self._fresh()

    def _fresh(self) -> Counts:
        return Counts(len(self._index), None if self._known is None else frozenset(self._known))

    def figures(self) -> Iterator[Figure]:
        """What was found in the last whole window of this process."""
        for one in self.moved:
            about = {"of": one.what}
            yield "limbeck_drift", about, one.value
            yield "limbeck_drift_limit", about, one.limit
            yield "limbeck_drift_alarm", about, float(one.alarm)

    def close(self) -> None:
        """It holds nothing open."""
