"""Optional limits on what was measured. Knows the parts of a report and the recipe's `verify.gates`; measures nothing.

What a sample only estimates (retention, the drop of a class) is judged by its bound, so a gate passes only where it is shown to hold.
What was counted or timed on this file and these rows (bytes, latency, calibration error, changed answers) is judged as measured. A gate
that cannot be decided from these rows is neither passed nor missed, and says what is lacking.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from limbeck.errors import listing
from limbeck.evidence import ClassResult, Comparison, Gate, Measured, Slice
from limbeck.sections import GatesSection
from limbeck.verify.classes import rows_needed


def judge(
    asked: GatesSection,
    student: Measured,
    against_teacher: Comparison,
    classes: Sequence[ClassResult],
    slices: Sequence[Slice] = (),
) -> tuple[Gate, ...]:
    """One gate for each limit that the recipe sets, in the order of the section.

    Args:
        asked: the recipe's `verify.gates`.
        student: as measured.
        against_teacher: student against teacher.
        classes: with bounds made for `asked.class_drop` (`compare(..., class_drop=asked.class_drop)`).
        slices: whose values share these bounds with the classes.
    """
    quality, footprint = student.quality, student.footprint
    ece = None if quality is None else quality.ece if quality.ece_scaled is None else quality.ece_scaled
    latency = None if footprint is None or footprint.latency is None else footprint.latency.p50_us
    share = against_teacher.flips / against_teacher.rows
    makers: dict[str, Callable[[float], Gate]] = {
        "retention": lambda limit: _retention(limit, against_teacher),
        "bytes": lambda limit: _at_most("bytes", limit, None if footprint is None else float(footprint.bytes), "not measured"),
        "latency_p50": lambda limit: _at_most("latency_p50", limit, latency, "not measured"),
        "ece": lambda limit: _at_most("ece", limit, ece, "not measurable without labels and probabilities"),
        "flips": lambda limit: _at_most("flips", limit, share, ""),
        "class_drop": lambda limit: _class_drop(limit, against_teacher, classes, sum(len(s.values) for s in slices)),
    }
    limits = asked.model_dump(exclude_none=True)
    return tuple(make(float(limits[name])) for name, make in makers.items() if name in limits)


def _at_most(name: str, limit: float, measured: float | None, lacking: str) -> Gate:
    return Gate(name, limit, measured, None if measured is None else measured <= limit, lacking if measured is None else "")


def _retention(limit: float, pair: Comparison) -> Gate:
    if pair.retention is None:
        why = "not measurable without labels" if pair.difference is None else "the teacher is hardly ever right"
        return Gate("retention", limit, None, None, why)
    low = pair.retention.low
    return Gate("retention", limit, low, low >= limit, f"the lower bound; {pair.retention.estimate:.4f} measured")


def _class_drop(limit: float, pair: Comparison, classes: Sequence[ClassResult], others: int) -> Gate:
    """Missed where a class is shown to have lost more, or has rows enough to be cleared and is not."""
    bounded = {c.label: c.difference for c in classes if c.difference is not None}
    if pair.gained is None or pair.lost is None:
        rates = (0.0, pair.flips / pair.rows)  # whatever changes is a loss where the teacher is the truth
    else:
        rates = ((pair.gained + pair.lost) / 2 / pair.rows,) * 2
    needed = rows_needed(len(bounded) + others, limit, *rates)
    dropped = [c.label for c in classes if c.label in bounded and bounded[c.label].high <= -limit]
    undecided = [c for c in classes if c.label not in dropped and (c.label not in bounded or bounded[c.label].low < -limit)]
    few = [c.label for c in undecided if needed is None or c.rows < needed]
    unclear = [c.label for c in undecided if c.label not in few]
    said = []
    if dropped:
        said.append(f"shown to have dropped: {listing(dropped, 5)}")
    if unclear:
        said.append(f"not shown to have kept: {listing(unclear, 5)}")
    if few:
        names = "every class" if len(few) == len(classes) else listing(few, 5)
        enough = "no number of rows would do" if needed is None else f"about {needed:,} rows of each would do"
        said.append(f"too few rows to say of {names}; {enough}")
    worst = max((-d.low for d in bounded.values()), default=None)
    return Gate("class_drop", limit, worst, False if dropped or unclear else None if few else True, "; ".join(said))
