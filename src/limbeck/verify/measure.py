"""Parity of a written file with the student that it was written from. Knows callables; knows nothing of training.

Letters: B a batch, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.errors import ParityError


def check_parity(
    expected: Callable[[Sequence[Any]], NDArray[np.float32]],
    written: Callable[[Sequence[Any]], NDArray[np.float32]],
    payloads: Sequence[Any],
    tolerance: float,
    batch_sizes: Sequence[int] = (1, 2, 7, 32),
) -> float:
    """The largest difference of a logit between the trained student and its written file over several batch sizes.

    Raises:
        ParityError: it exceeds the tolerance, in batches or between a record alone and the same record in a batch.
    """
    worst = 0.0
    for size in batch_sizes:
        batch = [payloads[i % len(payloads)] for i in range(size)]
        trained_BC, together_BC = expected(batch), written(batch)
        if not np.isfinite(trained_BC).all():
            raise ParityError(
                "the trained student's logits are not finite: its training diverged. Lower training.learning_rate."
            )
        alone_BC = np.concatenate([written([p]) for p in batch])
        for name, difference in (
            ("the trained student", np.abs(trained_BC - together_BC).max()),
            ("itself one record at a time", np.abs(alone_BC - together_BC).max()),
        ):
            if not difference <= tolerance:
                raise ParityError(
                    f"the written file differs from {name} by {difference:.2g} in a logit at batch size {size}; at most "
                    f"{tolerance:.0e} is allowed. This is a fault of limbeck: please report it with resolved.json."
                )
            worst = max(worst, float(difference))
    return worst
