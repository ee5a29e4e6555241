"""Rows of a folder, or of a zip of it, with a folder for each class. Knows names of files; opens and decodes none of them.

    animals/cat/001.png     is of the class cat, and so is animals/cat/more/002.png
    animals/003.png         has no label

A zip that holds nothing but one folder is that folder. Nothing is unpacked: a row holds where its file lies.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath

from limbeck.data.files import is_folder, readable
from limbeck.data.lines import Row
from limbeck.errors import DataError, listing
from limbeck.payloads import Stored

_TRAIN = frozenset({"train", "training"})
_SPLITS = _TRAIN | {"test", "testing", "val", "valid", "validation", "dev", "eval"}
"""Names of folders that no class bears, where all folders have such names."""


def classed(source: Path, suffixes: Collection[str], column: str) -> Iterator[Row]:
    """Each file with its class, in the order of the names.

    Args:
        source: the folder, or the zip.
        suffixes: of the files that are rows; others are passed over.
        column: under which a row holds its file, beside `label`.

    Raises:
        DataError: there is no such file, or the zip is damaged or names a file outside of itself.
    """
    if is_folder(source):
        found = [(p.relative_to(source).parts, Stored(str(p))) for p in classed_files(source, suffixes)]
    else:
        found = [(parts, Stored(str(source), "/".join(parts))) for parts in _members(source, suffixes)]
        found = [(parts[_wrapped([p for p, _ in found]) :], stored) for parts, stored in found]
    if not found:
        idx = is_folder(source) and any("-ubyte" in p.name for p in Path(source).iterdir())
        raise DataError(
            f"{source}: it holds no file of {', '.join(sorted(suffixes))}. "
            + (
                "Of IDX files name that of the images."
                if idx
                else "Give a folder with a folder for each class, or a zip of it."
            )
        )
    tops = {parts[0] for parts, _ in found}
    if len(tops) > 1 and tops <= _SPLITS and all(len(parts) > 2 for parts, _ in found):
        raise DataError(
            f"{source}: its folders are {listing(sorted(tops))}, which are parts of a data set and no classes. Name each part by itself, as in "
            f"data.train={source}/{min(tops & _TRAIN or tops)} (of a zip, unpack it first)."
        )
    for parts, stored in found:
        yield str(stored), {column: stored, "label": parts[0] if len(parts) > 1 else None}


def classed_files(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """The files of a folder and below it, in the order of their names; those of hidden folders are passed over."""
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(place) / name for name in names if _is_row(name, suffixes)]
    return sorted(found, key=lambda p: p.relative_to(folder).parts)


def _members(source: Path, suffixes: Collection[str]) -> list[tuple[str, ...]]:
    with readable(source):
        try:
            with zipfile.ZipFile(source) as archive:
                names = sorted(member.filename for member in archive.infolist() if not member.is_dir())
        except (zipfile.BadZipFile, NotImplementedError) as error:
            raise DataError(f"{source}: not a whole zip file ({error}). Copy it again.") from error
    for name in names:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name:
            raise DataError(f"{source}: it names a file outside of itself, '{name:.100}'. Make the zip again.")
    paths = [PurePosixPath(name).parts for name in names]
    hidden = ("__MACOSX",)
    return [p for p in paths if _is_row(p[-1], suffixes) and not any(f.startswith(".") or f in hidden for f in p[:-1])]


def _wrapped(paths: list[tuple[str, ...]]) -> int:
    """How many folders lie around all classes: those that all files share, where the classes lie below them."""
    depth = 0
    while paths and all(len(p) > depth + 2 for p in paths) and len({p[depth] for p in paths}) == 1:
        depth += 1
    return depth


def _is_row(name: str, suffixes: Collection[str]) -> bool:
    return not name.startswith(".") and Path(name).suffix.lower() in suffixes
