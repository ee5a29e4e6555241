"""Folders and zips with a folder for each class, IDX, csv with paths, parquet with bytes: the same records."""

import csv
import gzip
import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pil

from limbeck.data.prepare import prepare
from limbeck.data.read import fingerprint, read_records
from limbeck.data.rejected import Rejected
from limbeck.errors import DataError, InputFileError
from limbeck.modalities.image import Image
from limbeck.modalities.text import Text
from limbeck.payloads import plain
from limbeck.sections import DataSection
from pictures import folders


def read(source, **more):
    return read_records(source, modality=Image, **more)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return folders(tmp_path / "data", each=3)


def test_a_folder_for_each_class(root: Path) -> None:
    (root / "bars" / "notes.txt").write_text("no picture")
    (root / ".hidden").mkdir()
    (root / ".hidden" / "a.png").write_bytes((root / "bars" / "000.png").read_bytes())
    (root / "loose.png").write_bytes((root / "dots" / "000.png").read_bytes())
    records = read(root)
    assert [r.label for r in records] == ["bars"] * 3 + ["dots"] * 3 + [None] + ["plain"] * 3
    assert records[0].where == str(root / "bars" / "000.png")
    assert records[6].key == records[3].key  # the loose one is a copy
    assert str(records[0].payload).startswith("picture ")
    assert "bars" not in str(records[0].payload)  # no message tells a label by a folder's name


def test_no_class_is_lost_by_the_names_of_its_files(root: Path, tmp_path: Path) -> None:
    whole = (root / "bars" / "000.png").read_bytes()
    (root / "other").mkdir()
    (root / "other" / "a").write_bytes(whole)  # none has a suffix that is known: what they hold says what they are
    (root / "other" / "b.upload").write_bytes(whole)
    (root / "bars" / "phone.heic").write_bytes(
        b"\0\0\0\x18ftypheic" + bytes(40)
    )  # a picture's suffix, though none that is decoded
    (root / "bars" / "notes.txt").write_text("no picture")
    rejected: list[Rejected] = []
    found = read(root, reject=rejected.append, max_rejected_share=0.5)
    assert [r.label for r in found] == ["bars"] * 3 + ["dots"] * 3 + ["other"] * 2 + ["plain"] * 3
    assert [(r.where, "holds no picture" in r.reason) for r in rejected] == [(str(root / "bars" / "phone.heic"), True)]
    before = fingerprint(root, Image)
    (root / "other" / "b.upload").unlink()
    assert fingerprint(root, Image) != before
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for file in sorted(p for p in root.rglob("*") if p.is_file()):
            archive.write(file, f"mine/{file.relative_to(root).as_posix()}")
        archive.writestr("read.me", b"outside of the folder around all classes")
    assert [r.label for r in read(tmp_path / "a.zip", reject=rejected.append, max_rejected_share=0.5)] == ["bars"] * 3 + [
        "dots"
    ] * 3 + ["other"] + ["plain"] * 3


def test_what_lies_beside_data_is_no_class(root: Path, tmp_path: Path) -> None:
    (root / "notes").mkdir()
    (root / "notes" / "read.md").write_text("who took these")
    (root / "README").write_text("no suffix")
    assert {r.label for r in read(root)} == {"bars", "dots", "plain"}
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for number in range(2):
            archive.write(root / "bars" / f"00{number}.png", f"cat/more/{number}.png")
            archive.write(root / "dots" / f"00{number}.png", f"dog/{number}")
        archive.writestr("notes/labels.json", "{}")
    assert [r.label for r in read(tmp_path / "a.zip")] == ["cat"] * 2 + ["dog"] * 2


def test_folders_that_lead_to_each_other_end(root: Path) -> None:
    for here in ("bars", "dots", "plain"):
        for there in {"bars", "dots", "plain"} - {here}:
            (root / here / there).symlink_to(root / there, target_is_directory=True)
    assert len(read(root)) == 3 * 3 * 5  # of each: its own, those of two links, and of one link within each of these


def test_links_to_folders_are_followed_and_not_in_circles(root: Path, tmp_path: Path) -> None:
    (tmp_path / "linked").mkdir()
    for name in ("bars", "dots"):
        (tmp_path / "linked" / name).symlink_to(root / name, target_is_directory=True)
    (root / "dots" / "up").symlink_to(tmp_path / "linked" / "dots", target_is_directory=True)
    assert [r.label for r in read(tmp_path / "linked")] == ["bars"] * 3 + ["dots"] * 3


def test_a_zip_of_it_is_the_same_and_is_not_unpacked(root: Path, tmp_path: Path) -> None:
    for name, inside in (("a.zip", ""), ("wrapped.zip", "pictures/of/mine/")):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for file in sorted(root.rglob("*.png")):
                archive.write(file, inside + file.relative_to(root).as_posix())
            archive.writestr("__MACOSX/bars/000.png", b"nothing")
        assert [(r.key, r.label) for r in read(tmp_path / name)] == [(r.key, r.label) for r in read(root)]
    with zipfile.ZipFile(tmp_path / "out.zip", "w") as archive:
        archive.writestr("../bars/a.png", b"x")
    with pytest.raises(DataError, match="outside of itself"):
        read(tmp_path / "out.zip")
    (tmp_path / "no.zip").write_bytes(b"PK nothing")
    with pytest.raises(DataError, match="not a whole zip"):
        read(tmp_path / "no.zip")


