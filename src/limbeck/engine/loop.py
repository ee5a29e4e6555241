"""The training loop, to be read aloud. Knows a model, batches and objectives; knows nothing of files or progress bars.

Logging, progress, stopping and saving belong to whoever consumes the steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from limbeck.engine.batches import Collate, Examples, batches, number_of_batches
from limbeck.types import Loss


@dataclass(frozen=True, slots=True)
class Term:
    """An objective, its weight among the others, and what is trained beside the student for it."""

    objective: Any
    weight: float
    state: nn.Module | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast: the learning rate rises over `warmup_share` of the steps, then falls linearly to 0."""

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    warmup_share: float

    def rate(self, step: int, steps: int) -> float:
        """The share of the learning rate at a step, in (0, 1]."""
        warmup = max(1, round(self.warmup_share * steps))
        return min((step + 1) / warmup, max(1, steps - step) / max(1, steps - warmup + 1), 1.0)


@dataclass(frozen=True, slots=True)
class Step:
    """What one step did; `loss` is the weighted mean over its examples, in nats."""

    number: int
    total: int
    loss: float


def train(
    model: nn.Module,
    examples: Examples,
    collate: Collate,
    terms: Sequence[Term],
    schedule: Schedule,
    *,
    rates: dict[str, float] | None = None,
    seed: int = 0,
    device: str = "cpu",
) -> Iterator[Step]:
    """Train a model in place; yields after every step.

    Args:
        model: its forward takes the collated arrays by name and returns `Outputs`.
        examples: inputs, labels and signals.
        collate: encoded inputs to arrays.
        terms: the objectives; a step's loss is the sum of weight * mean over its examples.
        schedule: epochs, batch size and learning rate.
        rates: learning rates of submodules that differ from the schedule's, by their name.
        seed: of the order of examples and of dropout.
        device: where the model is.
    """
    steps = schedule.epochs * number_of_batches(len(examples.encoded), schedule.batch_size)
    optimizer = torch.optim.AdamW(
        _groups(model, terms, schedule, rates or {}),
        weight_decay=schedule.weight_decay,
        fused=device in ("cpu", "cuda"),
    )
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: schedule.rate(step, steps))
    feed = batches(examples, collate, batch_size=schedule.batch_size, epochs=schedule.epochs, seed=seed, device=device)
    model.train()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for number, batch in enumerate(feed, 1):
            outputs = model(**batch.inputs)
            # One denominator per step, known before the backward pass: the examples of the step.
            share_B = torch.full((len(batch.labels_B),), 1.0 / len(batch.labels_B), device=device)
            losses: list[Loss] = [t.objective(outputs, batch.signal, batch, t.state, share_B * t.weight) for t in terms]
            total = torch.stack([loss.total for loss in losses]).sum()
            total.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()
            yield Step(number, steps, float(total.detach()))
    model.eval()


def _groups(model: nn.Module, terms: Sequence[Term], schedule: Schedule, rates: dict[str, float]) -> list[dict[str, Any]]:
    """Parameter groups: one per learning rate."""
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            own = [rate for prefix, rate in rates.items() if name.startswith(f"{prefix}.")]
            groups.setdefault(own[0] if own else schedule.learning_rate, []).append(parameter)
    for term in terms:
        if term.state is not None:
            groups.setdefault(schedule.learning_rate, []).extend(term.state.parameters())
    return [{"params": parameters, "lr": rate} for rate, parameters in groups.items()]
