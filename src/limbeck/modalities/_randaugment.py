"""A few operations at a time, drawn from many, all as strong as one number says. Knows bytes of pixels; knows no plan of views.

Source: Cubuk et al. (2020), RandAugment: Practical Automated Data Augmentation with a Reduced Search Space, section 3 and table 6 for the
operations. Here a strength is a share of the strongest form, and its sign is drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import numpy as np
from PIL import Image as Pil
from PIL import ImageEnhance, ImageOps

from limbeck.modalities._pixels import Pixels, as_pil

_SHEAR, _SHIFT, _TURN, _CHANGE = 0.3, 0.3, 30.0, 0.9
"""The strongest forms: a slope, a share of a side, degrees, a share."""
_LOST = 4  # bits of a colour, at most
Form = Callable[[Pil.Image, float], Pil.Image]


def _placed(image: Pil.Image, a: float, b: float, c: float, d: float, e: float, f: float) -> Pil.Image:
    """x' = a x + b y + c, y' = d x + e y + f say where a place comes from; what comes from outside has the picture's mean."""
    fill = tuple(int(v) for v in np.asarray(image).reshape(-1, len(image.getbands())).mean(axis=0))
    return image.transform(image.size, Pil.Transform.AFFINE, (a, b, c, d, e, f), Pil.Resampling.BILINEAR, fillcolor=fill)


def _turned(image: Pil.Image, by: float) -> Pil.Image:
    angle = np.radians(by * _TURN)
    cos, sin, x, y = float(np.cos(angle)), float(np.sin(angle)), image.width / 2, image.height / 2
    return _placed(image, cos, sin, x - cos * x - sin * y, -sin, cos, y + sin * x - cos * y)


FORMS: dict[str, Form] = {
    "autocontrast": lambda image, _: ImageOps.autocontrast(image),
    "equalise": lambda image, _: ImageOps.equalize(image),
    "turn": _turned,
    "shear, across": lambda image, by: _placed(image, 1, by * _SHEAR, -by * _SHEAR * image.height / 2, 0, 1, 0),
    "shear, down": lambda image, by: _placed(image, 1, 0, 0, by * _SHEAR, 1, -by * _SHEAR * image.width / 2),
    "move, across": lambda image, by: _placed(image, 1, 0, by * _SHIFT * image.width, 0, 1, 0),
    "move, down": lambda image, by: _placed(image, 1, 0, 0, 0, 1, by * _SHIFT * image.height),
    "solarise": lambda image, by: ImageOps.solarize(image, 256 - round(128 * abs(by))),
    "posterise": lambda image, by: ImageOps.posterize(image, 8 - round(_LOST * abs(by))),
    "saturation": lambda image, by: ImageEnhance.Color(image).enhance(1 + by * _CHANGE),
    "contrast": lambda image, by: ImageEnhance.Contrast(image).enhance(1 + by * _CHANGE),
    "brightness": lambda image, by: ImageEnhance.Brightness(image).enhance(1 + by * _CHANGE),
    "sharpness": lambda image, by: ImageEnhance.Sharpness(image).enhance(1 + by * _CHANGE),
}
"""A picture and a strength from -1 to 1 -> a picture of the same size."""


def randaugment(pixels: Pixels, _: Pixels | None, dice: Random, count: float, strength: float) -> Pixels:
    """So many operations, each drawn anew, one after the other."""
    image = as_pil(pixels)
    for _number in range(int(count)):
        image = FORMS[dice.choice(sorted(FORMS))](image, dice.choice((-1, 1)) * strength)
    found = np.asarray(image)
    return found[..., None] if found.ndim == 2 else found
