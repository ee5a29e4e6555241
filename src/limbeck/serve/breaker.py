"""Whether somebody who failed is asked again. Knows failures and time; knows nobody.

Closed: everybody may ask. After some failures in a row it is open: nobody asks, and nobody waits for what will fail. After a pause it is half open:
one asks, and what becomes of that closes it or opens it again, for twice as long.

Source: Nygard (2007), Release It!, section 5.2.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

State = Literal["closed", "open", "half-open"]


class Breaker:
    """One circuit breaker; used by one thread.

    Args:
        failures: in a row that open it.
        pause: seconds that it is open at first.
        longest: seconds that it is open at most.
        clock: seconds.

    Example:
        >>> breaker = Breaker(failures=1)
        >>> breaker.failed()
        >>> breaker.allows()
        False
    """

    def __init__(
        self, failures: int = 5, pause: float = 5.0, longest: float = 120.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most, self._first, self._longest, self._clock = failures, pause, longest, clock
        self._failures, self._pause, self._until = 0, pause, 0.0
        self._open = self._probing = False
        self.opened = 0
        """How often it has opened."""

    @property
    def state(self) -> State:
        """What it is at this moment."""
        if not self._open:
            return "closed"
        return "half-open" if self._probing or self._clock() >= self._until else "open"

    def allows(self) -> bool:
        """Whether to ask now. Whoever is let through has to say what became of it (`succeeded`, `failed` or `passed`)."""
        if not self._open:
            return True
        if self._probing or self._clock() < self._until:
            return False
        self._probing = True
        return True

    def succeeded(self) -> None:
        """It answered."""
        self._failures, self._pause = 0, self._first
        self._open = self._probing = False

    def failed(self, pause: float | None = None) -> None:
        """It did not.

        Args:
            pause: seconds for which it wants to be left alone: then it opens at once.
        """
        self._failures += 1
        again = self._probing
        if not (again or pause is not None or self._failures >= self._most) or (self._open and not again):
            return
        self._pause = min(self._longest, 2 * self._pause) if again else self._first
        self._until = self._clock() + min(self._longest, max(self._pause, pause or 0.0))
        self._open, self._probing = True, False
        self.opened += 1

    def passed(self) -> None:
        """Nobody knows: the question was given up. Another one may probe."""
        self._probing = False
