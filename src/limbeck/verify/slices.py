"""Rows parted by a column of the data or by the size of what they hold. Knows values of rows; knows no models and no files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from limbeck.evidence import ClassResult, Slice
from limbeck.payloads import size
from limbeck.types import Record
from limbeck.verify.classes import LEAST_ROWS, Group, worst_first

_NAMED = 8
Values = Sequence[str | None]


def parted(rows: Sequence[Record], names: Sequence[str], measure: tuple[str, str, str] | None) -> dict[str, Values]:
    """The slices of rows by their names: those that are asked for, and the modality's measure of a payload, such as the length of a text.

    Args:
        rows: with their values.
        names: of columns and functions.
        measure: the modality's: its name, and what one and many of its units are called.
    """
    found: dict[str, Values] = {name: [r.slices.get(name) for r in rows] for name in names}
    if measure is not None and measure[0] not in found:
        name, one, many = measure
        if (sizes := by_size([size(r.payload) for r in rows], one, many)) is not None:
            found[name] = sizes
    return found


def by_size(sizes: Sequence[int], one: str, many: str, parts: int = 3) -> Values | None:
    """Each row's size as one of so many ranges with about as many rows each; None where that parts nothing.

    Args:
        sizes: of each row, in the unit that `one` and `many` name.

    Example:
        >>> by_size([1] * 20 + [3] * 20, "character", "characters", parts=2)[0]
        '1 character'
    """
    length_N = np.array(sizes)
    if len(sizes) < 2 * LEAST_ROWS:
        return None
    ends = np.unique(np.quantile(length_N, [k / parts for k in range(1, parts + 1)], method="inverted_cdf")).astype(int)
    if len(ends) < 2:
        return None
    begins = [int(length_N.min()), *(int(e) + 1 for e in ends[:-1])]
    names = [_range(a, int(b), one, many) for a, b in zip(begins, ends, strict=True)]
    return [names[int(np.searchsorted(ends, n))] for n in length_N]


def _range(first: int, last: int, one: str, many: str) -> str:
    noun = one if last == 1 else many
    return f"{last:,} {noun}" if first == last else f"{first:,} to {last:,} {noun}"


def slice_groups(values: Values) -> list[Group]:
    """The values with enough rows to be judged, the most frequent first."""
    counts = Counter(v for v in values if v is not None)
    all_N = np.array([v if v is not None else "" for v in values], dtype=object)
    there_N = np.array([v is not None for v in values])
    return [Group(v, there_N & (all_N == v)) for v, rows in counts.most_common() if rows >= LEAST_ROWS]


def as_slice(name: str, values: Values, results: Sequence[ClassResult]) -> Slice:
    """A slice from the results of its groups, with what was too rare to be judged."""
    counts = Counter(v for v in values if v is not None)
    few = [v for v, rows in counts.most_common() if rows < LEAST_ROWS]
    return Slice(
        name, worst_first(results), tuple(few[:_NAMED]), len(few), sum(counts[v] for v in few), sum(v is None for v in values)
    )


def slices(parted: Mapping[str, Values], results: Sequence[ClassResult]) -> tuple[Slice, ...]:
    """The slices of results that stand one behind the other, as the groups of `parted` do."""
    found, left = [], list(results)
    for name, values in parted.items():
        many = len(slice_groups(values))
        found.append(as_slice(name, values, left[:many]))
        left = left[many:]
    return tuple(found)
