"""The zip form and the signature of a bundle, from Python and on the command line."""

import io
import json
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bundles import sealed
from limbeck.bundle import Bundle
from limbeck.cli import app
from limbeck.errors import BundleError, InputFileError, MissingExtraError, SignatureError
from limbeck.evidence import Calibration
from limbeck.runtime.predict import load
from limbeck.signature import keygen, sign, verify

TEXTS = ["hello", "abc", ""]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return sealed(tmp_path / "bundle", calibration=Calibration(threshold=0.335)).path


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    pair = tmp_path / "k.pem", tmp_path / "k.public.pem"
    keygen(*pair)
    return pair


def call(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(a) for a in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def test_the_zip_form_answers_like_the_folder(folder: Path, tmp_path: Path) -> None:
    assert f"{tmp_path / 'b.zip'}  " in call("pack", folder, "--out", tmp_path / "b.zip")
    zipped, plain = load(tmp_path / "b.zip"), load(folder)
    assert zipped.predict(TEXTS) == plain.predict(TEXTS)
    assert zipped.bytes == plain.bytes == sum(p.stat().st_size for p in folder.iterdir())  # a budget counts the folder
    Bundle.open(tmp_path / "b.zip").pack(tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_other_tools_read_the_zip_form(folder: Path, tmp_path: Path) -> None:
    Bundle.open(folder).pack(tmp_path / "b.zip")
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["manifest.json", "golden.json", "modality.json", "model.onnx"]
        assert {e.external_attr >> 16 for e in archive.infolist()} == {stat.S_IFREG | 0o644}
        archive.extractall(tmp_path / "out")
    assert load(tmp_path / "out").predict(TEXTS) == load(folder).predict(TEXTS)


def test_a_zip_by_another_tool_is_refused(folder: Path) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for path in folder.iterdir():
            archive.write(path, path.name)
    with pytest.raises(BundleError, match="is not a bundle that limbeck packed.*Make it with: limbeck pack"):
        Bundle.from_zip(file.getvalue(), "x.zip")


def test_a_signed_bundle_loads_with_its_key_and_without(folder: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
    before = Bundle.open(folder)
    assert "signed" in call("sign", folder, "--key", keys[0])
    after = Bundle.open(folder, key=keys[1])
    assert (after.sha256, after.bytes) == (before.sha256, before.bytes + 64)
    assert load(folder).predict(TEXTS) == load(folder, key=keys[1]).predict(TEXTS)
    after.pack(tmp_path / "b.zip")
    assert load(tmp_path / "b.zip", key=keys[1]).predict(TEXTS) == load(folder).predict(TEXTS)
    assert json.loads(call("predict", tmp_path / "b.zip", "hello", "--key", keys[1], "--json"))["label"] == "greeting"


def test_a_zip_can_be_signed_as_it_is(folder: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
    Bundle.open(folder).pack(tmp_path / "b.zip")
    call("sign", tmp_path / "b.zip", "--key", keys[0])
    assert load(tmp_path / "b.zip", key=keys[1]).predict(TEXTS) == load(folder).predict(TEXTS)


def test_who_signed_is_asked_before_anything_is_parsed(folder: Path, keys: tuple[Path, Path]) -> None:
    with pytest.raises(SignatureError, match="is not signed, but a key was given"):
        load(folder, key=keys[1])
    call("sign", folder, "--key", keys[0])
    (folder / "manifest.json").write_bytes(b"[" * 100_000)
    with pytest.raises(SignatureError, match=r"manifest.sig is not a signature of manifest.json by the key .*k\.public\.pem"):
        load(folder, key=keys[1])
    with pytest.raises(BundleError, match="not a manifest"):
        load(folder)


def test_a_signature_is_that_of_rfc_8032(tmp_path: Path) -> None:
    """Section 7.1, test 2: a secret key, a message of one byte, its signature."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519

    secret = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    expected = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    key = ed25519.Ed25519PrivateKey.from_private_bytes(secret)
    private, public = tmp_path / "a.pem", tmp_path / "a.public.pem"
    none = serialization.NoEncryption()
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, none))
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    public.write_bytes(key.public_key().public_bytes(serialization.Encoding.PEM, form))
    assert sign(b"\x72", private).hex() == expected
    verify(b"\x72", bytes.fromhex(expected), public, "here")
    with pytest.raises(SignatureError):
        verify(b"\x73", bytes.fromhex(expected), public, "here")


def test_keys_are_secret_and_never_written_over(tmp_path: Path) -> None:
    printed = call("keygen", tmp_path / "team.pem")
    assert "keep it secret" in printed
    assert stat.S_IMODE((tmp_path / "team.pem").stat().st_mode) == 0o600
    assert (tmp_path / "team.public.pem").is_file()
    with pytest.raises(InputFileError, match="A key is never written over"):
        keygen(tmp_path / "team.pem", tmp_path / "other.pem")


def test_without_the_extra_a_key_says_what_to_install(
    folder: Path, keys: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    Bundle.open(folder).signed(sign((folder / "manifest.json").read_bytes(), keys[0]))
    monkeypatch.setitem(sys.modules, "cryptography", None)
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives", None)
    assert load(folder).predict(TEXTS)  # a signature that nobody asks about needs no package
    with pytest.raises(MissingExtraError, match=r'pip install "limbeck\[sign\]"\.$'):
        load(folder, key=keys[1])


def test_abstentions_are_printed(folder: Path, tmp_path: Path) -> None:
    assert call("predict", folder, "hello", "abc").splitlines() == ["greeting  0.334  abstains: below 0.335", "greeting  0.335"]
    lines = [json.loads(line) for line in call("predict", folder, "hello", "abc", "--json").splitlines()]
    assert [line["abstain"] for line in lines] == [True, False]
    plain = sealed(tmp_path / "plain").path
    assert set(json.loads(call("predict", plain, "hello", "--json"))) == {"label", "probability"}


def test_a_bundle_answers_from_a_read_only_place(folder: Path) -> None:
    for path in folder.iterdir():
        path.chmod(0o444)
    folder.chmod(0o555)
    try:
        subprocess.run([sys.executable, "-m", "limbeck", "predict", str(folder), "hello"], check=True, capture_output=True)
    finally:
        folder.chmod(0o755)
