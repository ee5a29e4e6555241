"""A long sound piece by piece: a file, or a wav that a microphone's program writes. Knows libsndfile and pipes; keeps nothing."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from limbeck.errors import DataError, InputFileError, missing_extra
from limbeck.modalities._headers import ends_early
from limbeck.modalities._sound_file import LOUDEST, MOST_CHANNELS, RATES, Samples

_PIECE = 0.1  # seconds


@dataclass(frozen=True, slots=True)
class Stream:
    """A sound at a rate, its pieces (N,) in order, one channel of float32."""

    rate: int
    pieces: Iterator[Samples]


def stream_of(source: str | BinaryIO) -> Stream:
    """A file of any length by its path; or an open pipe with a wav of 16 bits, as `arecord -f S16_LE -t wav` writes it.

    Raises:
        InputFileError: there is no file.
        DataError: it is no sound; its pieces, when they come to where it is cut off or damaged.
        MissingExtraError: a file needs soundfile.
    """
    return _of_file(source) if isinstance(source, str) else _of_pipe(source)


def _of_file(path: str) -> Stream:
    try:
        import soundfile
    except ImportError as error:
        raise missing_extra("soundfile", "audio", "reading sound files") from error
    try:
        file = soundfile.SoundFile(path) if Path(path).is_file() else None
    except soundfile.LibsndfileError as error:
        raise InputFileError(f"cannot listen to {path}: {error.error_string}") from error
    if file is None:
        raise InputFileError(f"cannot listen to {path}: there is no such file")
    _check(file.samplerate, file.channels, path)

    def pieces() -> Iterator[Samples]:
        with file:
            while len(piece := _next(file, path)):
                heard = np.abs(piece) < LOUDEST  # where a sample is damaged, silence: what comes later is to be heard
                yield np.where(heard, piece, np.float32(0)).mean(axis=1, dtype=np.float32)
            if _ends_early(path):
                raise DataError(f"{path} is cut off: it says itself that it is longer. What came before was listened to")

    return Stream(file.samplerate, pieces())


def _next(file: Any, path: str) -> Any:
    try:
        return file.read(round(_PIECE * file.samplerate), dtype="float32", always_2d=True)
    except RuntimeError as error:  # soundfile's own errors are of this kind
        seconds = file.tell() / file.samplerate
        raise DataError(
            f"{path} is cut off or damaged after {seconds:.1f} s ({error}). What came before was listened to"
        ) from error


def _ends_early(path: str) -> bool:
    with Path(path).open("rb") as file:

        def read(at: int, count: int) -> bytes:
            file.seek(at)
            return file.read(count)

        return ends_early(read, Path(path).stat().st_size)


def _of_pipe(pipe: BinaryIO) -> Stream:
    try:
        file = wave.open(pipe)  # noqa: SIM115 - it is read behind this function
    except (wave.Error, EOFError) as error:
        raise DataError(
            f"what comes through the pipe is no wav of 16 bits ({error}). Write one: arecord -f S16_LE -t wav"
        ) from error
    if file.getsampwidth() != 2:
        raise DataError(f"what comes through the pipe is a wav of {8 * file.getsampwidth()} bits; 16 are expected")
    rate, channels = file.getframerate(), file.getnchannels()
    _check(rate, channels, "the pipe")

    def pieces() -> Iterator[Samples]:
        while piece := file.readframes(round(_PIECE * rate)):
            whole = len(piece) // (2 * channels) * 2 * channels  # a pipe may break within a sample
            found = np.frombuffer(piece[:whole], "<i2").reshape(-1, channels).mean(axis=1) / 32768
            yield found.astype(np.float32)

    return Stream(rate, pieces())


def _check(rate: int, channels: int, of: str) -> None:
    if not RATES[0] <= rate <= RATES[1] or not 1 <= channels <= MOST_CHANNELS:
        raise DataError(
            f"{of} has {channels} channels at {rate:,} Hz; up to {MOST_CHANNELS} at {RATES[0]:,} to {RATES[1]:,} are heard"
        )
