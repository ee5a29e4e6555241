"""A ladder of untrained candidates as one file, to be measured on another machine. Knows bundles and a zip; knows no recipe, no torch.

    candidates.zip
      ladder.json      what the ladder was made from, the bundles' schema, and the texts to be timed with
      NAME.zip         each candidate: the zip form of a bundle

It is read as bundles are: entries stored, in one order, no byte but those that limbeck writes. It holds no text of the training rows: what is
timed are words of limbeck's own, as many in each text as the training texts have.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limbeck.archive import MOST_ARCHIVE_BYTES, packed, unpacked
from limbeck.bundle import Bundle
from limbeck.disk import read_whole, write_whole
from limbeck.errors import BundleError, InputFileError, listing
from limbeck.manifest import SCHEMA_OF_ONE_LABEL as SCHEMA_VERSION
from limbeck.plain_json import canonical, parse
from limbeck.search.machine import card
from limbeck.search.measure import Cost, cost
from limbeck.search.profile import Profile
from limbeck.types import Progress, silent

LADDER, SUFFIX = "ladder.json", ".zip"
LADDER_SCHEMA = 1
_MOST_CANDIDATES = 1_000
_WORDS = [
    "i",
    "would",
    "like",
    "to",
    "know",
    "where",
    "my",
    "order",
    "is",
    "and",
    "when",
    "it",
    "will",
    "be",
    "here",
    "please",
    "thank",
    "you",
]
_MOST_WORDS = 10_000
_KEYS = {"ladder", "bundle_schema", "made_from", "queries"}


@dataclass(frozen=True, slots=True)
class Ladder:
    """Candidates by name, each still as the bytes of its zip; what they were made from; the texts to be timed with."""

    made_from: Mapping[str, str]
    queries: tuple[str, ...]
    candidates: Mapping[str, bytes]

    def measured(self, progress: Progress = silent) -> Profile:
        """What each candidate costs on this machine.

        Raises:
            BundleError: one of them does not load here.
        """
        costs: dict[str, Cost] = {}
        with tempfile.TemporaryDirectory() as folder:
            for done, (name, data) in enumerate(self.candidates.items()):
                progress("measure", done, len(self.candidates), name)
                file = Path(folder) / f"{name}{SUFFIX}"
                file.write_bytes(data)
                costs[name] = cost(Bundle.open(file), self.queries)
                file.unlink()
        void = sum(c.void for c in costs.values())
        note = f"{void} of {len(costs)} in company: their times are void" if void else f"{len(costs)} candidates"
        progress("measure", len(costs), len(costs), note)
        return Profile(self.made_from, card(), costs)


def queries(lengths: Sequence[int]) -> list[str]:
    """Texts of so many words each; the words are limbeck's own.

    Example:
        >>> queries([2, 3])
        ['i would', 'like to know']
    """
    found, at = [], 0
    for length in lengths:
        found.append(" ".join(_WORDS[(at + place) % len(_WORDS)] for place in range(min(length, _MOST_WORDS))))
        at += length
    return found


def write(out: Path, made_from: Mapping[str, str], texts: Sequence[str], candidates: Iterable[tuple[str, Bundle]]) -> int:
    """Write a ladder.

    Args:
        out: the file.
        made_from: what decides the ladder, by name.
        texts: to be timed with.
        candidates: with their names; each bundle is read before the next one is asked for.

    Returns:
        How many candidates it holds.

    Raises:
        InputFileError: the file cannot be written.
    """
    content: dict[str, bytes] = {}
    for name, bundle in candidates:
        content[f"{name}{SUFFIX}"] = b"".join(packed(bundle.content))
    described: dict[str, Any] = {"ladder": LADDER_SCHEMA, "bundle_schema": SCHEMA_VERSION, "made_from": dict(made_from)}
    content[LADDER] = canonical({**described, "queries": list(texts)})
    try:
        write_whole(out, packed(content))
    except OSError as error:
        raise InputFileError(f"cannot write {out}: {error.strerror}") from error
    return len(content) - 1


def read(path: Path) -> Ladder:
    """A ladder that `write` wrote.

    Raises:
        InputFileError: the file cannot be read.
        BundleError: it is no ladder, or one of another bundle schema.
    """
    by = "limbeck ladder RECIPE --out candidates.zip"
    try:
        data = read_whole(path, MOST_ARCHIVE_BYTES)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputFileError(f"cannot read the ladder {path}: {reason}. Make it with: {by}") from error
    content = unpacked(data, str(path), _MOST_CANDIDATES + 1, "a ladder that limbeck wrote", by)
    try:
        described = parse(content.pop(LADDER, b"null"))
        if (
            not isinstance(described, dict)
            or set(described) != _KEYS
            or described["ladder"] != LADDER_SCHEMA
            or not _texts(list(described["made_from"].values()))
            or not _texts(described["queries"])
        ):
            raise ValueError(f"{LADDER} must hold {listing(sorted(_KEYS))} of form {LADDER_SCHEMA}, and at least one query")
    except (ValueError, AttributeError) as error:
        raise BundleError(f"{path} is not a ladder that limbeck wrote: {error}. Make it with: {by}") from error
    if described["bundle_schema"] != SCHEMA_VERSION:
        raise BundleError(
            f"{path} holds bundles of schema {described['bundle_schema']!r:.20}; this limbeck reads {SCHEMA_VERSION} here. "
            "Use the same version of limbeck on both machines."
        )
    candidates = {name.removesuffix(SUFFIX): data for name, data in content.items() if name.endswith(SUFFIX)}
    if len(candidates) != len(content) or not candidates:
        raise BundleError(f"{path} is not a ladder that limbeck wrote: it must hold candidates (NAME.zip) and {LADDER} alone")
    return Ladder(described["made_from"], tuple(described["queries"]), candidates)


def _texts(found: Any) -> bool:
    return isinstance(found, list) and bool(found) and all(isinstance(text, str) for text in found)
