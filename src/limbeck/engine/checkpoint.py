"""A training on disk, so that a kill costs seconds. Knows named tensors and a folder; knows nothing of what they are for.

One file, written beside its place and moved into it. It names what training it belongs to, and carries the sha256 of its content: a
checkpoint of another training, or a damaged one, is no checkpoint.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path

from safetensors.torch import load, save
from torch import Tensor

from limbeck.disk import write_whole
from limbeck.errors import RunFolderError
from limbeck.types import Json

_SHARE = 0.02
"""Share of the time that saving may take."""


class Checkpoint:
    """The last saved state of one training.

    Args:
        path: the file.
        identity: everything that decides the training, as a digest.
        every: least seconds between two savings.
    """

    def __init__(self, path: Path, identity: str, every: float = 20.0) -> None:
        self._path = path
        self._identity = identity
        self._every = every
        self._next = time.perf_counter() + every

    def load(self) -> tuple[Json, dict[str, Tensor]] | None:
        """Numbers and tensors of the last saving of this training; None where there is none."""
        try:
            data = self._path.read_bytes()
        except OSError:
            return None
        head, _, content = data.partition(b"\n")
        try:
            described = json.loads(head)
            whole = described["sha256"] == hashlib.sha256(content).hexdigest()
            return (described["numbers"], load(content)) if whole and described["identity"] == self._identity else None
        except (ValueError, KeyError, TypeError):
            return None

    def offer(self, state: Callable[[], tuple[Json, dict[str, Tensor]]]) -> None:
        """Save the state if enough time has passed since the last saving."""
        start = time.perf_counter()
        if start >= self._next:
            self.save(*state())
            now = time.perf_counter()
            self._next = now + max(self._every, (now - start) / _SHARE)

    def save(self, numbers: Json, tensors: dict[str, Tensor]) -> None:
        """Save the state now.

        Raises:
            RunFolderError: it cannot be written.
        """
        # Tensors that share memory are refused by safetensors, and a moving average may be one with the best weights.
        content = save({name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()})
        head = {"identity": self._identity, "sha256": hashlib.sha256(content).hexdigest(), "numbers": numbers}
        try:
            write_whole(self._path, [json.dumps(head).encode("ascii"), b"\n", content])
        except OSError as error:
            raise RunFolderError(
                f"cannot save the training to {self._path}: {error.strerror}. Make room and run the same command again."
            ) from error

    def remove(self) -> None:
        """The training is over."""
        self._path.unlink(missing_ok=True)
