"""Clips to log-mel features, and a clip's views. Knows samples, rates and lengths; knows nothing of teachers, students or labels' meaning.

A network reads `features` (B, T, M), float32, of one length: what `_log_mel` says. Letters: B clips of a batch, T frames, M mel bands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from limbeck.errors import DataError, TooLargeError
from limbeck.modalities._audio_views import AudioViews
from limbeck.modalities._cells import cell
from limbeck.modalities._clip import Clip, by, clip, of_samples, sent, tone
from limbeck.modalities._lazy import Recent, arrays
from limbeck.modalities._log_mel import LogMel
from limbeck.modalities._resample import ROLLOFF, ZEROS, resampled, step_between
from limbeck.modalities._sound_file import SUFFIXES, UNREAD, Samples, saved_like
from limbeck.modalities._stream import stream_of
from limbeck.types import Json, Record, View, digest

Features = NDArray[np.float32]
"""(T, M)."""
MOST_RATE, MELS, LONGEST_DERIVED = 16_000, 40, 10.0
"""What a student gets at most where nobody names a rate, bands or seconds."""
_SAMPLED = 1000  # clips that a length is taken from
_COVERED = 0.95  # of them, which are not longer than it
_VIEWS = Recent()
_FIXED: Mapping[str, Any] = {
    "channels": "mean",
    "resample": f"sinc, Hann, {ZEROS} zeros, {ROLLOFF}",
    "mel": "HTK, height 1",
    "scale": "clip mean and deviation",
}


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a student of some clips is made from: the shape of its input."""

    frames: int
    mels: int

    @property
    def identity(self) -> str:
        """The sha256 (hex) of all."""
        return digest([self.frames, self.mels])

    def arguments(self, origin: Any | None) -> Json:
        """What a student is made from, by the names of its arguments; no teacher lends it any weights."""
        del origin
        return {"frames": self.frames, "mels": self.mels}


