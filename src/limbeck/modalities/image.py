"""Pictures to arrays of bytes, and a picture's views. Knows pixels and sizes; knows nothing of teachers, students or labels' meaning.

A network reads `pixels` (B, C, H, W), uint8, of one size and either grey or red, green and blue: what makes numbers of them belongs to the
network. Letters: B pictures of a batch, C channels, H height, W width.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from limbeck.errors import DataError, missing_extra
from limbeck.types import Json, Record, View, digest

try:
    from limbeck.modalities._cells import cell
    from limbeck.modalities._image_views import ImageViews
    from limbeck.modalities._lazy import Recent, arrays
    from limbeck.modalities._picture import Picture, by, picture, received, sent
    from limbeck.modalities._pixels import FORMATS, SUFFIXES, UNREAD, Pixels, coloured, resized, saved_like
except ImportError as error:
    raise missing_extra(error.name or "PIL", "image", "reading pictures") from error

MOST_SIDE, LARGEST_DERIVED = 1024, 64
"""The longest side that a spec may ask for, and that a student gets where nobody names one."""
_SAMPLED = 2000  # pictures that mean and deviation are taken from
_CHECKED = 6  # the sides of the picture whose resized pixels a spec holds
_SPOT = 8  # pixels between the middles of a stand-in's spots
_STEPS = 2  # by which they may differ: other versions of Pillow round otherwise, other filters do not
_VIEWS = Recent()


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a student of some pictures is made from: the shape of its input, and mean and deviation of each channel, from 0 to 255."""

    channels: int
    size: int
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @property
    def identity(self) -> str:
        """The sha256 (hex) of all."""
        return digest([self.channels, self.size, self.mean, self.deviation])

    def arguments(self, origin: Any | None) -> Json:
        """What a student is made from, by the names of its arguments: with the weights of a ViT, where one is the teacher."""
        start = origin.patches() if origin is not None and hasattr(origin, "patches") else None
        return {"channels": self.channels, "size": self.size, "mean": self.mean, "deviation": self.deviation, "start": start}


