"""The field of a search: every candidate written untrained and measured, before anything is trained. Knows drafts, costs and budgets."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limbeck.data.split import Splits
from limbeck.errors import DataError
from limbeck.evidence import Footprint
from limbeck.pipeline.drafts import Drafts
from limbeck.run import Run
from limbeck.search import profile
from limbeck.search.cache import cached
from limbeck.search.candidates import Candidate
from limbeck.search.fit import Weighed, fitting, weighed
from limbeck.search.measure import QUERIES, Cost, cost
from limbeck.types import digest

_DRAFT = ".draft-"


@dataclass(frozen=True, slots=True)
class Field:
    """All candidates that were measured, from small to large. machine: on which other one, in words; an empty text: on this one."""

    weighed: tuple[Weighed, ...]
    machine: str = ""


def field_of(run: Run, teacher: Any, splits: Splits) -> Field:
    """All candidates that were measured; at least one of them fits the budget.

    Measured once in a run, on this machine or, by `search.profile`, on another.

    Args:
        run: settled.
        teacher: as it came; it need not be fine-tuned yet.
        splits: of its records.

    Raises:
        BudgetError: no candidate fits, or the profile is not of this ladder.
        DataError: there is no row to judge candidates by.
    """
    if not splits.valid:
        raise DataError(
            "a search judges its candidates on validation rows, and of these data none is left for that. "
            "Give some (data.valid, data.valid_share), add labelled rows, or name a student.family."
        )
    for left in run.folder.glob(f"{_DRAFT}*"):  # by a kill between a draft and its removal
        shutil.rmtree(left, ignore_errors=True)
    drafts, machine = Drafts(run, teacher, splits), ""
    budget, costs = run.recipe.student.budget.budget(), dict[str, Cost]()
    if run.recipe.search.profile is not None:
        given = profile.read(Path(run.recipe.search.profile), drafts.made_from(), budget.bytes)
        machine, costs = given.words, given.costs
    if (settled := run.measured("search.costs")) is not None:
        costs = {name: Cost.from_json(c) for name, c in settled.items()}
    if machine or costs:
        everything = weighed(drafts.candidates, budget, lambda c: costs.get(c.name))
    else:
        with run.stage("candidates"):
            everything = _measured(run, drafts)
    fit = fitting(everything, budget)  # what nothing fits is not settled: a busy machine may be quiet the next time
    run.decided("search.costs", lambda: {w.candidate.name: w.cost.to_json() for w in everything})
    note = f"{len(everything)} measured{f' on {machine}' if machine else ''}, {len(fit)} within the budget"
    void = any(w.cost.void for w in everything)
    run.progress("candidates", 1, 1, note + ("; others were busy meanwhile, so times are void" if void else ""))
    return Field(tuple(everything), machine)


def _measured(run: Run, drafts: Drafts) -> list[Weighed]:
    """Each candidate with its cost, from this machine's cache, else measured now."""
    budget, queries = run.recipe.student.budget.budget(), drafts.queries(QUERIES)
    asked = digest([q if isinstance(q, str) else hashlib.sha256(q).hexdigest() for q in queries])
    places = {c.name: place for place, c in enumerate(drafts.candidates)}

    def measure(candidate: Candidate) -> Cost | None:
        run.progress("candidates", places[candidate.name], len(places), candidate.name)
        if (draft := drafts.draft(candidate)) is None:
            return None
        with tempfile.TemporaryDirectory(dir=run.folder, prefix=_DRAFT) as folder:
            what, written = draft.structure(), Path(folder)
            size = cached({**what, "of": "bytes"}, lambda: Cost(draft.write(written).bytes))
            if budget.bytes is None or size.bytes <= budget.bytes:  # else it need not be timed
                size = cached({**what, "queries": asked}, lambda: cost(draft.write(written), queries))
        return size

    return weighed(drafts.candidates, budget, measure)


def spent(run: Run, footprint: Footprint) -> dict[str, float | None]:
    """What a finished student costs, by the names of a budget's limits: its bytes; time and memory as they were measured here, or where a profile
    says what its draft takes on the machine that will run it, there."""
    found: dict[str, float | None] = {
        "bytes": float(footprint.bytes),
        "latency_p50": footprint.latency.p50_us if footprint.latency else None,
        "memory": footprint.peak_memory_bytes,
    }
    if there := _elsewhere(run):
        found |= {"latency_p50": there.latency_p50, "memory": there.memory}
    return found


def told_of_elsewhere(run: Run) -> tuple[str, ...]:
    """What a report says of a budget that is another machine's."""
    if not (there := _elsewhere(run)):
        return ()
    takes = [] if there.latency_p50 is None else [f"{there.latency_p50:,.0f} µs (p50)"]
    takes += [] if there.memory is None else [f"{there.memory:,} bytes of memory"]
    return (
        f"time and memory of the budget are those of the machine of {run.recipe.search.profile}, where the student's untrained draft took "
        f"{' and '.join(takes) or 'what nobody measured'}; the table's were measured here",
    )


def _elsewhere(run: Run) -> Cost | None:
    """What the chosen student's draft costs by the profile; None where nothing but this machine was measured."""
    raced, costs = run.measured("search"), run.measured("search.costs")
    if run.recipe.search.profile is None or raced is None or costs is None:
        return None
    return Cost.from_json(costs[raced["chosen"]])