class Audio:
    """Log-mel features of a clip, at one length.

    Args:
        features: their spec; by default a second at 16 kHz in 40 bands.

    Example:
        >>> audio = Audio()
        >>> audio.collate(audio.encode([{"array": np.zeros(8000), "sampling_rate": 8000}]))["features"].shape
        (1, 61, 40)
    """

    column: ClassVar[str] = "audio"
    noun: ClassVar[str] = "clip"
    vocabulary: ClassVar[bool] = False
    suffixes: ClassVar[frozenset[str]] = SUFFIXES
    unread: ClassVar[frozenset[str]] = UNREAD
    measure: ClassVar[tuple[str, str, str] | None] = ("clip length", "millisecond", "milliseconds")
    golden: ClassVar[tuple[Json, ...]] = tuple(
        {"rate": rate, "seconds": seconds, "from": first, "to": last}
        for rate, seconds, first, last in (
            (8000, 0.3, 200, 1500),
            (11025, 0.8, 3000, 300),
            (16000, 1.5, 100, 7000),
            (8000, 0.05, 0, 0),
        )
    )
    """Synthetic clips whose logits a bundle carries; never a customer's. The last one is silence."""
    counted: ClassVar[str] = "seconds"
    view_plan = AudioViews
    stream = staticmethod(stream_of)
    mistaken: ClassVar[Mapping[str, Callable[[Clip], Clip]]] = {
        "at half their rate": partial(by, operation="half_speed"),
        "at twice their rate": partial(by, operation="double_speed"),
        "as whole numbers of 16 bits": partial(by, operation="of_16_bits"),
    }
    """Forms in which a teacher may have been trained to hear clips, by name."""

    def __init__(self, features: LogMel | None = None) -> None:
        self.features = features or LogMel.usual(MOST_RATE, 1.0, MELS)

    @classmethod
    def reading(cls, rate: int, seconds: float, mels: int, window: float = 0.0, hop: float = 0.0) -> Audio:
        """The modality with what is usual at a rate, and windows of another length or distance (seconds), where they are not 0.

        Raises:
            DataError: a clip would have no frame, or more than anybody computes.
        """
        return cls(LogMel.from_json(LogMel.usual(rate, seconds, mels, window, hop).to_json()))

    @classmethod
    def of(cls, origin: Any) -> Audio:
        """The modality before any clip is known; `fitted` gives that of a student."""
        del origin
        return cls()

    @classmethod
    def payload(cls, value: Any, folder: Path) -> Clip:
        """A cell of a row as a payload: a path (from the folder of its file), bytes, a base64 text, samples with their rate, or what
        `datasets` makes of these.

        Raises:
            ValueError: it is none; the message says what came, and is empty where the cell is.
        """
        return cell(value, folder, clip, "clips")

    @classmethod
    def key(cls, payload: Clip) -> str:
        """Half of the sha256 of rate and decoded samples, so copies share it, in whichever lossless format they were saved."""
        return payload.source.key

    @classmethod
    def to_json(cls, payload: Any) -> str:
        """A payload as JSON can carry it, and `encode` reads it."""
        return clip(payload).to_json()

    @classmethod
    def from_json(cls, value: Any) -> Clip:
        """A payload back from JSON that may come from a stranger: never a path."""
        return sent(value)

    @classmethod
    def as_sent(cls, payload: Clip) -> bytes:
        """A payload as a user sends it: the bytes of its file, so that decoding counts where times are taken."""
        return payload.source.content()

    @classmethod
    def stand_in(cls, payload: Clip, number: int) -> Clip:
        """A tone of the same length and rate, in a file of the same format and with as many channels; a voice's file may take longer to decode."""
        sound = tone(payload.rate, payload.source.count / payload.rate, 200 + 10 * (number % 50), 1000)
        return clip(saved_like(sound.samples(), payload.rate, payload.source.content()))

    @classmethod
    def received(cls, value: Any, most: float | None = None) -> Clip:
        """A payload back from what a user sent, of at most `most` seconds."""
        found = clip(value)
        if most is not None and found.size > 1000 * most:
            raise TooLargeError(f"holds a sound of {found.size / 1000:,.1f} seconds; at most {most:g} are heard")
        return found

    @classmethod
    def work(cls, payload: Clip) -> float:
        """At how many places a weight is used, roughly: frames by bands, halved some times."""
        return max(1.0, payload.size / 8)

    @classmethod
    def tiny(cls) -> tuple[Audio, list[Any]]:
        """A very small instance and payloads of many kinds: what the contract tests use."""
        dice = np.random.default_rng(0)
        lengths = ((800, 8000), (1, 8000), (5000, 16000), (900, 44100), (64, 8000), (12000, 8000))
        sounds = [of_samples(0.3 * dice.standard_normal(count), rate) for count, rate in lengths]
        return cls(LogMel.usual(8000, 0.25, 8)), [*sounds, of_samples(np.zeros(500), 8000)]

    def encode(self, payloads: Sequence[Any]) -> Sequence[Features]:
        """(T, M) features of each clip; of more than a few, made when they are first asked for.

        Raises:
            TypeError: a payload is no clip.
            DataError: it is one that is refused.
        """
        return arrays(self.clips(payloads), self.array, self.features.shape, np.float32)

    def array(self, one: Clip) -> Features:
        """(T, M) features of one clip."""
        if not one.operations:
            return self.features(self.at_rate(one, self.features.rate))
        return _VIEWS.get((self.features, one.identity), lambda: self.features(self.at_rate(one, self.features.rate)))

    @classmethod
    def at_rate(cls, one: Clip, rate: int) -> Samples:
        """The samples of a clip (N,) at any rate."""
        return resampled(one.samples(), step_between(one.rate, rate))

    def collate(self, encoded: Sequence[Features]) -> dict[str, NDArray[Any]]:
        """features (B, T, M), float32."""
        return {"features": np.stack([*encoded]) if len(encoded) else np.zeros((0, *self.features.shape), np.float32)}

    def sweep(self, encoded: Sequence[Features], rows: int) -> dict[str, list[Features]]:
        """What a written file is tried at, by name: the given clips, moved in a circle so that no two are the same."""
        found = [np.roll(encoded[row % len(encoded)], row // len(encoded), axis=0) for row in range(rows)]
        return {f"clips of {self.features.seconds} s": found}

    def views(self, records: Sequence[Record], plan: AudioViews, seed: int, embeddings_VD: Any = None) -> list[View]:
        """Each record as it is, and `plan.per_record` further views of it; the same arguments give the same views."""
        del embeddings_VD  # clips have no pieces of a vocabulary
        return plan.of(records, seed)

    def fitted(self, payloads: Sequence[Clip], reading: Any = None, min_count: int = 1) -> tuple[Audio, Fitted]:
        """This modality as a student of these clips reads, and what the student is made from.

        Args:
            payloads: those that a student is trained on.
            reading: (rate, seconds, mels), each 0 where it follows from the clips: the most frequent rate, up to 16 kHz; a length that 95 %
                of them do not exceed; 40.
            min_count: of no use here.
        """
        del min_count
        rate, seconds, mels = reading or (0, 0.0, 0)
        own = [p for p in payloads if not p.operations] or list(payloads)
        own = own[:: -(-len(own) // _SAMPLED) or 1]
        rate = rate or min(MOST_RATE, Counter(p.rate for p in own).most_common(1)[0][0])
        if not seconds:
            length = float(np.quantile([p.size / 1000 for p in own], _COVERED, method="inverted_cdf"))
            seconds = min(LONGEST_DERIVED, max(0.2, np.ceil(length * 10) / 10))
        modality = Audio.reading(rate, float(seconds), mels or MELS)
        return modality, Fitted(*modality.features.shape)

    def capture(self) -> Json:
        """What a page has to know that records one: seconds that are listened to."""
        return {"seconds": self.features.seconds}

    def spec(self) -> Json:
        """All that `from_spec` needs."""
        return {**_FIXED, **self.features.to_json()}

    @classmethod
    def from_spec(cls, spec: Json) -> Audio:
        """The modality back from its spec.

        Raises:
            DataError: the spec is none.
        """
        if not isinstance(spec, dict) or not set(_FIXED) <= set(spec):
            raise DataError(f"the spec of an audio modality holds {', '.join(_FIXED)} and those of its features")
        for name, known in _FIXED.items():
            if spec[name] != known:
                raise DataError(f"'{name}' is {spec[name]!r:.60}; this limbeck knows {known!r}")
        return cls(LogMel.from_json({name: value for name, value in spec.items() if name not in _FIXED}))

    @classmethod
    def clips(cls, payloads: Sequence[Any]) -> list[Clip]:
        """Each payload as a clip.

        Raises:
            TypeError: one is no clip.
            DataError: it is one that is refused.
        """
        try:
            return [clip(p) for p in payloads]
        except DataError as error:
            raise DataError(f"a payload {error}") from error
