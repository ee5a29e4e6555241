"""Views of a picture: the same thing, photographed a little differently. Knows bytes of pixels; knows no teacher, model or file.

A view is the names of its records, its operations and a seed, and is made of them when it is asked for: teacher and student see the same
pixels, and nobody keeps them. Operations act on the decoded picture, before anybody resizes it.

No picture is mirrored unless `flip` asks for it: a mirrored digit, sign or letter is another one or none, and limbeck cannot see which
kind a data set is. A shirt or a dog stays what it is: set `views.flip: true` there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Annotated

import numpy as np
from PIL import Image as Pil

from limbeck.modalities._dice import dice_of
from limbeck.modalities._picture import OPERATIONS, Picture
from limbeck.modalities._pixels import Pixels, as_pil, coloured, resized
from limbeck.modalities._randaugment import randaugment
from limbeck.settings import CountOrZero, Limits, Probability, Share
from limbeck.types import Operation, Record, View

Degrees = Annotated[float, Limits((("ge", 0.0), ("le", 180.0)))]
_VERSION = 1


@dataclass(frozen=True, slots=True)
class ImageViews:
    """How many views a picture gets beside itself, and how they are made.

    Each is moved by up to `shift` of its sides, turned by up to `rotate` degrees, made up to `zoom` larger or smaller, mirrored in half of
    all cases where `flip` asks for it, and its brightness and contrast are changed by up to `colour`; with probability `erase` a rectangle of it
    becomes grey. With probability `mixup_share` another record's picture shines through, with `cutmix_share` it has a rectangle of it: what
    these mean only the teacher knows, so they have no label.

    `randaugment`: so many operations of `_randaugment` come on top, at `strength`, a share of their strongest forms. `live`: in each epoch all views
    are drawn anew, and the teacher is asked about them at every step; of the first epoch's alone it is asked beforehand.

    Source: Zhang et al. (2018), mixup, section 2; Yun et al. (2019), CutMix, section 3.1; Zhong et al. (2020), Random Erasing, section 3.
    """

    per_record: CountOrZero = 8
    live: bool = False
    shift: Share = 0.08
    rotate: Degrees = 8.0
    zoom: Share = 0.08
    flip: bool = False
    colour: Share = 0.15
    erase: Probability = 0.25
    randaugment: CountOrZero = 0
    strength: Share = 0.3
    mixup_share: Probability = 0.15
    cutmix_share: Probability = 0.25

    def __post_init__(self) -> None:
        if self.mixup_share + self.cutmix_share > 1 + 1e-9:
            raise ValueError("mixup_share and cutmix_share add up to more than 1")

    def keeping_labels(self) -> ImageViews:
        """The same number of views, of those kinds alone that keep a record's label."""
        return replace(self, mixup_share=0.0, cutmix_share=0.0)

    def operations(self) -> tuple[Operation, ...]:
        """What is done to every view."""
        found = [
            Operation(
                "place", _VERSION, {"shift": self.shift, "rotate": self.rotate, "zoom": self.zoom, "flip": int(self.flip)}
            )
        ]
        if self.colour:
            found.append(Operation("colour", _VERSION, {"by": self.colour}))
        if self.randaugment:
            found.append(Operation("randaugment", _VERSION, {"count": self.randaugment, "strength": self.strength}))
        if self.erase:
            found.append(Operation("erase", _VERSION, {"probability": self.erase}))
        return tuple(found)

    def of(self, records: Sequence[Record], seed: int) -> list[View]:
        """The records as they are, then their further views.

        Args:
            records: whose payloads are pictures.
            seed: of the dice.
        """
        views = [View((r.key,), (), seed, r.payload, r.label) for r in records]
        alone = self.operations()
        mixes = {kind: (*alone, Operation(kind, _VERSION)) for kind in ("mixup", "cutmix")}
        for record in records:
            for number in range(self.per_record):
                own = dice_of(record.key, number, seed)
                dice = Random(own)
                kind = dice.random()
                if kind < self.mixup_share + self.cutmix_share:
                    other = records[dice.randrange(len(records))]
                    operations = mixes["mixup" if kind < self.mixup_share else "cutmix"]
                    mixed = Picture(record.payload.source, operations, own, other.payload.source)
                    views.append(View((record.key, other.key), operations, own, mixed))
                else:
                    views.append(View((record.key,), alone, own, Picture(record.payload.source, alone, own), record.label))
        return views


