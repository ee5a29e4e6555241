"""A bundle is what its manifest says or it does not open; what opens answers the same everywhere."""

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundles import LABELS, forge, sealed
from limbeck import manifest as manifests
from limbeck.bundle import Bundle, Manifest
from limbeck.errors import BundleError, InputFileError
from limbeck.evidence import Calibration
from limbeck.manifest import FileEntry
from limbeck.plain_json import canonical, parse
from limbeck.runtime.predict import load

FITTED = Calibration(temperature=2.0, threshold=0.3342, answered=0.5, rows=10)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return sealed(tmp_path / "bundle").path


def test_a_bundle_answers_wherever_it_is_copied(bundle: Path, tmp_path: Path) -> None:
    predictor = load(shutil.copytree(bundle, tmp_path / "copied"))
    texts = ["hello", "", "x" * 100_000, "👍", "שלום", "a\x00b", "\ud800", *(f"abc {i}" for i in range(100))]
    together = predictor.predict(texts)
    assert len(together) == len(texts)
    assert all(p.label in predictor.labels and 0 < p.probability <= 1 and not p.abstain for p in together)
    for text, prediction in zip(texts, together, strict=True):
        (alone,) = predictor.predict([text])
        assert alone.label == prediction.label
        assert alone.probability == pytest.approx(prediction.probability, abs=1e-5)
    assert predictor.predict([]) == []
    with pytest.raises(TypeError, match="takes a list"):
        predictor.predict("hello")
    with pytest.raises(TypeError, match="NoneType"):
        predictor.predict([None])


def test_many_threads_may_ask_at_once(bundle: Path) -> None:
    predictor = load(bundle)
    texts = [c * n for c in "abcdeh" for n in range(1, 20)]
    batches = [texts[i : i + 1 + i % 5] for i in range(len(texts))]
    expected = [predictor.logits(batch).tobytes() for batch in batches]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            assert list(pool.map(lambda batch: predictor.logits(batch).tobytes(), batches)) == expected


def test_probabilities_are_calibrated_and_logits_are_raw(bundle: Path, tmp_path: Path) -> None:
    texts = ["hello", "", "abc", "world?"]
    plain = load(bundle)
    fitted = load(sealed(tmp_path / "fitted", calibration=FITTED, precision="int8").path)
    np.testing.assert_array_equal(plain.logits(texts), fitted.logits(texts))
    scaled = np.exp(plain.logits(texts).astype(np.float64) / 2.0)
    expected = (scaled / scaled.sum(axis=1, keepdims=True)).max(axis=1)
    answers = fitted.predict(texts)
    np.testing.assert_allclose([a.probability for a in answers], expected, atol=1e-7)
    assert [a.abstain for a in answers] == [p < 0.3342 for p in expected]
    assert {a.abstain for a in answers} == {True, False}


