"""A sound as a payload: where its bytes lie, what they decode to, and what is done to it. Knows libsndfile; knows no model and no features.

What every sound becomes, for teacher and student alike: one channel of float32 at its own rate.

    8, 16, 24, 32 bits, floats     from -1 to 1; floats may go beyond
    stereo and more                the mean of the channels
    a wav of unknown length        (a header of 4 GB less one byte, as a pipe writes it) as much as is there
    cut off, empty, no sound, not a number, a rate below 4 or above 192 kHz, more than 16 channels or 60 seconds: refused, by name
"""

from __future__ import annotations

import base64
import hashlib
import io
import math
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.errors import DataError, InputFileError, missing_extra
from limbeck.payloads import Stored
from limbeck.types import Json, Operation

Samples = NDArray[np.float32]
"""(N,), one channel."""
SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3"})
MOST_SECONDS, MOST_CHANNELS, MOST_BYTES = 60, 16, 2**27
RATES = (4_000, 192_000)
_FORMATS = ("WAV", "WAVEX", "RF64", "FLAC", "OGG", "MP3")
_KEPT = 2**18
"""Bytes of a decoded sound up to which it is kept: short ones are asked for again and again, in each of their views."""
_UNKNOWN_LENGTH = 0xFFFFFFFF
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

    def bytes(self) -> bytes:
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
        """A wav file of its samples, in base64; nothing is lost."""
        return _PREFIX + base64.b64encode(wav(self.samples(), self.rate)).decode("ascii")


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
    mono = _mono(array.astype(np.float32).reshape(len(array), math.prod(array.shape[1:])), int(rate), "")
    return Clip(Source(b"", (mono, int(rate))))


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


def decoded(data: bytes, name: str = "") -> tuple[Samples, int]:
    """Samples and rate of a file's content.

    Raises:
        DataError: it is none of the formats, cut off, empty, too long, or holds what is no number.
    """
    try:
        import soundfile
    except ImportError as error:
        raise missing_extra("soundfile", "audio", "reading sound files") from error
    of = f" ({name})" if name else ""
    _check_promise(data, of)
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            if file.format not in _FORMATS:
                raise DataError(f"holds a sound in the format {file.format}{of}; {', '.join(_FORMATS)} are read")
            rate, promised, channels = file.samplerate, file.frames, file.channels
            if not RATES[0] <= rate <= RATES[1]:
                raise DataError(f"holds a sound at {rate:,} Hz{of}; {RATES[0]:,} to {RATES[1]:,} are read")
            if channels > MOST_CHANNELS:
                raise DataError(f"holds a sound of {channels} channels{of}; at most {MOST_CHANNELS} are read")
            samples = file.read(MOST_SECONDS * rate + 1, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise DataError(f"holds no sound, or one that is cut off or damaged{of}: {error.error_string}") from error
    if len(samples) < min(promised, MOST_SECONDS * rate) and file.format != "MP3":  # an MP3's length is a guess
        raise DataError(f"holds a sound that is cut off{of}: {promised:,} samples are promised, {len(samples):,} are there")
    return _mono(samples, rate, of), rate


def wav(samples_N: Samples, rate: int) -> bytes:
    """A wav file of them in floats of 32 bits."""
    body = samples_N.astype("<f4").tobytes()
    kind = struct.pack("<4sIHHIIHH", b"fmt ", 16, 3, 1, rate, 4 * rate, 4, 32)
    rest = b"WAVE" + kind + struct.pack("<4sII", b"fact", 4, len(samples_N)) + struct.pack("<4sI", b"data", len(body)) + body
    return struct.pack("<4sI", b"RIFF", len(rest)) + rest


def _mono(samples_NC: NDArray[np.float32], rate: int, of: str) -> Samples:
    """The mean of the channels, if it is a sound."""
    if not RATES[0] <= rate <= RATES[1] or samples_NC.shape[1] > MOST_CHANNELS:
        raise DataError(
            f"holds {samples_NC.shape[1]} channels at {rate:,} Hz; up to {MOST_CHANNELS} at {RATES[0]:,} to {RATES[1]:,} are read"
        )
    if not samples_NC.size:
        raise DataError(f"holds a sound without a sample{of}")
    if len(samples_NC) > MOST_SECONDS * rate:
        raise DataError(
            f"holds a sound of more than {MOST_SECONDS} seconds{of}. Cut it into clips; limbeck predict --stream listens through a long one"
        )
    if not np.isfinite(samples_NC).all():
        raise DataError(f"holds a sound with samples that are no numbers{of}")
    return np.ascontiguousarray(samples_NC.mean(axis=1, dtype=np.float32))


def _key_of(samples: Samples, rate: int) -> str:
    return hashlib.sha256(f"{rate} ".encode() + samples.tobytes()).hexdigest()[:32]


def _small(samples: Samples) -> NDArray[Any]:
    """The same in 16 bits where nothing is lost by it."""
    whole = np.round(samples * 32768)
    if np.abs(whole).max() < 32768 and (whole / np.float32(32768) == samples).all():
        return whole.astype(np.int16)
    return samples


def _check_promise(data: bytes, of: str) -> None:
    """A wav's own word on its length; libsndfile reads what is there, and says nothing of what is missing."""
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        return
    at = 12
    while at + 8 <= len(data):
        kind, size = struct.unpack_from("<4sI", data, at)
        at += 8
        if kind == b"data":
            if len(data) - at < size != _UNKNOWN_LENGTH:
                raise DataError(
                    f"holds a wav that is cut off{of}: {size:,} bytes of samples are promised, {len(data) - at:,} are there"
                )
            return
        at += size + size % 2
    raise DataError(f"holds a wav without samples{of}: it is cut off, or damaged")
