"""What limbeck can be extended with, by name. Knows the open folders and the entry points; knows no entry by itself.

A file in an open folder is an entry: `objectives/soft_targets.py` is the objective 'soft_targets', and its class bears the same
name in capitals, `SoftTargets`. Other packages join through an entry point of the group `limbeck.<folder>`.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

from limbeck.errors import UnknownNameError, missing_extra, nearest

FOLDERS = ("modalities", "objectives", "students", "targets", "tasks", "teachers")

_EXTRA_PACKAGES = {
    **dict.fromkeys(("torch", "transformers", "safetensors", "onnx", "sklearn"), "train"),
    "skops": "sklearn",
    "PIL": "image",
    "soundfile": "audio",
    "httpx2": "api",
}


def names(folder: str) -> list[str]:
    """The names of all entries of an open folder, sorted; nothing is imported.

    Example:
        >>> names("objectives")[:2]
        ['binary_hard_labels', 'binary_soft_targets']
    """
    _check_folder(folder)
    return sorted(_files(folder) | {e.name for e in _entry_points(folder)})


def find(folder: str, name: str) -> Any:
    """The class of an entry.

    Raises:
        UnknownNameError: no entry has this name; the message holds the nearest one and all of them.
        MissingExtraError: the entry needs packages that are not installed.
    """
    _check_folder(folder)
    wanted = name.replace("-", "_")
    if wanted not in _files(folder):  # a name of limbeck's own is limbeck's, and costs no look at what else is installed
        for entry in _entry_points(folder):
            if entry.name == wanted:
                return entry.load()
        known = names(folder)
        raise UnknownNameError(f"'{name:.80}' is not among the {folder}: {', '.join(known)}.{nearest(wanted[:80], known)}")
    try:
        module = import_module(f"limbeck.{folder}.{wanted}")
    except ImportError as error:
        package = (error.name or "").split(".")[0]
        if package in _EXTRA_PACKAGES:
            raise missing_extra(package, _EXTRA_PACKAGES[package], f"'{name}' ({folder})") from error
        raise
    return getattr(module, "".join(part.capitalize() for part in wanted.split("_")))


def _files(folder: str) -> set[str]:
    path = Path(__file__).parent / folder
    return {m.name for m in pkgutil.iter_modules([str(path)]) if not m.name.startswith("_")}


def _entry_points(folder: str) -> Iterable[Any]:
    from importlib.metadata import entry_points  # reads the metadata of every installed package

    return entry_points(group=f"limbeck.{folder}")


def _check_folder(folder: str) -> None:
    if folder not in FOLDERS:
        raise UnknownNameError(f"'{folder}' is not an open folder of limbeck: {', '.join(FOLDERS)}.{nearest(folder, FOLDERS)}")
