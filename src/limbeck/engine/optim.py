"""How weights move: optimisers, moving averages. Knows parameters; knows nothing of losses or data.

A large embedding table gets gradients for the rows that a batch touches and for no others, so neither the gradient nor the update
costs work on the rest of it; a small one fits the caches, and there the bookkeeping would cost more than the work.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from limbeck.engine.muon import Muon, hidden_weights
from limbeck.types import TrainingPlan

_LARGE = 4_000_000
"""Weights of an embedding from which on only touched rows are worked on. Below that the fused dense update is the quicker one
(docs/diary.md): 1.4 against 1.9 ms at 0.8 million weights, 2.0 against 2.1 at 3.8, 21 against 5.5 at 11.5."""
_EVERY = 8
"""Steps between two updates of a moving average: it costs a pass over all weights."""


class Optimizer:
    """AdamW, gradient descent with Nesterov's momentum, or Muon for dense weights and lazy Adam for large embeddings, with a learning rate for each parameter.

    Muon moves the matrices and filters inside the first module; what else is dense is AdamW's, and there scales of norms and biases do not decay.

    Lazy Adam moves a row, and decays its moments, only in steps that touch it, and does not decay its weights.

    Args:
        modules: whose trainable parameters move; the first one's are found by name for `rates`.
        plan: learning rate and weight decay.
        rates: learning rates of submodules of the first module that differ from the plan's, by their name.

    Source: Kingma and Ba (2015); Loshchilov and Hutter (2019), Decoupled Weight Decay Regularization, algorithm 2; Sutskever et al. (2013),
    On the importance of initialization and momentum in deep learning, section 2.
    """

    def __init__(self, modules: list[nn.Module], plan: TrainingPlan, rates: Mapping[str, float]) -> None:
        self._plan = plan
        touched = _large_embeddings(modules)
        dense: dict[float, list[nn.Parameter]] = {}
        sparse: dict[float, list[nn.Parameter]] = {}
        inside: dict[float, list[nn.Parameter]] = {}
        hidden = hidden_weights(modules[0]) if plan.optimizer == "muon" else set()
        for module in modules:
            for name, parameter in module.named_parameters():
                if parameter.requires_grad:
                    own = [rate for prefix, rate in rates.items() if module is modules[0] and name.startswith(f"{prefix}.")]
                    kind = sparse if parameter in touched else inside if parameter in hidden else dense
                    kind.setdefault(own[0] if own else plan.learning_rate, []).append(parameter)
        self._parts: list[torch.optim.Optimizer] = []
        if dense:
            fused = all(p.device.type in ("cpu", "cuda") for parameters in dense.values() for p in parameters)
            if plan.optimizer == "sgd":
                made: torch.optim.Optimizer = torch.optim.SGD(
                    _groups(dense), momentum=0.9, nesterov=True, weight_decay=plan.weight_decay, fused=fused
                )
            else:
                groups = _without_decay_of_vectors(dense) if plan.optimizer == "muon" else _groups(dense)
                made = torch.optim.AdamW(groups, weight_decay=plan.weight_decay, fused=fused)
            self._parts.append(made)
        if inside:
            self._parts.append(Muon(_groups(inside), weight_decay=plan.weight_decay))
        if sparse:
            self._parts.append(torch.optim.SparseAdam(_groups(sparse)))
        self._rates = [[float(group["lr"]) for group in part.param_groups] for part in self._parts]

    def step(self, number: int, steps: int) -> None:
        """Move the weights by their gradients at step `number` of `steps`, and forget the gradients."""
        share = self._plan.rate(number, steps)
        for part, rates in zip(self._parts, self._rates, strict=True):
            for group, rate in zip(part.param_groups, rates, strict=True):
                group["lr"] = rate * share
            part.step()
            part.zero_grad()

    def state(self) -> dict[str, Tensor]:
        """Moments and step counts by part, parameter and name."""
        found = {}
        for number, part in enumerate(self._parts):
            for index, moments in part.state_dict()["state"].items():
                for name, value in moments.items():
                    found[f"{number}.{index}.{name}"] = torch.as_tensor(value)
        return found

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take up from what `state` gave."""
        for number, part in enumerate(self._parts):
            whole = part.state_dict()
            moments: dict[int, dict[str, object]] = {}
            for key, value in state.items():
                owner, index, name = key.split(".")
                if int(owner) == number:
                    lazy = name == "step" and isinstance(part, torch.optim.SparseAdam)  # which counts in a Python number
                    moments.setdefault(int(index), {})[name] = int(value) if lazy else value
            part.load_state_dict({**whole, "state": moments})


class MovingAverage:
    """An exponential moving average of a model's weights, for judging and keeping in their place.

    Source: Polyak and Juditsky (1992); the decay warms up as (1 + n) / (10 + n), as in TensorFlow's ExponentialMovingAverage.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._decay = decay
        self.weights = {name: p.detach().clone() for name, p in moving(model).items()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Draw towards the model's weights after step `step`, counted from 1."""
        if step % _EVERY:
            return
        decay = min(self._decay, (1 + step) / (10 + step)) ** _EVERY
        now = moving(model)
        torch._foreach_lerp_(list(self.weights.values()), [now[name] for name in self.weights], 1.0 - decay)


def moving(model: nn.Module) -> dict[str, Tensor]:
    """What training moves, by name: the trainable weights, and what a layer keeps of the batches it saw, such as a running mean."""
    kept = {name: buffer for name, buffer in model.named_buffers() if buffer.is_floating_point()}
    return {**{name: p for name, p in model.named_parameters() if p.requires_grad}, **kept}


def _groups(by_rate: Mapping[float, list[nn.Parameter]]) -> list[dict[str, Any]]:
    return [{"params": parameters, "lr": rate} for rate, parameters in by_rate.items()]


def _without_decay_of_vectors(by_rate: Mapping[float, list[nn.Parameter]]) -> list[dict[str, Any]]:
    """The same with scales of norms and biases apart, which do not decay: at the rates that suit Muon a scale that nothing holds falls to a
    half in 700 steps, and behind a ReLU a third of a small student's widest layer died, of its control's more than half (docs/diary.md)."""
    vectors = {rate: [p for p in parameters if p.ndim < 2] for rate, parameters in by_rate.items()}
    others = {rate: [p for p in parameters if p.ndim >= 2] for rate, parameters in by_rate.items()}
    groups = [*_groups(others), *({**group, "weight_decay": 0.0} for group in _groups(vectors))]
    return [group for group in groups if group["params"]]


def _large_embeddings(modules: Iterable[nn.Module]) -> set[Tensor]:
    """The weights of all large trainable embeddings, which from now on get gradients for touched rows only."""
    found: set[Tensor] = set()
    for module in modules:
        for part in module.modules():
            if not isinstance(part, nn.Embedding) or part.weight.device.type != "cpu":
                continue
            if part.weight.numel() >= _LARGE and part.weight.requires_grad:
                part.sparse = True
                found.add(part.weight)
    return found
