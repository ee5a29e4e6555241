"""A cascade as it was chosen: evidence/cascade.json. Knows what the file says; chooses nothing and serves nothing.

A cascade is a student that answers what it is sure of, and hands the rest to its teacher. Below, "accuracy" is the share of right answers where the
rows that chose it have labels (`against` says "labels"), and the share of answers that are the teacher's where they have none ("teacher").
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self

from limbeck.disk import read_whole, write_whole
from limbeck.drift import Reference
from limbeck.errors import BundleError, InputFileError
from limbeck.evidence import Interval
from limbeck.types import Json

CASCADE = "cascade.json"
"""In evidence/ of a run."""
SCHEMA = 1
_MOST_BYTES = 4_000_000
EVERYTHING = 1.01
"""A threshold that no probability reaches: every text goes to the teacher."""


@dataclass(frozen=True, slots=True)
class Point:
    """What one threshold does: answers with a lower probability go to the teacher.

    share: of the rows that go there. accuracy: of the cascade. difference: cascade - teacher, with bounds of this threshold alone.
    """

    threshold: float
    share: Interval
    accuracy: Interval
    difference: Interval


@dataclass(frozen=True, slots=True)
class Cascade:
    """The choice, and what it was made from.

    bundle, teacher: sha256 of their manifests; teacher None where the teacher has no bundle. chosen: the point that is served. shown: whether it
    was chosen by `margin` and some row needs no teacher; by a `share` nothing is promised, and this is None. margin: the most accuracy that the
    cascade may have less than its teacher. confidence: with which that holds for `chosen`. rows: that chose. student, agreement: accuracy of the
    student alone, and how often it gives the teacher's answer. points: all thresholds that were looked at, the highest first. reference: what the
    texts and answers were like, which later ones are held against.
    """

    bundle: str
    teacher: str | None
    against: Literal["labels", "teacher"]
    chosen: Point
    shown: bool | None
    margin: float | None
    share: float | None
    confidence: float
    rows: int
    student: Interval
    agreement: Interval
    points: tuple[Point, ...]
    reference: Reference | None = None
    schema_version: Literal[1] = 1

    def write(self, path: Path) -> None:
        """Write it to a file.

        Raises:
            InputFileError: the file cannot be written.
        """
        try:
            write_whole(path, [json.dumps(asdict(self), indent=1).encode("ascii"), b"\n"])
        except OSError as error:
            raise InputFileError(f"cannot write {path}: {error.strerror}") from error

    def to_json(self) -> Json:
        """Its fields as plain JSON."""
        return asdict(self)

    @classmethod
    def read(cls, path: Path, bundle: str | None = None) -> Self:
        """The choice back from its file.

        Args:
            path: the file.
            bundle: the sha256 of the bundle that will answer, which must be the one it was chosen for; None: whichever.

        Raises:
            InputFileError: it is not there.
            BundleError: it is no such file, or another bundle's.
        """
        from pydantic import TypeAdapter, ValidationError

        try:
            content = read_whole(path, _MOST_BYTES)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise InputFileError(f"{path} cannot be read: {why}. `limbeck cascade RUN` writes it.") from error
        adapter: Any = TypeAdapter(cls)
        try:
            found: Self = adapter.validate_json(content)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise BundleError(
                f"{path} is no choice of a cascade: {place or 'the file'}: {first['msg']}. Make it again: limbeck cascade RUN"
            ) from error
        if bundle is not None and found.bundle != bundle:
            raise BundleError(
                f"{path} was chosen for the bundle {found.bundle[:12]}, and this one is {bundle[:12]}: another student is sure of other "
                "texts. Make it again: limbeck cascade RUN"
            )
        return found
