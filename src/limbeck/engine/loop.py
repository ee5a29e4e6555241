"""The training loop, to be read aloud. Knows a model, batches and objectives; knows nothing of files or progress bars.

Logging, progress, stopping and saving belong to whoever consumes the steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from limbeck import memory
from limbeck.engine.batches import Collate, Examples, batches, number_of_batches
from limbeck.engine.optim import MovingAverage, Optimizer, moving
from limbeck.types import Batch, Json, Loss, TrainingPlan

Judge = Callable[[nn.Module], Mapping[str, float]]
"""How good a model is on validation rows: figures by name, the first of which decides; more is better."""


@dataclass(frozen=True, slots=True)
class Term:
    """An objective, its weight among the others, and what is trained beside the student for it."""

    objective: Any
    weight: float
    state: nn.Module | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What one step did; `loss` is the weighted mean over its examples, in nats. `judged` holds validation figures, if any."""

    number: int
    total: int
    loss: float
    rate: float
    judged: Mapping[str, float] = field(default_factory=dict)


class Training:
    """A training in progress: the model, how it moves, how far it is, and its best weights so far.

    All that chance decides at a step (the batch, dropout) follows from the seed and the step's number alone, so a training that is
    restored from `state` goes on to the same bits.

    Args:
        model: its forward takes the collated arrays by name and returns `Outputs`; it is trained in place.
        examples: inputs, labels and signals.
        collate: encoded inputs to arrays.
        terms: the objectives; a step's loss is the sum of weight * mean over its examples.
        plan: epochs, batch size and learning rate.
        judge: called after each epoch; the best weights are kept and stand in the model at the end. None: the last stand.
        rates: learning rates of submodules that differ from the plan's, by their name.
        seed: of the order of examples and of dropout.
        device: where the model is.
        precision: "float32", or "bfloat16" for the matrix products.
        epochs: how many of the plan's epochs to train, a part of one too; None: all.
        around: what the model computes and is judged within, such as `limbeck.engine.as_int8.AsInt8`.
    """

    def __init__(
        self,
        model: nn.Module,
        examples: Examples,
        collate: Collate,
        terms: Sequence[Term],
        plan: TrainingPlan,
        *,
        judge: Judge | None = None,
        rates: Mapping[str, float] | None = None,
        seed: int = 0,
        device: str = "cpu",
        precision: str = "float32",
        epochs: float | None = None,
        around: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        self.model = model
        self.best: Mapping[str, float] = {}
        self.best_epoch = 0
        self.number = 0
        self._examples, self._collate, self._terms, self._plan = examples, collate, terms, plan
        self._judge, self._seed, self._device = judge, seed, device
        self.precision, self._around = precision, around
        self._in_epoch = number_of_batches(len(examples), plan.batch_size)
        self._steps = plan.epochs * self._in_epoch
        self.total = self._steps if epochs is None else max(1, round(epochs * self._in_epoch))
        self._modules = [model, *(t.state for t in terms if t.state is not None)]
        self._optimizer = Optimizer(self._modules, plan, rates or {})
        self._average = MovingAverage(model, plan.ema) if plan.ema else None
        self._best_weights: dict[str, Tensor] = {}

    def steps(self) -> Iterator[Step]:
        """Train from where it is to the end; yields after every step."""
        feed = batches(
            self._examples,
            self._collate,
            batch_size=self._plan.batch_size,
            epochs=-(-self.total // self._in_epoch),
            seed=self._seed,
            device=self._device,
            first=self.number,
        )
        self.model.train()
        with memory.kept():
            for batch in islice(feed, max(0, self.total - self.number)):
                with torch.random.fork_rng(devices=[]):
                    torch.manual_seed(self._seed * 1_000_003 + self.number)
                    loss = self.loss(batch)
                    loss.backward()  # type: ignore[no-untyped-call]
                self._optimizer.step(self.number, self._steps)
                self.number += 1
                if self._average is not None:
                    self._average.update(self.model, self.number)
                judged = self._judged() if self.number % self._in_epoch == 0 else {}
                rate = self._plan.learning_rate * self._plan.rate(self.number - 1, self._steps)
                yield Step(self.number, self.total, float(loss.detach()), rate, judged)
        # Within an epoch; behind the last `state`, so that one that goes on is as if it had not stopped.
        if self.total % self._in_epoch:
            self._judged()
        final = self._best_weights or (self._average.weights if self._average is not None else {})
        self.model.load_state_dict(final, strict=False)
        self.model.eval()

    def loss(self, batch: Batch) -> Tensor:
        """The loss of a batch: the sum over objectives of weight * mean over examples, in nats."""
        with (
            torch.autocast(torch.device(self._device).type, torch.bfloat16, enabled=self.precision == "bfloat16"),
            self._around(),
        ):
            outputs = self.model(**batch.inputs)
        # One denominator per step, known before the backward pass: the examples of the step.
        share_B = torch.full((len(batch.labels_B),), 1.0 / len(batch.labels_B), device=self._device)
        losses: list[Loss] = [t.objective(outputs, batch.signal, batch, t.state, share_B * t.weight) for t in self._terms]
        return torch.stack([loss.total for loss in losses]).sum()

    def state(self) -> tuple[Json, dict[str, Tensor]]:
        """Everything that `restore` needs: numbers, and tensors by name."""
        groups: dict[str, Mapping[str, Tensor]] = {
            "optimizer": self._optimizer.state(),
            "average": self._average.weights if self._average is not None else {},
            "best": self._best_weights,
            **{f"module{i}": _whole(module) for i, module in enumerate(self._modules)},
        }
        tensors = {f"{group}/{name}": value for group, content in groups.items() for name, value in content.items()}
        return {"number": self.number, "best": dict(self.best), "best_epoch": self.best_epoch}, tensors

    @torch.no_grad()
    def restore(self, numbers: Json, tensors: Mapping[str, Tensor]) -> None:
        """Take up from what `state` gave."""
        groups: dict[str, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            group, _, name = key.partition("/")
            groups.setdefault(group, {})[name] = value.to(self._device)
        self.number, self.best, self.best_epoch = numbers["number"], numbers["best"], numbers["best_epoch"]
        for i, module in enumerate(self._modules):
            for name, value in _whole(module).items():
                value.copy_(groups[f"module{i}"][name])
        self._optimizer.restore(groups.get("optimizer", {}))
        if self._average is not None:
            self._average.weights = groups["average"]
        self._best_weights = groups.get("best", {})

    def _judged(self) -> Mapping[str, float]:
        """Judge the weights as they would be kept, and keep them if none before were better."""
        if self._judge is None:
            return {}
        average, own = self._average, {}
        if average is not None:
            own = {name: p.detach().clone() for name, p in moving(self.model).items()}
            self.model.load_state_dict(average.weights, strict=False)
        self.model.eval()
        with self._around():
            found = self._judge(self.model)
        self.model.train()
        if not self.best or next(iter(found.values())) >= next(iter(self.best.values())):
            self.best, self.best_epoch = found, self.number // self._in_epoch
            self._best_weights = {n: p.detach().clone() for n, p in moving(self.model).items()}
        self.model.load_state_dict(own, strict=False)
        return found


def _whole(module: nn.Module) -> dict[str, Tensor]:
    """All weights, and all that layers keep of the batches they saw, their number too, by name."""
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}
