"""How often each key may ask, over all processes together. Knows one number a key; knows nothing of keys.

The generic cell rate algorithm: of each key only the moment is kept at which it would have used up nothing. The moments lie in memory that the
processes share, and the clock is the same for all of them. Two that count at the same instant may count once, which lets a client gain
a request now and then and costs no lock.
"""

from __future__ import annotations

import mmap
import time
from collections.abc import Callable

_PLACES = 1_000


class Rates:
    """Made before the processes are forked.

    Example:
        >>> rates = Rates(clock=lambda: 100.0)
        >>> [rates.wait(0, per_second=2.0, burst=2) for _ in range(3)]
        [0.0, 0.0, 0.5]
    """

    def __init__(self, places: int = _PLACES, clock: Callable[[], float] = time.monotonic) -> None:
        self._moments = memoryview(mmap.mmap(-1, places * 8)).cast("d")
        self._clock = clock

    def wait(self, place: int, per_second: float, burst: int) -> float:
        """Count one request of the key at `place`.

        Returns:
            0 where it may be answered, else the seconds until the next one may; then it was not counted.
        """
        now, each = self._clock(), 1.0 / per_second
        used_up = max(self._moments[place], now)
        wait = used_up + each - burst * each - now
        if wait > 1e-9:
            return wait
        self._moments[place] = used_up + each
        return 0.0
