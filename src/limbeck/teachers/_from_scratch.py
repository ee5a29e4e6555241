"""What teachers that are trained here, from scratch, have in common: random weights, stages of residual blocks, a folder. Knows no data and no
modality.

Where no weights can be had, these are the teachers: they have no head until the pipeline trains them (`teacher.fine_tune`), and then all of
them learns.

Letters: B examples, C channels, H height, W width, D width of the last stage.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from limbeck.errors import TeacherError
from limbeck.teachers._arrays import ArrayTeacher


class Residual(nn.Module):
    """x + conv(relu(norm(conv(relu(norm(x)))))).

    Source: He et al. (2016), Identity Mappings in Deep Residual Networks, section 4.
    """

    def __init__(self, channels: int, outputs: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.first_norm, self.second_norm = nn.BatchNorm2d(channels), nn.BatchNorm2d(outputs)
        self.first = nn.Conv2d(channels, outputs, 3, stride, 1, bias=False)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.beside = nn.Conv2d(channels, outputs, 1, stride, bias=False) if stride > 1 or channels != outputs else None

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """The next representation."""
        bent = F.relu(self.first_norm(x_BCHW))
        made = self.first(bent)
        made = self.second(F.dropout(F.relu(self.second_norm(made)), self.dropout, self.training))
        found: Tensor = made + (x_BCHW if self.beside is None else self.beside(bent))
        return found


class Separable(nn.Module):
    """pointwise(relu(norm(depthwise(relu(norm(x)))))), and x beside it where the shapes are one: each channel has one filter over time and
    frequency, and what channels make together is made at each place by itself.

    Source: Howard et al. (2017), MobileNets, section 3.1; the order of its parts is that of `Residual`.
    """

    def __init__(self, channels: int, outputs: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.first_norm, self.second_norm = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)
        self.first = nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False)
        self.second = nn.Conv2d(channels, outputs, 1, bias=False)
        self.passes = stride == 1 and channels == outputs

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """The next representation."""
        made = F.relu(self.second_norm(self.first(F.relu(self.first_norm(x_BCHW)))))
        found: Tensor = self.second(F.dropout(made, self.dropout, self.training))
        return found + x_BCHW if self.passes else found


Block = Callable[[int, int, int, float], nn.Module]
"""Makes a block from its channels, outputs, stride and dropout."""


def stages(channels: int, widths: Sequence[int], depth: int, dropout: float, block: Block = Residual) -> nn.Sequential:
    """Stages of `depth` blocks each; every stage but the first halves both sides."""
    blocks = []
    for stage, width in enumerate(widths):
        for place in range(depth):
            blocks.append(block(channels, width, 2 if stage and not place else 1, dropout))
            channels = width
    return nn.Sequential(*blocks)


class FromScratch(ArrayTeacher):
    """A teacher that begins as random weights, and is saved as weights, settings and labels.

    Args:
        settings: its own; they are saved with it.
        labels: class names in the order of the logits; empty before it is trained.
        network: makes its module, which has a `norm` over what the head sees and a `head` that is None.
        reading: the modality that makes its arrays.
        device: where it computes.
    """

    Settings: ClassVar[Any]
    kind: ClassVar[str]
    """What its files are called."""
    what: ClassVar[str]
    """It, in words."""
    answering: ClassVar[tuple[str, ...]] = ()
    """Settings that a trained one may be given as well: how it answers, and not how it learns."""
    pretrained: ClassVar[bool] = False
    """Whether it knows anything before it is trained here: what lies near what, for one."""

    def __init__(self, settings: Any, labels: Sequence[str], network: Callable[[], Any], reading: Any, device: str) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # one that is not trained yet is the same each time: its fingerprint decides what a run is
            module: nn.Module = cast(Any, network()).to(
                memory_format=torch.channels_last
            )  # a step takes a third less time on a CPU
        super().__init__(module, (), reading, device)
        self._settings = settings
        self.width: int = cast(Any, self.module).norm.num_features
        if labels:
            self.add_head(labels, 0)

    @classmethod
    def load(cls, settings: Any, device: str = "cpu") -> Self:
        """An untrained one, or one that `save` wrote.

        Raises:
            TeacherError: the folder holds none.
        """
        make = cast(Any, cls)  # a kind's own constructor takes settings, labels and device
        if not settings.model:
            return cast(Self, make(settings, device=device))
        folder = Path(settings.model)
        try:
            described = json.loads((folder / f"{cls.kind}.json").read_text(encoding="utf-8"))
            asked = {name: True for name in cls.answering if getattr(settings, name)}
            found = make(cls.Settings(**{**described["settings"], **asked}), described["labels"], device)
            found.module.load_state_dict(load_file(folder / f"{cls.kind}.safetensors"))
        except (OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
            said = f"{error}".splitlines()[0] if f"{error}" else type(error).__name__
            raise TeacherError(
                f"cannot load the teacher '{folder}': it holds no {cls.what} that limbeck wrote: {said:.300}"
            ) from error
        return cast(Self, found)

    def save(self, folder: Path) -> None:
        """Write weights, settings and labels to a folder that `load` reads."""
        weights = {k: v.detach().cpu().clone().contiguous() for k, v in self.module.state_dict().items()}
        save_file(weights, folder / f"{self.kind}.safetensors")
        described = {"settings": {**asdict(self._settings), "model": ""}, "labels": list(self.labels)}
        (folder / f"{self.kind}.json").write_text(json.dumps(described, ensure_ascii=False, indent=1), encoding="utf-8")

    @classmethod
    def saved_tiny(cls, settings: Any, folder: Path, seed: int) -> Self:
        """A very small random one with a head, saved to `folder` and loaded from it: what the contract tests use."""
        found = cls.load(settings)
        found.add_head(["greeting", "question", "thanks"], seed)
        cast(Any, found.module).head.weight.data.normal_(0.0, 0.5, generator=torch.Generator().manual_seed(seed))
        found.save(folder)
        return cls.load(cls.Settings(str(folder)))

    def add_head(self, labels: Sequence[str], seed: int) -> None:
        """Begin anew: random weights everywhere, and a head for `labels`.

        Source: He et al. (2015), Delving Deep into Rectifiers, section 2.2, by what a filter gives.
        """
        assert not self.labels, "a teacher with a head keeps it"
        generator, network = torch.Generator().manual_seed(seed), cast(Any, self.module)
        network.head = nn.Linear(self.width, len(labels)).to(self._device)
        with torch.no_grad():
            for part in network.modules():
                if isinstance(part, nn.Conv2d):
                    fan_out = part.out_channels * part.kernel_size[0] * part.kernel_size[1] // part.groups
                    part.weight.copy_(_drawn(part.weight, (2.0 / fan_out) ** 0.5, generator))
            network.head.weight.copy_(_drawn(network.head.weight, 0.02, generator))
            network.head.bias.zero_()
        self.labels = tuple(labels)


def _drawn(like: Tensor, deviation: float, generator: torch.Generator) -> Tensor:
    """On the CPU, so that each device begins from the same numbers."""
    return torch.empty(like.shape).normal_(0.0, deviation, generator=generator)
