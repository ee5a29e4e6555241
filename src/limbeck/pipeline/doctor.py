"""`limbeck doctor`: the checks of a run without the run. Knows the order of the stages up to the first training; leaves nothing behind."""

from __future__ import annotations

import tempfile
from pathlib import Path

from limbeck.errors import LimbeckError, TeacherLabelsError
from limbeck.findings import Checkup, Finding, refusal
from limbeck.pipeline.admission import findings
from limbeck.pipeline.data import read_data
from limbeck.pipeline.teacher import load_teacher
from limbeck.pipeline.teacher_checkup import names_findings
from limbeck.recipe import Recipe
from limbeck.run import open_run
from limbeck.types import Progress, silent


def examine(recipe: Recipe, progress: Progress = silent) -> Checkup:
    """All findings about a recipe, its data and its teacher; what keeps a run from starting at all is one of them."""
    with tempfile.TemporaryDirectory(prefix="limbeck-doctor-") as folder:
        here = recipe.model_copy(update={"out": str(Path(folder) / "run"), "track": None})
        found: list[Finding] = []
        forced = recipe.doctor.force
        try:
            with open_run(here, progress) as run:
                prepared = read_data(run)
                try:
                    teacher = load_teacher(run, prepared.splits)
                except TeacherLabelsError:
                    found.extend(names_findings(run, prepared))
                    raise
                progress("doctor", 0, 1, "")
                found.extend(findings(run, teacher, prepared))  # those before an error stay
        except LimbeckError as error:
            forced = False  # no run goes past this
            found.append(refusal(error.code, "The run cannot start.", str(error), "Mend it and run the same command again."))
        checkup = Checkup.of(found, forced)
        progress("doctor", 1, 1, checkup.summary())
        return checkup
