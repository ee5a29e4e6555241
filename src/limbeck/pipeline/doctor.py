"""`limbeck doctor`: the checks of a run without the run. Knows the order of the stages up to the first training; leaves nothing behind."""

from __future__ import annotations

import tempfile
from pathlib import Path

from limbeck.errors import LimbeckError
from limbeck.findings import Checkup, refusal
from limbeck.pipeline.admission import findings
from limbeck.pipeline.data import read_data
from limbeck.pipeline.teacher import load_teacher
from limbeck.recipe import Recipe
from limbeck.run import open_run
from limbeck.types import Progress, silent


def examine(recipe: Recipe, progress: Progress = silent) -> Checkup:
    """All findings about a recipe, its data and its teacher; what keeps a run from starting at all is one of them."""
    with tempfile.TemporaryDirectory(prefix="limbeck-doctor-") as folder:
        here = recipe.model_copy(update={"out": str(Path(folder) / "run"), "track": None})
        try:
            with open_run(here, progress) as run:
                prepared = read_data(run)
                teacher = load_teacher(run, prepared.splits)
                progress("doctor", 0, 1, "")
                found = Checkup.of(findings(run, teacher, prepared), recipe.doctor.force)
        except LimbeckError as error:
            why = refusal(error.code, "The run cannot start.", str(error), "Mend it and run the same command again.")
            found = Checkup((why,))
        progress("doctor", 1, 1, found.summary())
        return found
