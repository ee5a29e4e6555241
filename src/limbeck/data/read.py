"""Sources to records: the front door of this room. Knows which column is text and which is label; knows nothing of what texts mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from limbeck.data.cells import list_of_labels, one_label
from limbeck.data.files import check_readable, text_lines, write_whole
from limbeck.data.formats import FORMATS, fingerprint, rows
from limbeck.data.rejected import Reject, Rejected, stop
from limbeck.data.slicing import shown
from limbeck.errors import DataError, listing, nearest
from limbeck.modalities.text import Text
from limbeck.types import Record

__all__ = ["FORMATS", "check_readable", "fingerprint", "read_records", "rows", "text_lines", "write_whole"]

_HOPELESS = 1000
"""A source whose first rows, this many, are all unusable is not read to its end."""


def _set(name: str, value: str) -> str:
    return f"--set data.{name}={value}"


def read_records(
    source: str | Path,
    *,
    text: str | None = None,
    label: str | None = "label",
    label_optional: bool = False,
    slices: Sequence[str] = (),
    slices_optional: bool = False,
    reject: Reject = stop,
    max_rejected_share: float = 0.05,
    option: Callable[[str, str], str] = _set,
    no_labels: str = "say that there is none with --set data.label=null",
    modality: Any = Text,
    several: bool = False,
    separator: str | None = None,
) -> list[Record]:
    """All rows of a source as records, in order.

    Args:
        source: a .jsonl, .csv, .tsv, .parquet, or Rasa NLU .yml file, a folder or a .zip of the latter, or a dataset hf://OWNER/NAME;
            text formats perhaps with .gz behind, in UTF-8, with or without a byte order mark. Rasa's columns are text and label.
        text: the column that holds the payload; None: the one that the modality names.
        label: the column that holds the label; a row where it is absent, null or empty has none. None: labels are not looked at.
        label_optional: whether the column of the label may be absent everywhere.
        slices: further columns, whose values each record keeps by their names; a row where one is absent, null or empty has no value there.
        slices_optional: whether these columns may be absent everywhere.
        reject: is told of each row that cannot be used; by default the first one is an error.
        max_rejected_share: the share of rows from which on the fault is the source's.
        option: how the caller's user gives one of these arguments a value, for messages.
        no_labels: what this user may do where no row has a label, for messages.
        modality: makes payloads of what the column holds.
        several: whether the column of the label holds lists, of all labels that apply.
        separator: what parts the labels of such a list where it is one text.

    Raises:
        InputFileError: the source is missing or cannot be opened.
        DataError: the format is unknown, a column is absent, or too many rows cannot be used.
    """
    text = text or modality.column
    records: list[Record] = []
    columns: dict[str, None] = {}
    rejected = 0
    first: Rejected | None = None
    labelled = False

    def refuse(one: Rejected) -> None:
        nonlocal rejected, first
        reject(one)
        rejected, first = rejected + 1, first or one
        if not records and rejected >= _HOPELESS:
            raise DataError(f"{source}: none of the first {rejected:,} rows can be used. {_of(first)}")

    folder = Path(source).parent
    wanted = frozenset(name for name in (text, label, *slices) if name is not None)
    for where, row in rows(source, wanted, refuse, modality):
        columns.update(dict.fromkeys(row))
        name = None if label is None else row.get(label)
        labelled = labelled or label in row
        if text not in row:
            refuse(Rejected(where, _absent(text, row, option("text", "NAME")), row))
            continue
        try:
            payload = modality.payload(row[text], folder)
        except ValueError as error:  # with nothing to say where nothing is there
            reason = f"column '{text}' {error}" if str(error) else f"the {modality.noun} is empty."
            refuse(Rejected(where, reason, row, "unusable" if str(error) else "empty"))
            continue
        named, problem = list_of_labels(name, separator, option) if several else one_label(name)
        if problem:
            refuse(Rejected(where, f"column '{label}' {problem}", row))
        else:
            key = modality.key(payload)
            records.append(Record(key, payload, named, slices=_values(row, slices, where), where=where))
    if not records and first is None:
        raise DataError(f"{source}: there are no rows. Give a source with one example a row.")
    total = len(records) + rejected
    if first is not None and not records:
        raise DataError(f"{source}: none of the {total:,} rows can be used. {_of(first)}")
    if first is not None and rejected > max_rejected_share * total:
        raise DataError(
            f"{source}: {rejected:,} of {total:,} rows cannot be used, more than {max_rejected_share:.0%}. {_of(first)} "
            f"Mend them, or allow more with {option('max_rejected_share', 'SHARE')}"
        )
    if label is not None and not labelled and not label_optional:
        raise DataError(f"{source}: {_absent(label, columns, option('label', 'NAME'))}, or {no_labels}")
    if not slices_optional and (missing := [name for name in slices if name not in columns]):
        raise DataError(
            f"{source}: the slices name the column '{missing[0]}', and there is none; the columns are {listing(list(columns))}."
            f"{nearest(missing[0], columns)} Name another, or leave it out."
        )
    return records


def _of(first: Rejected) -> str:
    return f"The first: {first.where}: {first.reason}"


def _values(row: Mapping[str, Any], slices: Sequence[str], where: str) -> dict[str, str]:
    """The values of a row in the columns of the slices."""
    found = {name: shown(row.get(name), f"{where}: column '{name}' of the slices must hold") for name in slices}
    return {name: value for name, value in found.items() if value is not None}


def _absent(column: str, columns: dict[str, Any], how: str) -> str:
    return (
        f"there is no column '{column}'; the columns are {listing(list(columns))}.{nearest(column, columns)} "
        f"Name the column with {how}"
    )
