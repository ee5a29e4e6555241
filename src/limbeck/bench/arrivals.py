"""When requests are due. Knows chance and a rate; knows nothing of requests."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

_BLOCK = 4096


def poisson(rate: float, seconds: float, seed: int) -> Iterator[float]:
    """The moments, in seconds from 0 and below `seconds`, at which customers come who know nothing of each other.

    The gaps between them are exponential with the mean 1 / rate, so sometimes several come at once: a server that is given its requests
    in even steps never shows what a queue does. The same seed gives the same moments.

    Example:
        >>> len(list(poisson(rate=1000, seconds=2, seed=0)))
        1977
    """
    dice = np.random.default_rng(seed)
    moment = 0.0
    while True:
        for gap in dice.exponential(1.0 / rate, _BLOCK).tolist():
            moment += gap
            if moment >= seconds:
                return
            yield moment
