"""Views of a clip: the same words, by another voice, in another room. Knows samples; knows no teacher, features or file.

A view is the names of its records, its operations and a seed, and is made of them when it is asked for: teacher and student hear the same
samples, and nobody keeps them. Operations act on the decoded clip, before anybody trims or resamples it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from random import Random
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from limbeck.modalities._clip import OPERATIONS, Clip
from limbeck.modalities._dice import dice_of
from limbeck.modalities._resample import resampled
from limbeck.modalities._sound_file import Samples
from limbeck.settings import CountOrZero, Limits, Probability
from limbeck.types import Operation, Record, View

Decibels = Annotated[float, Limits((("ge", 0.0), ("le", 60.0)))]
Part = Annotated[float, Limits((("ge", 0.0), ("le", 0.5)))]
_VERSION = 2
_FINEST = 50  # of factors of speed: few, so that their filters are made once
_POINTS = 6  # of a room's response, evenly between 60 Hz and half the rate in octaves
_SILENCED = 1e-3  # what is left of the amplitude in a silenced band
_GLOTTAL = 0.016  # seconds, half a window: a few periods of a voice
_SMOOTH = 0.002  # seconds: what is shorter in a cepstrum than any period
_HEARD, _MOST_GAIN = 1e-4, 3.0  # an amplitude below which nothing is heard; nepers


@dataclass(frozen=True, slots=True)
class AudioViews:
    """How many views a clip gets beside itself, and how they are made.

    Each is played up to `speed` faster or slower, which moves its pitch and its formants; its formants alone move by up to `throat`, as those of a
    longer or shorter throat lie; it loses up to `shift` of its length at one end; passes through a room and a microphone that change each octave by
    up to `room` decibels; is up to `gain` decibels louder or softer, cut off at full scale. With probability `noise` there is noise, `quiet` decibels below it or less;
    with probability `mask` a stretch of up to a fifth is silent, and with the same a band of up to an octave. With probability `mixup_share` another
    record's clip is heard with it: what that means only the teacher knows, so it has no label. `live`: in each epoch all views are drawn anew, and
    the teacher is asked about them at every step; of the first epoch's alone it is asked beforehand.

    Source: Ko et al. (2015), Audio Augmentation for Speech Recognition, section 2, for speed; Jaitly and Hinton (2013),
    Vocal Tract Length Perturbation (VTLP) improves speech recognition, section 3, for the throat; Park et al. (2019), SpecAugment, section 2,
    for the two silences, here in samples so that any teacher hears them; Zhang et al. (2018), mixup, section 2.
    """

    per_record: CountOrZero = 8
    live: bool = False
    speed: Part = 0.2
    throat: Part = 0.15
    shift: Part = 0.1
    room: Decibels = 6.0
    gain: Decibels = 6.0
    noise: Probability = 0.4
    quiet: Decibels = 30.0
    mask: Probability = 0.4
    mixup_share: Probability = 0.15

    def keeping_labels(self) -> AudioViews:
        """The same number of views, of those kinds alone that keep a record's label."""
        return replace(self, mixup_share=0.0)

    def operations(self) -> tuple[Operation, ...]:
        """What is done to every view."""
        made = (
            ("speed", {"by": self.speed}, self.speed),
            ("throat", {"by": self.throat}, self.throat),
            ("shift", {"by": self.shift}, self.shift),
            ("room", {"decibels": self.room}, self.room),
            ("silence", {"probability": self.mask}, self.mask),
            ("band", {"probability": self.mask}, self.mask),
            ("noise", {"probability": self.noise, "quiet": self.quiet}, self.noise),
            ("gain", {"decibels": self.gain}, self.gain),
        )
        return tuple(Operation(name, _VERSION, parameters) for name, parameters, on in made if on)

    def of(self, records: Sequence[Record], seed: int) -> list[View]:
        """The records as they are, then their further views.

        Args:
            records: whose payloads are clips.
            seed: of the dice.
        """
        views = [View((r.key,), (), seed, r.payload, r.label) for r in records]
        alone = self.operations()
        mixed = (*alone, Operation("mixup", _VERSION))
        for record in records:
            for number in range(self.per_record):
                own = dice_of(record.key, number, seed)
                dice = Random(own)
                if dice.random() < self.mixup_share:
                    other = records[dice.randrange(len(records))]
                    payload = Clip(record.payload.source, mixed, own, other.payload.source)
                    views.append(View((record.key, other.key), mixed, own, payload))
                elif alone:
                    views.append(View((record.key,), alone, own, Clip(record.payload.source, alone, own), record.label))
        return views


