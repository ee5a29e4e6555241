"""What a page is made from: the files that a run leaves, read back. Knows their names and forms; says nothing about them.

Only report.json must be there. What an older run did not write, or what was not copied, leaves out its part of the page.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from limbeck.cascaded import CASCADE, Cascade
from limbeck.curves import read_curves
from limbeck.errors import BundleError, InputFileError
from limbeck.evidence import REPORT_SCHEMA, Report
from limbeck.search.front import Front
from limbeck.types import Json
from limbeck.verify.details import Details

EVIDENCE, REPORT, DETAILS, AUDIT = "evidence", "report.json", "details.json", "audit.json"
_MOST_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Material:
    """A run as its files tell it. name: what people call it; details, audit, front, cascade: None where the file is not there."""

    name: str
    report: Report
    details: Details | None = None
    audit: Json | None = None
    front: Front | None = None
    curves: tuple[Json, ...] = field(default=())
    cascade: Cascade | None = None


def gather(path: Path) -> Material:
    """The files of a run, by its folder, by that of its bundle or of its evidence.

    Raises:
        InputFileError: there is no evidence there, or it cannot be read as what it must be.
    """
    evidence = evidence_of(path)
    folder = evidence.parent
    content = _json(evidence / REPORT)
    if isinstance(content, dict) and content.get("schema_version", 0) != REPORT_SCHEMA:
        raise InputFileError(
            f"{evidence / REPORT} has report schema {content.get('schema_version')!r:.20}; this limbeck reads {REPORT_SCHEMA}. "
            "Make the run again, or use the limbeck that wrote it."
        )
    report: Report = _read(Report, content, evidence / REPORT)
    details = None
    if (evidence / DETAILS).is_file():
        details = _read(Details, _json(evidence / DETAILS), evidence / DETAILS)
        if details.bundle != report.lineage.get("bundle"):
            details = None  # of another bundle: its figures would be wrong here
    audit = _json(evidence / AUDIT) if (evidence / AUDIT).is_file() else None
    drawn = folder / "search" / "front.json"
    front = _read(Front, _json(drawn), drawn) if drawn.is_file() else None
    name = folder.resolve().name or str(folder)
    curves = tuple(read_curves(folder / "curves.jsonl"))
    return Material(name, report, details, audit, front, curves, _cascade(evidence / CASCADE, report))


def _cascade(path: Path, report: Report) -> Cascade | None:
    """What was chosen for this bundle; None: nothing, or for another one."""
    if not path.is_file():
        return None
    try:
        found = Cascade.read(path)
    except BundleError as error:
        raise InputFileError(str(error)) from error
    return found if found.bundle == report.lineage.get("bundle") else None


def evidence_of(path: Path) -> Path:
    """The folder of evidence that belongs to a run, or to its bundle.

    Raises:
        InputFileError: there is none.
    """
    try:
        for folder in (path / EVIDENCE, path, path.resolve().parent / EVIDENCE):
            if (folder / REPORT).is_file():
                return folder
    except OSError as error:
        raise InputFileError(f"cannot read {path}: {error.strerror}.") from error
    if not path.exists():
        raise InputFileError(f"{path} does not exist. Give the folder of a run (OUT of limbeck distill).")
    raise InputFileError(
        f"{path} holds no {EVIDENCE}/{REPORT}, and none lies beside it. Give the folder of a run that has ended: a bundle that was copied "
        "without its evidence cannot say how it was judged, but limbeck verify can judge it again."
    )


def _json(path: Path) -> Any:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InputFileError(f"{path} has more than {_MOST_BYTES:,} bytes; no run of limbeck writes that.")
        return json.loads(path.read_bytes())
    except OSError as error:
        if isinstance(error, InputFileError):
            raise
        raise InputFileError(f"cannot read {path}: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise InputFileError(
            f"{path} is damaged: it is not JSON. Run the same limbeck distill again to have it mended."
        ) from error


def _read(kind: Any, content: Any, path: Path) -> Any:
    try:
        return TypeAdapter(kind).validate_python(content)
    except ValueError as error:
        first = str(error).splitlines()[1:3]
        raise InputFileError(
            f"{path} is damaged, or of another version of limbeck: {' '.join(s.strip() for s in first)}. "
            "Run the same limbeck distill again to have it mended."
        ) from error