class Image:
    """Pixels of a picture, at one size.

    Args:
        size: of both sides; pictures are stretched to it, so no part of one is cut off.
        channels: 1 for grey, 3 for colours.

    Raises:
        DataError: the size or the channels are none.

    Example:
        >>> image = Image(size=2, channels=1)
        >>> image.collate(image.encode([np.full((8, 4), 7, np.uint8)]))["pixels"].tolist()
        [[[[7, 7], [7, 7]]]]
    """

    column: ClassVar[str] = "image"
    noun: ClassVar[str] = "picture"
    vocabulary: ClassVar[bool] = False
    suffixes: ClassVar[frozenset[str]] = SUFFIXES
    unread: ClassVar[frozenset[str]] = UNREAD
    measure: ClassVar[tuple[str, str, str] | None] = None  # pictures are all read at one size
    golden: ClassVar[tuple[str, ...]]
    """Synthetic pictures whose logits a bundle carries; never a customer's."""
    counted: ClassVar[str] = "pixels"
    view_plan = ImageViews
    mistaken: ClassVar[Mapping[str, Callable[[Picture], Picture]]] = {
        "with blue before red": partial(by, operation="blue_first"),
        "with dark and light exchanged": partial(by, operation="negative"),
    }
    """Forms in which a teacher may have been trained to read pictures, by name."""

    def __init__(self, size: int = 32, channels: int = 3) -> None:
        if type(size) is not int or not 1 <= size <= MOST_SIDE or channels not in (1, 3) or type(channels) is not int:
            raise DataError(
                f"a size of 1 to {MOST_SIDE:,} and 1 or 3 channels are expected; got {size!r:.20} and {channels!r:.20}"
            )
        self.size, self.channels = size, channels

    @classmethod
    def of(cls, origin: Any) -> Image:
        """The modality before any picture is known; `fitted` gives that of a student."""
        del origin
        return cls()

    @classmethod
    def payload(cls, value: Any, folder: Path) -> Picture:
        """A cell of a row as a payload: a path (from the folder of its file), bytes, an array, a base64 text, or what `datasets` makes of these.

        Raises:
            ValueError: it is none; the message says what came, and is empty where the cell is.
        """
        return cell(value, folder, picture, "pictures")

    @classmethod
    def key(cls, payload: Picture) -> str:
        """Half of the sha256 of the decoded pixels, so copies share it, however they were saved."""
        return payload.source.key

    @classmethod
    def to_json(cls, payload: Any) -> str:
        """A payload as JSON can carry it, and `encode` reads it."""
        return picture(payload).to_json()

    @classmethod
    def from_json(cls, value: Any) -> Picture:
        """A payload back from JSON that may come from a stranger: never a path."""
        return sent(value)

    @classmethod
    def as_sent(cls, payload: Picture) -> bytes:
        """A payload as a user sends it: the bytes of its file, so that decoding counts where times are taken."""
        return payload.source.content()

    @classmethod
    def stand_in(cls, payload: Picture, number: int) -> Picture:
        """A picture of blurred spots, of the same height, width, colours and format. A photograph's file may take longer to decode."""
        height, width, channels = payload.plain().shape
        spots = (-(-height // _SPOT), -(-width // _SPOT), channels)
        drawn = resized(np.random.default_rng(number).integers(0, 256, spots).astype(np.uint8), height, width)
        return picture(saved_like(drawn, payload.source.content()))

    @classmethod
    def received(cls, value: Any, most: float | None = None) -> Picture:
        """A payload back from what a user sent, of at most `most` pixels."""
        return picture(value) if most is None else received(value, most)

    @classmethod
    def work(cls, payload: Picture) -> float:
        """At how many places a weight is used, roughly: a network halves the sides some times."""
        return max(1.0, payload.size / 16)

    @classmethod
    def tiny(cls) -> tuple[Image, list[Any]]:
        """A very small instance and payloads of many kinds: what the contract tests use."""
        dice = np.random.default_rng(0)
        shapes = ((5, 9), (3, 3), (1, 1), (40, 2), (8, 8, 3), (6, 6, 1), (5, 5, 3))
        return cls(size=5), [picture(dice.integers(0, 256, shape).astype(np.uint8)) for shape in shapes]

    def encode(self, payloads: Sequence[Any]) -> Sequence[Pixels]:
        """(H, W, C) bytes of each picture; of more than a few, made when they are asked for.

        Raises:
            TypeError: a payload is no picture.
            DataError: it is one that is refused.
        """
        return arrays([self._read(p) for p in payloads], self.array, (self.size, self.size, self.channels), np.uint8)

    def array(self, one: Picture) -> Pixels:
        """(H, W, C) bytes of one picture."""
        if not one.operations:
            return self._made(one)
        return _VIEWS.get((self.size, self.channels, one.identity), lambda: self._made(one))

    def _made(self, one: Picture) -> Pixels:
        return resized(coloured(one.plain(), self.channels), self.size, self.size)

    def collate(self, encoded: Sequence[Pixels]) -> dict[str, NDArray[Any]]:
        """pixels (B, C, H, W), uint8."""
        if len(encoded) == 1:  # which is what a server is asked for; stacking would take as long as a small network's layer
            return {"pixels": np.array(encoded[0].transpose(2, 0, 1)[None], order="C")}
        pixels_BHWC = np.stack([*encoded]) if len(encoded) else np.zeros((0, self.size, self.size, self.channels), np.uint8)
        return {"pixels": np.ascontiguousarray(pixels_BHWC.transpose(0, 3, 1, 2))}

    def sweep(self, encoded: Sequence[Pixels], rows: int) -> dict[str, list[Pixels]]:
        """What a written file is tried at, by name: the given pictures, moved in a circle so that no two are the same."""
        found = [np.roll(encoded[row % len(encoded)], row // len(encoded), axis=1) for row in range(rows)]
        return {f"pictures of {self.size} x {self.size}": found}

    def views(self, records: Sequence[Record], plan: ImageViews, seed: int, embeddings_VD: Any = None) -> list[View]:
        """Each record as it is, and `plan.per_record` further views of it; the same arguments give the same views."""
        del embeddings_VD  # pictures have no words
        return plan.of(records, seed)

    def fitted(self, payloads: Sequence[Picture], reading: Any = None, min_count: int = 1) -> tuple[Image, Fitted]:
        """This modality as a student of these pictures reads, and what the student is made from.

        Args:
            payloads: those that a student is trained on.
            reading: (size, channels), each 0 where it follows from the pictures: the most frequent longer side, up to 64; grey if all are.
            min_count: of no use here.
        """
        del min_count
        size, channels = reading or (0, 0)
        own = [p for p in payloads if not p.operations] or list(payloads)
        own = own[:: -(-len(own) // _SAMPLED) or 1]
        sides = Counter(max(p.source.height, p.source.width) for p in own)
        size = size or min(LARGEST_DERIVED, sides.most_common(1)[0][0])
        if not channels:
            channels = 1 if all(_is_grey(p.plain()) for p in own) else 3
        modality = Image(size, channels)
        values_NC = np.concatenate(
            [modality.array(p).reshape(-1, channels)[:: max(1, size * size // 256)] for p in own]
        ).astype(np.float64)
        mean, deviation = values_NC.mean(axis=0), np.maximum(values_NC.std(axis=0), 1.0)
        return modality, Fitted(channels, size, tuple(np.round(mean, 3).tolist()), tuple(np.round(deviation, 3).tolist()))

    def capture(self) -> Json:
        """What a page has to know that lets its user choose one: the media types that are decoded."""
        return {"types": [f"image/{name.lower()}" for name in FORMATS]}

    def spec(self) -> Json:
        """All that `from_spec` needs, and the pixels of a picture that must come out."""
        return {
            "size": self.size,
            "channels": self.channels,
            "fit": "stretch",
            "resample": "bilinear, antialiased",
            "layout": "NCHW uint8, red green blue",
            "alpha": "on white",
            "check": self._check(),
        }

    @classmethod
    def from_spec(cls, spec: Json) -> Image:
        """The modality back from its spec.

        Raises:
            DataError: the spec is none, or this machine's Pillow makes other pixels than the one that wrote it.
        """
        if not isinstance(spec, dict) or set(spec) != set(known := cls().spec()):
            raise DataError(
                "the spec of an image modality holds size, channels, fit, resample, layout, alpha and check, and nothing else"
            )
        for name in ("fit", "resample", "layout", "alpha"):
            if spec[name] != known[name]:
                raise DataError(f"'{name}' is {spec[name]!r:.60}; this limbeck knows {known[name]!r}")
        found = cls(spec["size"], spec["channels"])
        check, here = spec["check"], found._check()
        if not isinstance(check, list) or len(check) != len(here) or any(type(v) is not int for v in check):
            raise DataError(f"'check' is {check!r:.60}; {len(here)} whole numbers are expected")
        if max(abs(a - b) for a, b in zip(check, here, strict=True)) > _STEPS:
            raise DataError(
                f"pictures are resized otherwise here: {here} and not {check}. Install the Pillow that the bundle was made with."
            )
        return found

    def _read(self, payload: Any) -> Picture:
        try:
            return picture(payload)
        except DataError as error:
            raise DataError(f"a payload {error}") from error

    def _check(self) -> list[int]:
        """Some pixels of two known pictures at this modality's size: one that most sizes enlarge, and one that is made smaller."""
        found = []
        for known in (_synthetic(_CHECKED, 3, 5), _synthetic(2 * self.size + 1, 1, 3)):
            array = self.array(picture(known))
            found += array.reshape(-1)[np.linspace(0, array.size - 1, 8).astype(int)].tolist()
        return found


def _is_grey(pixels: Pixels) -> bool:
    return pixels.shape[2] == 1 or bool((pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 1] == pixels[..., 2]).all())


def _synthetic(side: int, channels: int, step: int) -> Pixels:
    """A picture that a formula gives, so that no library has a say in it."""
    place = np.arange(side * side * channels)
    return ((place * place * 37 + place * step * 11) % 256).astype(np.uint8).reshape(side, side, channels)


def _golden(side: int, channels: int, step: int) -> str:
    """The same as a PNM file, which nothing compresses, in base64."""
    head = f"P{5 if channels == 1 else 6} {side} {side} 255\n".encode()
    return "data:;base64," + base64.b64encode(head + _synthetic(side, channels, step).tobytes()).decode("ascii")


Image.golden = (_golden(8, 1, 1), _golden(6, 3, 3), _golden(9, 1, 0), _golden(5, 3, 7))
