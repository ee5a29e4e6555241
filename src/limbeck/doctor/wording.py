"""Words that findings about rows have in common. Knows shares, rows and where they stand; looks for nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from limbeck.data.audit import Audit
from limbeck.findings import Finding, Severity
from limbeck.types import Record


def graded(code: str, share: float, limit: float, what: str, evidence: str, advice: str) -> Iterator[Finding]:
    """A note where there is any share at all, a warning above the limit."""
    if share:
        yield Finding(code, Severity.WARNING if share > limit else Severity.NOTE, what, evidence, advice)


def shown(audit: Audit, name: str) -> str:
    """Where the first row stands that shows what an audit found."""
    examples = audit[name].examples
    return f", the first: {examples[0].where}" if examples and examples[0].where else ""


def first_of(rows: Sequence[Record]) -> str:
    """Where the first of some rows stands."""
    return f", the first: {rows[0].where}" if rows and rows[0].where else ""


def are(count: int, one: str, many: str) -> str:
    """A number with its noun.

    Example:
        >>> are(1, "class has", "classes have")
        '1 class has'
    """
    return f"{count} {one if count == 1 else many}"
