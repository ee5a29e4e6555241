"""What a run will cost: time, memory, disk, money. Knows sizes and one measured rate; measures and buys nothing.

Figures are rough: they tell minutes from hours, and a disk that is too small from one that is large enough.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from limbeck.findings import Finding, note, refusal, warning

_SHARE = 0.4  # of a machine's matrix rate that an encoder reaches
_SIGNAL = 64  # bytes of a stored answer beside its logits: key, place, index
_BYTES = 4  # of a weight
_TRAINED = 4  # times the weights: they, their gradients and two moments


@dataclass(frozen=True, slots=True)
class Paid:
    """What is still to be asked of a teacher that is paid for: calls, tokens in and out, and money; None where nobody said what a token costs."""

    calls: int
    tokens_in: int
    tokens_out: int
    money: float | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What decides the costs of a run.

    weights: of the teacher. table: of these, the token embeddings, which cost memory but no arithmetic. views: texts that it will label,
    each of `tokens` tokens. rows: to fine-tune it on, views of them among them, `epochs` times, in `seeds` seeds; 0 epochs where it knows its classes already.
    rate: floating-point operations a second in matrix products, as measured. free_disk, memory: bytes. price: of a million tokens, or None.
    paid: of a teacher that answers for money. counted: whether `tokens` are a text's, which mean something to a reader. live: answers that are given
    while the student learns, and kept nowhere.
    """

    weights: int
    table: int
    classes: int
    views: int
    tokens: float
    rows: int
    epochs: int
    seeds: int
    rate: float
    free_disk: int
    memory: int
    price: float | None = None
    paid: Paid | None = None
    counted: bool = True
    live: int = 0

    @property
    def seconds(self) -> float:
        """Of labelling, and of fine-tuning, which costs three times as much a token; chosen epochs are trained twice."""
        each = 2 * (self.weights - self.table) * self.tokens / (self.rate * _SHARE)
        return each * self.seeds * (self.views + self.live + 3 * 2 * self.rows * self.epochs)

    @property
    def disk(self) -> int:
        """Bytes of the answers, the fine-tuned teachers, and the teacher's own file."""
        teachers = self.seeds * (2 if self.epochs else 1)
        return _BYTES * self.weights * teachers + self.views * (_BYTES * self.classes + _SIGNAL)

    @property
    def peak(self) -> int:
        """Bytes of memory at the most: in fine-tuning if there is any."""
        return _BYTES * self.weights * (_TRAINED if self.epochs else 2)


def estimate_findings(plan: Plan) -> Iterator[Finding]:
    """The costs, and what there is too little of."""
    if plan.paid is not None:
        yield _to_be_paid(plan.paid)
        return
    money = "" if plan.price is None else f", {plan.views * plan.tokens * plan.price / 1e6:,.2f} for the teacher's tokens"
    yield note(
        "costs",
        "What the teacher's part of the run will cost, roughly.",
        f"{_time(plan.seconds)}, {_size(plan.peak)} of memory, {_size(plan.disk)} of disk{money}, for {plan.views:,} views"
        + (f" of {plan.tokens:.0f} tokens" if plan.counted else "")
        + (f", and {plan.live:,} more while a student learns" if plan.live else "")
        + (f" and {plan.epochs} epochs over {plan.rows:,} examples." if plan.epochs else "."),
        "Fewer views (views.per_record) take less time; the student and its control come on top.",
    )
    if plan.disk > plan.free_disk:
        yield refusal(
            "disk_too_small",
            "The disk is too small for the run.",
            f"It needs about {_size(plan.disk)}; {_size(plan.free_disk)} are free.",
            "Make room, or give another --out.",
        )
    if plan.peak > plan.memory:
        yield warning(
            "memory_too_small",
            "The machine may have too little memory.",
            f"The teacher needs about {_size(plan.peak)}; the machine has {_size(plan.memory)}.",
            "Take a smaller teacher, or a larger machine.",
        )


def _to_be_paid(paid: Paid) -> Finding:
    money = "What that costs is not known" if paid.money is None else f"At the recipe's prices that is {paid.money:,.2f}"
    return note(
        "costs",
        "What the teacher's part of the run will cost, roughly.",
        f"{paid.calls:,} calls are still to be made, with {paid.tokens_in:,} tokens in and {paid.tokens_out:,} out. {money}.",
        "Set teacher.price_in and teacher.price_out, of a million tokens."
        if paid.money is None
        else "teacher.max_cost stops it before it has cost more; answers that were paid for are kept.",
    )


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:,.0f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"


def _size(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.0f} MB"
