"""The first stage: files to splits. Knows what a recipe says of its data; knows nothing of models."""

from __future__ import annotations

from limbeck.data.prepare import Prepared, prepare
from limbeck.run import Run


def read_data(run: Run) -> Prepared:
    """Read the data, set aside what cannot be used, and divide the rest."""
    recipe = run.recipe
    # Several labels are always judged on rows that are held out: thresholds out of fold would be others than the shipped ones.
    few = 0 if recipe.several else recipe.verify.cross_fit_below
    prepared = prepare(recipe.data, few, recipe.entry("modalities"), recipe.several)
    run.progress("data", 1, 1, prepared.note())
    return prepared