def speed(samples: Samples, clip: Clip, dice: Random, by: float) -> Samples:
    """Played faster or slower by up to a share, evenly in octaves."""
    del clip
    factor = (1.0 + by) ** dice.uniform(-1, 1)
    return resampled(samples, Fraction(round(factor * _FINEST), _FINEST))


def throat(samples: Samples, clip: Clip, dice: Random, by: float) -> Samples:
    """Formants higher or lower by up to a share, evenly in octaves, while pitch and tempo stay: each frequency is made as loud against its
    neighbours as a lower or higher one was."""
    factor, window = (1.0 + by) ** dice.uniform(-1, 1), 2 * round(_GLOTTAL * clip.rate)
    hop = window // 2
    shape = np.sin(np.pi * (np.arange(window) + 0.5) / window)  # twice: before and behind, where two halves add up to 1
    padded = np.pad(samples, (hop, window + hop - len(samples) % hop))
    spectrum_TF = np.fft.rfft(np.lib.stride_tricks.sliding_window_view(padded, window)[::hop] * shape)
    cepstrum_TN = np.fft.irfft(np.log(np.abs(spectrum_TF) + _HEARD))
    smooth = round(_SMOOTH * clip.rate)
    cepstrum_TN[:, smooth : window - smooth + 1] = 0.0  # pitch lies beyond
    envelope_TF = np.fft.rfft(cepstrum_TN).real
    at_F = np.arange(envelope_TF.shape[1]) / factor
    left_F = np.minimum(at_F.astype(int), envelope_TF.shape[1] - 2)
    share_F = np.minimum(at_F - left_F, 1.0)
    moved_TF = envelope_TF[:, left_F] * (1 - share_F) + envelope_TF[:, left_F + 1] * share_F
    frames_TW = np.fft.irfft(spectrum_TF * np.exp(np.clip(moved_TF - envelope_TF, -_MOST_GAIN, _MOST_GAIN))) * shape
    found = np.zeros(hop * (len(frames_TW) + 1))
    found[: hop * len(frames_TW)] += frames_TW[:, :hop].ravel()
    found[hop:] += frames_TW[:, hop:].ravel()
    return found[hop : hop + len(samples)].astype(np.float32)


def shift(samples: Samples, clip: Clip, dice: Random, by: float) -> Samples:
    """Without up to a share of its length at its beginning or its end."""
    del clip
    lost = round(dice.uniform(-by, by) * len(samples))
    return samples[lost:] if lost >= 0 else samples[:lost]


def room(samples: Samples, clip: Clip, dice: Random, decibels: float) -> Samples:
    """Each frequency louder or softer, evenly between a few points of up to so many decibels."""
    hertz = np.fft.rfftfreq(_length(samples), 1 / clip.rate)
    points = np.geomspace(60.0, clip.rate / 2, _POINTS)
    found = np.interp(np.log(np.maximum(hertz, 1.0)), np.log(points), [dice.uniform(-decibels, decibels) for _ in points])
    return _filtered(samples, 10 ** (found / 20))


def silence(samples: Samples, clip: Clip, dice: Random, probability: float) -> Samples:
    """With a probability, a stretch of up to a fifth is silent."""
    del clip
    width, place, on = dice.uniform(0, 0.2), dice.random(), dice.random() < probability
    if not on:
        return samples
    found = samples.copy()
    start = round(place * (1 - width) * len(samples))
    found[start : start + round(width * len(samples))] = 0.0
    return found


