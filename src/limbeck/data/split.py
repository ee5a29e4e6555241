"""Which records train, which choose and which judge. Knows keys and shares; knows nothing of payloads.

A record's split is a function of its key, so copies of a text stay together, and rows added later move nobody. The one exception:
of a class whose rows all fall among the held-out ones, the row whose hash is largest trains, until another row of its class does.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from limbeck.errors import DataError, listing
from limbeck.types import Record


@dataclass(frozen=True, slots=True)
class Splits:
    """Records by use: `train` teaches, `valid` chooses, `test` judges.

    `leaked` counts training rows that were left out because their text is also among the held-out ones.
    """

    train: tuple[Record, ...]
    valid: tuple[Record, ...]
    test: tuple[Record, ...]
    labels: tuple[str, ...]
    leaked: int
    held_out: str


def split(records: Sequence[Record], test: Sequence[Record] | None, *, test_share: float, valid_share: float = 0.0) -> Splits:
    """Split records by the hash of their keys; a test file of its own takes the place of the test share.

    Only labelled rows are held out: unlabelled ones train, since only the teacher can judge them, unless their text is held out.

    Args:
        records: all rows but those of the test file.
        test: the rows of the test file, if there is one; their texts train nobody, labelled or not.
        test_share: the share of labelled texts that judge where there is no test file; at least one does.
        valid_share: the share of the labelled texts left that choose; with few rows it may be none.

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
        left, _ = _divided(records, {r.key for r in test})
        test_rows, held_out = [r for r in test if r.label is not None], "the test file"
    else:
        left, test_rows = _divided(records, _held_out(records, test_share, "test", least=1))
        held_out = f"{test_share:.0%} of the data file, by the hash of the text"
    train, valid_rows = _divided(left, _held_out(left, valid_share, "valid", least=0))
    if not test_rows:
        raise DataError("no labelled row is left to judge with. Give a test file with labels (--test), or more labelled rows.")
    if len({r.label for r in train if r.label is not None}) < 2:
        raise DataError("too few labelled rows: after the held-out rows fewer than two classes are left to train on. Add rows.")
    used = len(train) + len(valid_rows) + (0 if test is not None else len(test_rows))
    return Splits(
        tuple(_marked(train, "train")),
        tuple(_marked(valid_rows, "valid")),
        tuple(_marked(test_rows, "test")),
        labels,
        len(records) - used,
        held_out,
    )


def _divided(records: Sequence[Record], held_out: Collection[str]) -> tuple[list[Record], list[Record]]:
    """The records whose text is not held out, and the labelled ones whose text is."""
    return (
        [r for r in records if r.key not in held_out],
        [r for r in records if r.key in held_out and r.label is not None],
    )


def _held_out(records: Sequence[Record], share: float, purpose: str, least: int) -> set[str]:
    """The keys of labelled records whose hash falls below the share; each class keeps a key, and `least` are held out if they can."""
    places: dict[str, dict[str, float]] = {}
    for record in records:
        if record.label is not None:
            places.setdefault(record.label, {})[record.key] = _place(record.key, purpose)
    kept = {max(keys, key=keys.__getitem__) for keys in places.values()}
    free = {key: place for keys in places.values() for key, place in keys.items() if key not in kept}
    chosen = {key for key, place in free.items() if place < share}
    return chosen or set(sorted(free, key=free.__getitem__)[:least])


def _place(key: str, purpose: str) -> float:
    return int.from_bytes(hashlib.sha256(f"{purpose}/{key}".encode()).digest()[:8], "big") / 2**64


def _marked(records: Sequence[Record], name: str) -> list[Record]:
    return [dataclasses.replace(r, split=name) for r in records]
