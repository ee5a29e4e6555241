"""Arrays that are made when they are asked for: once by whoever keeps them, once for all where they are views, and by nobody where they are not."""

import numpy as np
import pytest

from limbeck.modalities import _lazy, audio, image
from limbeck.modalities._audio_views import AudioViews
from limbeck.modalities._clip import of_samples
from limbeck.modalities._image_views import ImageViews
from limbeck.modalities._lazy import Lazy, Recent
from limbeck.modalities._picture import picture
from limbeck.types import Record

DICE = np.random.default_rng(0)


def test_an_array_is_made_once_where_all_fit_and_each_time_where_they_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def make(number: int) -> np.ndarray:
        made.append(number)
        return np.full(4, number, np.uint8)

    found = Lazy(range(10), make, (4,), np.uint8)
    assert made == []
    assert found[-1] is found[9]
    assert made == [9]
    assert [int(row[0]) for row in found[2:4]] == [2, 3]
    assert len(list(found)) == len(found.lengths) == 10
    with pytest.raises(IndexError):
        found[10]
    monkeypatch.setattr(_lazy, "MOST_KEPT", 39)
    found = Lazy(range(10), make, (4,), np.uint8)
    assert found[9] is not found[9]


def test_what_was_asked_for_last_is_kept_within_its_bytes() -> None:
    recent = Recent(most=100)
    for number in range(50):
        assert int(recent.get(number, lambda number=number: np.full(10, number, np.uint8))[0]) == number
        recent.get(0, lambda: np.zeros(10, np.uint8))
    assert sum(a.nbytes for a in recent.kept.values()) == 100
    assert 0 in recent.kept


@pytest.mark.parametrize("kind", ["audio", "image"])
def test_a_view_is_made_once_for_all_and_what_is_none_is_kept_by_nobody(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, plan = (audio, AudioViews(per_record=2)) if kind == "audio" else (image, ImageViews(per_record=2))
    recent = Recent()
    monkeypatch.setattr(module, "_VIEWS", recent)
    payload = (
        of_samples(DICE.standard_normal(900), 8000)
        if kind == "audio"
        else picture(DICE.integers(0, 256, (9, 9, 3)).astype(np.uint8))
    )
    reading = audio.Audio.reading(8000, 0.1, 8) if kind == "audio" else image.Image(6, 3)
    other = audio.Audio.reading(8000, 0.1, 9) if kind == "audio" else image.Image(7, 3)
    views = [v.payload for v in plan.of([Record("a", payload, "x")], 0)]
    first = reading.encode(views)
    assert len(recent.kept) == 2
    again = type(reading).from_spec(reading.spec()).encode(views)
    assert first[1] is again[1]
    assert first[0] is not again[0]
    assert other.encode(views)[1].shape != first[1].shape
