"""The pages of a finished run: report.html, report.md and a model card, and what they are made from. Knows the run's files; judges nothing.

    OUT/evidence/details.json    what the page shows beyond report.json
    OUT/evidence/report.html     the page
    OUT/evidence/report.md       the same as Markdown
    OUT/evidence/README.md       a model card for the Hugging Face hub

They are written after a run is complete: a page that cannot be written spoils no run, and the same command makes it again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.bundle import Bundle
from limbeck.data.split import Splits
from limbeck.errors import LimbeckError, MissingExtraError
from limbeck.evidence import Basis, Report
from limbeck.page.material import DETAILS, EVIDENCE, gather
from limbeck.page.origins import bare
from limbeck.page.redact import redacted
from limbeck.page.written import PAGES, write
from limbeck.pipeline.lineage import lineage
from limbeck.pipeline.proof import ANSWERS
from limbeck.run import Run, write_json
from limbeck.types import Record
from limbeck.verify.compare import Answers
from limbeck.verify.details import details


def write_pages(run: Run, report: Report, splits: Splits) -> None:
    """Write the pages of a finished run, where they do not lie there as the recipe wants them."""
    folder = run.folder / EVIDENCE
    if _there(run, folder):
        return
    with run.stage("pages"):
        run.progress("pages", 0, 1, "")
        rows, answers = _answered(folder / ANSWERS, report, splits)
        bundle = Bundle.open(run.folder / "bundle")
        labels = bundle.manifest.labels
        index = {label: i for i, label in enumerate(labels)}
        labelled = report.basis is not Basis.AGREEMENT
        calibration, fitted = report.calibration, answers.get("temperature")
        found = details(
            Answers(answers["teacher"]),
            Answers(
                answers["student"],
                temperature=fitted if fitted is not None else calibration.temperature if calibration.rows else None,
            ),
            np.array([index[str(r.label)] for r in rows], dtype=np.int64) if labelled else None,
            labels,
            [bare(r.where) for r in rows],
            np.unique([r.key for r in rows], return_inverse=True)[1],
            texts=[redacted(str(r.payload)) for r in rows] if run.recipe.report.texts else None,
            bundle=bundle.sha256,
            lineage=lineage(run, report, splits),
        )
        write_json(folder / DETAILS, found.to_json())
        try:
            write(gather(run.folder), folder)
        except MissingExtraError as error:
            run.progress("pages", 1, 1, f"none: {error}")
            return
    run.progress("pages", 1, 1, f"{folder / PAGES[0]}")


def _there(run: Run, folder: Path) -> bool:
    """Whether the pages lie there, made from this report's details, with or without texts as the recipe says."""
    try:
        before = gather(run.folder).details
    except LimbeckError:
        return False
    return before is not None and before.texts == run.recipe.report.texts and all((folder / name).is_file() for name in PAGES)


def _answered(path: Path, report: Report, splits: Splits) -> tuple[tuple[Record, ...], dict[str, NDArray[Any]]]:
    """The rows that judged, and what everybody answered to them."""
    rows = splits.test
    if report.basis is Basis.CROSS_FITTING:
        rows = tuple(r for r in (*splits.train, *splits.valid) if r.label is not None)
    with np.load(path, allow_pickle=False) as content:
        answers = {name: content[name] for name in content.files}
    keys = answers.pop("keys").tolist()
    assert keys == [r.key for r in rows], f"{path} holds the answers to other rows than those of this run"
    return rows, answers
