"""Which candidates fit a budget. Knows costs and limits; measures nothing.

A budget keeps a reserve: training moves the digits of golden examples and some words of the vocabulary, and no two measurements of a
time are equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import fields as fields_of

from limbeck.budget import Budget
from limbeck.errors import BudgetError
from limbeck.search.candidates import Candidate
from limbeck.search.measure import Cost

RESERVE: Mapping[str, float] = {"bytes": 0.01, "latency_p50": 0.05, "memory": 0.02}
"""The share of each limit that a candidate has to leave free."""
ALIKE = 0.1
"""The share of its bytes that a candidate has to save by leaving rare pieces out."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """A candidate with what it costs, and one sentence for each limit that it misses."""

    candidate: Candidate
    cost: Cost
    misses: tuple[str, ...]


def weighed(candidates: Sequence[Candidate], budget: Budget, cost: Callable[[Candidate], Cost | None]) -> list[Weighed]:
    """All candidates that were measured, from small to large.

    One whose twin in the first precision fits is not measured: the same training gives both, and the first is smaller. Nor is one
    whose twin has too many bytes already. One that leaves rare pieces out and hardly saves a byte by it (`ALIKE`) is left out: an
    encoder has few of its bytes in its table.

    Args:
        candidates: each behind its twin.
        budget: what they have to fit.
        cost: measures one; None: it cannot be made, or was not measured.
    """
    found: dict[str, Weighed] = {}
    allowed = _less_reserve(budget)
    for candidate in candidates:
        twin = found.get(candidate.twin or "")
        if twin is not None and not twin.misses:
            found[candidate.name] = twin  # for a third precision
        elif twin is not None and allowed.bytes is not None and twin.cost.bytes > allowed.bytes:
            continue
        elif (costs := cost(candidate)) is not None:
            found[candidate.name] = Weighed(candidate, costs, tuple(allowed.misses(costs.limits())))
    each = {w.candidate.name: w for w in found.values()}
    return sorted(_told_apart(each.values()), key=lambda w: w.cost.bytes)


def _told_apart(found: Iterable[Weighed]) -> list[Weighed]:
    """Without those that are nearly as large as one that fits, and differ from it by their rare pieces alone."""
    kept: dict[tuple[str, ...], list[Weighed]] = {}
    for w in sorted(found, key=lambda w: w.candidate.min_count):
        of = kept.setdefault((w.candidate.family, w.candidate.size, w.candidate.precision), [])
        fuller = [other for other in of if other.candidate.min_count < w.candidate.min_count and not other.misses]
        if not any(w.cost.bytes > (1 - ALIKE) * other.cost.bytes for other in fuller):
            of.append(w)
    return [w for of in kept.values() for w in of]


def finest(found: Sequence[Weighed]) -> list[Weighed]:
    """Of those that fit, each student in the precision of most bits alone: for where the nearest is looked for, which fewer bits bring no nearer."""
    fit = [w for w in found if not w.misses]
    most: dict[tuple[str, str, int], int] = {}
    for w in fit:
        most[_student(w)] = max(most.get(_student(w), 0), _bits(w))
    return [w for w in fit if _bits(w) == most[_student(w)]]


def _student(w: Weighed) -> tuple[str, str, int]:
    return w.candidate.family, w.candidate.size, w.candidate.min_count


def _bits(w: Weighed) -> int:
    return int("".join(c for c in w.candidate.precision if c.isdigit()))


def fitting(found: Sequence[Weighed], budget: Budget) -> list[Weighed]:
    """Those that fit, from small to large.

    Raises:
        BudgetError: none does; the message has the nearest one, and what it misses.
    """
    if fit := [w for w in found if not w.misses]:
        return fit
    if not found:
        raise BudgetError("the search has no candidate that was measured. Name other families in search.families.")
    nearest = min(found, key=lambda w: _excess(w.cost, budget))
    reserve = ", ".join(f"{share:.0%} of {name}" for name, share in RESERVE.items() if getattr(budget, name) is not None)
    void = " Others were busy on this machine meanwhile, so its times are void." if nearest.cost.void else ""
    raise BudgetError(
        f"none of {len(found)} candidates fits the budget, so none is trained. The nearest, {nearest.candidate.name} "
        f"({nearest.candidate.size}), misses it: {'; '.join(nearest.misses)} (with {reserve} kept in reserve for what training "
        f"and chance move).{void} Allow more, or widen the search (search.families, search.min_counts)."
    )


def _less_reserve(budget: Budget) -> Budget:
    limits = {f.name: getattr(budget, f.name) for f in fields_of(budget)}
    return Budget(**{n: None if v is None else type(v)(v * (1 - RESERVE[n])) for n, v in limits.items()})


def _excess(cost: Cost, budget: Budget) -> tuple[float, int]:
    """How many times the limit that is missed most it takes; what was not measured counts as nothing beside what was."""
    ratios = [
        value / limit
        for name, value in cost.limits().items()
        if (limit := getattr(budget, name)) is not None and value is not None
    ]
    return max(ratios, default=0.0), cost.bytes
