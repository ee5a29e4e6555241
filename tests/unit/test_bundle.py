"""A bundle is what its manifest says or it does not open."""

import json
import shutil

import pytest

from limbeck.bundle import Bundle
from limbeck.errors import BundleError, InputFileError
from limbeck.runtime.predict import load


@pytest.fixture
def bundle(tiny_run, tmp_path):
    copy = tmp_path / "copied"
    shutil.copytree(tiny_run[1] / "bundle", copy)
    return copy


def test_a_bundle_answers_wherever_it_is_copied(bundle) -> None:
    predictor = load(bundle)
    texts = ["hello", "", "x" * 100_000, "👍", "שלום", "a\x00b", "\ud800", *(f"text {i}" for i in range(100))]
    together = predictor.predict(texts)
    assert len(together) == len(texts)
    assert all(p.label in predictor.labels and 0 < p.probability <= 1 for p in together)
    for text, prediction in zip(texts, together, strict=True):
        (alone,) = predictor.predict([text])
        assert alone.label == prediction.label
        assert alone.probability == pytest.approx(prediction.probability, abs=1e-5)
    assert predictor.predict([]) == []
    with pytest.raises(TypeError, match="takes a list"):
        predictor.predict("hello")
    with pytest.raises(TypeError, match="NoneType"):
        predictor.predict([None])


def test_many_threads_may_ask_at_once(bundle) -> None:
    from concurrent.futures import ThreadPoolExecutor

    predictor = load(bundle)
    texts = [f"question {i}" for i in range(200)]
    expected = [predictor.predict([t])[0].label for t in texts]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda t: predictor.predict([t])[0].label, texts)) == expected


@pytest.mark.parametrize("name", ["model.onnx", "modality.json", "golden.json"])
def test_a_changed_byte_is_found(bundle, name: str) -> None:
    data = bytearray((bundle / name).read_bytes())
    data[len(data) // 2] ^= 1
    (bundle / name).write_bytes(data)
    with pytest.raises(BundleError, match=f"'{name}' is not what the manifest says"):
        load(bundle)


def test_files_missing_added_or_linked_are_found(bundle, tmp_path) -> None:
    (bundle / "extra.txt").write_text("x")
    with pytest.raises(BundleError, match="does not list 'extra.txt'"):
        load(bundle)
    (bundle / "extra.txt").unlink()
    (bundle / "golden.json").rename(tmp_path / "golden.json")
    with pytest.raises(BundleError, match="'golden.json' is missing"):
        load(bundle)
    (bundle / "golden.json").symlink_to(tmp_path / "golden.json")
    with pytest.raises(BundleError, match=r"golden\.json"):
        load(bundle)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 99}, "bundle schema 99.*pip install --upgrade"),
        ({"schema_version": "x"}, "not a manifest"),
        ({"surprise": 1}, "not a manifest"),
        ({"files": {"../evil": {"sha256": "0", "bytes": 1}}}, "not a plain file name"),
    ],
)
def test_a_manifest_that_is_none(bundle, change: dict, message: str) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    (bundle / "manifest.json").write_text(json.dumps({**manifest, **change}))
    with pytest.raises(BundleError, match=message):
        Bundle.open(bundle)
    for content in ("{", "[" * 200_000, "9" * 5_000, "[1]"):
        (bundle / "manifest.json").write_text(content)
        with pytest.raises(BundleError, match="not a manifest"):
            Bundle.open(bundle)


def forge(bundle, name: str, content: bytes) -> None:
    """Change a file and make the manifest agree."""
    from limbeck.bundle import sha256_of

    (bundle / name).write_bytes(content)
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["files"][name] = {"sha256": sha256_of(bundle / name), "bytes": len(content)}
    (bundle / "manifest.json").write_text(json.dumps(manifest))


def test_golden_examples_are_replayed(bundle) -> None:
    golden = json.loads((bundle / "golden.json").read_text())
    golden["logits"][0][0] += 0.5
    forge(bundle, "golden.json", json.dumps(golden).encode())
    with pytest.raises(BundleError, match="golden examples differ"):
        load(bundle)


@pytest.mark.parametrize("name", ["model.onnx", "modality.json", "golden.json"])
@pytest.mark.parametrize("content", [b"", b"{}", b"\xff junk"])
def test_files_that_make_no_model_are_refused(bundle, name: str, content: bytes) -> None:
    forge(bundle, name, content)
    with pytest.raises(BundleError, match="do not make a model"):
        load(bundle)


def test_labels_that_are_not_the_models_are_refused(bundle) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    (bundle / "manifest.json").write_text(json.dumps({**manifest, "labels": manifest["labels"][:-1]}))
    with pytest.raises(BundleError, match=r"3,\) logits for 2 labels"):
        load(bundle)


def test_no_bundle_there(tmp_path, tiny_run) -> None:
    with pytest.raises(InputFileError, match="there is no bundle"):
        load(tmp_path / "absent")
    with pytest.raises(InputFileError, match="Did you mean .*bundle"):
        load(tiny_run[1])
