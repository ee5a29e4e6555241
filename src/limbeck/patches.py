"""The weights of a transformer over patches of a picture, in neutral names: what a teacher lends and a student starts from. Knows neither.

Letters: S width, C channels, P side of a patch, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from limbeck.types import EncoderWeights

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PatchWeights:
    """A ViT.

    patch_SCPP, bias_S: the convolution that makes a vector of each patch. encoder: layers with their norms before them; its positions are those of
    the patches, row by row, behind that of the first vector, to which the class token is added already; its `norm` is the one behind the last layer.
    mean, deviation: of each channel, by which bytes are scaled. head: weight (K, S) and bias (K,) over the first vector, where there is one.
    """

    patch_SCPP: Floats
    bias_S: Floats
    encoder: EncoderWeights
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    head: tuple[Floats, Floats] | None = None
