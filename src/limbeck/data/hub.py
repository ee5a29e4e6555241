"""Rows of Hugging Face datasets, by id or from a folder. Knows the library `datasets`, on first use; knows nothing of what columns mean.

hf://OWNER/NAME[@REVISION][:CONFIG][#SPLIT], or hf://path/to/folder[:CONFIG][#SPLIT] for a dataset that lies on this machine: saved
with `save_to_disk`, or a folder of data files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limbeck.data.files import is_folder
from limbeck.data.lines import Row
from limbeck.data.rejected import Reject
from limbeck.errors import DataError, listing, missing_extra, nearest
from limbeck.types import digest

_ROWS_AT_ONCE = 1000
_SCHEME = re.compile(r"hf:/{1,2}(?=.)")
_NAME = re.compile(r"(?P<name>[^@:#]+)(?:@(?P<revision>[^:#]+))?(?::(?P<config>[^#]+))?(?:#(?P<split>.+))?")


@dataclass(frozen=True, slots=True)
class HubSource:
    """What an hf:// path names. `folder` is set where it lies on this machine; then `name` is its path."""

    name: str
    folder: Path | None = None
    revision: str | None = None
    config: str | None = None
    split: str | None = None

    @classmethod
    def parse(cls, source: str) -> HubSource | None:
        """The parts of an hf:// path; None where it is not one.

        Raises:
            DataError: it begins with hf:// and goes on in no known form.

        Example:
            >>> HubSource.parse("hf://PolyAI/banking77@main#test").split
            'test'
        """
        scheme = _SCHEME.match(source)
        if not scheme:
            return None
        rest = source[scheme.end() :]
        # A path object makes one slash of several, so that what follows a single one may have been absolute.
        for local in (rest, f"/{rest}") if scheme[0] == "hf:/" else (rest,):
            head, _, split = local.rpartition("#")
            path, _, config = head.rpartition(":")
            bare, _, only_config = local.rpartition(":")
            # A folder's own name may hold any sign, so the longest name comes first.
            whole, in_config = (local, None, None), (bare, only_config, None)
            for name, of_config, of_split in (whole, (head, None, split), (path, config, split), in_config):
                if name and is_folder(Path(name)):
                    return cls(name, Path(name), config=of_config, split=of_split)
        parts = _NAME.fullmatch(rest)
        if parts is None or not re.fullmatch(r"\w[\w.-]*(/\w[\w.-]*)?", parts["name"]):
            raise DataError(
                f"{source}: there is no such folder, and it is not hf://OWNER/NAME[@REVISION][:CONFIG][#SPLIT], "
                "as in hf://PolyAI/banking77#train"
            )
        return cls(parts["name"], None, parts["revision"], parts["config"], parts["split"])


def hub_rows(source: str, wanted: frozenset[str], _reject: Reject) -> Iterator[Row]:
    """The rows of one split, a thousand in memory at a time; a class label is its name, or None where it is -1.

    Raises:
        MissingExtraError: the library `datasets` is not installed.
        DataError: there is no such dataset, configuration or split, or it cannot be read.
    """
    dataset = _loaded(source)
    if wanted and wanted <= set(dataset.column_names):
        dataset = dataset.select_columns(sorted(wanted))
    names = {column: feature.names for column, feature in dataset.features.items() if type(feature).__name__ == "ClassLabel"}
    number = 0
    for table in dataset.with_format("arrow").iter(_ROWS_AT_ONCE):
        for row in table.to_pylist():
            number += 1
            for column, classes in names.items():
                index = row[column]
                row[column] = None if index is None or index == -1 else classes[index]
            yield f"{source}, row {number}", row


def hub_fingerprint(source: str) -> str:
    """The sha256 that stands for a dataset of the hub: its id, configuration, commit and split, as `datasets` fingerprints them."""
    return digest({"dataset": _loaded(source)._fingerprint})


def _loaded(source: str) -> Any:
    """One split of the dataset, memory-mapped."""
    try:
        import datasets
    except ImportError as error:
        raise missing_extra("datasets", "datasets", f"reading {source}") from error
    parts = HubSource.parse(source)
    assert parts is not None, source
    saved = parts.folder and any((parts.folder / name).is_file() for name in ("state.json", "dataset_dict.json"))
    try:
        if saved:
            found = datasets.load_from_disk(parts.name)
        else:
            found = datasets.load_dataset(parts.name, parts.config, revision=parts.revision)
    except Exception as error:  # the libraries behind raise dozens of kinds
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(
            f"{source}: cannot load this dataset ({reason}). Check owner, name, revision and configuration; a private one needs "
            "`hf auth login`, and a machine without a network a folder: hf://path/to/folder"
        ) from error
    if not isinstance(found, dict):
        if parts.split is not None:
            raise DataError(f"{source}: this folder holds one split without a name. Leave '#{parts.split}' out.")
        return found
    split = parts.split or ("train" if "train" in found else next(iter(found)) if len(found) == 1 else None)
    if split is None or split not in found:
        what = f"there is no split '{split}'" if split else "it has several splits"
        bare = source.split("#")[0]
        raise DataError(
            f"{source}: {what}; there are {listing(list(found))}.{nearest(split or '', found)} Name one as in {bare}#{next(iter(found))}"
        )
    return found[split]
