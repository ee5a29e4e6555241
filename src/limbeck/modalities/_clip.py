"""A sound as a payload: where its bytes lie, which samples it has, and what is done to it. Knows no format of files, no model and no features."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from limbeck.errors import DataError, InputFileError
from limbeck.modalities._sound_file import MOST_SECONDS, RATES, Samples, decoded, mono, wav
from limbeck.payloads import Stored
from limbeck.types import Json, Operation

MOST_BYTES = 2**27
_KEPT = 2**18
"""Bytes of a decoded sound up to which it is kept: short ones are asked for again and again, in each of their views."""
_PREFIX = "data:;base64,"
_TONE = {"rate", "seconds", "from", "to"}


class Source:
    """The bytes of a sound, or where they lie, and the key that its samples give it."""

    __slots__ = ("_at", "_key", "_samples", "count", "rate")

    def __init__(self, at: bytes | Stored, sound: tuple[Samples, int] | None = None) -> None:
        self._at = at
        samples, self.rate = self._decoded() if sound is None else sound
        self.count = len(samples)
        # Of what is not stored the key is made when it is asked for, which nobody does who serves; and nobody else holds its samples.
        self._key = _key_of(samples, self.rate) if isinstance(at, Stored) else None
        self._samples: NDArray[Any] | None = samples
        if isinstance(at, Stored):
            self._samples = _small(samples) if samples.nbytes <= 2 * _KEPT else None

    @property
    def key(self) -> str:
        """Half of the sha256 of its rate and samples."""
        if self._key is None:
            self._key = _key_of(self.samples(), self.rate)
        return self._key

    def samples(self) -> Samples:
        """What it decodes to."""
        if self._samples is None:
            return self._decoded()[0]
        if self._samples.dtype == np.int16:
            return self._samples.astype(np.float32) / np.float32(32768)
        return self._samples

    def content(self) -> bytes:
        """The file's content; of samples that came without one, a wav file of them."""
        if isinstance(self._at, Stored):
            return self._at.read(MOST_BYTES)
        return self._at or wav(self.samples(), self.rate)

    def _decoded(self) -> tuple[Samples, int]:
        if isinstance(self._at, Stored):
            return decoded(self._at.read(MOST_BYTES), str(self._at))
        return decoded(self._at)


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """A sound as it is, or a view of it: operations in their order, whose dice follow from the seed; `second` is what a mix draws from.

    Nothing is computed until its samples are asked for, so a million views take no more memory than their names.
    """

    modality: ClassVar[str] = "audio"

    source: Source
    operations: tuple[Operation, ...] = ()
    seed: int = 0
    second: Source | None = None

    @property
    def identity(self) -> bytes:
        """What decides its samples."""
        if not self.operations:
            return f"clip {self.source.key}".encode()
        told = [f"{o.name} {o.version} {sorted(o.parameters.items())}" for o in self.operations]
        return f"clip {self.source.key} {self.second.key if self.second else ''} {self.seed} {told}".encode()

    @property
    def rate(self) -> int:
        """Samples a second."""
        return self.source.rate

    @property
    def size(self) -> int:
        """Milliseconds."""
        return round(1000 * self.source.count / self.source.rate)

    def samples(self) -> Samples:
        """Its samples, after its operations."""
        found = self.source.samples()
        dice = Random(self.seed)
        for operation in self.operations:
            found = OPERATIONS[operation.name](found, self, dice, **operation.parameters)
        return found

    def plain(self) -> Json:
        """What Hugging Face's pipelines and data sets call a sound: `array` (N,) and `sampling_rate`."""
        return {"array": self.samples(), "sampling_rate": self.rate}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Clip) and self.identity == other.identity

    def __hash__(self) -> int:
        return hash(self.identity)

    def __str__(self) -> str:
        view = f", a view by {', '.join(o.name for o in self.operations)}" if self.operations else ""
        return f"clip {self.source.key[:8]} of {self.size / 1000:.2f} s at {self.rate:,} Hz{view}"

    def to_json(self) -> str:
        """Its file in base64; of a view a wav file of its samples."""
        data = wav(self.samples(), self.rate) if self.operations else self.source.content()
        return _PREFIX + base64.b64encode(data).decode("ascii")


Apply = Callable[..., Samples]
OPERATIONS: dict[str, Apply] = {}
"""What views are made by, by name: (samples, clip, dice, its parameters) -> samples. `_audio_views` fills it."""


