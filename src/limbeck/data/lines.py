"""Rows of text formats with a row a line: jsonl, csv, tsv. Knows lines and columns; knows nothing of what the columns mean."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from limbeck.data.files import opened, readable
from limbeck.data.rejected import Reject, Rejected
from limbeck.errors import DataError

Row = tuple[str, dict[str, Any]]
"""Where a row stands, and its values by column."""


def jsonl(file: Path, _wanted: frozenset[str], reject: Reject) -> Iterator[Row]:
    """One JSON object a line; empty lines are no rows."""
    with readable(file), opened(file) as handle:
        for number, line in enumerate(handle, 1):
            if not line.strip():
                continue
            where = f"{file}, line {number}"
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:  # ValueError: also a number of more than 4,300 digits
                reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
                shown = f"not valid JSON ({reason}): {line.strip():.60}. Each line must be one JSON object."
                reject(Rejected(where, shown, line.rstrip("\r\n")))
                continue
            if isinstance(row, dict):
                yield where, row
            else:
                shown = f'expected a JSON object such as {{"text": …, "label": …}}; got {line.strip():.60}'
                reject(Rejected(where, shown, row))


def csv_(file: Path, _wanted: frozenset[str], reject: Reject) -> Iterator[Row]:
    """Comma-separated values under a header."""
    return _delimited(file, ",", "commas", reject)


def tsv(file: Path, _wanted: frozenset[str], reject: Reject) -> Iterator[Row]:
    """Tab-separated values under a header, quoted as spreadsheets and pandas do."""
    return _delimited(file, "\t", "tabs", reject)


def _delimited(file: Path, delimiter: str, name: str, reject: Reject) -> Iterator[Row]:
    csv.field_size_limit(sys.maxsize)
    with readable(file), opened(file) as handle:
        reader = csv.reader(handle, delimiter=delimiter, strict=True)
        try:
            header = next(reader, None)
            if header is None:
                return
            if len(set(header)) < len(header):
                raise DataError(f"{file}: a column name stands twice in the header: {', '.join(header)}")
            for values in reader:
                where = f"{file}, line {reader.line_num}"
                if len(values) == len(header):
                    yield where, dict(zip(header, values, strict=True))
                elif values:
                    shown = f"{len(values)} fields, but the header has {len(header)}. Quote fields that hold {name}."
                    reject(Rejected(where, shown, values))
        except csv.Error as error:  # where the next row begins cannot be known any more
            raise DataError(
                f"{file}, line {reader.line_num}: not valid {'CSV' if delimiter == ',' else 'TSV'} ({error}). "
                "Quote fields that hold quotes or newlines."
            ) from error
