"""Log-mel features by their spec: golden values of another library, silence, loudness, lengths, and specs of strangers."""

import json

import numpy as np
import pytest

from limbeck.errors import DataError
from limbeck.modalities._log_mel import LogMel

SPEC = LogMel(rate=8000, seconds=0.5, window=256, hop=128, fft=256, mels=20, lowest=60.0, highest=4000.0)


def chirp() -> np.ndarray:
    """Half a second that rises from 300 to 1200 Hz, and a soft tone of 2500 Hz beside it, at full scale."""
    time = np.arange(4000) / 8000
    samples = 0.5 * np.sin(2 * np.pi * (300 * time + 900 * time * time)) + 0.1 * np.sin(2 * np.pi * 2500 * time)
    samples = samples.astype(np.float32)
    return samples / np.abs(samples).max()


def test_energies_are_those_of_librosa() -> None:
    # librosa 0.11.0: log(feature.melspectrogram(y=chirp(), sr=8000, n_fft=256, hop_length=128, win_length=256, window="hann", center=False,
    # power=2.0, n_mels=20, fmin=60, fmax=4000, htk=True, norm=None).T[[0, 10, 25]][:, [0, 5, 10, 19]] + 1e-6)
    expected = [
        [-3.4732000827789307, -4.642000198364258, -12.905400276184082, -13.814499855041504],
        [-10.374600410461426, 7.958499908447266, -11.163999557495117, -13.81410026550293],
        [-12.661600112915039, -9.008199691772461, -0.19769999384880066, -13.79990005493164],
    ]
    found = np.log(SPEC.energies(chirp()) + 1e-6)
    assert found.shape == (30, 20) == SPEC.shape
    np.testing.assert_allclose(found[[0, 10, 25]][:, [0, 5, 10, 19]], expected, atol=2e-3)


def test_corners_lie_where_the_scale_of_htk_puts_them() -> None:
    # By hand: 1000 Hz is 2595 log10(1 + 1000 / 700) = 1000.0 mel; 2 bands from 0 to 1000 Hz have their middles at 333.3 and 666.7 mel.
    spec = LogMel(rate=8000, seconds=0.5, window=256, hop=128, fft=256, mels=2, lowest=0.0, highest=1000.0)
    middles = 700 * (10 ** (np.array([333.33, 666.66]) / 2595) - 1)
    np.testing.assert_allclose(spec.middles, middles, rtol=1e-3)


def test_a_band_takes_one_at_its_middle_and_nothing_beyond_its_neighbours() -> None:
    spec = LogMel(rate=8000, seconds=0.5, window=256, hop=128, fft=8192, mels=6, lowest=100.0, highest=3900.0)
    assert spec.triangles.max(axis=0) == pytest.approx(np.ones(6), abs=0.02)
    hertz = np.arange(4097) * 8000 / 8192
    for band in range(1, 5):
        outside = (hertz < spec.middles[band - 1] - 1) | (hertz > spec.middles[band + 1] + 1)
        assert not spec.triangles[outside, band].any()


def test_features_do_not_depend_on_loudness() -> None:
    np.testing.assert_allclose(SPEC(chirp()), SPEC(chirp() * np.float32(0.01)), atol=1e-3)


@pytest.mark.parametrize("silence", [np.zeros(0), np.zeros(1), np.zeros(9000)])
def test_silence_is_zero_everywhere(silence: np.ndarray) -> None:
    found = SPEC(silence.astype(np.float32))
    assert found.shape == SPEC.shape
    assert found.dtype == np.float32
    assert not found.any()


def test_a_clip_lies_in_the_middle_wherever_it_began() -> None:
    burst = chirp()[:1024]
    early = SPEC.fitted(np.concatenate([np.zeros(256, np.float32), burst, np.zeros(3000, np.float32)]))
    late = SPEC.fitted(np.concatenate([np.zeros(2944, np.float32), burst, np.zeros(256, np.float32)]))
    np.testing.assert_array_equal(early, late)
    assert len(early) == 4000
    assert np.flatnonzero(early).mean() == pytest.approx(2000, abs=130)


def test_the_middle_is_kept_of_what_is_longer() -> None:
    ramp = np.linspace(0.5, 1, 6000, dtype=np.float32)
    np.testing.assert_allclose(SPEC.fitted(ramp), ramp[1000:5000] / ramp[4999], rtol=1e-6)


def test_a_spec_comes_back_from_json() -> None:
    assert LogMel.from_json(json.loads(json.dumps(SPEC.to_json()))) == SPEC


@pytest.mark.parametrize(
    "change",
    [
        {"rate": 8000.0}, {"rate": True}, {"rate": 10**9}, {"seconds": 1e9}, {"seconds": float("nan")}, {"mels": 0}, {"mels": 10**6}, {"hop": 1},
        {"window": 10**9}, {"window": 8192, "fft": 8192}, {"fft": 128}, {"highest": 4001.0}, {"lowest": 4000.0}, {"floor": 0.0}, {"floor": "1"},
        {"trim": -1.0}, {"more": 1},
    ],
)  # fmt: skip
def test_a_spec_that_is_none_is_refused(change: dict) -> None:
    with pytest.raises(DataError, match="expected|rise|nothing else"):
        LogMel.from_json({**SPEC.to_json(), **change})


@pytest.mark.parametrize("rate", [8000, 16_000])
def test_a_quiet_room_and_no_sound_at_all_are_nearly_the_same(rate: int) -> None:
    spec, dice = LogMel.usual(rate, 0.8, 32), np.random.default_rng(0)
    time = np.arange(rate // 2) / rate
    vowel = sum(np.sin(2 * np.pi * f * time) * np.sin(np.pi * time / 0.5) for f in (300, 900, 2100)).astype(np.float32) / 3
    hiss = dice.standard_normal(len(vowel)).astype(np.float32)
    plain = spec(vowel)
    room, loud = (spec(vowel + hiss * np.float32(10 ** (-decibels / 20))) for decibels in (75, 30))
    assert np.abs(room - plain).mean() < 0.1
    assert np.abs(loud - plain).mean() > 3 * np.abs(room - plain).mean()
    assert 20 * np.log10(spec.window / 4) - 10 * np.log10(spec.floor) == pytest.approx(56.0)


def test_a_short_window_hears_no_pitch_and_still_has_a_frequency_in_each_band() -> None:
    usual, short = LogMel.usual(8000, 0.5, 32), LogMel.usual(8000, 0.5, 32, window=0.016, hop=0.008)
    assert (short.window, short.hop, short.fft) == (128, 64, 256)
    assert (short.triangles.sum(axis=0) > 0).all()
    time = np.arange(4000) / 8000
    voice = sum(np.sin(2 * np.pi * 200 * n * time) / n for n in range(1, 15)).astype(np.float32)
    ripple = [np.abs(np.diff(spec(voice).mean(axis=0)[:16], n=2)).mean() for spec in (usual, short)]
    assert ripple[1] < 0.5 * ripple[0]
