"""A wide residual network as a teacher of pictures that is trained here, from scratch. Knows its own layers and folder; knows no data.

Where no weights can be had, this is the teacher: it has no head until the pipeline trains it (`teacher.fine_tune`), and then all of it learns.
While it is trained each batch is moved, mirrored where `flip` asks for it, and partly erased, by dice that follow from seed and step.

Letters: B pictures, C channels, H height, W width, D width of the last stage.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, cast

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from limbeck.errors import TeacherError
from limbeck.settings import Count, CountOrZero, Limits, Share
from limbeck.teachers._pixels import PixelTeacher
from limbeck.types import Outputs

WEIGHTS, DESCRIBED = "wide_resnet.safetensors", "wide_resnet.json"
Channels = Annotated[int, Limits((("ge", 1), ("le", 3)))]


class Moved(nn.Module):
    """Each picture of a batch moved by up to `shift` pixels, perhaps mirrored, and a square of it erased; answering, nothing.

    Source: He et al. (2016), Deep Residual Learning, section 4.2, for shift and flip; DeVries and Taylor (2017), Cutout, section 3.
    """

    def __init__(self, shift: int, flip: bool, erase: int) -> None:
        super().__init__()
        self.shift, self.flip, self.erase = shift, flip, erase

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """The same shape."""
        if not self.training:
            return x_BCHW
        batch, _, height, width = x_BCHW.shape
        device = x_BCHW.device
        if self.shift:
            padded = F.pad(x_BCHW, [self.shift] * 4)
            down, right = torch.randint(0, 2 * self.shift + 1, (2, batch, 1), device=device)
            rows_BH, columns_BW = down + torch.arange(height, device=device), right + torch.arange(width, device=device)
            number = torch.arange(batch, device=device)[:, None, None]
            x_BCHW = padded.permute(0, 2, 3, 1)[number, rows_BH[:, :, None], columns_BW[:, None, :]].permute(0, 3, 1, 2)
        if self.flip:
            mirrored_B = torch.rand(batch, device=device) < 0.5
            x_BCHW = torch.where(mirrored_B[:, None, None, None], x_BCHW.flip(3), x_BCHW)
        if self.erase:
            top, left = torch.randint(0, max(height, width), (2, batch, 1), device=device)
            rows_BH = (torch.arange(height, device=device) - top).abs() * 2 < self.erase
            columns_BW = (torch.arange(width, device=device) - left).abs() * 2 < self.erase
            x_BCHW = x_BCHW.masked_fill((rows_BH[:, :, None] & columns_BW[:, None, :])[:, None], 0.0)
        return x_BCHW


class Residual(nn.Module):
    """x + conv(relu(norm(conv(relu(norm(x))))))."""

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


class Network(nn.Module):
    """Three stages of residual blocks over pixels, whose scale a norm without weights learns from the batches."""

    def __init__(self, settings: WideResnet.Settings) -> None:
        super().__init__()
        widths = [16, *(16 * settings.width * 2**stage for stage in range(3))]
        self.scale = nn.BatchNorm2d(settings.channels, affine=False)
        self.moved = Moved(settings.shift, settings.flip, settings.erase)
        self.stem = nn.Conv2d(settings.channels, widths[0], 3, 1, 1, bias=False)
        blocks = []
        for stage in range(3):
            for place in range((settings.depth - 4) // 6):
                channels = widths[stage] if not place else widths[stage + 1]
                blocks.append(Residual(channels, widths[stage + 1], 2 if stage and not place else 1, settings.dropout))
        self.blocks = nn.Sequential(*blocks)
        self.norm = nn.BatchNorm2d(widths[-1])
        self.head: nn.Linear | None = None

    def forward(self, pixels: Tensor) -> Outputs:
        """Logits (B, K) and what lies before them (B, D); pixels uint8 are (B, C, H, W)."""
        x = self.moved(self.scale(pixels.float() * (1 / 255)))
        x = self.blocks(self.stem(x.contiguous(memory_format=torch.channels_last)))
        mean_BD = F.relu(self.norm(x)).mean(dim=(2, 3))
        assert self.head is not None, "a network without a head answers nothing"
        return Outputs(self.head(mean_BD), mean_BD)


def begin(network: Any, width: int, classes: int, seed: int) -> None:
    """Random weights for all convolutions of a network, and a new `head` of so many classes.

    Source: He et al. (2015), Delving Deep into Rectifiers, section 2.2, by what a filter gives.
    """
    generator, device = torch.Generator().manual_seed(seed), next(network.parameters()).device
    network.head = nn.Linear(width, classes).to(device)
    with torch.no_grad():
        for part in network.modules():
            if isinstance(part, nn.Conv2d):
                fan_out = part.out_channels * part.kernel_size[0] * part.kernel_size[1]
                drawn = torch.empty(part.weight.shape).normal_(0.0, (2.0 / fan_out) ** 0.5, generator=generator)
                part.weight.copy_(drawn)
        drawn = torch.empty(network.head.weight.shape).normal_(0.0, 0.02, generator=generator)
        network.head.weight.copy_(drawn)
        network.head.bias.zero_()


class WideResnet(PixelTeacher):
    """A wide residual network WRN-depth-width.

    Args:
        settings: of its layers.
        labels: class names in the order of the logits; empty before it is trained.
        device: where it computes.

    Source: Zagoruyko and Komodakis (2016), Wide Residual Networks, section 2.

    Example:
        >>> WideResnet.load(WideResnet.Settings(depth=10, width=1, size=28, channels=1)).has_head
        False
    """

    @dataclass(frozen=True, slots=True)
    class Settings:
        """`model`: a folder that `save` wrote; empty: it is trained in the run. `depth`: 6 n + 4 layers; `width`: how many times as wide as a
        ResNet. `size` of the pictures, `channels` (1 grey, 3 colours). `shift` (pixels), `flip`, `erase` (side of the square, pixels): what is done to a
        picture in training; `dropout` within blocks."""

        model: str = ""
        depth: Count = 16
        width: Count = 4
        size: Count = 32
        channels: Channels = 3
        shift: CountOrZero = 2
        flip: bool = False
        erase: CountOrZero = 8
        dropout: Share = 0.0

        def __post_init__(self) -> None:
            if self.depth < 10 or (self.depth - 4) % 6:
                raise ValueError(f"depth is {self.depth}; 10, 16, 22 or another 6 n + 4 is expected")
            if self.channels == 2:
                raise ValueError("channels is 2; 1 (grey) or 3 (colours) is expected")

    def __init__(self, settings: Settings, labels: Sequence[str] = (), device: str = "cpu") -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # one that is not trained yet is the same each time: its fingerprint decides what a run is
            network = Network(settings)
        super().__init__(network, (), settings.size, settings.channels, device)
        self._settings = settings
        self.name = f"WRN-{settings.depth}-{settings.width}"
        self.width = cast(Any, self.module).norm.num_features
        if labels:
            self.add_head(labels, 0)

    @classmethod
    def load(cls, settings: Settings, device: str = "cpu") -> WideResnet:
        """An untrained one, or one that `save` wrote.

        Raises:
            TeacherError: the folder holds none.
        """
        if not settings.model:
            return cls(settings, device=device)
        folder = Path(settings.model)
        try:
            described = json.loads((folder / DESCRIBED).read_text(encoding="utf-8"))
            found = cls(cls.Settings(**described["settings"]), described["labels"], device)
            found.module.load_state_dict(load_file(folder / WEIGHTS))
        except (OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
            said = f"{error}".splitlines()[0] if f"{error}" else type(error).__name__
            raise TeacherError(
                f"cannot load the teacher '{folder}': it holds no wide residual network that limbeck wrote: {said:.300}"
            ) from error
        return found

    @classmethod
    def tiny(cls, folder: Path, seed: int = 0) -> WideResnet:
        """A very small random one with a head, saved to `folder` and loaded from it: what the contract tests use."""
        found = cls(cls.Settings(depth=10, width=1, size=8, channels=3))
        found.add_head(["greeting", "question", "thanks"], seed)
        cast(Any, found.module).head.weight.data.normal_(0.0, 0.5, generator=torch.Generator().manual_seed(seed))
        found.save(folder)
        return cls.load(cls.Settings(str(folder)))

    def add_head(self, labels: Sequence[str], seed: int) -> None:
        """Begin anew: random weights everywhere, and a head for `labels`."""
        assert not self.labels, "a teacher with a head keeps it"
        begin(self.module, self.width, len(labels), seed)
        self.labels = tuple(labels)

    def freeze(self, layers: int = 0) -> None:
        """Nothing: a network that knows nothing learns as a whole.

        Raises:
            TeacherError: layers are asked for.
        """
        if layers:
            raise TeacherError("teacher.fine_tune.frozen_layers: a wide_resnet is trained from scratch. Leave it out.")

    def save(self, folder: Path) -> None:
        """Write weights, layers and labels to a folder that `load` reads."""
        weights = {k: v.detach().cpu().clone().contiguous() for k, v in self.module.state_dict().items()}
        save_file(weights, folder / WEIGHTS)
        settings = {**asdict(self._settings), "model": ""}
        described = {"settings": settings, "labels": list(self.labels)}
        (folder / DESCRIBED).write_text(json.dumps(described, ensure_ascii=False, indent=1), encoding="utf-8")

    def settled(self) -> dict[str, str]:
        """Its kind and layers."""
        training = f"shift {self._settings.shift}, flip {self._settings.flip}, erase {self._settings.erase}, dropout {self._settings.dropout}"
        return {"kind": "wide_resnet", "layers": self.name, "training": training}
