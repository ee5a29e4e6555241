"""The model without a server: what a request costs at least. Knows a predictor and the clock."""

from __future__ import annotations

import time
from collections.abc import Sequence

from limbeck.bench.histogram import Histogram
from limbeck.runtime.predict import Predictor

_WARMUP = 200


def alone(predictor: Predictor, texts: Sequence[str | bytes], seconds: float = 3.0) -> Histogram:
    """Latencies of single texts (or pictures, or clips) in this process, reading included, over and over for some seconds."""
    for text in texts[:_WARMUP]:
        predictor.predict([text])
    clock, found = time.perf_counter, list[float]()
    until = clock() + seconds
    while True:
        for text in texts:
            before = clock()
            predictor.predict([text])
            found.append(clock() - before)
            if before > until:
                return Histogram.of(found)
