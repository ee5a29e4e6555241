"""Rows that cannot be used, and what is done with them. Knows that nothing is dropped silently; knows nothing of formats."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from limbeck.data.files import write_whole
from limbeck.errors import DataError
from limbeck.payloads import Stored

Kind = Literal["unusable", "empty", "contradictory", "unjudging", "unchoosing"]
"""unusable: not a row, or not of texts. empty: no text. contradictory: copies of its text have other labels, or it is said to be out of scope.
unjudging: a test row without a label. unchoosing: a validation row without a label, or whose text judges."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that is set aside: where it stands, why, and what it holds."""

    where: str
    reason: str
    row: Any
    kind: Kind = "unusable"


Reject = Callable[[Rejected], None]
"""Is told of each row that cannot be used."""


def stop(rejected: Rejected) -> None:
    """The strict way: the first row that cannot be used is an error.

    Raises:
        DataError: always.
    """
    raise DataError(f"{rejected.where}: {rejected.reason}")


def _plain(value: Any) -> str:
    return str(value) if isinstance(value, Stored) else reprlib.repr(value)


def write_rejected(path: Path, rejected: Iterable[Rejected]) -> None:
    """Write rows that were set aside as JSON lines with where, reason and row."""
    with write_whole(path) as handle:
        for one in rejected:
            # A lone surrogate cannot be written as UTF-8, but as an escape; bytes and dates of parquet files have no JSON.
            line = json.dumps({"where": one.where, "reason": one.reason, "row": one.row}, default=_plain)
            handle.write(f"{line}\n")
