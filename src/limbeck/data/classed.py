"""Rows of a folder, or of a zip of it, with a folder for each class. Knows names of files; opens and decodes none of them.

    animals/cat/001.png     is of the class cat, and so is animals/cat/more/002.png
    animals/003.png         has no label

A zip that holds nothing but one folder is that folder. Nothing is unpacked: a row holds where its file lies. Files are known by their suffixes. Of a
folder that holds none of these, here or below, all are rows but those that usually lie beside data, so that no class is lost without a word: what
they hold then says what they are.
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
_BESIDE = frozenset(
    [".txt", ".md", ".rst", ".json", ".jsonl", ".xml", ".csv", ".tsv", ".yaml", ".yml", ".html", ".pdf", ".log", ".ini", ".db", ".py", ".ipynb", ".sh",
     ".npy", ".npz"]
)  # fmt: skip
"""Suffixes of what lies beside data and is none."""


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
        members = _rows(_members(source), named)
        around = _wrapped(members)
        found = [(m[around:], Stored(str(source), "/".join(m))) for m in members]
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
    found, above = [], {folder: frozenset[Path]()}
    for walked, folders, names in os.walk(folder, followlinks=True):
        place = Path(walked)
        real, around = place.resolve(), above.pop(place)
        if real in around:  # a link back to a folder that it was reached through
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        above |= dict.fromkeys((place / name for name in folders), around | {real})
        found += [(place / name).relative_to(folder).parts for name in names if not name.startswith(".")]
    rows = [(folder.joinpath(*parts), _is_named(parts, suffixes)) for parts in _rows(sorted(found), suffixes)]
    return [path for path, is_named in rows if is_named or path.is_file()]  # and no socket or pipe


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


def _rows(paths: list[tuple[str, ...]], suffixes: Collection[str]) -> list[tuple[str, ...]]:
    """Which of these files are rows: the named ones, and those of folders that hold none."""
    named = {p for p in paths if _is_named(p, suffixes)}
    holding = {p[:depth] for p in named for depth in range(1, len(p))}

    def is_row(p: tuple[str, ...]) -> bool:
        return p in named or not (len(p) == 1 or p[:-1] in holding or _is_named(p, _BESIDE))

    return [p for p in paths if is_row(p)] if named else []


def _wrapped(paths: list[tuple[str, ...]]) -> int:
    """How many folders lie around all classes: those that all files share, where the classes lie below them."""
    depth = 0
    while paths and all(len(p) > depth + 2 for p in paths) and len({p[depth] for p in paths}) == 1:
        depth += 1
    return depth


def _is_named(parts: tuple[str, ...], suffixes: Collection[str]) -> bool:
    return Path(parts[-1]).suffix.lower() in suffixes
