"""Files opened, read to their end and written whole. Knows gzip, UTF-8 and what can go wrong with a file; knows no format of rows."""

from __future__ import annotations

import contextlib
import gzip
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from limbeck.errors import DataError, InputFileError, LimbeckError


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


def is_folder(path: Path) -> bool:
    """Whether there is a folder; a path that the file system refuses is none."""
    try:
        return path.is_dir()
    except OSError:
        return False


@contextlib.contextmanager
def readable(file: Path) -> Iterator[None]:
    """Turn whatever can go wrong while a file is read into a message about it.

    Raises:
        InputFileError: it cannot be opened or read.
        DataError: it is not UTF-8, or not a whole gzip file.
    """
    check_readable(file)
    try:
        yield
    except LimbeckError:  # some of ours are OSErrors or ValueErrors too
        raise
    except UnicodeDecodeError as error:
        raise DataError(
            f"{file}: not UTF-8 ({error.reason}, byte 0x{error.object[error.start]:02x}). Save it as UTF-8."
        ) from error
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise DataError(f"{file}: not a whole gzip file ({error}). Copy it again, or remove .gz from its name.") from error
    except OSError as error:
        raise InputFileError(f"cannot read the file {file}: {error.strerror or error}.") from error


def opened(file: Path, newline: str | None = "") -> TextIO:
    """A text file, perhaps gzipped; UTF-8, with or without a byte order mark."""
    if file.suffix.lower() == ".gz":
        return gzip.open(file, "rt", encoding="utf-8-sig", newline=newline)
    return file.open(encoding="utf-8-sig", newline=newline)


def text_lines(file: Path) -> Iterator[str]:
    """The lines of a text file, perhaps gzipped, without their ends; an empty line is an empty text."""
    with readable(file), opened(file, newline=None) as handle:
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
