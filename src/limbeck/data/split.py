"""Which records train, which choose and which judge. Knows keys and shares; knows nothing of payloads.

A record's split is a function of its key, so copies of a text stay together, and rows added later move nobody. The one exception:
of a class whose rows all fall among the held-out ones, the row whose hash is largest trains, until another row of its class does.

What a verdict can be about follows from the labels that are there (`limbeck.evidence.Basis`): with enough of them, or a test file, a
part is held out; with few, no part is, and `folds` lets each labelled row be judged by students that have not seen it; with none,
rows without labels are held out, on which student and teacher can be compared.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from limbeck.errors import DataError, LabelsError, LeakError, listing
from limbeck.evidence import Basis
from limbeck.label_sets import names_of
from limbeck.types import Record


@dataclass(frozen=True, slots=True)
class Splits:
    """Records by use: `train` teaches, `valid` chooses, `test` judges (none of them where the basis is cross-fitting).

    `leaked` counts training rows that were left out because their text is also among the held-out ones. `outside` are texts that no class
    is for: they judge whether a student refuses them.
    """

    train: tuple[Record, ...]
    valid: tuple[Record, ...]
    test: tuple[Record, ...]
    labels: tuple[str, ...]
    leaked: int
    held_out: str
    basis: Basis = Basis.LABELS
    outside: tuple[Record, ...] = ()


def split(
    records: Sequence[Record],
    test: Sequence[Record] | None,
    *,
    valid: Sequence[Record] | None = None,
    test_share: float,
    valid_share: float = 0.0,
    cross_fit_below: int = 0,
) -> Splits:
    """Split records by the hash of their keys; a test file of its own takes the place of the test share.

    Where labels are enough, only labelled rows are held out: unlabelled ones train, since only the teacher can judge them, unless
    their text is held out. With few labels or none, unlabelled rows choose too, and with none they judge.

    Args:
        records: all rows but those of the test and validation files.
        test: the rows of the test file, if there is one; their texts train nobody, labelled or not.
        valid: the labelled rows of the validation file, if there is one; their texts train no student, and what judges chooses nothing.
        test_share: the share of labelled texts that judge where there is no test file; at least one does.
        valid_share: the share of the labelled texts left that choose where there is no validation file; with few rows it may be none.
        cross_fit_below: with fewer labelled texts than this, in both of the files, and no test file, none is held out.

    Raises:
        DataError: one class alone, no row to hold out, or a label in another file that no training row has.
    """
    choosing_rows = list(valid or ())
    labels = _names(records)
    if len(labels) == 1:
        raise DataError(
            f"the training rows hold only one class, {listing(labels)}; a classifier needs at least two. "
            "Check the label column (--set data.label=NAME) and the file."
        )
    if not labels and any(r.label is not None for r in records):
        raise DataError(
            "no row to train on names a label: all lists of labels are empty. Check the column (--set data.label=NAME)."
        )
    few = len({r.key for r in (*records, *choosing_rows) if r.label is not None}) < cross_fit_below or not labels
    left, test_rows, basis = list(records), list[Record](), Basis.LABELS
    if test is not None:
        test_rows, held_out = _labelled(test), "the test file"
        _known(test_rows, labels, "test")
        judging = {r.key for r in test}
        left, choosing_rows = ([r for r in of if r.key not in judging] for of in (records, choosing_rows))
    elif not labels:
        left, test_rows = _divided(records, _held_out(records, test_share, "test", least=1))
        held_out, basis = f"{test_share:.0%} of the texts, by their hash; none has a label", Basis.AGREEMENT
    elif few:
        held_out, basis = "all labelled rows, each judged by students that were trained without it", Basis.CROSS_FITTING
    else:
        left, test_rows = _divided(records, _held_out(_labelled(records), test_share, "test", least=1))
        test_rows, held_out = _labelled(test_rows), f"{test_share:.0%} of the data file, by the hash of what is read"
    if valid is not None:
        _known(choosing_rows, labels, "validation")
        valid_rows, _ = _divided(choosing_rows, {r.key for r in test_rows})
        train, _ = _divided(left, {r.key for r in valid_rows})
        if not valid_rows:
            raise DataError(
                "no row of the validation file can choose: none has a label and a text that does not judge. Leave data.valid out."
            )
        if not train:
            raise DataError(
                "the validation file holds the texts of all training rows. Give rows of its own, or leave data.valid out."
            )
    else:
        choosing = _held_out(_labelled(left), valid_share, "valid", least=0)
        if few:
            choosing |= _held_out([r for r in left if r.label is None], valid_share, "valid", least=0)
        train, valid_rows = _divided(left, choosing)
    valid_rows = valid_rows if few else _labelled(valid_rows)
    labels = labels or _names([*test_rows, *valid_rows])
    if not test_rows and basis is not Basis.CROSS_FITTING:
        named = _labelled(records)
        if test is None and len(named) >= 20 and 2 * len(labels) > len(named):
            raise LabelsError(
                f"the labels do not name classes: {len(named):,} rows hold {len(labels):,} of them, such as {listing(labels, 3)}. "
                "Name the column that holds the class (--set data.label=NAME)."
            )
        what = "row" if basis is Basis.AGREEMENT else "labelled row"
        raise DataError(f"no {what} is left to judge with. Give a test file with labels (--test), or more rows.")
    if not train and test is not None:
        raise LeakError(
            f"each of the {len(records):,} training rows has a text of the test file, so no row is left to train on. "
            "Judge by other rows: give another test file (--test), or leave it out, and a fifth of the rows is held out."
        )
    if not train:
        raise DataError("no row is left to train on. Add rows to the training file.")
    if basis is Basis.LABELS and not few and len(_names(train)) < 2:
        raise DataError("too few labelled rows: after the held-out rows fewer than two classes are left to train on. Add rows.")
    used = len(train) + (0 if valid is not None else len(valid_rows)) + (0 if test is not None else len(test_rows))
    return Splits(
        tuple(_marked(train, "train")),
        tuple(_marked(valid_rows, "valid")),
        tuple(_marked(test_rows, "test")),
        labels,
        len(records) - used,
        held_out,
        basis,
    )


def folds(splits: Splits, number: int, repeat: int) -> Iterator[Splits]:
    """The labelled rows in `number` parts, each the test rows of a division of its own; another repeat divides them otherwise.

    Args:
        splits: whose basis is cross-fitting.
        number: at least 2.
        repeat: from 0.
    """
    rows = [*splits.train, *splits.valid]
    part = {r.key: int(_place(r.key, f"fold {repeat}") * number) for r in rows if r.label is not None}
    for fold in range(number):
        test = [dataclasses.replace(r, split="test") for r in rows if part.get(r.key) == fold]
        if test:
            train, valid = (tuple(r for r in of if part.get(r.key) != fold) for of in (splits.train, splits.valid))
            yield dataclasses.replace(
                splits, train=train, valid=valid, test=tuple(test), held_out=f"part {fold + 1} of {number}"
            )


def can_choose(labelled: Sequence[Record]) -> bool:
    """Whether these validation rows tell one model from another; fewer than a hundred do not, and are worth more as training rows."""
    return len(labelled) >= 100


def spared(splits: Splits) -> tuple[Record, ...]:
    """The validation rows that no teacher is trained with: those without a label, and half of the labelled ones, by the hash of their keys.
    Where these cannot choose, and a hundred others can take their place, none of the labelled ones; where there are any, at least one text.

    A teacher that is trained again with validation rows knows them, and its students learn of them from what it says of rows alike: on
    BANKING77 a student had 0.945 on such rows and 0.925 on the test file. So students are chosen and calibrated on the others.
    """
    others = [r for r in splits.valid if r.label is None]
    if can_choose(others) and not can_choose(_labelled(splits.valid)):
        return tuple(others)
    least = min((_place(r.key, "spared") for r in splits.valid), default=0.0)
    return tuple(r for r in splits.valid if r.label is None or _place(r.key, "spared") <= max(0.5, least))


def _known(rows: Sequence[Record], labels: Collection[str], file: str) -> None:
    if labels and (unknown := sorted(set(_names(rows)) - set(labels))):
        raise DataError(
            f"the {file} file holds {len(unknown)} labels that no training row has: {listing(unknown)}. "
            "Use the same label names in both files."
        )


def _names(records: Sequence[Record]) -> tuple[str, ...]:
    """All names of labels in records, in alphabetical order."""
    return tuple(sorted({name for r in records for name in names_of(r.label)}))


def _labelled(records: Sequence[Record]) -> list[Record]:
    """The records that have a label."""
    return [r for r in records if r.label is not None]


def _divided(records: Sequence[Record], held_out: Collection[str]) -> tuple[list[Record], list[Record]]:
    """The records whose text is not held out, and those whose text is."""
    return [r for r in records if r.key not in held_out], [r for r in records if r.key in held_out]


def _held_out(records: Sequence[Record], share: float, purpose: str, least: int) -> set[str]:
    """The keys of records whose hash falls below the share; each class keeps a key, and `least` are held out if they can."""
    places: dict[str | None, dict[str, float]] = {}
    for record in records:
        for name in names_of(record.label) or (None,):
            places.setdefault(name, {})[record.key] = _place(record.key, purpose)
    kept = {max(keys, key=keys.__getitem__) for keys in places.values()}
    free = {key: place for keys in places.values() for key, place in keys.items() if key not in kept}
    chosen = {key for key, place in free.items() if place < share}
    return chosen or set(sorted(free, key=free.__getitem__)[:least])


def _place(key: str, purpose: str) -> float:
    return int.from_bytes(hashlib.sha256(f"{purpose}/{key}".encode()).digest()[:8], "big") / 2**64


def _marked(records: Sequence[Record], name: str) -> list[Record]:
    return [dataclasses.replace(r, split=name) for r in records]
