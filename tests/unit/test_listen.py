"""Listening: windows over pieces of any size, silence, smoothing, and sounds from files and pipes."""

import io
import types

import numpy as np
import pytest

from limbeck.errors import BundleError, DataError, InputFileError
from limbeck.evidence import Calibration
from limbeck.modalities._sound_file import wav
from limbeck.modalities._stream import stream_of
from limbeck.modalities.audio import Audio
from limbeck.runtime.listen import Event, Listening, _windows, listen

RATE = 8000


def loudest(payloads) -> np.ndarray:
    """Logits of two classes: a window of low tones, of high ones; by the middle of its spectrum."""
    found = []
    for payload in payloads:
        power = np.abs(np.fft.rfft(payload["array"])) ** 2
        middle = (power * np.arange(len(power))).sum() / power.sum() / len(power)
        found.append([5.0, -5.0] if middle < 0.25 else [-5.0, 5.0])
    return np.array(found, np.float32)


PREDICTOR = types.SimpleNamespace(
    modality=Audio.reading(RATE, 0.5, 8), labels=("low", "high"), logits=loudest, calibration=Calibration(), path="bundle"
)


def beep(hertz: float, seconds: float) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


SOUND = np.concatenate([beep(0, 1.0), beep(300, 0.5), beep(0, 1.0), beep(3000, 0.5), beep(0, 1.0)])


def pieces(sound: np.ndarray, count: int):
    return (sound[i : i + count] for i in range(0, len(sound), count))


def test_each_sound_is_one_event_about_where_it_is() -> None:
    first, second = listen(PREDICTOR, pieces(SOUND, 800), RATE)
    assert (first.label, second.label) == ("low", "high")
    assert first.start < 1.25 < first.end
    assert second.start < 2.75 < second.end
    assert first.probability > 0.99


@pytest.mark.parametrize("count", [1, 7, 799, 4001, 10**6])
def test_how_it_comes_in_pieces_does_not_matter(count: int) -> None:
    sound = SOUND[: 2 * RATE] if count < 10 else SOUND
    assert list(listen(PREDICTOR, pieces(sound, count), RATE)) == list(listen(PREDICTOR, pieces(sound, 800), RATE))


def test_silence_is_no_event_and_neither_is_nothing() -> None:
    assert list(listen(PREDICTOR, [np.zeros(RATE, np.float32)], RATE)) == []
    assert list(listen(PREDICTOR, [beep(300, 1.0) * 1e-3], RATE)) == []
    assert len(list(listen(PREDICTOR, [beep(300, 1.0) * 1e-3], RATE, Listening(quiet=90.0)))) == 1
    assert list(listen(PREDICTOR, [], RATE)) == []


def test_one_window_alone_is_smoothed_away() -> None:
    click = np.concatenate([beep(0, 1.0), beep(300, 0.02), beep(0, 1.0)])
    how = Listening(step=0.5, smooth=3)
    assert list(listen(PREDICTOR, [click], RATE, how)) == []
    assert [e.label for e in listen(PREDICTOR, [click], RATE, Listening(step=0.5, smooth=1))] == ["low"]


def test_windows_hold_the_last_samples_before_them() -> None:
    sound = np.arange(1, 101, dtype=np.float32)
    for count, window in _windows(pieces(sound, 9), 20, 7):
        expected = np.concatenate([np.zeros(20), sound, np.zeros(40)])[count : count + 20]
        np.testing.assert_array_equal(window, expected)


def test_a_bundle_of_another_kind_cannot_listen() -> None:
    with pytest.raises(BundleError, match="reads no clips"):
        list(listen(types.SimpleNamespace(modality=object(), path="bundle"), [], RATE))


@pytest.mark.parametrize("wrong", [{"step": 0.0}, {"smooth": 0}, {"threshold": 1.0}, {"quiet": -1.0}])
def test_listening_that_makes_no_sense_is_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match="expected"):
        Listening(**wrong)


def in_16_bits(sound: np.ndarray, channels: int = 1, promised: int | None = None) -> bytes:
    import wave

    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.repeat((sound * 32767).astype("<i2"), channels).tobytes())
    data = buffer.getvalue()
    return data if promised is None else data[:40] + promised.to_bytes(4, "little") + data[44:]


class Pipe(io.RawIOBase):
    """What cannot be sought in."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        return self._data.readinto(buffer)


@pytest.mark.parametrize("promised", [None, 0x7FFFFFFF])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_pipe_gives_what_a_microphone_writes(channels: int, promised: int | None) -> None:
    stream = stream_of(io.BufferedReader(Pipe(in_16_bits(SOUND, channels, promised))))
    assert stream.rate == RATE
    np.testing.assert_allclose(np.concatenate([*stream.pieces]), SOUND, atol=1e-4)


def test_a_file_of_any_length_is_heard(tmp_path) -> None:
    pytest.importorskip("soundfile")
    (tmp_path / "long.wav").write_bytes(wav(np.tile(SOUND, 20), RATE))
    stream = stream_of(str(tmp_path / "long.wav"))
    events = list(listen(PREDICTOR, stream.pieces, stream.rate))
    assert [e.label for e in events] == ["low", "high"] * 20
    assert isinstance(events[0], Event)
    damaged = np.tile(SOUND, 20)
    damaged[[1000, 50_000 % len(damaged)]] = np.nan, np.inf
    (tmp_path / "damaged.wav").write_bytes(wav(damaged, RATE))
    stream = stream_of(str(tmp_path / "damaged.wav"))
    assert [e.label for e in listen(PREDICTOR, stream.pieces, stream.rate)] == ["low", "high"] * 20
    (tmp_path / "page.wav").write_bytes(b"<html>")
    for name in ("absent.wav", "page.wav"):
        with pytest.raises(InputFileError, match="cannot listen"):
            stream_of(str(tmp_path / name))


@pytest.mark.parametrize(
    ("kind", "share", "match"),
    [
        ("FLAC", 0.97, "damaged after"),
        ("OGG", 0.97, "longer"),
        ("MP3", 0.97, "longer"),
        ("WAV", 0.97, "longer"),
        ("RF64", 0.97, "longer"),
    ],
)
def test_what_was_heard_before_a_file_breaks_off_is_given(tmp_path, kind: str, share: float, match: str) -> None:
    soundfile = pytest.importorskip("soundfile")
    path = tmp_path / f"cut.{kind.lower()}"
    soundfile.write(path, np.tile(SOUND, 20), RATE, format=kind)
    path.write_bytes(path.read_bytes()[: round(share * path.stat().st_size)])
    stream, events = stream_of(str(path)), []
    heard = (event.label for event in listen(PREDICTOR, stream.pieces, stream.rate))
    with pytest.raises(DataError, match=match):
        events.extend(heard)
    assert len(events) > 20
    assert events == (["low", "high"] * 20)[: len(events)]


@pytest.mark.parametrize(
    ("data", "match"),
    [(b"", "no wav"), (b"<html>", "no wav"), (in_16_bits(SOUND)[:24] + bytes(4) + in_16_bits(SOUND)[28:], "at 0 Hz|no wav")],
)
def test_a_pipe_that_holds_no_wav_is_refused(data: bytes, match: str) -> None:
    with pytest.raises(DataError, match=match):
        stream_of(io.BufferedReader(Pipe(data)))
