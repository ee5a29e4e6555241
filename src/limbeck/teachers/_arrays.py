"""What teachers of pictures and of clips have in common: a torch module that reads what a modality encodes, at one shape. Knows batches; knows no
architecture.
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

from limbeck.errors import TeacherError
from limbeck.types import Fingerprint, Json, Signal, digest

_BATCH = 64


class ArrayTeacher(ABC):
    """A module from the arrays of a modality, by their names, to `Outputs`.

    Args:
        module: the network.
        labels: class names in the order of the logits; empty as long as there is no head.
        reading: the modality that makes its arrays.
        device: where it computes.
    """

    tolerance: ClassVar[float] = 1e-4

    def __init__(self, module: nn.Module, labels: Sequence[str], reading: Any, device: str) -> None:
        self.module = module.to(device).eval()
        self.labels = tuple(labels)
        self._reading = reading
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
        """What decides its answers beside weights, labels and how it reads, by name."""

    def reads(self) -> Json:
        """The spec of the modality whose arrays it takes, so that a bundle can hold it."""
        found: Json = self._reading.spec()
        return found

    def gives(self) -> frozenset[str]:
        """Logits, and what lies before the classifier."""
        return frozenset({"logits_BC", "embedding_BD"}) if self.labels else frozenset()

    def fingerprint(self) -> Fingerprint:
        """Weights, labels, how it reads, and number type, each by its own hash or value."""
        weights = hashlib.sha256()
        for name, value in sorted(self.module.state_dict().items()):
            weights.update(name.encode())
            weights.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
        return {
            "weights": weights.hexdigest(),
            "labels": digest(list(self.labels)),
            "preprocessing": digest(self._reading.spec()),
            "precision": self.precision,
            **self.settled(),
        }

    def freeze(self, layers: int = 0) -> None:
        """Nothing: all of it learns.

        Raises:
            TeacherError: layers are asked for.
        """
        if layers:
            raise TeacherError("teacher.fine_tune.frozen_layers is for text encoders. Leave it out.")

    def answer(self, payloads: Sequence[Any], needs: frozenset[str]) -> Signal:
        """Signals of the payloads, in order."""
        found: dict[str, list[Any]] = {name: [None] * len(payloads) for name in sorted(needs & self.gives())}
        half = torch.autocast(torch.device(self._device).type, torch.bfloat16, enabled=self.precision == "bfloat16")
        training = self.module.training
        self.module.eval()
        with torch.inference_mode(), half:
            for start in range(0, len(payloads), _BATCH):
                encoded = [*self.encode(payloads[start : start + _BATCH])]
                for shape in sorted({e.shape for e in encoded}):  # most modalities have one
                    alike = [i for i, e in enumerate(encoded) if e.shape == shape]
                    batch = self.collate([encoded[i] for i in alike])
                    out = self.module(**{k: torch.from_numpy(v).to(self._device) for k, v in batch.items()})
                    for name, rows in found.items():
                        for i, row in zip(alike, getattr(out, name).float().cpu().numpy(), strict=True):
                            rows[start + i] = row
        self.module.train(training)
        return Signal(**{name: np.stack(rows) for name, rows in found.items()})

    def encode(self, payloads: Sequence[Any]) -> Sequence[NDArray[Any]]:
        """The array of each payload."""
        found: Sequence[NDArray[Any]] = self._reading.encode(payloads)
        return found

    def collate(self, encoded: Sequence[NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The arrays of a batch, by name."""
        found: dict[str, NDArray[Any]] = self._reading.collate(encoded)
        return found
