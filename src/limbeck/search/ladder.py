"""A ladder of untrained candidates as one file, to be measured on another machine. Knows bundles and a zip; knows no recipe, no torch.

    candidates.zip
      ladder.json      what the ladder was made from, the bundles' schema, and the payloads to be timed with, as JSON texts
      NAME.zip         each candidate: the zip form of a bundle

It is read as bundles are: entries stored, in one order, no byte but those that limbeck writes. It holds no payload of the training rows: what is
timed are stand-ins of limbeck's own, of the training payloads' lengths and sizes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limbeck import catalog
from limbeck.archive import MOST_ARCHIVE_BYTES, packed, unpacked
from limbeck.bundle import Bundle
from limbeck.disk import read_whole, write_whole
from limbeck.errors import BundleError, InputFileError, listing
from limbeck.manifest import SCHEMA_OF_ONE_LABEL as SCHEMA_VERSION
from limbeck.plain_json import canonical, parse
from limbeck.search.machine import card
from limbeck.search.measure import QUERIES, Cost, cost
from limbeck.search.profile import Profile
from limbeck.types import Progress, silent

LADDER, SUFFIX = "ladder.json", ".zip"
LADDER_SCHEMA = 1
_MOST_CANDIDATES = 1_000
MOST_QUERY_BYTES = 16 * 2**20
"""Of all queries together; fewer are asked in turns."""
_KEYS = {"ladder", "bundle_schema", "made_from", "queries"}


@dataclass(frozen=True, slots=True)
class Ladder:
    """Candidates by name, each still as the bytes of its zip; what they were made from; the payloads to be timed with, as JSON texts."""

    made_from: Mapping[str, str]
    queries: tuple[str, ...]
    candidates: Mapping[str, bytes]

    def measured(self, progress: Progress = silent) -> Profile:
        """What each candidate costs on this machine.

        Raises:
            BundleError: one of them does not load here.
        """
        costs, asked = dict[str, Cost](), dict[str, list[Any]]()
        with tempfile.TemporaryDirectory() as folder:
            for done, (name, data) in enumerate(self.candidates.items()):
                progress("measure", done, len(self.candidates), name)
                file = Path(folder) / f"{name}{SUFFIX}"
                file.write_bytes(data)
                bundle = Bundle.open(file)
                if (reads := bundle.manifest.modality) not in asked:
                    asked[reads] = self._asked(reads)
                costs[name] = cost(bundle, asked[reads])
                file.unlink()
        void = sum(c.void for c in costs.values())
        note = f"{void} of {len(costs)} in company: their times are void" if void else f"{len(costs)} candidates"
        progress("measure", len(costs), len(costs), note)
        return Profile(self.made_from, card(), costs)

    def _asked(self, reads: str) -> list[Any]:
        """The payloads as users send them, of a modality."""
        modality = catalog.find("modalities", reads)
        try:
            sent = [modality.as_sent(modality.from_json(query)) for query in self.queries[:QUERIES]]
        except ValueError as error:
            raise BundleError(f"the ladder's queries are no payloads for its candidates: a query {error}") from error
        return [sent[place % len(sent)] for place in range(QUERIES)]


def write(out: Path, made_from: Mapping[str, str], queries: Iterable[str], candidates: Iterable[tuple[str, Bundle]]) -> int:
    """Write a ladder.

    Args:
        out: the file.
        made_from: what decides the ladder, by name.
        queries: payloads to be timed with, as JSON texts; no more are asked for than `MOST_QUERY_BYTES` hold, and one at least.
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
    carried, room = list[str](), MOST_QUERY_BYTES
    for query in queries:
        if not carried or len(query) <= room:
            carried.append(query)
            room -= len(query)
        elif room < MOST_QUERY_BYTES // 2:  # else it was a large one among small ones
            break
    content[LADDER] = canonical({**described, "queries": carried})
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
