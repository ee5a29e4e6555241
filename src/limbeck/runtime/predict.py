"""A bundle that answers. Knows bundles, modalities, targets and tasks; knows nothing of torch, teachers or training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck import catalog
from limbeck.bundle import Bundle
from limbeck.errors import BundleError, MissingExtraError
from limbeck.types import Prediction, Runner

_BATCH = 64


class Predictor:
    """Answers of a verified bundle. It keeps no text, and several threads may use it at once.

    Args:
        bundle: an opened bundle.
        threads: of ONNX Runtime.

    Raises:
        BundleError: the bundle's golden examples do not come out as they must on this machine.
    """

    def __init__(self, bundle: Bundle, threads: int = 1) -> None:
        manifest = bundle.manifest
        self.labels = tuple(manifest.labels)
        self.path = bundle.path
        self.bytes = bundle.bytes
        try:
            target = catalog.find("targets", manifest.target)()
            self._task = catalog.find("tasks", manifest.task)()
            self._modality = catalog.find("modalities", manifest.modality).from_spec(bundle.json("modality.json"))
            self._run: Runner = target.load(bundle.path / target.filename, threads)
            golden = bundle.json("golden.json")
            tolerance = float(golden["tolerance"])
            expected_BC = np.asarray(golden["logits"], np.float32)
            logits_BC = self._answered(golden["payloads"])
        except MissingExtraError:
            raise
        except Exception as error:  # the file is whole, but made by somebody else: ONNX Runtime and tokenizers raise many kinds
            raise BundleError(
                f"{bundle.path}: the files are what the manifest lists, but they do not make a model: {type(error).__name__}: {error}"
            ) from error
        if logits_BC.shape != expected_BC.shape or logits_BC.shape[1:] != (len(self.labels),):
            raise BundleError(f"{bundle.path}: the model gives {logits_BC.shape[1:]} logits for {len(self.labels)} labels")
        worst = float(np.abs(logits_BC - expected_BC).max(initial=0.0))
        if not worst <= tolerance:
            raise BundleError(
                f"{bundle.path}: the golden examples differ by {worst:.2g} in a logit; at most {tolerance:g} is allowed. "
                "This machine computes something else than the one that made the bundle."
            )

    def predict(self, payloads: Sequence[Any]) -> list[Prediction]:
        """One `Prediction` (label, probability) for each payload, in order.

        Raises:
            TypeError: a single text is given instead of a list, or something that is not a text.

        Example:
            >>> limbeck.load("runs/shop/bundle").predict(["where is my parcel?"])  # doctest: +SKIP
            [Prediction(label='track_order', probability=0.98)]
        """
        if isinstance(payloads, str | bytes):
            raise TypeError(f"predict takes a list; write predict([{payloads!r:.40}])")
        payloads = list(payloads)
        return self._task.answers(self.logits(payloads), self.labels) if payloads else []

    def logits(self, payloads: Sequence[Any]) -> NDArray[np.float32]:
        """Raw outputs (N, C), float32, in order; longer inputs are batched with their like."""
        return self._answered(payloads) if payloads else np.zeros((0, len(self.labels)), np.float32)

    def _answered(self, payloads: Sequence[Any]) -> NDArray[np.float32]:
        encoded = self._modality.encode(payloads)
        if len(encoded) == 1:
            return self._run(self._modality.collate(encoded))
        order = sorted(range(len(encoded)), key=lambda i: len(encoded[i]))
        starts = range(0, len(order), _BATCH)
        parts = [self._run(self._modality.collate([encoded[i] for i in order[s : s + _BATCH]])) for s in starts]
        return np.concatenate(parts)[np.argsort(np.asarray(order))]


def load(path: str | Path, threads: int = 1) -> Predictor:
    """Open a bundle, check it, and return a predictor.

    Args:
        path: the folder `bundle/` of a run, wherever it was copied.
        threads: of ONNX Runtime; one is best where many processes share a machine.

    Raises:
        InputFileError: there is no bundle.
        BundleError: a file is not what the manifest says, or the golden examples fail.
    """
    return Predictor(Bundle.open(path), threads)
