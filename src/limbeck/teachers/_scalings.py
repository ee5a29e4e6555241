"""The usual ways to make numbers of the bytes of a picture. Knows numbers; knows no model."""

from __future__ import annotations

Scaling = tuple[float, tuple[float, ...], tuple[float, ...]]
"""A factor for bytes, then a mean that is subtracted and a deviation that is divided by."""
SCALINGS: dict[str, Scaling] = {
    "as numbers from 0 to 1": (1 / 255, (0.0,) * 3, (1.0,) * 3),
    "as numbers from -1 to 1": (1 / 255, (0.5,) * 3, (0.5,) * 3),
    "with ImageNet's mean and deviation": (1 / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "as bytes from 0 to 255": (1.0, (0.0,) * 3, (1.0,) * 3),
}
