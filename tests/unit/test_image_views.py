"""Views of pictures: the same pixels for everybody, other ones for another seed, and nothing is mirrored that was not asked for."""

from random import Random

import numpy as np
import pytest

from limbeck.modalities._image_views import ImageViews, colour, cutmix, erase, mixup, place
from limbeck.modalities._picture import picture
from limbeck.modalities._pixels import as_pil
from limbeck.modalities._randaugment import FORMS, randaugment
from limbeck.modalities.image import Image
from limbeck.payloads import identity, plain
from limbeck.types import Record

DICE = np.random.default_rng(1)
PIXELS = DICE.integers(0, 256, (12, 16, 3)).astype(np.uint8)
RECORDS = [
    Record(p.source.key, p, label)
    for label in ("a", "b")
    for p in (picture(DICE.integers(0, 256, (9, 9, 1)).astype(np.uint8)) for _ in range(6))
]
PLAN = ImageViews(per_record=6)


def test_the_same_seed_gives_the_same_pixels_and_another_gives_others() -> None:
    image = Image.of(None)
    one, again, other = (image.views(RECORDS, PLAN, seed) for seed in (3, 3, 4))
    assert len(one) == len(RECORDS) * 7
    for a, b in zip(one, again, strict=True):
        assert identity(a.payload) == identity(b.payload)
        np.testing.assert_array_equal(plain(a.payload), plain(b.payload))
    assert {identity(v.payload) for v in one[12:]}.isdisjoint(identity(v.payload) for v in other[12:])
    assert len({identity(v.payload) for v in one}) == len(one)
    assert [v.payload for v in one[:12]] == [r.payload for r in RECORDS]


def test_a_mix_draws_from_two_records_and_has_no_label() -> None:
    views = Image.of(None).views(RECORDS, ImageViews(per_record=20, mixup_share=0.3, cutmix_share=0.3), 0)[12:]
    mixed = [v for v in views if len(v.keys) == 2]
    assert 0.4 < len(mixed) / len(views) < 0.8
    assert all(v.label is None for v in mixed)
    assert all(v.label is not None for v in views if len(v.keys) == 1)
    assert all(len(v.keys) == 1 for v in Image.of(None).views(RECORDS, PLAN.keeping_labels(), 0))


def test_a_record_that_is_added_changes_no_other_ones_views() -> None:
    plan = ImageViews(per_record=3, mixup_share=0.0, cutmix_share=0.0)
    before, after = (Image.of(None).views(rows, plan, 0) for rows in (RECORDS[:6], RECORDS[:7]))
    assert {identity(v.payload) for v in before} < {identity(v.payload) for v in after}


def test_nothing_is_mirrored_unless_it_is_asked_for() -> None:
    half = np.zeros((8, 8, 1), np.uint8)
    half[:, :3] = 255
    for seed in range(40):
        moved = place(half, None, Random(seed), shift=0.1, rotate=5.0, zoom=0.1, flip=0)
        assert moved[:, :4].mean() > moved[:, 4:].mean()
    flipped = [place(half, None, Random(s), 0.0, 0.0, 0.0, 1) for s in range(40)]
    mirrored = [bool((f == half[:, ::-1]).all()) for f in flipped]
    assert all(m or (f == half).all() for m, f in zip(mirrored, flipped, strict=True))
    assert 10 < sum(mirrored) < 30
    assert not ImageViews().flip


def test_a_placed_picture_stays_where_nothing_moves_it_and_moves_where_something_does() -> None:
    np.testing.assert_array_equal(place(PIXELS, None, Random(0), 0.0, 0.0, 0.0, 0), PIXELS)
    bright = np.zeros((21, 21, 1), np.uint8)
    bright[10, 10] = 255
    moved = place(bright, None, Random(1), shift=0.2, rotate=0.0, zoom=0.0, flip=0)
    at = np.argwhere(moved[..., 0] == moved.max())[0]
    dice = Random(1)
    right, down = (dice.uniform(-0.2, 0.2) * 21 for _ in range(2))
    assert abs(at[1] - 10 - right) <= 1
    assert abs(at[0] - 10 - down) <= 1
    whole = place(np.full((9, 9, 3), 77, np.uint8), None, Random(2), 0.2, 45.0, 0.3, 1)
    assert (whole == 77).all()  # what comes in at an edge repeats it


@pytest.mark.parametrize("seed", range(5))
def test_every_operation_keeps_bytes_and_shape(seed: int) -> None:
    other = DICE.integers(0, 256, (7, 5, 1)).astype(np.uint8)
    for name, found in {
        "place": place(PIXELS, None, Random(seed), 0.1, 20.0, 0.2, 1),
        "colour": colour(PIXELS, None, Random(seed), 0.5),
        "erase": erase(PIXELS, None, Random(seed), 1.0),
        "mixup": mixup(PIXELS, other, Random(seed)),
        "cutmix": cutmix(PIXELS, other, Random(seed)),
    }.items():
        assert (found.dtype, found.shape) == (np.uint8, PIXELS.shape), name
        assert not np.array_equal(found, PIXELS), name


def test_a_mixup_lies_between_its_two_pictures() -> None:
    dark, light = np.full((4, 4, 1), 10, np.uint8), np.full((4, 4, 1), 210, np.uint8)
    share = Random(5).random()
    assert abs(int(mixup(dark, light, Random(5))[0, 0, 0]) - (10 * share + 210 * (1 - share))) <= 1
    cut = cutmix(dark, light, Random(6))
    assert set(np.unique(cut)) <= {10, 210}


def test_shares_of_mixes_add_up_to_one_at_the_most() -> None:
    with pytest.raises(ValueError, match="add up to more than 1"):
        ImageViews(mixup_share=0.6, cutmix_share=0.6)


@pytest.mark.parametrize("name", sorted(FORMS))
@pytest.mark.parametrize("channels", [1, 3])
def test_every_form_keeps_size_and_colours_and_does_nothing_at_no_strength(name: str, channels: int) -> None:
    pixels = np.ascontiguousarray(PIXELS[..., :channels])
    strong, none = (np.asarray(FORMS[name](as_pil(pixels), by)).reshape(pixels.shape) for by in (0.7, 0.0))
    assert strong.dtype == np.uint8
    if name not in ("autocontrast", "equalise"):  # which have no strength
        np.testing.assert_array_equal(none, pixels)
        assert (strong != pixels).any() or (name == "saturation" and channels == 1)


def test_randaugment_draws_so_many_forms_and_follows_its_dice() -> None:
    made = [randaugment(PIXELS, None, Random(seed), count=2, strength=0.8) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(made[0], made[1])
    assert (made[0] != made[2]).any()
    np.testing.assert_array_equal(randaugment(PIXELS, None, Random(0), count=0, strength=0.8), PIXELS)
    views = ImageViews(per_record=2, randaugment=2).of(RECORDS, 0)
    assert all(any(o.name == "randaugment" for o in v.operations) for v in views if v.operations)
    assert not any(o.name == "randaugment" for v in ImageViews(per_record=2).of(RECORDS, 0) for o in v.operations)
