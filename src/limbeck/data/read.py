"""Records from jsonl or csv files, gzipped or not. Knows lines and columns; knows nothing of what the texts mean.

Every problem names the file, the line and the next step. Nothing is dropped: a row that cannot be read is an error.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import hashlib
import json
import os
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from limbeck.errors import DataError, InputFileError, LimbeckError, listing, nearest
from limbeck.types import Record

FORMATS = (".jsonl", ".csv")


def read_records(path: str | Path, *, text: str = "text", label: str | None = "label") -> list[Record]:
    """All rows of a file as records, in order.

    Args:
        path: a .jsonl or .csv file, perhaps with .gz behind; UTF-8, with or without a byte order mark.
        text: the column that holds the text.
        label: the column that holds the label; a row where it is absent, null or empty has none. None: the file has no labels.

    Raises:
        InputFileError: the file is missing or cannot be opened.
        DataError: the format is unknown, a line is not valid, or a column is absent.
    """
    file = Path(path)
    records = []
    columns: dict[str, None] = {}
    labelled = False
    for where, row in rows(file):
        columns.update(dict.fromkeys(row))
        if text not in row:
            raise DataError(_absent(text, "text", where, row))
        payload = row[text]
        if payload is None:
            payload = ""
        if not isinstance(payload, str):
            raise DataError(f"{where}: column '{text}' must hold text; got {type(payload).__name__} {payload!r:.40}")
        value = None if label is None else row.get(label)
        if isinstance(value, bool | dict | list | float):
            raise DataError(f"{where}: column '{label}' must hold a name or a whole number; got {value!r:.40}")
        name = None if value is None or str(value).strip() == "" else str(value)
        if name is not None and any("\ud800" <= c <= "\udfff" for c in name):
            raise DataError(f"{where}: the label {name!r:.40} holds half a character (a lone surrogate). Write it whole.")
        labelled = labelled or (label is not None and label in row)
        records.append(Record(key_of(payload), payload, name))
    if not records:
        raise DataError(f"{file}: the file holds no rows. Give a file with one example a line.")
    if label is not None and not labelled:
        raise DataError(_absent(label, "label", str(file), dict.fromkeys(columns)))
    return records


def key_of(payload: str) -> str:
    """The stable key of a text: half of its sha256, so copies of a text share it."""
    return hashlib.sha256(payload.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def rows(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each row as a mapping, with where it stands ("logs.jsonl, line 3")."""
    name = file.name.lower().removesuffix(".gz")
    with _readable(file):
        if not name.endswith(FORMATS):
            raise DataError(
                f"{file}: unknown format '{Path(name).suffix}'. Use one of {', '.join(FORMATS)}, each also with .gz behind."
            )
        with _opened(file) as handle:
            yield from _jsonl(handle, file) if name.endswith(".jsonl") else _csv(handle, file)


@contextlib.contextmanager
def _readable(file: Path) -> Iterator[None]:
    """Turn whatever can go wrong with a file into a message about it."""
    check_readable(file)
    try:
        yield
    except UnicodeDecodeError as error:
        raise DataError(
            f"{file}: not UTF-8 ({error.reason}, byte 0x{error.object[error.start]:02x}). Save it as UTF-8."
        ) from error
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise DataError(f"{file}: not a whole gzip file ({error}). Copy it again, or remove .gz from its name.") from error
    except OSError as error:
        raise InputFileError(f"cannot read the file {file}: {error.strerror or error}.") from error


def check_readable(file: Path) -> None:
    """Say whether a file can be read, before anything else is done.

    Raises:
        InputFileError: it is missing, a folder, or not ours to read.
    """
    try:
        there = file.is_file()
    except OSError as error:
        raise InputFileError(f"cannot read the file {file}: {error.strerror}.") from error
    if not there:
        what = "is a folder" if file.is_dir() else "does not exist"
        raise InputFileError(f"cannot read the file {file}: it {what}. Check the path (from {Path.cwd()}).")
    if not os.access(file, os.R_OK):
        raise InputFileError(f"cannot read the file {file}: permission denied. Check its permissions.")


def text_lines(file: Path) -> Iterator[str]:
    """The lines of a text file, perhaps gzipped, without their ends; an empty line is an empty text."""
    with _readable(file), _opened(file, newline=None) as handle:
        for line in handle:
            yield line.removesuffix("\n")


@contextlib.contextmanager
def write_whole(path: Path) -> Iterator[TextIO]:
    """A file to write (gzipped when its name ends with .gz) that takes its place only when all of it was written.

    Raises:
        InputFileError: the folder is missing or cannot be written.
    """
    try:
        place = path.resolve()  # a link stays, and what it leads to is replaced
        if place.is_dir():
            raise InputFileError(f"cannot write {path}: it is a folder. Give the name of a file.")
        special = place.exists() and not place.is_file()  # a pipe or a device is written to, never replaced
    except OSError as error:
        if isinstance(error, LimbeckError):
            raise
        raise InputFileError(f"cannot write {path}: {error.strerror or error}.") from error
    draft = place if special else place.with_name(f".{place.name}.{os.getpid()}")
    try:
        with gzip.open(draft, "wt", encoding="utf-8") if path.suffix == ".gz" else draft.open("w", encoding="utf-8") as handle:
            yield handle
        if not special:
            draft.replace(place)
    except (LimbeckError, BrokenPipeError):  # of whoever makes the lines, or reads them: some of ours are OSErrors too
        raise
    except OSError as error:
        raise InputFileError(f"cannot write {path}: {error.strerror or error}. Check the folder.") from error
    finally:
        if not special:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)


def _opened(file: Path, newline: str | None = "") -> TextIO:
    if file.suffix.lower() == ".gz":
        return gzip.open(file, "rt", encoding="utf-8-sig", newline=newline)
    return file.open(encoding="utf-8-sig", newline=newline)


def _jsonl(handle: TextIO, file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, line in enumerate(handle, 1):
        if not line.strip():
            continue
        where = f"{file}, line {number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:  # ValueError: also a number of more than 4,300 digits
            reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            raise DataError(
                f"{where}: not valid JSON ({reason}): {line.strip():.60}. Each line must be one JSON object."
            ) from error
        if not isinstance(row, dict):
            raise DataError(f'{where}: expected a JSON object such as {{"text": …, "label": …}}; got {line.strip():.60}')
        yield where, row


def _csv(handle: TextIO, file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    csv.field_size_limit(sys.maxsize)
    reader = csv.reader(handle, strict=True)
    try:
        header = next(reader, None)
        if header is None:
            return
        if len(set(header)) < len(header):
            raise DataError(f"{file}: a column name stands twice in the header: {', '.join(header)}")
        for values in reader:
            where = f"{file}, line {reader.line_num}"
            if not values:
                continue
            if len(values) != len(header):
                raise DataError(
                    f"{where}: {len(values)} fields, but the header has {len(header)}. Quote fields that hold commas."
                )
            yield where, dict(zip(header, values, strict=True))
    except csv.Error as error:
        raise DataError(
            f"{file}, line {reader.line_num}: not valid CSV ({error}). Quote fields that hold quotes or newlines."
        ) from error


def _absent(column: str, role: str, where: str, row: dict[str, Any]) -> str:
    return (
        f"{where}: there is no column '{column}'; the columns are {listing(list(row))}.{nearest(column, row)} "
        f"Name the {role} column with --set data.{role}=NAME"
    )
