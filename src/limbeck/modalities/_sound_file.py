"""The content of a sound file as samples, and back. Knows wav and libsndfile; knows no payloads, features or models.

What every sound becomes, for teacher and student alike: one channel of float32 at its own rate.

    8, 16, 24, 32 bits, floats     from -1 to 1; floats may go beyond
    stereo and more                the mean of the channels
    a wav of unknown length        (a header of 2 GB and more, as programs write it to a pipe) as much as is there
    cut off, empty, no sound, not a number, a rate below 4 or above 192 kHz, more than 16 channels or 60 seconds: refused, by name
"""

from __future__ import annotations

import io
import struct

import numpy as np
from numpy.typing import NDArray

from limbeck.errors import DataError, TooLargeError, missing_extra
from limbeck.modalities._headers import ends_early, of_bytes, wav_header

Samples = NDArray[np.float32]
"""(N,), one channel."""
SUFFIXES = frozenset({".wav", ".wave", ".rf64", ".flac", ".ogg", ".oga", ".opus", ".mp3"})
UNREAD = frozenset({".m4a", ".aac", ".mp4", ".wma", ".aif", ".aiff", ".au", ".caf", ".amr", ".3gp", ".webm", ".mka", ".sph"})
"""Suffixes of sounds that are not decoded: among others in a folder they are set aside by name, and not passed over."""
MOST_SECONDS, MOST_CHANNELS = 60, 16
MOST_SAMPLES = 2**25
"""Of all channels together: a minute of five at 96 kHz. Silence can be packed a thousand times."""
RATES = (4_000, 192_000)
LOUDEST = 2.0**33
"""A sample beyond it is damage: 1 is full scale, and some write whole numbers of 32 bits as floats."""
_FORMATS = ("WAV", "WAVEX", "RF64", "FLAC", "OGG", "MP3")
_PLAIN = {(1, 16): "<i2", (3, 32): "<f4"}
"""What of wavs numpy reads: (kind, bits)."""


def decoded(data: bytes, name: str = "") -> tuple[Samples, int]:
    """Samples and rate of a file's content. A wav of 16 bits or floats needs no libsndfile, so the base install reads it.

    Raises:
        DataError: it is none of the formats, cut off, empty, too long, or holds what is no number.
        MissingExtraError: it needs libsndfile, which the package soundfile brings.
    """
    of = f" ({name})" if name else ""
    plain = _of_wav(data, of)
    samples_NC, rate = _of_libsndfile(data, of) if plain is None else plain[:2]
    return mono(samples_NC, rate, of), rate


def wav(samples_N: Samples, rate: int, channels: int = 1, whole: bool = False) -> bytes:
    """A wav file of them in floats of 32 bits, or in whole numbers of 16, the same in each channel."""
    samples_NC = np.repeat(samples_N[:, None], channels, axis=1)
    body = (np.clip(samples_NC * 32768, -32768, 32767).astype("<i2") if whole else samples_NC.astype("<f4")).tobytes()
    frame = channels * (2 if whole else 4)
    kind = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1 if whole else 3, channels, rate, frame * rate, frame, 8 * frame // channels)
    told = b"" if whole else struct.pack("<4sII", b"fact", 4, len(samples_N))
    rest = b"WAVE" + kind + told + struct.pack("<4sI", b"data", len(body)) + body
    return struct.pack("<4sI", b"RIFF", len(rest)) + rest


def saved_like(samples_N: Samples, rate: int, data: bytes) -> bytes:
    """A file of them in the format of another, whose content is given, with as many channels."""
    if (plain := _of_wav(data, "")) is not None:
        return wav(samples_N, rate, plain[0].shape[1], plain[2])
    import soundfile

    buffer = io.BytesIO()
    with soundfile.SoundFile(io.BytesIO(data)) as like:
        samples_NC = np.repeat(samples_N[:, None], like.channels, axis=1)
        soundfile.write(buffer, samples_NC, rate, format=like.format, subtype=like.subtype)
    return buffer.getvalue()


def mono(samples_NC: NDArray[np.float32], rate: int, of: str) -> Samples:
    """The mean of the channels, if it is a sound."""
    if not RATES[0] <= rate <= RATES[1]:
        raise DataError(f"holds a sound at {rate:,} Hz{of}; {RATES[0]:,} to {RATES[1]:,} are read")
    if samples_NC.shape[1] > MOST_CHANNELS:
        raise DataError(f"holds a sound of {samples_NC.shape[1]} channels{of}; at most {MOST_CHANNELS} are read")
    if not samples_NC.size:
        raise DataError(f"holds a sound without a sample{of}")
    if len(samples_NC) > MOST_SECONDS * rate:
        raise TooLargeError(
            f"holds a sound of more than {MOST_SECONDS} seconds{of}. Cut it into clips; limbeck predict --stream listens through a long one"
        )
    if not (np.abs(samples_NC) < LOUDEST).all():  # nor is a NaN
        raise DataError(f"holds a sound with samples that are no numbers, or far beyond any loudness{of}")
    return np.ascontiguousarray(samples_NC.mean(axis=1, dtype=np.float32))


def _of_libsndfile(data: bytes, of: str) -> tuple[NDArray[np.float32], int]:
    try:
        import soundfile
    except ImportError as error:
        raise missing_extra("soundfile", "audio", "reading sound files but wav of 16 bits or floats") from error
    if ends_early(of_bytes(data), len(data)):
        raise DataError(f"holds a sound that is cut off{of}: its last page or frame is not whole")
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            if file.format not in _FORMATS:
                raise DataError(f"holds a sound in the format {file.format}{of}; {', '.join(_FORMATS)} are read")
            rate, promised = file.samplerate, file.frames
            if min(promised, MOST_SECONDS * rate) * file.channels > MOST_SAMPLES:
                raise TooLargeError(
                    f"holds a sound of {file.channels} channels at {rate:,} Hz{of}; at most {MOST_SAMPLES:,} samples are unpacked"
                )
            samples_NC = file.read(MOST_SECONDS * rate + 1, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise DataError(f"holds no sound, or one that is cut off or damaged{of}: {error.error_string}") from error
    if len(samples_NC) < min(promised, MOST_SECONDS * rate) and file.format != "MP3":  # an MP3's length is a guess
        raise DataError(f"holds a sound that is cut off{of}: {promised:,} samples are promised, {len(samples_NC):,} are there")
    return samples_NC, rate


def _of_wav(data: bytes, of: str) -> tuple[NDArray[np.float32], int, bool] | None:
    """A wav's samples (N, channels), its rate, and whether they are whole numbers; None where it is none, or of another width.

    Its own word on its length is checked for all widths: libsndfile reads what is there, and says nothing of what is missing.
    """
    header = wav_header(of_bytes(data), len(data))
    if header is None:
        return None
    if header.at == len(data) and header.promised > header.there:
        raise DataError(f"holds a wav without samples{of}: it is cut off, or damaged")
    if header.promised > header.there:
        raise DataError(
            f"holds a wav that is cut off{of}: {header.promised:,} bytes of samples are promised, {header.there:,} are there"
        )
    if (header.kind, header.bits) not in _PLAIN or not header.channels:
        return None
    frame = header.channels * header.bits // 8
    count = min(header.promised // frame, MOST_SECONDS * header.rate + 1) * header.channels
    values = np.frombuffer(data, _PLAIN[header.kind, header.bits], count, header.at).reshape(-1, header.channels)
    return values.astype(np.float32) / np.float32(32768 if header.kind == 1 else 1), header.rate, header.kind == 1
