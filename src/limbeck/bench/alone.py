"""The model without a server: what a request costs at least. Knows a predictor, the clock and when requests are due."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import cycle

from limbeck.bench.arrivals import poisson
from limbeck.bench.histogram import Histogram
from limbeck.runtime.predict import Predictor

_WARMUP = 200


def alone(predictor: Predictor, texts: Sequence[str | bytes], rate: float, seconds: float = 3.0, seed: int = 0) -> Histogram:
    """Latencies of single texts (or pictures, or clips) in this process, reading included, at the moments when a server would be asked at this rate.

    They run from the moment a text was due, as the server's do: so whoever sleeps has to wake up, a text waits for the one before it, and what
    other programs have put into the processor's caches meanwhile is charged to both. Called over and over without a pause the same model
    takes a third of the time, which no server sees.
    """
    for text in texts[:_WARMUP]:
        predictor.predict([text])
    clock, found = time.perf_counter, list[float]()
    begin = clock()
    for moment, text in zip(poisson(rate, seconds, seed), cycle(texts)):
        due = begin + moment
        if (left := due - clock()) > 0:
            time.sleep(left)
        predictor.predict([text])
        found.append(clock() - due)
    return Histogram.of(found)
