"""The first stage: files to splits. Knows what a recipe says of its data; knows nothing of models."""

from __future__ import annotations

from limbeck.data.prepare import Prepared, prepare
from limbeck.run import Run


def read_data(run: Run) -> Prepared:
    """Read the data, set aside what cannot be used, and divide the rest."""
    prepared = prepare(run.recipe.data, run.recipe.verify.cross_fit_below, run.recipe.entry("modalities"))
    run.progress("data", 1, 1, prepared.note())
    return prepared
