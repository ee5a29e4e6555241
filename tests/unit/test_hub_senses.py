"""Pictures and clips of Hugging Face datasets: bytes as the hub's parquet files hold them, decoded by limbeck alone."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pil

from limbeck.data.read import fingerprint, read_records
from limbeck.modalities._sound_file import wav
from limbeck.modalities.audio import Audio
from limbeck.modalities.image import Image
from limbeck.payloads import plain
from pictures import drawn

pytest.importorskip("datasets", reason="the extra `datasets` is not installed")
pyarrow = pytest.importorskip("pyarrow")


def saved(folder: Path, column: str, kind: str, contents: list[bytes]) -> str:
    """A folder like a repository of the hub: a parquet file whose features say what its bytes are."""
    from pyarrow import parquet

    names = {"names": ["no", "yes"], "_type": "ClassLabel"}
    features = {"info": {"features": {column: {"_type": kind}, "label": names}}}
    rows = {column: [{"bytes": content, "path": None} for content in contents], "label": [n % 2 for n in range(len(contents))]}
    table = pyarrow.table(rows).replace_schema_metadata({"huggingface": json.dumps(features)})
    (folder / "data").mkdir(parents=True)
    parquet.write_table(table, folder / "data" / "train-00000-of-00001.parquet")
    return f"hf://{folder}"


def png(pixels: Any) -> bytes:
    buffer = io.BytesIO()
    Pil.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def test_pictures(tmp_path: Path) -> None:
    pixels = [drawn("bars", n) for n in range(4)]
    source = saved(tmp_path / "a", "image", "Image", [png(p) for p in pixels])
    found = read_records(source, modality=Image)
    assert [r.label for r in found] == ["no", "yes"] * 2
    for record, expected in zip(found, pixels, strict=True):
        np.testing.assert_array_equal(plain(record.payload), expected)
    assert fingerprint(source, Image) == fingerprint(source, Image)


def test_clips_need_no_decoder_of_the_library(tmp_path: Path) -> None:
    sounds = [(0.1 * np.random.default_rng(n).standard_normal(900)).astype(np.float32) for n in range(4)]
    found = read_records(saved(tmp_path / "a", "audio", "Audio", [wav(s, 8000) for s in sounds]), modality=Audio)
    assert [r.label for r in found] == ["no", "yes"] * 2
    for record, expected in zip(found, sounds, strict=True):
        np.testing.assert_array_equal(plain(record.payload)["array"], expected)
