"""Pictures of every kind are decoded to the same bytes for everybody, or refused by name."""

import base64
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pil

from limbeck.errors import DataError
from limbeck.modalities._lazy import Lazy
from limbeck.modalities._picture import picture
from limbeck.modalities._pixels import MOST_PIXELS, _plain_png, decoded, resized
from limbeck.modalities.image import Image
from limbeck.payloads import Stored, identity, plain

DICE = np.random.default_rng(0)
COLOURS = DICE.integers(0, 256, (6, 4, 3)).astype(np.uint8)
NOISE = Pil.fromarray(DICE.integers(0, 256, (60, 60, 3)).astype(np.uint8))


def saved(image: Pil.Image, form: str = "PNG", **more) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **more)
    return buffer.getvalue()


def test_colours_come_as_red_green_blue_and_grey_as_one_channel() -> None:
    red = Pil.new("RGB", (2, 3), (255, 10, 20))
    np.testing.assert_array_equal(decoded(saved(red)), np.broadcast_to([255, 10, 20], (3, 2, 3)))
    assert decoded(saved(Pil.new("L", (2, 3), 7))).shape == (3, 2, 1)
    assert decoded(saved(Pil.new("1", (2, 3), 1)))[0, 0, 0] == 255


def test_a_rotation_by_exif_is_undone() -> None:
    upright = np.zeros((4, 6, 3), np.uint8)
    upright[0] = 255  # the upper edge is white
    exif = Pil.Exif()
    exif[0x0112] = 6  # "turn by 90 degrees to the right to see it upright"
    turned = Pil.fromarray(np.ascontiguousarray(np.rot90(upright)))
    np.testing.assert_array_equal(decoded(saved(turned, exif=exif)), upright)


def test_sixteen_bits_keep_the_upper_eight_rounded() -> None:
    wide = np.array([[0, 128, 129, 257, 65535, 32768]], np.uint16)
    found = decoded(saved(Pil.fromarray(wide)))
    assert found[..., 0].tolist() == [[0, 0, 1, 1, 255, 128]]  # 65535 / 255 = 257


def test_the_one_grey_of_sixteen_bits_that_is_seen_through_lies_on_white() -> None:
    whole = saved(Pil.fromarray(np.array([[10_000, 40_000]], np.uint16)))
    seen_through = struct.pack(">H", 10_000)
    chunk = struct.pack(">I", 2) + b"tRNS" + seen_through + struct.pack(">I", zlib.crc32(b"tRNS" + seen_through))
    at = whole.index(b"IDAT") - 4
    assert decoded(whole[:at] + chunk + whole[at:])[..., 0].tolist() == [[255, 156]]


def test_a_machine_that_makes_pictures_smaller_by_another_filter_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = Image(28, 3).spec()
    assert Image.from_spec(spec).size == 28
    nearest = Pil.Image.resize

    def other(self, size, *_, **more):
        return nearest(self, size, Pil.Resampling.NEAREST if size[0] < self.width else Pil.Resampling.BILINEAR)

    monkeypatch.setattr(Pil.Image, "resize", other)
    with pytest.raises(DataError, match="resized otherwise"):
        Image.from_spec(spec)


def test_palettes_become_their_colours_and_alpha_lies_on_white() -> None:
    palette = Pil.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 200, 100, 50])
    palette.putdata([0, 1])
    assert decoded(saved(palette)).tolist() == [[[10, 20, 30], [200, 100, 50]]]
    assert decoded(saved(palette, transparency=1)).tolist() == [[[10, 20, 30], [255, 255, 255]]]
    half = Pil.new("RGBA", (1, 1), (0, 0, 0, 51))
    assert decoded(saved(half)).tolist() == [[[204, 204, 204]]]  # 255 - 51
    assert decoded(saved(Pil.new("LA", (1, 1), (0, 0)))).tolist() == [[[255]]]


