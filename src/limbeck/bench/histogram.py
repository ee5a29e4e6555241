"""Latencies by the hundred thousand in 66 kB, each to 0.2 %. Knows numbers; knows nothing of what took the time.

The buckets are those of an HDR histogram (Tene): every power of two is parted into 256 buckets of one width, so that the relative
width is the same for a microsecond and for a minute. The package `hdrhistogram` counts the same way in C, one value at a time;
here a step's values come as one array, for which numpy is quicker, and the base install stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

_BITS = 8
_LONGEST = 2**40
"""Nanoseconds (18 minutes); whatever is longer is counted there, and `greatest` still says how long it was."""
_BUCKETS = ((40 - _BITS) << _BITS) + 2**_BITS
ERROR = 2.0 ** -(_BITS + 1)
"""The relative error of a percentile."""
CURVE = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9995, 0.9999, 0.99999, 1.0)


@dataclass(frozen=True, slots=True)
class Histogram:
    """How often each latency came.

    counts: by bucket. least, greatest: seconds, exact. total: seconds, the sum of all.
    """

    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(_BUCKETS, np.int64))
    least: float = float("inf")
    greatest: float = 0.0
    total: float = 0.0

    @classmethod
    def of(cls, seconds: Iterable[float]) -> Self:
        """The histogram of some latencies in seconds, none of them below 0.

        Example:
            >>> round(Histogram.of([0.001, 0.002, 0.004]).percentile(0.5), 5)
            0.002
        """
        values = np.fromiter(seconds, np.float64)
        if not values.size:
            return cls()
        counts = np.bincount(_bucket(values), minlength=_BUCKETS).astype(np.int64)
        return cls(counts, float(values.min()), float(values.max()), float(values.sum()))

    def __add__(self, other: Histogram) -> Histogram:
        """Both together."""
        return Histogram(
            self.counts + other.counts,
            min(self.least, other.least),
            max(self.greatest, other.greatest),
            self.total + other.total,
        )

    def __len__(self) -> int:
        return int(self.counts.sum())

    def percentile(self, share: float) -> float:
        """The least latency that at least this share of all does not exceed, in seconds, to within `ERROR` of itself.

        Raises:
            ValueError: it holds nothing, or the share is not within [0, 1].
        """
        if not 0.0 <= share <= 1.0 or not len(self):
            raise ValueError(f"a share within [0, 1] of at least one latency has a percentile; got {share} of {len(self)}")
        cumulated = np.cumsum(self.counts)
        # 0.999 * 1000 is 999.0000000000001, of which the ceiling would be one too many.
        rank = max(1, int(np.ceil(share * cumulated[-1] * (1 - 1e-12))))
        if rank == cumulated[-1]:
            return self.greatest
        middle = _middle(int(np.searchsorted(cumulated, rank)))
        return min(max(middle, self.least), self.greatest)

    def to_json(self) -> dict[str, float]:
        """Seconds by percentile, and how many there were."""
        if not len(self):
            return {"count": 0}
        found = {f"p{100 * share:g}": self.percentile(share) for share in CURVE}
        return {"count": len(self), "mean": self.total / len(self), **found}


def _bucket(seconds: NDArray[np.float64]) -> NDArray[np.int64]:
    """Below 512 ns a bucket is a nanosecond; above, the bits behind the first nine do not count."""
    ns = np.clip(seconds * 1e9, 0, _LONGEST - 1).astype(np.int64)
    _, exponent = np.frexp(ns.astype(np.float64))  # as many bits as the number has
    shift = np.maximum(exponent.astype(np.int64) - (_BITS + 1), 0)
    return (shift << _BITS) + (ns >> shift)


def _middle(bucket: int) -> float:
    """Seconds in the middle of a bucket."""
    shift = max(0, (bucket >> _BITS) - 1)
    first = (bucket - (shift << _BITS)) << shift
    return (first + ((1 << shift) - 1) / 2) * 1e-9
