"""Log-mel features of a clip, by a written spec. Knows samples at one rate; knows no files, resampling or views.

    1. a clip's first and last frames that lie more than `trim` decibels below its loudest one are cut off
    2. what is left lies in the middle of `seconds`: zeros around it, or as much cut off before as behind
    3. its largest sample becomes 1; silence stays silence
    4. frames of `window` samples, every `hop`, the first at sample 0, none beyond the end; Hann's window (periodic); a FFT of `fft` points
       behind zeros; the power |X|^2 of each frequency
    5. `mels` triangles of height 1, their corners equally far apart on HTK's mel scale, m = 2595 log10(1 + f / 700), from `lowest` to
       `highest` hertz: the energy of each band
    6. the natural logarithm of energy + `floor`
    7. minus the mean over all frames and bands of the clip, divided by their deviation + 0.01: neither loudness nor the distance to a
       microphone is a feature

Letters: N samples, T frames, F frequencies, M mel bands.

Source: Davis and Mermelstein (1980), section II, for the triangles; S. Young et al., The HTK Book, section 5.4, for the scale.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.errors import DataError
from limbeck.types import Json

_LEAST_DEVIATION = 0.01
_QUIET = 56.0  # decibels
_WINDOW = 0.032  # seconds
_LIMITS: dict[str, tuple[float, float]] = {
    "rate": (4_000, 192_000),
    "seconds": (0.05, 60.0),
    "window": (16, 16_384),
    "hop": (4, 16_384),
    "fft": (16, 16_384),
    "mels": (4, 256),
    "lowest": (0.0, 96_000.0),
    "highest": (1.0, 96_000.0),
    "floor": (1e-12, 100.0),
    "trim": (0.0, 120.0),
}


@dataclass(frozen=True)
class LogMel:
    """The spec; a clip becomes an array (T, M) of float32.

    rate: samples a second. seconds: of every clip. window, hop, fft: samples. lowest, highest: hertz. floor: of an energy; a full-scale
    sine has one of about (window / 4)^2. trim: decibels, 0 trims nothing.

    Example:
        >>> LogMel(rate=8000, seconds=1.0, window=256, hop=128, fft=256, mels=40, lowest=60.0, highest=4000.0)(np.zeros(3000, np.float32)).shape
        (61, 40)
    """

    rate: int
    seconds: float
    window: int
    hop: int
    fft: int
    mels: int
    lowest: float
    highest: float
    floor: float = 1e-6
    trim: float = 30.0

    @classmethod
    def usual(cls, rate: int, seconds: float, mels: int, window: float = 0.0, hop: float = 0.0) -> LogMel:
        """What is usual for speech at a rate: windows of about 32 milliseconds, a power of two, half of one apart; from 60 hertz up.

        `window` and `hop`, seconds: others, where they are not 0. A shorter window has zeros around it, so that bands lie as close as ever.

        The floor lies 56 decibels below a full-scale sine, where the noise of a room lies: far below it, a network learns who recorded and how much
        of a clip is zeros (docs/diary.md).
        """
        length, fft = (2 ** round(math.log2(of * rate)) for of in (window or _WINDOW, max(window, _WINDOW)))
        apart = max(1, round(hop * rate)) if hop else length // 2
        return cls(rate, seconds, length, apart, fft, mels, 60.0, rate / 2, (length / 4) ** 2 * 10 ** (-_QUIET / 10))

    @classmethod
    def from_json(cls, spec: Any) -> LogMel:
        """The features back from JSON that may come from a stranger.

        Raises:
            DataError: it is no spec of them, or one that would take more than a clip's worth of memory.
        """
        names = [f.name for f in fields(cls)]
        if not isinstance(spec, dict) or set(spec) != set(names):
            raise DataError(f"the spec of log-mel features holds {', '.join(names)} and nothing else")
        for name, (least, most) in _LIMITS.items():
            value, whole = spec[name], cls.__annotations__[name] == "int"
            if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or not least <= value <= most:
                raise DataError(
                    f"'{name}' is {value!r:.40}; {'a whole number from' if whole else 'from'} {least} to {most} is expected"
                )
        made = cls(**{name: spec[name] for name in names})
        if not (made.hop <= made.window <= min(made.fft, made.samples) and made.lowest < made.highest <= made.rate / 2):
            raise DataError(
                "hop, window, fft and the clip rise in this order, and so do lowest, highest and half the rate; these do not"
            )
        return made

    def to_json(self) -> Json:
        """All of it as JSON."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @property
    def samples(self) -> int:
        """Of every clip."""
        return round(self.seconds * self.rate)

    @property
    def shape(self) -> tuple[int, int]:
        """Frames and bands of every clip, (T, M)."""
        return 1 + (self.samples - self.window) // self.hop, self.mels

    def __call__(self, samples_N: NDArray[np.float32]) -> NDArray[np.float32]:
        """The features of a clip of any length at this rate, (T, M)."""
        energy_TM = self.energies(self.fitted(samples_N))
        log_TM = np.log(energy_TM + np.float32(self.floor))
        log_TM -= log_TM.mean()
        found: NDArray[np.float32] = (log_TM / (log_TM.std() + _LEAST_DEVIATION)).astype(np.float32)
        return found

    def fitted(self, samples_N: NDArray[np.float32]) -> NDArray[np.float32]:
        """A clip trimmed, in the middle of `samples`, and as loud as can be: the first three steps."""
        kept = self._trimmed(samples_N)
        spare = self.samples - len(kept)
        before = abs(spare) // 2
        kept = kept[before : before + self.samples] if spare < 0 else np.pad(kept, (before, spare - before))
        peak = float(np.abs(kept).max(initial=0.0))
        return kept / np.float32(peak) if peak > 0 else kept

    def energies(self, samples_N: NDArray[np.float32]) -> NDArray[np.float32]:
        """The energy of each band in each frame of a clip of exactly `samples`, (T, M)."""
        frames_TW = np.lib.stride_tricks.sliding_window_view(samples_N, self.window)[:: self.hop]
        spectrum_TF = np.fft.rfft(frames_TW * self._hann, n=self.fft)
        power_TF = (spectrum_TF.real**2 + spectrum_TF.imag**2).astype(np.float32)
        energy_TM: NDArray[np.float32] = power_TF @ self.triangles
        return energy_TM

    def _trimmed(self, samples_N: NDArray[np.float32]) -> NDArray[np.float32]:
        if not self.trim or len(samples_N) <= self.window:
            return samples_N
        frames_TW = np.lib.stride_tricks.sliding_window_view(samples_N, self.window)[:: self.hop]
        power_T = np.square(frames_TW, dtype=np.float64).mean(axis=1)
        loud = np.flatnonzero(power_T > power_T.max() * 10 ** (-self.trim / 10))
        if not len(loud):
            return samples_N
        end = loud[-1] * self.hop + self.window if loud[-1] < len(power_T) - 1 else len(samples_N)  # the rest is no whole frame
        return samples_N[loud[0] * self.hop : end]

    @cached_property
    def _hann(self) -> NDArray[np.float32]:
        return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self.window) / self.window)).astype(np.float32)

    @property
    def middles(self) -> NDArray[np.float32]:
        """The middle of each band, (M,)."""
        return self._corners[1:-1].astype(np.float32)

    @cached_property
    def _corners(self) -> NDArray[np.float64]:
        low, high = 2595 * np.log10(1 + np.array([self.lowest, self.highest]) / 700)
        found: NDArray[np.float64] = 700 * (10 ** (np.linspace(low, high, self.mels + 2) / 2595) - 1)
        return found

    @cached_property
    def triangles(self) -> NDArray[np.float32]:
        """How much of each frequency's power each band takes, (F, M)."""
        corner = self._corners
        hertz_F1 = (np.arange(self.fft // 2 + 1) * self.rate / self.fft)[:, None]
        rising_FM = (hertz_F1 - corner[:-2]) / (corner[1:-1] - corner[:-2])
        falling_FM = (corner[2:] - hertz_F1) / (corner[2:] - corner[1:-1])
        return np.maximum(0.0, np.minimum(rising_FM, falling_FM)).astype(np.float32)
