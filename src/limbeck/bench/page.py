"""Figures of a server in words. Knows steps and searches; measures nothing."""

from __future__ import annotations

from limbeck.bench.added import Added
from limbeck.bench.histogram import Histogram
from limbeck.bench.rounds import Rounds
from limbeck.bench.search import Found
from limbeck.bench.step import Step

HEADER = f"{'offered/s':>10} {'answered/s':>10} {'p50':>9} {'p99':>9} {'p99.9':>9}  {'generator':>9}  others"


def line(step: Step) -> str:
    """One step as a line under `HEADER`."""
    shares = [milliseconds(step.latency, share) for share in (0.5, 0.99, 0.999)]
    offered = "all" if step.rate is None else f"{step.rate:,.0f}"
    marks = [f"{number:,} × {kind}" for kind, number in sorted(step.errors.items())] + (
        [f"void: {step.void}"] if step.void else []
    )
    found = f"{offered:>10} {step.achieved:>10,.0f} {shares[0]:>9} {shares[1]:>9} {shares[2]:>9}  {step.generator:>9.0%}  {step.others:>6.0%}"
    return f"{found}  {'; '.join(marks)}".rstrip()


def single(step: Step, bound: float) -> str:
    """One rate as a sentence or two."""
    why = step.failure(bound)
    held = f"not held under a p99 of {1e3 * bound:g} ms: {why}" if why else f"held under a p99 of {1e3 * bound:g} ms"
    return f"{step.rate or 0:,.0f} requests/s are {held}." + (f"\nVoid: {step.void}." if step.void else "")


def highest(found: Found, connections: int) -> str:
    """The result of a search as a sentence or two."""
    bound = f"a p99 of {1e3 * found.bound:g} ms"
    if found.rate is None or found.step is None:
        return f"no rate is held under {bound}: {found.limit}"
    step = found.step
    return (
        f"{found.rate:,.0f} requests/s are held under {bound}: p50 {milliseconds(step.latency, 0.5)}, p99 {milliseconds(step.latency, 0.99)}, "
        f"{connections} connections, no error.\nAbove: {found.limit}.\nThe generator used {step.generator:.0%} of its core."
        + (f"\nVoid: {step.void}." if step.void else "")
    )


def beside(found: Added) -> str:
    """What the server adds to the model."""
    more, own = ([1e3 * of(share) for share in (0.5, 0.99)] for of in (found.latency, found.model))
    return (
        f"At {found.steps[0].rate or 0:,.0f}/s the server adds {more[0]:.2f} ms (p50) and {more[1]:.2f} ms (p99) to the model's own "
        f"{own[0]:.3g} ms and {own[1]:.3g} ms; medians of {len(found.steps)} turns."
    )


def turns(found: Rounds, names: tuple[str, str]) -> str:
    """Two servers at one rate."""
    lines = []
    for share in (0.5, 0.95, 0.99):
        ratio = found.latency(share)
        lines.append(f"p{100 * share:g}: {ratio.median:.2f} times (pairs from {ratio.low:.2f} to {ratio.high:.2f})")
    return f"Latency of {names[0]} over that of {names[1]}, {len(found.first)} pairs by turns: {'; '.join(lines)}"


def milliseconds(found: Histogram, share: float) -> str:
    """A percentile with three digits; a dash where there is none."""
    return f"{1e3 * found.percentile(share):.3g} ms" if len(found) else "–"