def band(samples: Samples, clip: Clip, dice: Random, probability: float) -> Samples:
    """With a probability, up to an octave is nearly silent."""
    low, octaves, on = dice.uniform(0, 1), dice.uniform(0, 1), dice.random() < probability
    if not on:
        return samples
    hertz = np.fft.rfftfreq(_length(samples), 1 / clip.rate)
    first = 100.0 * (clip.rate / 2 / 100.0) ** low
    inside = (hertz >= first) & (hertz < first * 2**octaves)
    return _filtered(samples, np.where(inside, _SILENCED, 1.0))


def noise(samples: Samples, clip: Clip, dice: Random, probability: float, quiet: float) -> Samples:
    """With a probability, noise whose power falls by up to 6 decibels an octave, so many decibels below the clip or louder, up to as loud as a twentieth."""
    on, below, colour = dice.random() < probability, dice.uniform(6.0, max(6.0, quiet)), dice.uniform(0, 1)
    if not on:
        return samples
    white = np.random.default_rng(dice.getrandbits(48)).standard_normal(len(samples)).astype(np.float32)
    hertz = np.maximum(np.fft.rfftfreq(_length(samples), 1 / clip.rate), 60.0)
    coloured = _filtered(white, hertz**-colour)
    loudness = float(np.sqrt(np.mean(np.square(samples)) / max(float(np.mean(np.square(coloured))), 1e-20)))
    return samples + coloured * np.float32(loudness * 10 ** (-below / 20))


def gain(samples: Samples, clip: Clip, dice: Random, decibels: float) -> Samples:
    """Louder or softer by up to so many decibels; what goes beyond full scale is cut off, as a microphone does."""
    del clip
    cut: Samples = np.clip(samples * np.float32(10 ** (dice.uniform(-decibels, decibels) / 20)), -1.0, 1.0)
    return cut


def mixup(samples: Samples, clip: Clip, dice: Random) -> Samples:
    """With the clip of another record, one louder than the other by a share that is uniform; the middles lie on each other."""
    assert clip.second is not None, "a mix has a second record"
    other = resampled(clip.second.samples(), Fraction(clip.second.rate, clip.rate))
    share, length = np.float32(dice.random()), max(len(samples), len(other))
    found = np.zeros(length, np.float32)
    for part, weight in ((samples, share), (other, np.float32(1) - share)):
        start = (length - len(part)) // 2
        found[start : start + len(part)] += weight * part
    return found


def half_speed(samples: Samples, clip: Clip, dice: Random) -> Samples:
    """As if its rate were half of what it is."""
    del clip, dice
    return resampled(samples, Fraction(1, 2))


def double_speed(samples: Samples, clip: Clip, dice: Random) -> Samples:
    """As if its rate were twice what it is."""
    del clip, dice
    return resampled(samples, Fraction(2))


def of_16_bits(samples: Samples, clip: Clip, dice: Random) -> Samples:
    """From -32768 to 32768."""
    del clip, dice
    return samples * np.float32(32768)


OPERATIONS.update(half_speed=half_speed, double_speed=double_speed, of_16_bits=of_16_bits)
OPERATIONS.update(
    speed=speed, throat=throat, shift=shift, room=room, silence=silence, band=band, noise=noise, gain=gain, mixup=mixup
)


def _filtered(samples: Samples, amplitude_F: NDArray[np.floating[Any]]) -> Samples:
    length = _length(samples)
    return np.fft.irfft(np.fft.rfft(samples, n=length) * amplitude_F, n=length)[: len(samples)].astype(np.float32)


def _length(samples: Samples) -> int:
    """Of the spectrum that a clip is filtered in: with the silence behind it that makes it quick. Of a prime number of samples it takes nine times
    as long."""
    from scipy.fft import next_fast_len

    return int(next_fast_len(len(samples), real=True))