def with_care(data: bytes) -> np.ndarray:
    with Pil.open(io.BytesIO(data)) as opened:
        found = np.asarray(opened)
    return found[..., None] if found.ndim == 2 else found


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("level", [0, 1, 9])
def test_the_plainest_png_decodes_to_what_it_does_with_care(channels: int, level: int) -> None:
    ramp = np.arange(40)[:, None, None] * 3 + np.arange(31)[None, :, None] * 2 + np.arange(channels) * 20
    noise = DICE.integers(0, 256, (40, 31, channels))
    for pixels in (ramp.astype(np.uint8), noise.astype(np.uint8), (ramp + noise // 8).astype(np.uint8)):
        data = saved(Pil.fromarray(pixels[..., 0] if channels == 1 else pixels), compress_level=level)
        plain = _plain_png(data, MOST_PIXELS)
        assert plain is not None
        np.testing.assert_array_equal(plain, pixels)
        np.testing.assert_array_equal(with_care(data), pixels)


def test_what_is_not_plain_or_not_whole_is_looked_at_with_care() -> None:
    grey = Pil.fromarray(COLOURS[..., 0])
    turned = Pil.Exif()
    turned[0x0112] = 6
    for other in (
        saved(grey, exif=turned),
        saved(grey.convert("P")),
        saved(grey.convert("1")),
        saved(grey.convert("LA")),
        saved(NOISE)[:-4000],
    ):
        assert _plain_png(other, MOST_PIXELS) is None
    whole = saved(grey)
    assert _plain_png(whole, MOST_PIXELS) is not None
    assert _plain_png(whole, COLOURS.shape[0] * COLOURS.shape[1] - 1) is None
    no_width = whole[:16] + bytes(4) + whole[20:29]
    assert _plain_png(no_width + zlib.crc32(no_width[12:]).to_bytes(4) + whole[33:], MOST_PIXELS) is None
    for end in range(len(whole)):
        assert _plain_png(whole[:end], MOST_PIXELS) is None or end >= len(whole) - 12
    found = 0
    for place in range(len(whole)):
        damaged = whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :]
        if (
            plain := _plain_png(damaged, MOST_PIXELS)
        ) is not None:  # as a damaged sum behind the pixels, which Pillow does not look at
            found += 1
            np.testing.assert_array_equal(plain, with_care(damaged))
    assert found


def png_that_is_seen_through(bits: int, colours: int, row: bytes, behind: bytes) -> bytes:
    """A PNG of a few pixels in a row with one colour that is seen through, as optimisers write it; Pillow itself writes none of these."""

    def block(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    width = len(row) * 8 // (bits * (3 if colours else 1))
    head = struct.pack(">IIBBBBB", width, 1, bits, colours, 0, 0, 0)
    body = block(b"IHDR", head) + block(b"tRNS", behind) + block(b"IDAT", zlib.compress(b"\0" + row)) + block(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize(
    ("bits", "row", "behind", "expected"),
    [
        (1, 0b01010011, 1, [0, 255, 0, 255, 0, 0, 255, 255]),
        (1, 0b01010011, 0, [255] * 8),
        (2, 0b00011011, 1, [0, 255, 170, 255]),
        (4, 0x3A, 3, [255, 170]),
        (8, 0x33, 0x33, [255]),
    ],
)
def test_the_grey_that_is_seen_through_lies_on_white_with_any_bits(bits: int, row: int, behind: int, expected: list) -> None:
    found = decoded(png_that_is_seen_through(bits, 0, bytes([row]), struct.pack(">H", behind)))
    assert found[0, :, 0].tolist() == expected


def test_the_colour_that_is_seen_through_lies_on_white_with_16_bits() -> None:
    row = struct.pack(">6H", 0x0300, 0x0B00, 0x1100, 0xFF00, 0, 0)
    assert decoded(png_that_is_seen_through(16, 2, row, row[:6])).tolist() == [[[255] * 3, [255, 0, 0]]]


def test_of_an_animation_the_first_frame_counts() -> None:
    first, second = Pil.new("RGB", (3, 3), (250, 0, 0)), Pil.new("RGB", (3, 3), (0, 0, 250))
    data = saved(first, "GIF", save_all=True, append_images=[second])
    assert decoded(data)[0, 0].tolist() == [250, 0, 0]


def test_other_colour_spaces_become_rgb() -> None:
    cyan = decoded(saved(Pil.new("CMYK", (8, 8), (255, 0, 0, 0)), "JPEG", quality=100))
    assert cyan.shape == (8, 8, 3)
    assert cyan[0, 0, 0] < 30 < cyan[0, 0, 2]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no picture"),
        (b"hello", "no picture: 5 bytes that are none of PNG, JPEG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no picture"),
        (saved(NOISE)[:-4000], "cut off or damaged"),
        (saved(NOISE, "JPEG")[:-200], "cut off or damaged"),
        (saved(NOISE, "TIFF", compression="tiff_lzw")[:-200], "cut off or damaged"),
        (saved(Pil.fromarray(np.ones((2, 2), np.float32)), "TIFF"), "floats: nobody says what is white"),
        (saved(Pil.fromarray(np.ones((2, 2), np.int32)), "TIFF"), "whole numbers of 32 bits"),
    ],
    ids=["nothing", "text", "postscript", "png cut off", "jpeg cut off", "tiff cut off", "floats", "32 bits"],
)
def test_what_is_no_picture_is_refused_by_name(data: bytes, said: str) -> None:
    with pytest.raises(DataError, match=said):
        decoded(data)


@pytest.mark.parametrize("side", [6_000, 60_000])
def test_a_bomb_is_refused_before_it_is_unpacked(side: int) -> None:
    assert side * side > MOST_PIXELS
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    with pytest.raises(DataError, match="pixels"):
        decoded(bomb)


def test_copies_share_a_key_however_they_were_saved(tmp_path: Path) -> None:
    image = Pil.fromarray(COLOURS)
    ways = [COLOURS, saved(image), saved(image, "BMP"), saved(image, "TIFF")]
    assert len({picture(way).source.key for way in ways}) == 1
    (tmp_path / "a.png").write_bytes(ways[1])
    named = Image.payload("a.png", tmp_path)
    assert identity(named) == identity(picture(COLOURS))
    assert named == picture(COLOURS)
    assert named != picture(COLOURS[::-1].copy())
    np.testing.assert_array_equal(plain(named), COLOURS)


def test_golden_pixels() -> None:
    """Averages by hand: a picture of half the size has the mean of each 2 x 2 (weights of a triangle over four pixels: 1, 3, 3, 1)."""
    ramp = np.repeat(np.arange(0, 80, 10, dtype=np.uint8)[None, :, None], 8, axis=0)
    assert resized(ramp, 4, 4)[0, :, 0].tolist() == [7, 25, 45, 63]  # at the edges (0*3 + 10*3 + 20*1) / 7
    flat = np.full((5, 7, 3), 93, np.uint8)
    assert (resized(flat, 3, 11) == 93).all()


def test_what_a_client_sends_can_name_no_file(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(saved(Pil.fromarray(COLOURS)))
    for value in (str(tmp_path / "secret.png"), f"file://{tmp_path}/secret.png", None, 3, "data:text/plain,hello"):
        with pytest.raises(DataError, match="must hold a picture as data:;base64"):
            Image.from_json(value)
    with pytest.raises(DataError, match="not base64"):
        Image.from_json("data:;base64,%%%")
    sent = "data:image/png;base64," + base64.b64encode(saved(Pil.fromarray(COLOURS))).decode()
    assert Image.from_json(sent) == picture(COLOURS)
    assert Image.from_json(Image.to_json(COLOURS)) == picture(COLOURS)


def test_arrays_in_the_wrong_order_or_scale_are_refused() -> None:
    image = Image(4, 3)
    for wrong in (
        COLOURS.transpose(2, 0, 1),
        COLOURS.astype(np.float32) / 255,
        COLOURS[..., :2],
        np.zeros((0, 4, 3), np.uint8),
    ):
        with pytest.raises(DataError, match="Colours come last, red first, from 0 to 255"):
            image.encode([wrong])


def test_a_cell_of_a_row_may_hold_a_picture_in_many_ways(tmp_path: Path) -> None:
    data = saved(Pil.fromarray(COLOURS))
    (tmp_path / "a.png").write_bytes(data)
    for value in (
        data,
        {"bytes": data, "path": "x.png"},
        {"bytes": None, "path": "a.png"},
        Stored(str(tmp_path / "a.png")),
        COLOURS,
    ):
        assert Image.payload(value, tmp_path) == picture(COLOURS)
    for empty in (None, "", " ", b""):
        with pytest.raises(ValueError, match="^$"):
            Image.payload(empty, tmp_path)
    with pytest.raises(DataError, match="names a file that cannot be read"):
        Image.payload("absent.png", tmp_path)
    with pytest.raises(DataError, match="must hold pictures"):
        Image.payload(3.5, tmp_path)


def test_a_student_reads_what_its_pictures_have() -> None:
    grey = [picture(DICE.integers(0, 256, (28, 20)).astype(np.uint8)) for _ in range(5)]
    modality, fitted = Image.of(None).fitted(grey)
    assert (modality.size, modality.channels) == (28, 1)
    assert abs(fitted.mean[0] - np.mean([plain(p).mean() for p in grey])) < 2
    assert Image.of(None).fitted([*grey, picture(COLOURS)])[0].channels == 3
    assert Image.of(None).fitted(grey, (16, 3))[1].arguments(None)["size"] == 16
    large = [picture(np.zeros((900, 700), np.uint8))]
    assert Image.of(None).fitted(large)[0].size == 64


def test_a_spec_from_another_world_is_refused() -> None:
    spec = Image(8, 1).spec()
    assert Image.from_spec(spec).size == 8
    for key, value, said in (
        ("size", 0, "size of 1 to"),
        ("size", 10**9, "size of 1 to"),
        ("size", True, "size of 1 to"),
        ("channels", 2, "1 or 3 channels"),
        ("resample", "lanczos", "this limbeck knows 'bilinear"),
        ("check", [0] * 16, "resized otherwise here"),
        ("check", ["a"], "16 whole numbers"),
    ):
        with pytest.raises(DataError, match=said):
            Image.from_spec({**spec, key: value})
    with pytest.raises(DataError, match="and nothing else"):
        Image.from_spec({**spec, "more": 1})


def test_many_pictures_are_encoded_when_they_are_asked_for() -> None:
    image, many = Image(5, 3), [picture(COLOURS)] * 100
    found = image.encode(many)
    assert isinstance(found, Lazy)
    assert found.lengths.tolist() == [5] * 100
    np.testing.assert_array_equal(found[99], image.encode([COLOURS])[0])
    assert len(found[10:20]) == 10
    assert image.collate([found[0], found[1]])["pixels"].shape == (2, 3, 5, 5)


@pytest.mark.parametrize(
    ("mode", "form", "asked"),
    [
        ("RGBA", "PNG", {}),
        ("P", "PNG", {}),
        ("I;16", "PNG", {}),
        ("CMYK", "JPEG", {}),
        ("RGB", "JPEG", {"progressive": True}),
        ("RGB", "TIFF", {"compression": "tiff_lzw"}),
        ("1", "TIFF", {"compression": "group4"}),
        ("RGB", "WEBP", {"lossless": True}),
        ("RGB", "WEBP", {"quality": 70}),
        ("P", "GIF", {}),
        ("L", "BMP", {}),
        ("L", "PPM", {}),
    ],
)
def test_a_stand_in_is_a_file_of_the_same_kind(mode: str, form: str, asked: dict[str, object]) -> None:
    drawn = Pil.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8))
    buffer = io.BytesIO()
    (drawn.convert("L").convert(mode) if mode == "I;16" else drawn.convert(mode)).save(buffer, form, **asked)
    theirs = picture(buffer.getvalue())
    own = Image.stand_in(theirs, 3)
    with Pil.open(io.BytesIO(theirs.source.content())) as one, Pil.open(io.BytesIO(own.source.content())) as other:
        assert (other.format, other.mode, other.size) == (one.format, one.mode, one.size)
        assert other.info.get("progressive") == one.info.get("progressive")
        assert other.info.get("compression") == one.info.get("compression")
    assert (b"VP8L" in own.source.content()[:64]) is ("lossless" in asked)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_batch_of_one_is_nobody_elses_memory(channels: int) -> None:
    image = Image(size=4, channels=channels)
    encoded = image.encode([np.full((4, 4, channels), 7, np.uint8)])
    pixels = image.collate(encoded)["pixels"]
    assert pixels.flags.writeable
    assert pixels.flags.c_contiguous
    assert pixels.shape == (1, channels, 4, 4)
    assert not np.shares_memory(pixels, encoded[0])
