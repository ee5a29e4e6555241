"""Clips: every width and number of channels, files that are no sounds or lie about themselves, views, specs, lazily made features."""

import io
import json
import struct
from pathlib import Path
from random import Random

import numpy as np
import pytest

from limbeck.errors import DataError
from limbeck.modalities._audio_views import AudioViews, _filtered, _length
from limbeck.modalities._clip import OPERATIONS, Clip, clip, of_samples, sent, tone
from limbeck.modalities._sound_file import wav
from limbeck.modalities.audio import Audio
from limbeck.types import Operation, Record

soundfile = pytest.importorskip("soundfile")
RATE = 8000
NOISE = (0.2 * np.random.default_rng(0).standard_normal(2000)).clip(-0.9, 0.9).astype(np.float32)


def file_of(samples: np.ndarray, kind: str = "WAV", subtype: str | None = None, rate: int = RATE) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=kind, subtype=subtype)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("kind", "subtype", "step"),
    [
        ("WAV", "PCM_U8", 2**-7), ("WAV", "PCM_16", 2**-15), ("WAV", "PCM_24", 2**-23), ("WAV", "PCM_32", 2**-23), ("WAV", "FLOAT", 0),
        ("WAV", "DOUBLE", 0), ("WAVEX", "PCM_16", 2**-15), ("RF64", "PCM_16", 2**-15), ("FLAC", "PCM_16", 2**-15), ("FLAC", "PCM_24", 2**-23),
    ],
)  # fmt: skip
def test_every_width_gives_the_same_samples(kind: str, subtype: str, step: float) -> None:
    found = clip(file_of(NOISE, kind, subtype))
    assert found.rate == RATE
    np.testing.assert_allclose(found.samples(), NOISE, atol=1.01 * step)


@pytest.mark.parametrize("kind", ["OGG", "MP3"])
def test_lossy_formats_are_read(kind: str) -> None:
    samples = 0.5 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    found = clip(file_of(samples, kind, rate=16000))
    assert len(found.samples()) == pytest.approx(16000, rel=0.2)
    assert np.abs(found.samples()).max() == pytest.approx(0.5, abs=0.1)


def test_channels_are_averaged_and_floats_may_go_beyond_full_scale() -> None:
    stereo = np.stack([NOISE * 4, -NOISE], axis=1)
    np.testing.assert_allclose(clip(file_of(stereo, subtype="FLOAT")).samples(), NOISE * 1.5, atol=1e-6)


def test_a_copy_in_another_lossless_format_has_the_same_key() -> None:
    whole = np.round(NOISE * 32768) / 32768
    keys = {Audio.key(clip(file_of(whole, kind, "PCM_16"))) for kind in ("WAV", "FLAC")}
    assert keys == {Audio.key(of_samples(np.round(NOISE * 32768).astype(np.int16), RATE))}
    assert Audio.key(of_samples(NOISE, RATE)) != Audio.key(of_samples(NOISE, 2 * RATE))


def header(promised: int, body: bytes) -> bytes:
    """A wav of 16 bits that promises so many bytes of samples."""
    kind = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16)
    return struct.pack("<4sI", b"RIFF", 0xFFFFFFFF) + b"WAVE" + kind + struct.pack("<4sI", b"data", promised) + body


@pytest.mark.parametrize("promised", [0x7FFFF000, 0x80000000, 0xFFFFFFFF], ids=["sox", "arecord", "ffmpeg"])
def test_a_wav_from_a_pipe_that_does_not_know_its_length_is_read_to_its_end(promised: int) -> None:
    assert len(clip(header(promised, b"\1\0" * 500)).samples()) == 500


@pytest.mark.parametrize(
    ("kind", "subtype"), [("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", None), ("RF64", "PCM_16"), ("FLAC", None)]
)
@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
def test_formats_that_decode_what_is_there_are_cut_off_too(kind: str, subtype: str | None, share: float) -> None:
    data = file_of(np.tile(NOISE, 8), kind, subtype)
    assert len(clip(data).samples()) == pytest.approx(8 * len(NOISE), rel=0.1)
    with pytest.raises(DataError, match="cut off"):
        clip(data[: round(share * len(data))])


