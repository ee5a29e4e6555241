"""Where the student comes from: the search, the trainings, the data, the lineage. Knows what a run leaves; measures nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from limbeck.evidence import Report
from limbeck.findings import Severity
from limbeck.page import figures
from limbeck.page.document import Cell, Section, Table, Tone, row
from limbeck.page.material import Material
from limbeck.types import Json
from limbeck.verify import sentences as said
from limbeck.verify import wording as w


def front(material: Material) -> Section | None:
    """Quality against cost of the students that the search tried."""
    found = material.front
    if found is None:
        return None
    rows = []
    for p in sorted((p for p in found.points if p.quality is not None), key=lambda p: p.bytes):
        mark = "chosen" if p.name == found.chosen else "on the front" if any(p.on_front.values()) else ""
        latency = w.duration(None if p.latency_p50 is None else p.latency_p50 / 1e6)
        rows.append(row(p.name, p.size, w.size(p.bytes), latency, w.percent(p.quality), w.percent(p.trained, 0), mark))
    head = ("Student", "Size", "Bytes", "Time per answer", found.by.capitalize(), "Trained, of its plan", "")
    table = Table("Students that the search trained", head, tuple(rows), words=(1, 6), folded="The students as a table")
    notes = (
        f"Measured on {found.machine}. Quality is that on {w.rows(found.rows)} of validation, which no student is trained with.",
    )
    return Section("front", "The search", (found.says,), (figures.front(found), table), notes)


def curves(material: Material) -> Section | None:
    """How the trainings went."""
    drawn = figures.curves(material.curves)
    if not drawn:
        return None
    return Section("curves", "Learning curves", ("What each training said of itself, step by step.",), tuple(drawn))


def audit(material: Material) -> Section | None:
    """What was looked for in the data, and found."""
    found = material.audit
    if not isinstance(found, Mapping) or not isinstance(found.get("findings"), Mapping):
        return None
    counts = found.get("rows", {})
    said_of = [
        f"{counts[name]:,} {what}" for name, what in _COUNTED.items() if isinstance(counts.get(name), int) and counts[name]
    ]
    rows = [
        row(str(f["sentence"]), f"{f['count']:,}", _first(f))
        for f in found["findings"].values()
        if isinstance(f, Mapping) and f.get("count")
    ]
    looked = len(found["findings"])
    says = [f"The data files hold {', '.join(said_of)}."] if said_of else []
    says.append(f"{looked} kinds of faults were looked for; {len(rows)} {'was' if len(rows) == 1 else 'were'} found.")
    blocks = (Table("What was found", ("Finding", "Count", "First seen"), tuple(rows), words=(2,)),) if rows else ()
    return Section("audit", "The data", tuple(says), blocks)


_COUNTED = {
    "labelled": "labelled rows",
    "unlabelled": "rows without a label",
    "valid": "validation rows",
    "test": "test rows",
    "classes": "classes",
    "rejected": "rows that could not be used",
}


def _first(finding: Mapping[str, Any]) -> str:
    examples = finding.get("examples") or [{}]
    return bare(str(examples[0].get("where", "")))


def bare(where: str) -> str:
    """Where a row stands without the folders of its file: "logs.jsonl, line 3"."""
    name, comma, place = where.rpartition(", ")
    return f"{name.rpartition('/')[2]}{comma}{place}"


def checkup(report: Report) -> Section | None:
    """What the doctor found before the run."""
    found = report.checkup
    if not found.findings:
        return None
    rows = tuple(row(Cell(f.severity, tone=_TONES[f.severity]), f.what, f.evidence, f.advice) for f in found.findings)
    says = ("The run was started in spite of a refusal (--force).",) if found.forced else ()
    table = Table("What was found before the training", ("", "What", "Evidence", "What to do"), rows, words=(1, 2, 3))
    return Section("checkup", "Before the run", says, (table,))


_TONES: dict[Severity, Tone] = {Severity.REFUSAL: "bad", Severity.WARNING: "unsure", Severity.NOTE: ""}


def lineage(material: Material) -> Section:
    """Everything that would be needed to make the student again."""
    told = _told(material)
    recipe = told.pop("recipe", None)
    blocks = [Table("What it was made from", ("What", "Value"), tuple(row(*line) for line in flat(told)), words=(1,))]
    if isinstance(recipe, Mapping):
        name = "The recipe with every setting"
        blocks.append(Table(name, ("Key", "Value"), tuple(row(*line) for line in flat(recipe, ".")), words=(1,), folded=name))
    if seconds := material.report.seconds:
        spent = tuple(row(stage.replace("_", " "), w.duration(float(s))) for stage, s in seconds.items())
        blocks.append(Table("Time of each stage", ("Stage", "Time"), spent, folded="Time of each stage"))
    return Section("lineage", "How it was made", (), tuple(blocks))


def _told(material: Material) -> Json:
    """The lineage as the run wrote it for its page; of an older run, what its report knows."""
    if material.details is not None:
        return dict(material.details.lineage)
    known = material.report.lineage
    return {key: known[key] for key in ("limbeck", "bundle", "data", "teacher", "student") if key in known}


def remarks(report: Report) -> Section | None:
    """What the figures mean, and what they cannot tell."""
    found = [line for line in said.remarks(report) if not line.startswith(_SAID)]
    return Section("remarks", "What to know before you rely on this", (), (), tuple(found)) if found else None


_SAID = ("Control:", "Baseline:", "Latency:", "Each threshold ")
"""What other sections have said."""


def flat(content: Any, joint: str = ": ", path: str = "") -> list[tuple[str, str]]:
    """A value of JSON as lines of a name and a text."""
    if isinstance(content, Mapping):
        found = []
        for key, value in content.items():
            found += flat(value, joint, f"{path}{joint}{key}" if path else str(key))
        return found
    if content is None:
        return [(path, w.NOTHING)]
    if isinstance(content, list | tuple):
        return [(path, ", ".join(str(v) for v in content) or w.NOTHING)]
    return [(path, str(content).lower() if isinstance(content, bool) else str(content))]
