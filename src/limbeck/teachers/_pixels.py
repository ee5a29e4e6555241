"""What teachers of pictures have in common: a torch module that reads bytes of pixels of one size. Knows arrays and batches; knows no architecture.

Letters: B pictures, C channels, H height, W width.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from limbeck import catalog
from limbeck.types import Fingerprint, Json, Signal, digest

_BATCH = 64


class PixelTeacher(ABC):
    """A module from `pixels` (B, C, H, W), uint8, to `Outputs`; what makes numbers of bytes is part of it.

    Args:
        module: the network.
        labels: class names in the order of the logits; empty as long as there is no head.
        size, channels: of the pictures that it reads, as limbeck's own modality makes them.
        device: where it computes.
    """

    modality: ClassVar[str] = "image"
    tolerance: ClassVar[float] = 1e-4

    def __init__(self, module: nn.Module, labels: Sequence[str], size: int, channels: int, device: str) -> None:
        self.module = module.to(device).eval()
        self.labels = tuple(labels)
        self.size, self.channels = size, channels
        self._image = catalog.find("modalities", "image")(size, channels)
        self._device = device
        self.precision = "float32"  # or "bfloat16": of the matrix products of its answers

    @property
    def has_head(self) -> bool:
        """Whether it knows classes."""
        return bool(self.labels)

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return sum(p.numel() for p in self.module.parameters())

    @abstractmethod
    def settled(self) -> Mapping[str, str]:
        """What decides its answers beside weights, labels and the shape of a picture, by name."""

    def reads(self) -> Json:
        """The spec of the modality whose arrays it takes, so that a bundle can hold it."""
        found: Json = self._image.spec()
        return found

    def gives(self) -> frozenset[str]:
        """Logits, and what lies before the classifier."""
        return frozenset({"logits_BC", "embedding_BD"}) if self.labels else frozenset()

    def fingerprint(self) -> Fingerprint:
        """Weights, labels, size, and number type, each by its own hash or value."""
        weights = hashlib.sha256()
        for name, value in sorted(self.module.state_dict().items()):
            weights.update(name.encode())
            weights.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
        return {
            "weights": weights.hexdigest(),
            "labels": digest(list(self.labels)),
            "preprocessing": digest({"size": self.size, "channels": self.channels}),
            "precision": self.precision,
            **self.settled(),
        }

    def answer(self, payloads: Sequence[Any], needs: frozenset[str]) -> Signal:
        """Signals of the pictures, in order."""
        encoded = self.encode(payloads)
        parts: dict[str, list[NDArray[np.float32]]] = {name: [] for name in sorted(needs & self.gives())}
        half = torch.autocast(torch.device(self._device).type, torch.bfloat16, enabled=self.precision == "bfloat16")
        training = self.module.training
        self.module.eval()
        with torch.inference_mode(), half:
            for start in range(0, len(encoded), _BATCH):
                batch = self.collate([encoded[i] for i in range(start, min(start + _BATCH, len(encoded)))])
                out = self.module(**{k: torch.from_numpy(v).to(self._device) for k, v in batch.items()})
                for name, part in parts.items():
                    part.append(getattr(out, name).float().cpu().numpy())
        self.module.train(training)
        return Signal(**{name: np.concatenate(part) for name, part in parts.items()})

    def encode(self, payloads: Sequence[Any]) -> Sequence[NDArray[np.uint8]]:
        """Bytes of each picture, (H, W, C)."""
        found: Sequence[NDArray[np.uint8]] = self._image.encode(payloads)
        return found

    def collate(self, encoded: Sequence[NDArray[np.uint8]]) -> dict[str, NDArray[Any]]:
        """pixels (B, C, H, W)."""
        found: dict[str, NDArray[Any]] = self._image.collate(encoded)
        return found
