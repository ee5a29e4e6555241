"""The first stage: files to splits. Knows what a recipe says of its data; knows nothing of models."""

from __future__ import annotations

from limbeck.data.read import read_records
from limbeck.data.split import Splits, split
from limbeck.run import Run


def read_splits(run: Run) -> Splits:
    """Read the data files and divide them."""
    section = run.recipe.data
    records = read_records(section.train, text=section.text, label=section.label)
    test = read_records(section.test, text=section.text, label=section.label) if section.test else None
    splits = split(records, test, test_share=section.test_share, valid_share=section.valid_share)
    labelled = sum(r.label is not None for r in splits.train)
    note = f"{labelled:,} labelled and {len(splits.train) - labelled:,} unlabelled rows to train, "
    note += f"{len(splits.test):,} to judge, {len(splits.labels)} classes"
    if splits.leaked:
        note += f"; {splits.leaked:,} training rows left out because the test file has the same text"
    run.progress("data", 1, 1, note)
    return splits