def test_answering_imports_nothing_heavy(bundle: Path, tmp_path: Path) -> None:
    Bundle.open(bundle).pack(tmp_path / "b.zip")
    code = (
        "import sys, limbeck; [limbeck.load(p).predict(['hello']) for p in sys.argv[1:]]\n"
        "heavy = {'torch', 'onnx', 'pydantic', 'ruamel', 'typer', 'rich', 'limbeck.pipeline', 'limbeck.recipe', 'importlib.metadata'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(bundle), str(tmp_path / "b.zip")], check=True)


@pytest.mark.parametrize("name", ["model.onnx", "modality.json", "golden.json", "manifest.json"])
def test_a_changed_byte_is_found(bundle: Path, name: str) -> None:
    data = bytearray((bundle / name).read_bytes())
    for at in range(0, len(data), max(1, len(data) // 50)):
        changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        (bundle / name).write_bytes(changed)
        with pytest.raises(BundleError, match=name):
            Bundle.open(bundle)


def test_files_missing_added_or_linked_are_found(bundle: Path, tmp_path: Path) -> None:
    (bundle / "extra.txt").write_text("x")
    with pytest.raises(BundleError, match="does not list 'extra.txt'"):
        load(bundle)
    (bundle / "extra.txt").unlink()
    (bundle / "golden.json").rename(tmp_path / "golden.json")
    with pytest.raises(BundleError, match="'golden.json' is missing"):
        load(bundle)
    (bundle / "golden.json").symlink_to(tmp_path / "golden.json")
    with pytest.raises(BundleError, match=r"'golden\.json'.*symbolic link"):
        load(bundle)


def test_the_folder_itself_may_be_a_link(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "latest").symlink_to(bundle)
    assert load(tmp_path / "latest").labels == tuple(LABELS)


def test_the_bytes_that_were_checked_are_the_bytes_that_are_parsed(bundle: Path) -> None:
    opened = Bundle.open(bundle)
    for file in bundle.iterdir():
        file.write_bytes(b"replaced after the check")
    from limbeck.runtime.predict import Predictor

    assert Predictor(opened).labels == tuple(LABELS)


def test_golden_examples_are_replayed(bundle: Path) -> None:
    golden = json.loads((bundle / "golden.json").read_text())
    golden["logits"][0][0] += 0.5
    forge(bundle, "golden.json", json.dumps(golden).encode())
    with pytest.raises(BundleError, match="golden examples differ"):
        load(bundle)
    forge(bundle, "golden.json", json.dumps({**golden, "tolerance": 0.6}).encode())
    with pytest.raises(BundleError, match=r"tolerance is 0.6; a number above 0 and up to 0.01 is expected of float32"):
        load(bundle)
    golden["logits"][0] = [x - 0.5 if i else x for i, x in enumerate(golden["logits"][0])]
    forge(bundle, "golden.json", json.dumps({**golden, "tolerance": 0.6}).encode(), precision="int8")
    load(bundle)  # within the tolerance, and the label is the same


def test_a_golden_label_must_be_the_same_where_its_margin_exceeds_the_tolerance() -> None:
    from limbeck.runtime.golden import Golden

    golden = Golden.of({"payloads": ["a"], "logits": [[0.7, 0.0]], "tolerance": 0.5}, 2, "int8", "here")
    golden.check(lambda _: np.array([[0.3, 0.2]], np.float32), "here")
    with pytest.raises(BundleError, match="golden example 0 gets another label"):
        golden.check(lambda _: np.array([[0.2, 0.5]], np.float32), "here")
    unsure = Golden.of({"payloads": ["a"], "logits": [[0.4, 0.0]], "tolerance": 0.5}, 2, "int8", "here")
    unsure.check(lambda _: np.array([[0.0, 0.3]], np.float32), "here")
    for odd in (np.nan, np.inf):
        with pytest.raises(BundleError, match="differ by inf"):
            unsure.check(lambda _, odd=odd: np.array([[odd, 0.3]], np.float32), "here")


def test_no_bundle_there(tmp_path: Path, bundle: Path) -> None:
    with pytest.raises(InputFileError, match="there is no bundle"):
        load(tmp_path / "absent")
    (tmp_path / "evidence").mkdir()
    with pytest.raises(InputFileError, match="Did you mean .*bundle"):
        load(tmp_path)


def test_what_could_not_be_read_again_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="labels holds 'a' twice"):
        sealed(tmp_path / "b", labels=["a", "a", "b"])
    with pytest.raises(BundleError, match="temperature is 0.0"):
        sealed(tmp_path / "b", calibration=Calibration(temperature=0.0))
    with pytest.raises(ValueError, match="not JSON compliant"):
        sealed(tmp_path / "b", golden={"logits": [float("nan")]})
    assert not list(tmp_path.iterdir())


def test_all_problems_of_a_manifest_come_in_one_message(bundle: Path) -> None:
    forge(bundle, "modality.json", (bundle / "modality.json").read_bytes(), labels=[], precision="int2", task="../x")
    with pytest.raises(BundleError, match=r"task is '../x'.*labels must be.*precision is 'int2'"):
        Bundle.open(bundle)


NAMES = st.text("abcdefghijk-_0123456789", min_size=1, max_size=10).map(lambda s: f"n{s}")
SHARES = st.floats(0, 1)
MANIFESTS = st.builds(
    Manifest,
    NAMES,
    NAMES,
    NAMES,
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1, unique=True).map(tuple),
    st.builds(
        lambda model, sha, size: {n: FileEntry(sha, size) for n in ("modality.json", "golden.json", model)},
        st.sampled_from(["model.onnx", "model.npz"]),
        st.text("0123456789abcdef", min_size=64, max_size=64),
        st.integers(0, 10**6),
    ),
    st.sampled_from(["int8", "float32"]),
    st.builds(Calibration, st.floats(1e-3, 1e3), SHARES, SHARES, st.integers(0, 10**9), st.sampled_from(["labels", "teacher"])),
)


@given(MANIFESTS)
def test_a_manifest_is_read_back_as_it_was(manifest: Manifest) -> None:
    assert manifests.read(manifest.to_bytes(), "here") == manifest


@given(MANIFESTS, st.data())
def test_no_other_bytes_are_read_as_a_manifest(manifest: Manifest, data: st.DataObject) -> None:
    whole = manifest.to_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = whole[:at] + data.draw(st.binary(max_size=3)) + whole[at + data.draw(st.integers(0, 3)) :]
    if changed != whole:
        with pytest.raises(BundleError):
            manifests.read(changed, "here")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=20,
)  # fmt: skip