def test_parts_of_a_data_set_are_no_classes(root: Path, tmp_path: Path) -> None:
    (tmp_path / "all").mkdir()
    root.rename(tmp_path / "all" / "train")
    assert {r.label for r in read(tmp_path / "all")} == {"train"}  # one folder may be a class
    folders(tmp_path / "all" / "test", each=1)
    with pytest.raises(DataError, match=r"parts of a data set and no classes.*data\.train=.*all/train"):
        read(tmp_path / "all")
    assert {r.label for r in read(tmp_path / "all" / "train")} == {"bars", "dots", "plain"}


def test_a_folder_without_pictures_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="Give a folder with a folder for each class"):
        read(tmp_path / "empty")


def test_what_cannot_be_decoded_is_set_aside_by_name(root: Path) -> None:
    whole = (root / "bars" / "001.png").read_bytes()
    (root / "bars" / "001.png").write_bytes(whole[: len(whole) // 2])
    found: list[Rejected] = []
    records = read(root, reject=found.append, max_rejected_share=0.5)
    assert len(records) == 8
    assert "cut off or damaged" in found[0].reason
    assert found[0].where.endswith("001.png")
    with pytest.raises(DataError, match="cut off or damaged"):
        read(root)


def idx_files(folder: Path, arrays: np.ndarray, labels: list[int], gz: str = ".gz") -> Path:
    images, of = folder / f"train-images-idx3-ubyte{gz}", folder / f"train-labels-idx1-ubyte{gz}"
    pack = gzip.compress if gz else bytes
    images.write_bytes(pack(struct.pack(">4B3I", 0, 0, 8, 3, *arrays.shape) + arrays.tobytes()))
    of.write_bytes(pack(struct.pack(">4BI", 0, 0, 8, 1, len(labels)) + bytes(labels)))
    return images


@pytest.mark.parametrize("gz", ["", ".gz"])
def test_idx(tmp_path: Path, gz: str) -> None:
    arrays = np.random.default_rng(0).integers(0, 256, (4, 5, 6)).astype(np.uint8)
    source = idx_files(tmp_path, arrays, [3, 1, 1, 0], gz)
    records = read(source)
    assert [r.label for r in records] == ["3", "1", "1", "0"]
    np.testing.assert_array_equal(plain(records[2].payload)[..., 0], arrays[2])
    before = fingerprint(source, Image)
    idx_files(tmp_path, arrays, [3, 1, 1, 9], gz)
    assert fingerprint(source, Image) != before  # the labels belong to it


def test_broken_idx_is_said(tmp_path: Path) -> None:
    arrays = np.zeros((2, 3, 3), np.uint8)
    source = idx_files(tmp_path, arrays, [1, 2], "")
    with pytest.raises(DataError, match="as many labels are expected"):
        read(idx_files(tmp_path, arrays, [1], ""))
    source.write_bytes(source.read_bytes()[:-1])
    with pytest.raises(DataError, match="17 are there"):
        read(source)
    source.write_bytes(b"\x89PNG")
    with pytest.raises(DataError, match="not an IDX file"):
        read(source)
    with pytest.raises(InputFileError, match="holds labels"):
        read(tmp_path / "train-labels-idx1-ubyte")
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(InputFileError, match="labels are expected beside it"):
        read(source)


def test_csv_with_paths_and_parquet_with_bytes(root: Path, tmp_path: Path) -> None:
    expected = [(r.key, r.label) for r in read(root)]
    files = sorted(root.rglob("*.png"))
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        rows = [(f.relative_to(tmp_path).as_posix(), f.parent.name) for f in files]
        csv.writer(file).writerows([("image", "label"), *rows])
    assert [(r.key, r.label) for r in read(tmp_path / "rows.csv")] == expected
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    cells = [{"bytes": f.read_bytes(), "path": f.name} for f in files]
    pq.write_table(pa.table({"picture": cells, "label": [f.parent.name for f in files]}), tmp_path / "rows.parquet")
    assert [(r.key, r.label) for r in read(tmp_path / "rows.parquet", text="picture")] == expected
    with pytest.raises(DataError, match="no column 'image'.*data.text=NAME"):
        read(tmp_path / "rows.parquet")


def test_a_folder_of_pictures_is_no_folder_of_texts(root: Path) -> None:
    with pytest.raises(DataError, match="nlu"):
        read_records(root, modality=Text)


def test_copies_stay_on_one_side(root: Path) -> None:
    again = Pil.open(root / "bars" / "000.png")
    buffer = io.BytesIO()
    again.save(buffer, "BMP")
    (root / "bars" / "again.bmp").write_bytes(buffer.getvalue())
    (root / "dots" / "again.bmp").write_bytes(buffer.getvalue())  # and it has two labels
    found = prepare(DataSection(train=str(root), test_share=0.4), modality=Image)
    assert found.noun == "picture"
    contradictory = [r for r in found.rejected if r.kind == "contradictory"]
    assert len(contradictory) == 3
    assert found.audit["duplicates"].count == 2
    assert "whose picture stood before" in found.audit["duplicates"].sentence
