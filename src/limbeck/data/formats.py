"""Which format a data source has, and who reads it. Knows names of files; each format is in a file of its own.

A new format is a reader and a line of `FORMATS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limbeck.bundle import sha256_of
from limbeck.data.classed import classed, classed_files
from limbeck.data.files import check_readable, is_folder
from limbeck.data.hub import HubSource, hub_fingerprint, hub_rows
from limbeck.data.idx import idx, idx_labels, is_idx
from limbeck.data.lines import Row, csv_, jsonl, tsv
from limbeck.data.parquet import parquet
from limbeck.data.rasa import rasa_file, rasa_folder, rasa_zip, yaml_files
from limbeck.data.rejected import Reject, stop
from limbeck.errors import DataError, nearest
from limbeck.modalities.text import Text
from limbeck.types import digest

Reader = Callable[[Path, frozenset[str], Reject], Iterator[Row]]
"""Gives the rows of a file. It is told which columns are wanted (none: all), and tells `reject` of what is no row."""


@dataclass(frozen=True, slots=True)
class Format:
    """Who reads a format, and whether it may be gzipped."""

    read: Reader
    gzipped: bool = True


FORMATS: dict[str, Format] = {
    ".jsonl": Format(jsonl),
    ".csv": Format(csv_),
    ".tsv": Format(tsv),
    ".parquet": Format(parquet, gzipped=False),
    ".yml": Format(rasa_file),
    ".yaml": Format(rasa_file),
    ".zip": Format(rasa_zip, gzipped=False),
}


def rows(
    source: str | Path, wanted: frozenset[str] = frozenset(), reject: Reject = stop, modality: Any = Text
) -> Iterator[Row]:
    """Each row with where it stands ("logs.jsonl, line 3") and its values by column.

    Args:
        source: a file of a known format, a folder of Rasa NLU files, or a Hugging Face dataset as hf://OWNER/NAME.
        wanted: the columns that will be looked at; formats by column read no others. None of them: all.
        reject: is told of what cannot be read as a row; by default that is an error.
        modality: where it names the suffixes of its own files, folders and zips hold these, in a folder for each class.

    Raises:
        InputFileError: the source is missing or cannot be opened.
        DataError: its format is unknown, or it is broken as a whole.
    """
    if HubSource.parse(str(source)):
        return hub_rows(str(source), wanted, reject)
    path = Path(source)
    if modality.suffixes and (is_folder(path) or path.suffix.lower() == ".zip"):
        return classed(path, modality.suffixes, modality.column, modality.unread)
    if is_folder(path):
        return rasa_folder(path, wanted, reject)
    check_readable(path)
    if is_idx(path):
        return idx(path, modality.column)
    return _format(path).read(path, wanted, reject)


def fingerprint(source: str | Path, modality: Any = Text) -> str:
    """The sha256 (hex) that says whether a source still is what it was, wherever it lies.

    Of a file it is the file's; of a folder that of the names and contents of the files that are read; of a dataset of the hub that of
    what `datasets` calls its fingerprint, which holds the commit.

    Raises:
        InputFileError: the source is missing or cannot be opened.
        DataError: it is an hf:// path to nothing.
    """
    hub = HubSource.parse(str(source))
    if hub and hub.folder is None:
        return hub_fingerprint(str(source))
    path = hub.folder if hub and hub.folder else Path(source)
    if not is_folder(path):
        check_readable(path)
        if is_idx(path):
            return digest({"files": [sha256_of(path), sha256_of(idx_labels(path))]})
        return sha256_of(path)
    if hub:
        files = sorted(p for p in path.rglob("*") if p.is_file())
    else:
        files = classed_files(path, modality.suffixes | modality.unread) if modality.suffixes else yaml_files(path)
    content = {file.relative_to(path).as_posix(): sha256_of(file) for file in files}
    return digest({"files": content, "config": hub.config, "split": hub.split} if hub else {"files": content})


def _format(file: Path) -> Format:
    name = file.name.lower()
    suffix = Path(name.removesuffix(".gz")).suffix
    found = FORMATS.get(suffix)
    if found is None:
        raise DataError(
            f"{file}: unknown format '{suffix}'.{nearest(suffix, FORMATS)} Use one of {', '.join(FORMATS)}, "
            "IDX (…-idx3-ubyte), a folder of Rasa NLU files, or hf://OWNER/NAME; text formats also with .gz behind."
        )
    if name.endswith(".gz") and not found.gzipped:
        raise DataError(f"{file}: a {suffix} file is compressed in itself. Unpack it with gunzip.")
    return found
