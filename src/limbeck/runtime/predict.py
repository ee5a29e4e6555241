"""A bundle that answers. Knows bundles, modalities, targets and tasks; knows nothing of torch, teachers or training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck import catalog
from limbeck.bundle import Bundle
from limbeck.errors import BundleError, LimbeckError, MissingExtraError, UnknownNameError
from limbeck.manifest import GOLDEN, SPEC
from limbeck.runtime.golden import Golden
from limbeck.types import Runner

_BATCH = 64


class Predictor:
    """Answers of a verified bundle. It keeps no text, and several threads may use it at once.

    Args:
        bundle: an opened bundle.
        threads: of ONNX Runtime.

    Raises:
        BundleError: the files make no model, or the bundle's golden examples do not come out as they must on this machine.
    """

    def __init__(self, bundle: Bundle, threads: int = 1) -> None:
        manifest, where = bundle.manifest, str(bundle.path)
        self.labels = manifest.labels
        self.path = bundle.path
        self.bytes = bundle.bytes
        self.calibration = manifest.calibration
        try:
            target = catalog.find("targets", manifest.target)()
            self._task = catalog.find("tasks", manifest.task)()
            modality = catalog.find("modalities", manifest.modality)
        except UnknownNameError as error:
            raise BundleError(f"{where}: {error} Run: pip install --upgrade limbeck") from error
        if manifest.model != target.filename:
            raise BundleError(
                f"{where}: the manifest lists '{manifest.model}', but the target {manifest.target} reads '{target.filename}'"
            )
        golden = Golden.of(bundle.json(GOLDEN), len(self.labels), manifest.precision, where)
        self.modality = _whole(where, SPEC, lambda: modality.from_spec(bundle.json(SPEC)))
        run: Runner = _whole(where, manifest.model, lambda: target.load(bundle.content[manifest.model], threads))
        # A stranger's model may fail at another batch than that of the golden examples.
        self._run: Runner = lambda inputs: _whole(where, manifest.model, lambda: run(inputs))
        read = self.modality.from_json
        encode = self.modality.encode
        golden.check(lambda rows: _whole(where, GOLDEN, lambda: self.logits_of(encode(list(map(read, rows))))), where)

    def predict(self, payloads: Sequence[Any]) -> Any:
        """One `Prediction` (label, probability, abstain) for each payload, in order; of a task of several labels one `LabelSet` (labels,
        probabilities), by the bundle's threshold for each label.

        The probability is softmax(logits / temperature), the temperature fitted on validation rows. `abstain` is true where it lies
        below the bundle's threshold; without one it never is.

        Raises:
            TypeError: a single text is given instead of a list, or something that is not a text.
            BundleError: the model fails on these texts, which one that limbeck wrote does not.

        Example:
            >>> limbeck.load("runs/shop/bundle").predict(["where is my parcel?"])  # doctest: +SKIP
            [Prediction(label='track_order', probability=0.98, abstain=False)]
        """
        if isinstance(payloads, str | bytes):
            raise TypeError(f"predict takes a list; write predict([{payloads!r:.40}])")
        payloads = list(payloads)
        if not payloads:
            return []
        return self.answers(self.logits(payloads))

    @property
    def several(self) -> bool:
        """Whether it answers with several labels to a payload."""
        return bool(getattr(self._task, "several", False))

    def answers(self, logits_NC: NDArray[np.float32]) -> Any:
        """What raw outputs (N, C) of `logits` mean: label, probability, and whether it abstains; or the labels that apply."""
        fitted = self.calibration
        threshold = fitted.thresholds or fitted.threshold
        return self._task.answers(logits_NC, self.labels, temperature=fitted.temperature, threshold=threshold)

    def logits(self, payloads: Sequence[Any]) -> NDArray[np.float32]:
        """Raw outputs (N, C), float32, before any temperature, in order; longer inputs are batched with their like."""
        return self.logits_of(self.modality.encode(payloads)) if payloads else np.zeros((0, len(self.labels)), np.float32)

    def logits_of(self, encoded: Sequence[Any]) -> NDArray[np.float32]:
        """The same of payloads that the modality has encoded, at least one."""
        if len(encoded) <= _BATCH:
            return self._run(self.modality.collate(encoded))
        order = sorted(range(len(encoded)), key=lambda i: len(encoded[i]))
        starts = range(0, len(order), _BATCH)
        parts = [self._run(self.modality.collate([encoded[i] for i in order[s : s + _BATCH]])) for s in starts]
        return np.concatenate(parts)[np.argsort(np.asarray(order))]


def load(path: str | Path, threads: int = 1, key: str | Path | None = None) -> Predictor:
    """Open a bundle, check it, and return a predictor.

    Args:
        path: the folder `bundle/` of a run or the zip file that `limbeck pack` made of it, wherever it was copied.
        threads: of ONNX Runtime; one is best where many processes share a machine.
        key: a public ed25519 key (PEM). The bundle must be signed by its owner (`limbeck sign`), which is checked before all else.

    Raises:
        InputFileError: there is no bundle.
        SignatureError: a key is given, and the bundle is not signed by its owner.
        BundleError: a file is not what the manifest says, or the golden examples fail.
    """
    return Predictor(Bundle.open(path, key), threads)


def _whole(where: str, name: str, make: Callable[[], Any]) -> Any:
    """What `make` makes of a file whose sha256 is right: whoever wrote it, what the libraries raise becomes one kind of error."""
    try:
        return make()
    except (MissingExtraError, KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError):
        raise
    except BundleError:
        raise
    except LimbeckError as error:
        raise BundleError(f"{where}: '{name}' does not make a model: {error}") from error
    except BaseException as error:  # ONNX Runtime and tokenizers raise many kinds; a panic of Rust's is not even an Exception
        raise BundleError(f"{where}: '{name}' does not make a model: {type(error).__name__}: {error!s:.2000}") from error