@given(JSON)
def test_json_is_read_back_as_it_was_written(value: object) -> None:
    assert parse(canonical(value)) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'{"a":1,"b":{"c":1,"c":2}}', "the key 'c' stands twice"),
        (b"[NaN]", "NaN is no number"),
        (b"[-Infinity]", "-Infinity is no number"),
        (b"[" * 65 + b"]" * 65, "nests deeper than 64"),
        (b'{"a":' * 100_000, "nests deeper than 64"),
        (b"9" * 5_000, "digits"),
        (b"\xff", "utf-8"),
        (b"[1] 2", "Extra data"),
    ],
)
def test_json_that_is_refused(text: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(text)
    assert parse(b'["' + b"[" * 1_000 + b'"]') == ["[" * 1_000]  # brackets in a text are no nesting


def test_thresholds_are_kept_and_held_against_the_labels(tmp_path: Path) -> None:
    fitted = Calibration(rows=60, thresholds=(0.2, 0.5, 0.9))
    bundle = sealed(tmp_path / "several", task="multi-label-text-classification", calibration=fitted)
    assert (bundle.manifest.schema_version, bundle.manifest.calibration) == (3, fitted)
    assert sealed(tmp_path / "one").manifest.schema_version == 2
    assert "thresholds" not in json.loads((tmp_path / "one" / "manifest.json").read_bytes())["calibration"]
    written = json.loads((bundle.path / "manifest.json").read_bytes())
    golden = (bundle.path / "golden.json").read_bytes()
    for wrong in ((0.2, 0.5), (0.2, 0.5, 1.5), (0.2, 0.5, "x"), (0.2, 0.5, True), "0.5", None):
        forge(bundle.path, "golden.json", golden, calibration={**written["calibration"], "thresholds": wrong})
        with pytest.raises(BundleError, match="calibration.thresholds must be a list with a number from 0 to 1 for each label"):
            load(bundle.path)
    forge(bundle.path, "golden.json", golden, calibration=written["calibration"], schema_version=2)
    with pytest.raises(BundleError, match="calibration must hold .* and nothing else"):
        load(bundle.path)


def test_a_threshold_that_was_not_found_is_read_as_such(tmp_path: Path) -> None:
    fitted = Calibration(rows=60, answered=1.0, threshold_found=False)
    assert Bundle.open(sealed(tmp_path / "bundle", calibration=fitted).path).manifest.calibration == fitted
