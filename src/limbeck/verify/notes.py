"""What a reader of a report must be told beside the figures, as sentences. Knows answers and truths; decides nothing. N rows, R repeats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.errors import listing
from limbeck.evidence import Quality
from limbeck.verify.bootstrap import LEAST_ROWS

Indices = NDArray[np.integer[Any]]


def notes(
    labels: Sequence[str], predicted: Mapping[str, Indices], true_N: Indices | None, quality: Mapping[str, Quality]
) -> tuple[str, ...]:
    """What these rows cannot tell, and answers that hardly deserve a comparison.

    Args:
        labels: the names of all classes.
        predicted: (R, N) classes by the models' names; "teacher" and "student" among them.
        true_N: classes, or None.
        quality: by the models' names; empty without labels.
    """
    seen_N = predicted["teacher"][0] if true_N is None else true_N
    rows, found = len(seen_N), []
    if rows < LEAST_ROWS:
        found.append(f"{_rows(rows)} cannot bound macro-F1 or KL: bounds of macro-F1 are those of what is possible")
    present = set(np.unique(seen_N).tolist())
    absent = [label for c, label in enumerate(labels) if c not in present]
    if absent:
        where = "no row has the label" if true_N is not None else "the teacher never answered"
        verb = "is" if len(absent) == 1 else "are"
        found.append(f"{len(absent)} of {len(labels)} classes {verb} not tested ({where}): {listing(absent, 5)}")
    silent = sorted(present - set(np.unique(predicted["student"]).tolist()))
    if silent:
        found.append(
            f"the student never answers {listing([labels[c] for c in silent], 5)}, though {'they occur' if len(silent) > 1 else 'it occurs'}"
        )
    for name, answers in predicted.items():
        given = np.unique(answers)
        if len(given) == 1 and len(present) > 1:
            found.append(f"the {name} answers '{labels[int(given[0])]}' to every row")
    if true_N is not None:
        counts = np.bincount(true_N, minlength=len(labels))
        most, share = int(counts.argmax()), float(counts.max() / rows)
        if quality["teacher"].accuracy.low <= share:
            found.append(
                f"the teacher is not shown to be better than always answering '{labels[most]}' ({share:.1%} right): to keep what it "
                "knows may be little"
            )
    return tuple(found)


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def repeated(rows: int, texts: int) -> tuple[str, ...]:
    """What a reader has to know where rows repeat the texts of others; nothing where none does."""
    if rows == texts:
        return ()
    return (
        f"{rows - texts:,} of {rows:,} rows repeat the text of another, case and spaces aside; they count as rows, and bounds are those of "
        "the independent rows that all together are worth",
    )
