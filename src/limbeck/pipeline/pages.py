"""The pages of a finished run: report.html, report.md and a model card, and what they are made from. Knows the run's files; judges nothing.

    OUT/evidence/details.json    what the page shows beyond report.json
    OUT/evidence/report.html     the page
    OUT/evidence/report.md       the same as Markdown
    OUT/evidence/README.md       a model card for the Hugging Face hub

They are written after a run is complete: a page that cannot be written spoils no run, and the same command makes it again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from limbeck.bundle import Bundle
from limbeck.data.split import Splits
from limbeck.disk import write_whole
from limbeck.errors import LimbeckError, MissingExtraError, RunFolderError
from limbeck.evidence import Basis, Calibration, Report
from limbeck.label_sets import aims
from limbeck.page.material import DETAILS, EVIDENCE, gather
from limbeck.page.origins import bare
from limbeck.page.written import PAGES, write
from limbeck.payloads import text_of
from limbeck.pipeline.lineage import lineage
from limbeck.pipeline.proof import ANSWERS
from limbeck.redact import redacted
from limbeck.run import REPORT, Run
from limbeck.types import Record
from limbeck.verify.compare import Answers
from limbeck.verify.compare_sets import SetAnswers
from limbeck.verify.details import Details, details
from limbeck.verify.details_of_sets import details_of_sets
from limbeck.verify.statistics import copies


def write_pages(run: Run, report: Report, splits: Splits) -> None:
    """Write the pages of a finished run."""
    folder = run.folder / EVIDENCE
    with run.stage("pages"):
        run.progress("pages", 0, 1, "")
        rows, answers = _answered(folder / ANSWERS, report, splits)
        bundle = Bundle.open(run.folder / "bundle")
        labels, several = bundle.manifest.labels, run.recipe.several
        labelled = report.basis is not Basis.AGREEMENT
        made: Any = details_of_sets if several else details
        found: Details = made(
            *_two(answers, report.calibration, several),
            aims((r.label for r in rows), labels, several) if labelled else None,
            labels,
            [bare(r.where) for r in rows],
            copies([r.key for r in rows]),
            texts=[redacted(text_of(r.payload)) for r in rows] if run.recipe.report.texts else None,
            bundle=bundle.sha256,
            lineage=lineage(run, report, splits),
        )
        # In ASCII: a name of a file may hold bytes that are no characters.
        write_whole(folder / DETAILS, [json.dumps(found.to_json(), indent=1).encode("ascii")])
        try:
            write(gather(run.folder), folder)
        except MissingExtraError as error:
            run.progress("pages", 1, 1, f"none: {error}")
            return
    run.progress("pages", 1, 1, f"{folder / PAGES[0]}")


def _two(answers: dict[str, NDArray[Any]], calibration: Calibration, several: bool) -> tuple[Any, Any]:
    """What teacher and student answered, as the details are made from."""
    fitted = answers.get("temperature")
    temperature: Any = fitted if fitted is not None else calibration.temperature if calibration.rows else None
    if not several:
        return Answers(answers["teacher"]), Answers(answers["student"], temperature=temperature)
    teacher = SetAnswers(answers["teacher"], answers["teacher_thresholds"].tolist())
    return teacher, SetAnswers(answers["student"], calibration.thresholds, temperature=temperature)


def pages_lie_there(run: Run) -> bool:
    """Whether the pages of a finished run lie there, with or without texts as the recipe says."""
    try:
        before = gather(run.folder).details
    except LimbeckError:
        return False
    return (
        before is not None
        and before.texts == run.recipe.report.texts
        and all((run.folder / EVIDENCE / name).is_file() for name in PAGES)
    )


def _answered(path: Path, report: Report, splits: Splits) -> tuple[tuple[Record, ...], dict[str, NDArray[Any]]]:
    """The rows that judged, and what everybody answered to them."""
    rows = splits.test
    if report.basis is Basis.CROSS_FITTING:
        rows = tuple(r for r in (*splits.train, *splits.valid) if r.label is not None)
    try:
        with np.load(path, allow_pickle=False) as content:
            answers = {name: content[name] for name in content.files}
        same = answers.pop("keys").tolist() == [r.key for r in rows]
    except (OSError, ValueError, KeyError, BadZipFile):
        same = False
    if not same:
        raise RunFolderError(
            f"{path} does not hold the answers to the rows of this run, so there is no page. Remove {path.parent / REPORT} and run the same "
            "command again: they are asked again."
        )
    return rows, answers
