"""A teacher as one module from ids and mask to logits, as it is written to a file. Knows teachers made of torch; knows no format.

Letters: M members, B examples, T positions, C classes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, cast

import torch
from torch import Tensor, nn

from limbeck.errors import TeacherError
from limbeck.teachers._loading import quiet


class Logits(nn.Module):
    """The logits (B, C) of a teacher's network alone; its inputs are those of the network: ids int64 and mask float32 (B, T),
    or one array of a fixed shape."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, first: Tensor, second: Tensor | None = None) -> Tensor:
        found = self.module(first) if second is None else self.module(first, second)
        logits_BC: Tensor = found.logits_BC
        return logits_BC


class MeanProbability(nn.Module):
    """The logarithm of the mean probability (B, C) of several networks, as `Averaged` answers."""

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(map(Logits, modules))

    def forward(self, first: Tensor, second: Tensor | None = None) -> Tensor:
        logs_MBC = torch.stack([member(first, second).log_softmax(-1) for member in self.members])
        least = math.log(torch.finfo(torch.float32).tiny)  # where the mean is too small for float32
        return (logs_MBC.logsumexp(0) - math.log(len(self.members))).clamp_min(least)


@contextmanager
def logits_module(teacher: Any) -> Iterator[nn.Module]:
    """The teacher's network (of several, all of them) on the CPU, with the attention that is written as plain matrix products.

    transformers' fused attention is written with a guard against rows without any token; without it MiniLM's file answers 2 to 4 %
    sooner. Both are put back.

    Raises:
        TeacherError: it is no torch module.
    """
    members = list(getattr(teacher, "members", (teacher,)))
    modules = [m.module for m in members if isinstance(getattr(m, "module", None), nn.Module)]
    if len(modules) < len(members):
        raise TeacherError(f"a teacher of kind {type(teacher).__name__} is no torch module")
    whole = Logits(modules[0]) if len(modules) == 1 else MeanProbability(modules)
    device = next(whole.parameters()).device
    before = [
        (backbone, backbone.config._attn_implementation)
        for backbone in (cast(Any, getattr(m, "backbone", None)) for m in modules)
        if hasattr(backbone, "set_attn_implementation")
    ]
    try:
        with quiet(), suppress(ValueError):  # some have only one kind of attention, and keep it
            for backbone, _ in before:
                backbone.set_attn_implementation("eager")
        yield whole.eval().to("cpu")
    finally:
        with quiet():
            for backbone, attention in before:
                backbone.set_attn_implementation(attention)
        whole.to(device)
