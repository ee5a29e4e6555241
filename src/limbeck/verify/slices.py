"""Rows parted by a column of the data or by the length of their texts. Knows values of rows; knows no models and no files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from limbeck.evidence import ClassResult, Slice
from limbeck.types import Record
from limbeck.verify.classes import LEAST_ROWS, Group, worst_first

LENGTH = "text length"
_NAMED = 8
Values = Sequence[str | None]


def parted(rows: Sequence[Record], names: Sequence[str]) -> dict[str, Values]:
    """The slices of rows by their names: those that are asked for, and the length of the text.

    Args:
        rows: with their values.
        names: of columns and functions.
    """
    found: dict[str, Values] = {name: [r.slices.get(name) for r in rows] for name in names}
    if LENGTH not in found and (lengths := by_length([str(r.payload) for r in rows])) is not None:
        found[LENGTH] = lengths
    return found


def by_length(texts: Sequence[str], parts: int = 3) -> Values | None:
    """Each row's length in characters as one of so many ranges with about as many rows each; None where that parts nothing.

    Example:
        >>> by_length(["a"] * 20 + ["abc"] * 20, parts=2)[0]
        '1 character'
    """
    length_N = np.array([len(text) for text in texts])
    if len(texts) < 2 * LEAST_ROWS:
        return None
    ends = np.unique(np.quantile(length_N, [k / parts for k in range(1, parts + 1)], method="inverted_cdf")).astype(int)
    if len(ends) < 2:
        return None
    begins = [int(length_N.min()), *(int(e) + 1 for e in ends[:-1])]
    names = [_range(a, int(b)) for a, b in zip(begins, ends, strict=True)]
    return [names[int(np.searchsorted(ends, n))] for n in length_N]


def _range(first: int, last: int) -> str:
    noun = "character" if last == 1 else "characters"
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
