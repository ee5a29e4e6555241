"""Golden examples: what a bundle must answer on every machine. Knows payloads, logits and tolerances; knows nothing of models.

Letters: N examples, C classes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.errors import BundleError, listing
from limbeck.types import Json

MOST_EXAMPLES = 1_000
MOST_TOLERANCE = {"float32": 0.01, "int8": 1.0}
"""The largest tolerance that a bundle may ask for, by its precision: int8 activations round differently on processors without VNNI,
and one step of their scale moves a logit by hundredths; a bundle that allows more proves nothing."""


@dataclass(frozen=True, slots=True)
class Golden:
    """Payloads, the logits (N, C) that they gave where the bundle was made, and by how much a logit may differ elsewhere."""

    payloads: tuple[Any, ...]
    logits_NC: NDArray[np.float32]
    tolerance: float

    @classmethod
    def of(cls, content: Json, classes: int, precision: str, where: str) -> Golden:
        """The examples from golden.json.

        Raises:
            BundleError: they are none; the message says why.
        """

        def refuse(reason: str) -> BundleError:
            return BundleError(f"{where}: golden.json holds no golden examples: {reason}")

        if set(content) != {"payloads", "logits", "tolerance"}:
            raise refuse(f"payloads, logits and tolerance are expected, it holds {listing(sorted(content)) or 'nothing'}")
        payloads, logits, tolerance = content["payloads"], content["logits"], content["tolerance"]
        most = MOST_TOLERANCE[precision]
        if type(tolerance) not in (int, float) or not 0 < tolerance <= most:
            raise refuse(f"its tolerance is {tolerance!r:.40}; a number above 0 and up to {most:g} is expected of {precision}")
        if not isinstance(payloads, list) or not 1 <= len(payloads) <= MOST_EXAMPLES:
            raise refuse(f"payloads must be a list of 1 to {MOST_EXAMPLES:,}")
        if not isinstance(logits, list) or len(logits) != len(payloads):
            raise refuse("there must be as many rows of logits as payloads")
        for row in logits:
            if not isinstance(row, list) or any(type(v) not in (int, float) or not abs(v) < 1e30 for v in row):
                raise refuse("logits must be lists of finite numbers")
            if len(row) != classes:
                raise BundleError(f"{where}: golden.json holds {len(row)} logits for {classes} labels")
        return cls(tuple(payloads), np.asarray(logits, np.float32).reshape(len(payloads), classes), float(tolerance))

    def check(self, answer: Callable[[Sequence[Any]], NDArray[np.float32]], where: str) -> None:
        """Replay the examples.

        Each logit may differ by the tolerance. Where the two best logits lie further apart than that, the label must be the same.

        Raises:
            BundleError: this machine answers something else than the one that made the bundle.
        """
        found_NC = answer(self.payloads)
        if found_NC.shape != self.logits_NC.shape:
            shape, classes = found_NC.shape, self.logits_NC.shape[1]
            raise BundleError(f"{where}: the model gives {shape[1:]} logits for {classes} labels")
        worst = float(np.abs(found_NC - self.logits_NC).max()) if np.isfinite(found_NC).all() else math.inf
        if not worst <= self.tolerance:
            raise BundleError(
                f"{where}: the golden examples differ by {worst:.2g} in a logit; at most {self.tolerance:g} is allowed. "
                "This machine computes something else than the one that made the bundle."
            )
        if self.logits_NC.shape[1] == 1:
            return
        best_N2 = np.sort(self.logits_NC, axis=1)[:, -2:]
        sure_N = best_N2[:, 1] - best_N2[:, 0] > self.tolerance
        other_N = found_NC.argmax(axis=1) != self.logits_NC.argmax(axis=1)
        if (sure_N & other_N).any():
            example = int(np.flatnonzero(sure_N & other_N)[0])
            raise BundleError(f"{where}: golden example {example} gets another label than where the bundle was made")