def test_a_tag_before_an_mp3_does_not_make_it_shorter() -> None:
    data = file_of(np.tile(NOISE, 8), "MP3")
    tag = b"ID3\4\0\0" + bytes([0, 0, 2, 10]) + bytes(2 * 128 + 10)
    assert len(clip(tag + data).samples()) == len(clip(data).samples())
    with pytest.raises(DataError, match="cut off"):
        clip(tag + data[:-300])


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "no sound, or one that is cut off"),
        (b"RIFF", "cut off"),
        (b"<html>not found</html>", "holds no sound"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "holds no sound"),
        (header(40_000_000, b"\1\0" * 500), r"cut off: 40,000,000 bytes of samples are promised, 1,000 are there"),
        (header(0, b""), "without a sample"),
        (file_of(NOISE)[:30], "without samples"),
        (file_of(NOISE)[:-100], "cut off"),
        (file_of(NOISE, "FLAC")[:-900], "cut off|no sound"),
        (file_of(np.zeros(10), rate=2000), "at 2,000 Hz"),
        (file_of(np.zeros(10), rate=400_000), "at 400,000 Hz"),
        (file_of(np.zeros((10, 17))), "17 channels"),
        (file_of(np.full(10, np.nan), subtype="FLOAT"), "no numbers"),
        (file_of(np.zeros(61 * RATE)), "more than 60 seconds.*--stream"),
        (file_of(NOISE, "AIFF"), "AIFF"),
    ],
)  # fmt: skip
def test_what_is_no_sound_or_lies_about_itself_is_refused_by_name(data: bytes, match: str) -> None:
    with pytest.raises(DataError, match=match):
        clip(data)


@pytest.mark.parametrize(
    ("value", "match"),
    [
        ({"array": ["a"], "sampling_rate": RATE}, "array"),
        ({"array": np.zeros((2, 2, 2)), "sampling_rate": RATE}, "array"),
        ({"array": np.zeros(5), "sampling_rate": 8000.5}, "sampling rate"),
        ({"array": np.zeros(5, np.uint8), "sampling_rate": RATE}, "int16"),
        ({"array": np.zeros(0), "sampling_rate": RATE}, "without a sample"),
        ("absent.wav", "cannot be read"),
        ("data:;base64,%%%", "not base64"),
    ],
)
def test_what_is_no_clip_is_refused(value: object, match: str) -> None:
    with pytest.raises(DataError, match=match):
        clip(value)


def test_an_array_alone_is_refused_since_nobody_knows_its_rate() -> None:
    with pytest.raises(TypeError, match="sampling_rate"):
        Audio().encode([np.zeros(100)])


@pytest.mark.parametrize("value", ["/etc/passwd", 5, {"rate": 8000, "seconds": 1e9, "from": 1, "to": 2}, {"rate": 1, "seconds": 1, "from": 1, "to": 2},
                                   {"rate": True, "seconds": 1, "from": 1, "to": 2}, {"rate": 8000}])  # fmt: skip
def test_json_of_a_stranger_names_no_path_and_asks_for_no_memory(value: object) -> None:
    with pytest.raises(DataError, match="must hold"):
        sent(value)


def test_a_clip_comes_back_from_json_and_so_does_a_view() -> None:
    whole = clip(file_of(NOISE, subtype="PCM_16"))
    view = AudioViews(per_record=1, mixup_share=0.0).of([Record("k", whole, "a")], 0)[1].payload
    for one in (whole, view):
        again = Audio.from_json(json.loads(json.dumps(Audio.to_json(one))))
        np.testing.assert_array_equal(again.samples(), one.samples())
        np.testing.assert_array_equal(Audio().encode([again])[0], Audio().encode([one])[0])


def test_a_row_may_hold_a_path_bytes_a_dictionary_or_nothing(tmp_path: Path) -> None:
    data = file_of(NOISE)
    (tmp_path / "one.wav").write_bytes(data)
    values = ["one.wav", str(tmp_path / "one.wav"), data, {"bytes": data, "path": None}, {"bytes": None, "path": "one.wav"}]
    assert len({Audio.payload(v, tmp_path) for v in values}) == 1
    assert Audio.as_sent(Audio.payload("one.wav", tmp_path)) == data
    for nothing in (None, "", " ", b"", {"bytes": None, "path": None}):
        with pytest.raises(ValueError, match="^$"):
            Audio.payload(nothing, tmp_path)
    with pytest.raises(DataError, match="must hold clips"):
        Audio.payload(5, tmp_path)


def test_the_same_sound_at_another_rate_has_nearly_the_same_features() -> None:
    audio = Audio.reading(8000, 1.0, 40)
    low, high = tone(8000, 0.8, 300, 1500), tone(44100, 0.8, 300, 1500)
    loud = audio.encode([low])[0] > 0
    difference = np.abs(audio.encode([low])[0] - audio.encode([high])[0])[loud]
    assert np.median(difference) < 0.02


