"""Ids of the n-grams of a text. Knows whole numbers; knows nothing of tokenizers or of what an id stands for.

They are made where a text is read and not in the network: for one text a dozen operators of a graph cost more than all the rest of a
bag of embeddings, and a list of a dozen numbers costs a microsecond (docs/diary.md).
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from limbeck.types import Json

_PRIME = 2**31 - 1
_FACTORS = (1_103_515_245, 668_265_263, 374_761_393)
LONGEST = len(_FACTORS)
"""The longest run that has an id."""


@dataclass(frozen=True, slots=True)
class NGrams:
    """Hashed n-grams: each run of 2 to `longest` tokens has one of `buckets` ids, the first of which is `first`:

        first + ((sum_k factor_k id_{t+k}) mod (2^31 - 1)) mod buckets

    A run that holds one of the `unused` ids has none: no training text held it, so all it could get is the row of another. A longest of
    1 is no n-grams.

    Source: Joulin et al. (2016), Bag of Tricks for Efficient Text Classification, section 2.2; the hashing is of Weinberger et al.
    (2009), Feature Hashing for Large Scale Multitask Learning.

    Example:
        >>> NGrams(longest=3, buckets=100, first=500).of([1, 2, 3])
        [524, 532, 503]
        >>> NGrams(longest=3, buckets=100, first=500, unused=frozenset({3})).of([1, 2, 3])
        [524]
    """

    longest: int = 1
    buckets: int = 0
    first: int = 0
    unused: frozenset[int] = frozenset()

    def of(self, ids: Sequence[int]) -> list[int]:
        """The ids of the runs of two in order, then of those of three."""
        if self.longest < 2 or len(ids) < 2:
            return []
        first, buckets, (a, b, c) = self.first, self.buckets, _FACTORS
        if self.longest == 2 and self.unused.isdisjoint(ids):  # the usual case, in a tenth of the time
            return [first + (a * x + b * y) % _PRIME % buckets for x, y in pairwise(ids)]
        found = [first + (a * x + b * y) % _PRIME % buckets for x, y in pairwise(ids) if self.unused.isdisjoint((x, y))]
        if self.longest > 2:
            threes = zip(ids, ids[1:], ids[2:], strict=False)
            found += [
                first + (a * x + b * y + c * z) % _PRIME % buckets for x, y, z in threes if self.unused.isdisjoint((x, y, z))
            ]
        return found

    def spec(self) -> Json:
        """What `from_spec` needs, beside the first id: unused ids as bits, eight to a byte, in base64."""
        bits = np.zeros(self.first, bool)
        bits[sorted(self.unused)] = True
        return {
            "longest": self.longest,
            "buckets": self.buckets,
            "unused": base64.b64encode(np.packbits(bits).tobytes()).decode(),
        }

    @classmethod
    def from_spec(cls, spec: Json, first: int) -> NGrams:
        """N-grams back from a checked spec.

        Raises:
            ValueError: the bits of the unused ids are not as many as there are ids.
        """
        packed = np.frombuffer(base64.b64decode(spec["unused"], validate=True), np.uint8)
        if len(packed) != -(-first // 8):
            raise ValueError(f"{8 * len(packed)} bits for {first} ids")
        unused = frozenset(np.flatnonzero(np.unpackbits(packed)[:first]).tolist())
        return cls(spec["longest"], spec["buckets"], first, unused)
