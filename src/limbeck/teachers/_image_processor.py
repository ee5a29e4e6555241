"""What a Hugging Face image processor does to pixels, found by showing it plain pictures. Knows numbers; knows no names of settings.

The names of what a processor may do are many (a mean, an offset, channels in another order, a second division, and defaults that stand in no file), and a
later version has more. So it is asked: what becomes of black, of each colour alone, and of a mixed one? Whatever scales each channel by itself is
found; the rest is refused.

Letters: C channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.errors import TeacherError
from limbeck.teachers._scalings import Scaling

_SIDE = 61  # of the pictures that it is shown: nobody's size
_MIXED = (100, 37, 200)
_NEAR = 1e-4  # of what 255 becomes: a processor computes in float32
_WHITE = 255


@dataclass(frozen=True, slots=True)
class Processing:
    """`size` of the pictures that come out, both sides; how each channel is scaled, and whether they come out `reversed`: blue first."""

    size: int
    scaling: Scaling
    reversed: bool = False


def processing(processor: Any, channels: int, size: int | None, model: str) -> Processing:
    """What an image processor of transformers does.

    Args:
        processor: it, called with arrays (H, W, C) of uint8.
        channels: that its model reads.
        size: of the model's pictures, where the processor leaves them as large as they are.
        model: its name, for errors.

    Raises:
        TeacherError: it makes no square picture, or mixes channels, or does what is no scaling.
    """
    colours = [np.zeros(channels), *(np.eye(channels) * _WHITE), np.array(_MIXED[:channels])]
    shown = [_through(processor, colour, channels, model) for colour in colours]
    sides = shown[0].shape[1:]
    if sides == (_SIDE, _SIDE):
        if size is None:
            raise TeacherError(f"neither the processor nor the configuration of '{model}' says a size of pictures")
        sides = (size, size)
    if sides[0] != sides[1]:
        raise TeacherError(f"'{model}' reads pictures of {sides[1]} x {sides[0]} pixels; square ones are read here")
    black_C, *alone, mixed_C = (found[:, found.shape[1] // 2, found.shape[2] // 2].astype(np.float64) for found in shown)
    slope_CC = np.stack([(found_C - black_C) / _WHITE for found_C in alone], axis=1)
    near = _NEAR * np.abs(slope_CC).max()
    turned = channels > 1 and abs(slope_CC[0, 0]) <= near
    own_C = np.diag(slope_CC[:, ::-1] if turned else slope_CC)
    straight_CC = np.diag(own_C)[:, ::-1] if turned else np.diag(own_C)
    off = np.abs(slope_CC - straight_CC).max() > near or (own_C <= near).any()
    if off or np.abs(slope_CC @ colours[-1] + black_C - mixed_C).max() > near * _WHITE:
        raise TeacherError(
            f"the processor of '{model}' does more to colours than to scale each of them. Export the model with what it does to ONNX "
            "(teacher.kind: onnx), or wrap both in a function (teacher.kind: function)."
        )
    deviation_C = 1 / (_WHITE * own_C)
    mean_C = -black_C * deviation_C
    return Processing(int(sides[0]), (1 / _WHITE, _short(mean_C), _short(deviation_C)), turned)


def _through(processor: Any, colour_C: NDArray[Any], channels: int, model: str) -> NDArray[Any]:
    picture = np.broadcast_to(colour_C.astype(np.uint8), (_SIDE, _SIDE, channels))
    found = np.asarray(
        processor(images=[picture.copy()], return_tensors="pt", input_data_format="channels_last")["pixel_values"]
    )
    if found.ndim != 4 or found.shape[:2] != (1, channels):
        raise TeacherError(
            f"the processor of '{model}' makes an array of shape {found.shape} of a picture; (1, {channels}, height, width) is expected"
        )
    return np.asarray(found[0])


def _short(values_C: NDArray[np.float64]) -> tuple[float, ...]:
    """As somebody would have written them: 0.485, and not 0.48500001; 0 may come out as -1e-9."""
    return tuple(float(f"{value:.6g}") if abs(value) > _NEAR else 0.0 for value in values_C)