def test_a_student_reads_what_its_clips_need() -> None:
    short, long = of_samples(np.ones(3000), RATE), of_samples(np.ones(44100 * 2), 44100)
    modality, read = Audio().fitted([short] * 19 + [long])
    assert (modality.features.rate, modality.features.seconds, modality.features.mels) == (8000, 0.4, 40)
    assert read.arguments(None) == {"frames": modality.features.shape[0], "mels": 40}
    named, _ = Audio().fitted([short], (16000, 1.5, 24))
    assert (named.features.rate, named.features.seconds, named.features.mels) == (16000, 1.5, 24)
    with pytest.raises(DataError, match="rate"):
        Audio().fitted([short], (100, 1.0, 24))


def test_a_spec_of_another_kind_is_refused() -> None:
    spec = Audio().spec()
    for wrong in (
        {},
        {**spec, "mel": "Slaney"},
        {**spec, "resample": "linear"},
        {**spec, "mels": 0},
        {**spec, "more": 1},
        [],
        None,
    ):
        with pytest.raises(DataError):
            Audio.from_spec(wrong)


def test_many_features_are_made_when_asked_for_and_once() -> None:
    audio, clips = Audio.reading(8000, 0.25, 8), [of_samples(NOISE * (i + 1) / 100, RATE) for i in range(70)]
    encoded = audio.encode(clips)
    assert not isinstance(encoded, list)
    assert encoded[3] is encoded[3]
    assert encoded[-1] is encoded[69]
    assert (encoded.lengths == audio.features.shape[0]).all()
    for one, other in zip(encoded[60:], audio.encode(clips[60:]), strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(IndexError):
        encoded[70]


# --- views


RECORDS = [Record(f"k{i}", of_samples(NOISE[i:] + 0, RATE), "ab"[i % 2]) for i in range(6)]


def test_views_are_the_same_for_the_same_seed_and_differ_otherwise() -> None:
    plan = AudioViews(per_record=3)
    first, again, other = (plan.of(RECORDS, seed) for seed in (0, 0, 1))
    assert len(first) == 24
    for a, b in zip(first, again, strict=True):
        assert a.payload == b.payload
        np.testing.assert_array_equal(a.payload.samples(), b.payload.samples())
    assert [v.payload for v in first[6:]] != [v.payload for v in other[6:]]
    assert len({v.payload for v in first}) == 24


def test_a_record_more_does_not_change_the_views_of_others() -> None:
    plan = AudioViews(per_record=3, mixup_share=0.0)
    assert plan.of(RECORDS, 0)[6:] == plan.of([*RECORDS, Record("new", of_samples(NOISE * 0.5, RATE), "a")], 0)[7:-3]


@pytest.mark.parametrize("count", [1, 2, 1999, 2000])
def test_a_filter_keeps_length_and_place_and_takes_what_it_should(count: int) -> None:
    samples = (NOISE[:count] + np.sin(np.arange(count))).astype(np.float32)
    points = _length(samples)
    assert count <= points < 1.1 * count + 2
    assert 60**20 % points == 0  # it has no factors but 2, 3 and 5: of a prime number of points it takes nine times as long
    np.testing.assert_allclose(_filtered(samples, np.ones(points // 2 + 1)), samples, atol=1e-6)
    np.testing.assert_allclose(_filtered(samples, np.full(points // 2 + 1, 0.5)), samples / 2, atol=1e-6)
    low = np.arange(points // 2 + 1) < points / 8
    tone = np.sin(2 * np.pi * 0.25 * np.arange(count)).astype(np.float32)
    assert count < 50 or np.std(_filtered(tone, low)) < 0.05 * np.std(tone)


def test_only_a_mix_has_no_label_and_two_records() -> None:
    for view in AudioViews(per_record=20, mixup_share=0.5).of(RECORDS, 0)[6:]:
        mixed = any(o.name == "mixup" for o in view.operations)
        assert (view.label is None) == mixed == (len(view.keys) == 2) == (view.payload.second is not None)
    assert all(v.label for v in AudioViews(per_record=20, mixup_share=0.5).keeping_labels().of(RECORDS, 0))


@pytest.mark.parametrize("name", sorted(OPERATIONS))
@pytest.mark.parametrize("count", [1, 2, 50, 3000])
def test_every_operation_takes_any_length(name: str, count: int) -> None:
    parameters = {
        "speed": {"by": 0.3}, "throat": {"by": 0.3}, "shift": {"by": 0.3}, "room": {"decibels": 6.0}, "silence": {"probability": 1.0}, "band": {"probability": 1.0},
        "noise": {"probability": 1.0, "quiet": 20.0}, "gain": {"decibels": 20.0}, "mixup": {},
    }.get(name, {})  # fmt: skip
    source = of_samples(np.ones(count), RATE).source
    for seed in range(5):
        made = Clip(source, (Operation(name, 1, parameters),), seed, of_samples(NOISE, 16000).source).samples()
        assert made.dtype == np.float32
        assert len(made) >= 1
        assert np.isfinite(made).all()


def test_speed_moves_a_tone_and_a_band_silences_it() -> None:
    def highest(samples: np.ndarray) -> float:
        return float(np.abs(np.fft.rfft(samples)).argmax() * RATE / len(samples))

    source = tone(RATE, 1.0, 1000, 1000).source
    for seed in range(5):
        moved = Clip(source, (Operation("speed", 1, {"by": 0.25}),), seed).samples()
        assert highest(moved) == pytest.approx(1000 * RATE / len(moved), rel=0.01)
        assert 1 / 1.26 <= len(moved) / RATE <= 1.26
    loud = [
        float(np.abs(Clip(source, (Operation("band", 1, {"probability": 1.0}),), seed).samples()[2000:-2000]).max())
        for seed in range(20)
    ]
    assert min(loud) < 0.01
    assert max(loud) == pytest.approx(0.5, abs=0.01)


def test_a_throat_moves_a_formant_and_leaves_pitch_and_length() -> None:
    pitch, formant, count = 125.0, 1200.0, RATE
    harmonics = np.arange(1, 30) * pitch
    loud = np.exp(-(((harmonics - formant) / 250.0) ** 2))
    source = of_samples(0.05 * np.sin(2 * np.pi * np.outer(np.arange(count) / RATE, harmonics)) @ loud, RATE).source

    def middle(samples: np.ndarray) -> float:
        power = np.abs(np.fft.rfft(samples)) ** 2
        return float((power * np.fft.rfftfreq(count, 1 / RATE)).sum() / power.sum())

    moved, factors = [], []
    for seed in range(12):
        clip = Clip(source, (Operation("throat", 1, {"by": 0.25}),), seed)
        factors.append(1.25 ** Random(seed).uniform(-1, 1))
        assert len(clip.samples()) == count
        spectrum = np.abs(np.fft.rfft(clip.samples()))
        at = [round(h * count / RATE) for h in harmonics[5:14]]
        assert spectrum[at].sum() > 5 * np.delete(spectrum, at).max()  # its harmonics stand where they stood
        moved.append(middle(clip.samples()))
    assert np.corrcoef(factors, moved)[0, 1] > 0.97
    assert 0.5 < np.polyfit(factors, np.array(moved) / formant, 1)[0] < 1.3
    still = Clip(source, (Operation("throat", 1, {"by": 0.0}),), 0).samples()
    np.testing.assert_allclose(still, source.samples(), atol=1e-5)


def test_noise_lies_below_the_clip_and_gain_is_cut_off() -> None:
    source = tone(RATE, 1.0, 500, 500).source
    for seed in range(10):
        noisy = Clip(source, (Operation("noise", 1, {"probability": 1.0, "quiet": 30.0}),), seed).samples()
        below = 20 * np.log10(np.std(source.samples()) / np.std(noisy - source.samples()))
        assert 5.9 < below < 30.1
        assert np.abs(Clip(source, (Operation("gain", 1, {"decibels": 30.0}),), seed).samples()).max() <= 1.0


def test_a_wav_of_ours_is_read_by_libsndfile() -> None:
    samples, rate = soundfile.read(io.BytesIO(wav(NOISE, RATE)), dtype="float32")
    assert rate == RATE
    np.testing.assert_array_equal(samples, NOISE)


@pytest.mark.parametrize(("channels", "whole"), [(1, True), (2, True), (1, False), (3, False)])
def test_a_stand_in_of_a_wav_has_its_channels_and_its_numbers(channels: int, whole: bool) -> None:
    theirs = clip(wav(np.random.default_rng(0).normal(0, 0.1, 900).astype(np.float32), 16000, channels, whole))
    own = Audio.stand_in(theirs, 5)
    assert own.source.content()[:40] == theirs.source.content()[:40], "the whole of its head: kind, channels, rate, bits, bytes"
    assert len(own.source.content()) == len(theirs.source.content())
    assert not np.allclose(own.samples(), theirs.samples())


def test_a_stand_in_of_a_compressed_clip_is_one() -> None:
    for form, subtype in (("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("WAV", "PCM_24")):
        buffer = io.BytesIO()
        soundfile.write(buffer, np.random.default_rng(0).normal(0, 0.1, (4000, 2)), 16000, format=form, subtype=subtype)
        own = Audio.stand_in(clip(buffer.getvalue()), 0)
        with soundfile.SoundFile(io.BytesIO(own.source.content())) as file:
            assert (file.format, file.subtype, file.channels, file.samplerate, file.frames) == (form, subtype, 2, 16000, 4000)
