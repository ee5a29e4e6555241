"""Rows of a folder, or of a zip of it, with a folder for each class. Knows names of files; opens and decodes none of them.

    animals/cat/001.png     is of the class cat, and so is animals/cat/more/002.png
    animals/003.png         has no label

A zip that holds nothing but one folder is that folder. Nothing is unpacked: a row holds where its file lies. Files are known by their suffixes; of a
folder none of whose files has one of these, all are rows, so that no class is lost without a word: what they hold then says what they are.
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


def classed(source: Path, suffixes: frozenset[str], column: str, unread: frozenset[str] = frozenset()) -> Iterator[Row]:
    """Each file with its class, in the order of the names.

    Args:
        source: the folder, or the zip.
        suffixes: of the files that are rows; others are passed over, where some files of the same class have one.
        column: under which a row holds its file, beside `label`.
        unread: suffixes of files that are rows too, so that whoever cannot decode them says so.

    Raises:
        DataError: there is no such file, or the zip is damaged or names a file outside of itself.
    """
    named = suffixes | unread
    if is_folder(source):
        found = [(p.relative_to(source).parts, Stored(str(p))) for p in classed_files(source, named)]
    else:
        members = _members(source)
        around = _wrapper([m for m in members if _is_named(m, named)])
        inside = [m for m in members if m[: len(around)] == around]
        found = [(m[len(around) :], Stored(str(source), "/".join(m))) for m in _rows(inside, named, len(around))]
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
    """The files of a folder and below it that are rows, in the order of their names; those of hidden folders are passed over, links are followed."""
    found = []
    for place, folders, names in os.walk(folder, followlinks=True):
        real, above = Path(place).resolve(), Path(place).parent.resolve()
        if real in (above, *above.parents):  # a link to a folder that it lies in
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [(Path(place) / name).relative_to(folder).parts for name in names if not name.startswith(".")]
    return [folder.joinpath(*parts) for parts in _rows(sorted(found), suffixes, 0)]


def _members(source: Path) -> list[tuple[str, ...]]:
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
    return [p for p in paths if not any(part.startswith(".") or part == "__MACOSX" for part in p)]


def _rows(paths: list[tuple[str, ...]], suffixes: Collection[str], depth: int) -> list[tuple[str, ...]]:
    """Which of these files are rows, where the classes' folders lie `depth` folders deep."""
    named = {p[depth] for p in paths if _is_named(p, suffixes)}
    if not named:
        return []
    return [p for p in paths if _is_named(p, suffixes) or (len(p) > depth + 1 and p[depth] not in named)]


def _wrapper(paths: list[tuple[str, ...]]) -> tuple[str, ...]:
    """The folders that lie around all classes: those that all files share, where the classes lie below them."""
    depth = 0
    while paths and all(len(p) > depth + 2 for p in paths) and len({p[depth] for p in paths}) == 1:
        depth += 1
    return paths[0][:depth] if paths else ()


def _is_named(parts: tuple[str, ...], suffixes: Collection[str]) -> bool:
    return Path(parts[-1]).suffix.lower() in suffixes
