"""Which records train and which judge. Knows keys and shares; knows nothing of payloads.

A record's split is a function of its key alone, so copies of a text stay together, and rows added later move nobody.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from limbeck.errors import DataError, listing
from limbeck.types import Record


@dataclass(frozen=True, slots=True)
class Splits:
    """Records by use. `leaked` counts training rows that were left out because their text is also in the test file."""

    train: tuple[Record, ...]
    valid: tuple[Record, ...]
    test: tuple[Record, ...]
    labels: tuple[str, ...]
    leaked: int
    held_out: str


def split(records: Sequence[Record], test: Sequence[Record] | None, *, test_share: float, valid_share: float = 0.0) -> Splits:
    """Split records by the hash of their keys, or, with a test file of its own, leave out what that file holds too.

    Only labelled rows are held out: unlabelled ones train, since only the teacher can judge them.

    Raises:
        DataError: fewer than two classes, no labelled row to hold out, or a test label that no training row has.
    """
    labels = tuple(sorted({r.label for r in records if r.label is not None}))
    if len(labels) < 2:
        found = f"only one class, {listing(labels)}" if labels else "no labels"
        raise DataError(
            f"the training rows hold {found}; a classifier needs at least two. "
            "Check the label column (--set data.label=NAME) and the file."
        )
    if test is not None:
        if unknown := sorted({r.label for r in test if r.label is not None} - set(labels)):
            raise DataError(
                f"the test file holds {len(unknown)} labels that no training row has: {listing(unknown)}. "
                "Use the same label names in both files."
            )
        judged = {r.key for r in test}
        kept = [r for r in records if r.key not in judged]
        leaked, held_out = len(records) - len(kept), "the test file"
        test_rows = [r for r in test if r.label is not None]
        records = kept
    else:
        chosen = _held_out(records, test_share, "test")
        test_rows = [r for r in records if r.key in chosen and r.label is not None]
        leaked, held_out = 0, f"{test_share:.0%} of the data file, by the hash of the text"
        records = [r for r in records if r.key not in chosen]
    if not test_rows:
        raise DataError("no labelled row is left to judge with. Give a test file with labels (--test), or more labelled rows.")
    if len({r.label for r in records if r.label is not None}) < 2:
        raise DataError("too few labelled rows: after the held-out rows fewer than two classes are left to train on. Add rows.")
    chosen = {r.key for r in records if r.label is not None and _place(r.key, "valid") < valid_share}
    valid = [r for r in records if r.key in chosen and r.label is not None]
    records = [r for r in records if r.key not in chosen]
    return Splits(
        tuple(_marked(records, "train")),
        tuple(_marked(valid, "valid")),
        tuple(_marked(test_rows, "test")),
        labels,
        leaked,
        held_out,
    )


def _held_out(records: Sequence[Record], share: float, purpose: str) -> set[str]:
    """The keys whose hash falls below the share; at least one where there is any labelled row."""
    places = {r.key: _place(r.key, purpose) for r in records if r.label is not None}
    chosen = {key for key, place in places.items() if place < share}
    return chosen or set(sorted(places, key=lambda key: places[key])[:1])


def _place(key: str, purpose: str) -> float:
    return int.from_bytes(hashlib.sha256(f"{purpose}/{key}".encode()).digest()[:8], "big") / 2**64


def _marked(records: Sequence[Record], name: str) -> list[Record]:
    return [dataclasses.replace(r, split=name) for r in records]