def place(pixels: Pixels, _: Pixels | None, dice: Random, shift: float, rotate: float, zoom: float, flip: float) -> Pixels:
    """Moved, turned, zoomed and perhaps mirrored about the middle; what comes in at an edge repeats the edge."""
    height, width = pixels.shape[:2]
    right, down = (dice.uniform(-shift, shift) * side for side in (width, height))
    angle, scale = math.radians(dice.uniform(-rotate, rotate)), 1.0 + dice.uniform(-zoom, zoom)
    mirrored = bool(flip) and dice.random() < 0.5
    if not (shift or rotate or zoom):
        return np.ascontiguousarray(pixels[:, ::-1]) if mirrored else pixels
    margin = 1 + math.ceil(max(height, width) * (shift + zoom + math.sin(math.radians(min(rotate, 90.0))) / 2))
    padded = np.pad(pixels, ((margin, margin), (margin, margin), (0, 0)), mode="edge")
    cos, sin = math.cos(angle) / scale, math.sin(angle) / scale
    middle_x, middle_y = width / 2, height / 2
    side = -1.0 if mirrored else 1.0
    # Pillow asks, for each place of the result, where it comes from: x' = a x + b y + c.
    a, b, d, e = side * cos, sin, -side * sin, cos
    c = middle_x + margin - right - a * middle_x - b * middle_y
    f = middle_y + margin - down - d * middle_x - e * middle_y
    moved = as_pil(padded).transform((width, height), Pil.Transform.AFFINE, (a, b, c, d, e, f), Pil.Resampling.BILINEAR)
    found = np.asarray(moved)
    return found[..., None] if found.ndim == 2 else found


def colour(pixels: Pixels, _: Pixels | None, dice: Random, by: float) -> Pixels:
    """Contrast about the mean, and brightness, each by up to a share."""
    contrast, brightness = 1.0 + dice.uniform(-by, by), 1.0 + dice.uniform(-by, by)
    values = pixels.astype(np.float32)
    mean = float(values.mean())
    return np.asarray(np.clip(((values - mean) * contrast + mean) * brightness + 0.5, 0, 255), np.uint8)


def erase(pixels: Pixels, _: Pixels | None, dice: Random, probability: float) -> Pixels:
    """With a probability, a rectangle of 2 to 25 % of the picture in one grey."""
    if dice.random() >= probability:
        return pixels
    found = pixels.copy()
    top, left, bottom, right = _rectangle(pixels, dice, dice.uniform(0.02, 0.25))
    found[top:bottom, left:right] = dice.randrange(256)
    return found


def mixup(pixels: Pixels, other: Pixels | None, dice: Random) -> Pixels:
    """Both pictures, one shining through the other; the share is uniform."""
    assert other is not None, "a mix has a second record"
    first, second = _alike(pixels, other)
    share = dice.random()
    return np.asarray(share * first.astype(np.float32) + (1.0 - share) * second.astype(np.float32) + 0.5, np.uint8)


def cutmix(pixels: Pixels, other: Pixels | None, dice: Random) -> Pixels:
    """The picture with a rectangle of the other one in its place; the share of the area is uniform."""
    assert other is not None, "a mix has a second record"
    first, second = _alike(pixels, other)
    found = first.copy()
    top, left, bottom, right = _rectangle(first, dice, dice.random())
    found[top:bottom, left:right] = second[top:bottom, left:right]
    return found


def blue_first(pixels: Pixels, _: Pixels | None, dice: Random) -> Pixels:
    """Red and blue exchanged, as OpenCV reads a file; a grey picture stays."""
    del dice
    return np.ascontiguousarray(pixels[..., ::-1])


def negative(pixels: Pixels, _: Pixels | None, dice: Random) -> Pixels:
    """Dark where it was light."""
    del dice
    return 255 - pixels


OPERATIONS.update(blue_first=blue_first, negative=negative, place=place, colour=colour, erase=erase, mixup=mixup, cutmix=cutmix)
OPERATIONS.update(randaugment=randaugment)


def _alike(pixels: Pixels, other: Pixels) -> tuple[Pixels, Pixels]:
    """Both in the size of the first, and in colour if one of them is."""
    channels = max(pixels.shape[2], other.shape[2])
    return coloured(pixels, channels), resized(coloured(other, channels), *pixels.shape[:2])


def _rectangle(pixels: Pixels, dice: Random, share: float) -> tuple[int, int, int, int]:
    """Top, left, bottom and right of a rectangle with a share of the area, of a shape between 1:2 and 2:1, wholly inside."""
    height, width = pixels.shape[:2]
    stretch = math.sqrt(2.0 ** dice.uniform(-1, 1))
    high = min(height, max(1, round(height * math.sqrt(share) * stretch)))
    wide = min(width, max(1, round(width * math.sqrt(share) / stretch)))
    top, left = dice.randint(0, height - high), dice.randint(0, width - wide)
    return top, left, top + high, left + wide
