"""A bundle that listens: a window slides over a sound of any length, and what it hears for a while is an event. Knows windows, pieces and
probabilities; knows no files and no microphone.

    every `step` seconds the last clip's length of sound is answered, if its loudest hundredth of a second is louder than `quiet`
    the probabilities of the last `smooth` windows are averaged
    an event begins when the highest lies above `threshold`, and ends when it does not any more, or another label's does

Letters: N samples, C classes.

Source: Chen, Parada and Heigold (2014), Small-footprint Keyword Spotting using Deep Neural Networks, section 2.3, for the smoothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from limbeck.errors import BundleError, DataError
from limbeck.runtime.predict import Predictor


@dataclass(frozen=True, slots=True)
class Listening:
    """How a bundle listens. step: seconds between two windows. smooth: windows. threshold: of a smoothed probability. quiet: decibels
    below full scale, at or under which nothing is heard."""

    step: float = 0.1
    smooth: int = 3
    threshold: float = 0.6
    quiet: float = 45.0

    def __post_init__(self) -> None:
        if not (self.step > 0 and self.smooth >= 1 and 0 < self.threshold < 1 and self.quiet > 0):
            raise ValueError(f"step, smooth and quiet above 0 and a threshold between 0 and 1 are expected; got {self}")


@dataclass(frozen=True, slots=True)
class Event:
    """What was heard: from the first window's middle to the last one's, seconds from the beginning; the highest smoothed probability."""

    start: float
    end: float
    label: str
    probability: float


def listen(
    predictor: Predictor, pieces: Iterable[NDArray[np.float32]], rate: int, how: Listening | None = None
) -> Iterator[Event]:
    """Events in the order of their ends, each given as soon as it is over.

    Args:
        predictor: of a bundle that reads clips.
        pieces: samples (N,) of any number, one channel, in order: a file's, or a microphone's as they come.
        rate: samples a second.
        how: by default ten windows a second.

    Raises:
        BundleError: the bundle reads no clips.
        DataError: the pieces end in it, as those of a file that is cut off do; what was heard before it is given first.

    Example:
        >>> for event in listen(limbeck.load("runs/digits/bundle"), microphone(), 16000):  # doctest: +SKIP
        ...     print(event)
    """
    how = how or Listening()
    features = getattr(predictor.modality, "features", None)
    if features is None:
        raise BundleError(
            f"{predictor.path} reads no clips, so it cannot listen. Give a bundle of the task audio-classification."
        )
    seconds, length = float(features.seconds), round(features.seconds * rate)
    recent: deque[NDArray[np.float64]] = deque(maxlen=how.smooth)
    heard: Event | None = None
    broken: list[DataError] = []
    for count, window in _windows(_whole(pieces, broken), length, round(how.step * rate)):
        recent.append(_probabilities(predictor, window, rate, how.quiet))
        mean_C = np.mean(recent, axis=0)
        best = int(mean_C.argmax())
        label, probability = predictor.labels[best], float(mean_C[best])
        now = max(0.0, count / rate - seconds / 2 - how.step * (len(recent) - 1) / 2)  # the middle of what was averaged
        if heard is not None and (probability < how.threshold or label != heard.label):
            yield heard
            heard = None
        if probability >= how.threshold:
            begun, before = (now, 0.0) if heard is None else (heard.start, heard.probability)
            heard = Event(begun, now, label, max(before, probability))
    if heard is not None:
        yield heard
    if broken:
        raise broken[0]


def _whole(pieces: Iterable[NDArray[np.float32]], broken: list[DataError]) -> Iterator[NDArray[np.float32]]:
    """The pieces up to where they cannot be read any more, and why."""
    try:
        yield from pieces
    except DataError as error:
        broken.append(error)


def _windows(pieces: Iterable[NDArray[np.float32]], length: int, step: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """The last `length` samples every `step` of them, and how many were there by then; before the first and behind the last one is silence."""
    held, count, at = np.zeros(length, np.float32), 0, step
    for piece in pieces:
        held, count = np.concatenate([held, piece]), count + len(piece)
        while at <= count:
            end = len(held) - (count - at)
            yield at, held[end - length : end]
            at += step
        held = held[-(length + step) :]
    silent_from = count
    held = np.concatenate([held, np.zeros(length + step, np.float32)])
    while at <= silent_from + length // 2:
        end = len(held) - (silent_from + length + step - at)
        yield at, held[end - length : end]
        at += step


def _probabilities(predictor: Predictor, window: NDArray[np.float32], rate: int, quiet: float) -> NDArray[np.float64]:
    """Of each class (C,); all zero where it is too quiet to hear anything."""
    frame = max(1, rate // 100)
    power = np.square(window[: len(window) // frame * frame].reshape(-1, frame)).mean(axis=1).max(initial=0.0)
    if power <= 10 ** (-quiet / 10):
        return np.zeros(len(predictor.labels))
    logits_C = predictor.logits([{"array": window, "sampling_rate": rate}])[0] / predictor.calibration.temperature
    odds_C = np.exp(logits_C.astype(np.float64) - logits_C.max())
    found: NDArray[np.float64] = odds_C / odds_C.sum()
    return found
