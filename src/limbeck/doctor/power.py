"""Whether the test rows are enough to show what is asked. Knows numbers of rows and margins; knows no model.

A small test set is no fault of its owner: it never stops a run, and the finding says how many rows would help.
"""

from __future__ import annotations

from collections.abc import Iterator

from limbeck.evidence import Basis
from limbeck.findings import Finding, Severity
from limbeck.verify.sample_size import provable_margin, rows_to_clear, rows_to_show_agreement

TYPICAL = 0.05
"""The share of rows that only one of teacher and student has right, as long as nobody has measured it; the report measures it."""
_FEW = 50  # rows: below that no verdict is to be expected


def power_finding(basis: Basis, rows: int, margin: float, least_agreement: float) -> Iterator[Finding]:
    """What so many held-out rows can prove, and how many more would prove the margin.

    Args:
        basis: what the verdict will be about.
        rows: that judge.
        margin, least_agreement: of the recipe's section `verify`.
    """
    if basis is Basis.AGREEMENT:
        typical = (1 + least_agreement) / 2
        needed = rows_to_show_agreement(typical * 10_000, 10_000, least_agreement)
        shown = f"With {typical:.0%} of equal answers, {needed:,} rows show that it is more than {least_agreement:.0%}"
        enough, smallest = needed is not None and rows >= needed, ""
    else:
        needed = rows_to_clear(TYPICAL / 2, TYPICAL / 2, margin, 0.95)
        smallest = (
            f"The smallest difference that they can prove is {100 * provable_margin(TYPICAL, rows):.1f} points of accuracy"
        )
        smallest += f", for a student as good as its teacher where one of the two alone is right on {TYPICAL:.0%} of the rows. "
        shown = f"{needed:,} rows show the {100 * margin:g} points that are asked for"
        enough = needed is not None and rows >= needed
    if enough:
        return
    few = rows < _FEW
    more = f": {needed - rows:,} more than there are" if needed is not None else ""
    yield Finding(
        "test_too_small",
        Severity.WARNING if few else Severity.NOTE,
        f"{rows:,} test {'row cannot' if rows == 1 else 'rows cannot'} show what is asked.",
        f"{smallest}{shown}{more}.",
        "Expect the verdict `not shown`. Label more rows, or allow a larger margin (verify.margin).",
    )
