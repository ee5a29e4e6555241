"""Whether a written file computes what its torch module computes, over a sweep of shapes. Knows arrays; knows nothing of texts.

Letters: B examples, T positions, V token ids, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from limbeck.errors import ParityError
from limbeck.types import Runner

TOLERANCE = 1e-4
"""Largest difference of a logit between torch and ONNX in float32, times the size of the largest logit where that is above 1."""


def check_exported(
    module: nn.Module,
    written: Runner,
    ids_V: NDArray[np.int64],
    longest: int,
    *,
    batch_sizes: Sequence[int] = (1, 2, 7, 32),
    tolerance: float = TOLERANCE,
) -> float:
    """The largest difference of a logit between a module and its file, over batch sizes times the lengths 1, 5 and `longest`.

    Rows of a batch have lengths of their own, and are filled up with id 0 and mask 0 as a modality does.

    Args:
        module: from ids and mask to logits (B, C), on the CPU.
        written: the file, loaded.
        ids_V: the token ids to draw from. A padding id is none of them: some models count positions by it.
        longest: the most positions.

    Raises:
        ParityError: a difference exceeds the tolerance, or the file fails at a shape.
    """
    dice = np.random.default_rng(0)
    worst = 0.0
    for batch in batch_sizes:
        for length in sorted({1, min(5, longest), longest}):
            lengths_B1 = 1 + (length - 1 + 3 * np.arange(batch)[:, None]) % length  # the first row is whole
            mask_BT = (np.arange(length) < lengths_B1).astype(np.float32)
            ids_BT = np.where(mask_BT > 0, dice.choice(ids_V, mask_BT.shape), 0)
            with torch.inference_mode():
                expected_BC = module(torch.from_numpy(ids_BT), torch.from_numpy(mask_BT)).float().numpy()
            where = f"at batch {batch} and length {length}"
            try:
                found_BC = written({"ids": ids_BT, "mask": mask_BT})
            except Exception as error:  # ONNX Runtime raises many kinds
                raise ParityError(f"the written file fails {where}: {str(error).splitlines()[0]}") from error
            if found_BC.shape != expected_BC.shape:
                raise ParityError(f"the written file gives logits {found_BC.shape} {where}, torch gives {expected_BC.shape}")
            difference = float(np.abs(found_BC - expected_BC).max())
            allowed = tolerance * max(1.0, float(np.abs(expected_BC).max()))
            if not difference <= allowed:
                raise ParityError(
                    f"the written file differs from torch by {difference:.2g} in a logit {where}; at most {allowed:.1g} is "
                    "allowed. This is a fault of limbeck: please report it with resolved.json."
                )
            worst = max(worst, difference)
    return worst