def by(payload: Clip, operation: str) -> Clip:
    """A clip as one more operation without parameters leaves it."""
    return replace(payload, operations=(*payload.operations, Operation(operation, 1)))


def clip(value: Any) -> Clip:
    """A clip from what somebody has: its file (a path, or `Stored`), the bytes of one, a base64 text of these, or `array` and `sampling_rate`.

    Raises:
        DataError: it is no sound, or one that is refused; the message is what the value does, as "names a file that is cut off".
        TypeError: it is something else.
    """
    if isinstance(value, Clip):
        return value
    if (isinstance(value, str) and value.startswith("data:")) or (isinstance(value, dict) and set(value) == _TONE):
        return sent(value)
    if isinstance(value, str):
        value = Stored(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return Clip(Source(bytes(value)))
    if isinstance(value, dict) and {"array", "sampling_rate"} <= set(value):
        return of_samples(value["array"], value["sampling_rate"])
    if not isinstance(value, Stored):
        raise TypeError(
            "a clip is expected: a path, the bytes of a file, or {'array': samples, 'sampling_rate': hertz}; "
            f"got {type(value).__name__}"
        )
    try:
        return Clip(Source(value))
    except InputFileError as error:
        raise DataError(f"names a file that cannot be read: {error}") from error


def of_samples(samples: Any, rate: Any) -> Clip:
    """A clip from samples (N,), or (N, channels), and their rate; whole numbers count from -2**15 to 2**15 or as wide as their type is.

    Raises:
        DataError: they are none.
    """
    array = np.asarray(samples)
    if (
        array.dtype.kind not in "fiu"
        or array.ndim not in (1, 2)
        or isinstance(rate, bool)
        or not isinstance(rate, int | np.integer)
    ):
        raise DataError(
            f"must hold an array (samples,) or (samples, channels) of numbers and a whole sampling rate; got {array.dtype} of shape "
            f"{array.shape} at {rate!r:.20}"
        )
    if array.dtype.kind in "iu":
        if array.dtype not in (np.int16, np.int32):
            raise DataError(f"must hold samples as floats from -1 to 1, int16 or int32; got {array.dtype}")
        array = array / float(-np.iinfo(array.dtype).min)
    samples_N = mono(array.astype(np.float32).reshape(len(array), math.prod(array.shape[1:])), int(rate), "")
    return Clip(Source(b"", (samples_N, int(rate))))


def sent(value: Any) -> Clip:
    """A clip from JSON, which may come from a stranger: a base64 text of its file, or a tone as `tone` makes it; no path is read.

    Raises:
        DataError: it is none.
    """
    if isinstance(value, dict) and set(value) == _TONE:
        numbers = [value[name] for name in ("rate", "seconds", "from", "to")]
        if (
            any(isinstance(n, bool) or not isinstance(n, int | float) for n in numbers)
            or not 0 < value["seconds"] <= MOST_SECONDS
        ):
            raise DataError(f"must hold a tone's rate, seconds, from and to as numbers; got {value!r:.80}")
        if not isinstance(value["rate"], int) or not RATES[0] <= value["rate"] <= RATES[1]:
            raise DataError(f"must hold a rate from {RATES[0]:,} to {RATES[1]:,} Hz; got {value['rate']!r:.20}")
        return tone(value["rate"], value["seconds"], value["from"], value["to"])
    if not isinstance(value, str) or not value.startswith("data:") or ";base64," not in value[:100]:
        raise DataError(f"must hold a clip as data:;base64,…; got {value!r:.40}")
    try:
        return Clip(Source(base64.b64decode(value.partition(",")[2], validate=True)))
    except ValueError as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"holds a clip that is not base64: {error}") from error


def tone(rate: int, seconds: float, first: float, last: float) -> Clip:
    """A sine that rises evenly from one frequency to another, hertz, of half the full scale: a clip that a formula gives."""
    time_N = np.arange(round(rate * seconds)) / rate
    phase_N = 2 * np.pi * (first * time_N + (last - first) * time_N**2 / (2 * seconds))
    return Clip(Source(b"", ((0.5 * np.sin(phase_N)).astype(np.float32), rate)))


def _key_of(samples: Samples, rate: int) -> str:
    return hashlib.sha256(f"{rate} ".encode() + samples.tobytes()).hexdigest()[:32]


def _small(samples: Samples) -> NDArray[Any]:
    """The same in 16 bits where nothing is lost by it."""
    whole = np.round(samples * 32768)
    if np.abs(whole).max() < 32768 and (whole / np.float32(32768) == samples).all():
        return whole.astype(np.int16)
    return samples
