"""A bundle: the files needed to answer, under a manifest that names and checks them. Knows files; knows nothing of models.

    bundle/
      manifest.json    schema version, task, labels, calibration, and sha256 and size of every other file
      manifest.sig     a signature of the manifest, where its maker has signed it
      modality.json    tokenizer or preprocessing spec
      golden.json      synthetic examples with the logits that they must give
      model.onnx       one model file of one precision

No pickle anywhere. A bundle is opened by proof: the signature (where a key is given), then sizes and sha256 of every file are
checked before anything is parsed, and the bytes that were checked are the bytes that are parsed. It is a folder, or one zip file.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from limbeck import manifest as manifests
from limbeck.archive import MOST_ARCHIVE_BYTES, MOST_FILES, packed, unpacked
from limbeck.disk import read_whole, size_of, write_whole
from limbeck.errors import BundleError, InputFileError, listing
from limbeck.evidence import Calibration
from limbeck.manifest import (
    GOLDEN,
    MANIFEST,
    MOST_MANIFEST_BYTES,
    SCHEMA_OF_ONE_LABEL,
    SCHEMA_VERSION,
    SIGNATURE,
    SPEC,
    FileEntry,
    Manifest,
)
from limbeck.plain_json import canonical, parse
from limbeck.signature import SIGNATURE_BYTES, verify
from limbeck.types import Json

__all__ = ["MANIFEST", "SCHEMA_VERSION", "Bundle", "FileEntry", "Manifest", "replace_folder", "seal", "sha256_of"]

_Bytes = bytes  # a bundle has a number of `bytes`, which hides the type


@dataclass(frozen=True, slots=True)
class Bundle:
    """An opened bundle whose files are what its manifest says. `content` holds the checked bytes of every file, by name."""

    path: Path
    manifest: Manifest
    content: Mapping[str, _Bytes] = field(repr=False)

    @property
    def bytes(self) -> int:
        """Bytes of all files of the folder, the manifest among them: what a budget counts."""
        return sum(len(data) for data in self.content.values())

    @property
    def sha256(self) -> str:
        """The sha256 of the manifest, and so of all that it lists."""
        return hashlib.sha256(self.content[MANIFEST]).hexdigest()

    def json(self, name: str) -> Json:
        """The content of one of its JSON files, an object.

        Raises:
            BundleError: it is not JSON, or not an object.
        """
        try:
            content = parse(self.content[name])
        except ValueError as error:
            raise BundleError(f"{self.path}: '{name}' is not JSON: {error}") from error
        if not isinstance(content, dict):
            raise BundleError(f"{self.path}: '{name}' must hold an object; it holds a {type(content).__name__}")
        return content

    @classmethod
    def open(cls, path: str | Path, key: str | Path | None = None) -> Bundle:
        """Open a bundle, a folder or a zip file, checking every file against the manifest before anything else is parsed.

        Args:
            path: the folder, or the file that `pack` wrote.
            key: a public ed25519 key (PEM). The manifest must then be signed by its owner, which is checked first.

        Raises:
            InputFileError: there is no such folder or file, or it holds no manifest.
            SignatureError: a key is given, and the manifest is not signed by its owner.
            BundleError: a newer schema, a file changed, missing, not listed, or something that is no plain file.
        """
        place, public = Path(path), None if key is None else Path(key)
        if place.is_dir():
            return _opened(place, _sizes(place), lambda name: _read(place, name), public)
        if not place.is_file():
            raise InputFileError(f"there is no bundle at {place}. A run writes one to OUT/bundle.")
        try:
            data = read_whole(place.resolve(), MOST_ARCHIVE_BYTES)
        except (OSError, ValueError) as error:
            raise InputFileError(f"{place} cannot be read: {error}") from error
        return cls.from_zip(data, place, public)

    @classmethod
    def from_zip(cls, data: _Bytes, path: str | Path = "bundle.zip", key: str | Path | None = None) -> Bundle:
        """A bundle from the bytes of its zip form; `path` is its name in messages. Raises as `open` does."""
        content = unpacked(data, str(path))
        sizes = {name: len(file) for name, file in content.items()}
        return _opened(Path(path), sizes, content.__getitem__, None if key is None else Path(key))

    def pack(self, out: Path) -> None:
        """Write the zip form; the same bundle gives the same bytes.

        Raises:
            InputFileError: the file cannot be written.
        """
        _write(out, packed(self.content))

    def signed(self, signature: _Bytes) -> Bundle:
        """The same bundle with the signature of its manifest, written where it lies.

        Raises:
            InputFileError: its place cannot be written.
        """
        bundle = replace(self, content={**self.content, SIGNATURE: signature})
        if self.path.is_dir():
            _write(self.path / SIGNATURE, [signature])
        else:
            bundle.pack(self.path)
        return bundle


def seal(
    folder: Path,
    *,
    task: str,
    modality: str,
    target: str,
    labels: list[str],
    spec: Json,
    golden: Json,
    model: Path,
    precision: manifests.Precision = "float32",
    calibration: Calibration | None = None,
) -> Bundle:
    """Write a bundle to `folder` in one step: a reader sees the old one or the new one, never half of one.

    Args:
        folder: where it will lie.
        task, modality, target: names of the catalog.
        labels: in the order of the model's logits.
        spec: all that the modality needs, as JSON.
        golden: payloads, their logits, and by how much a logit may differ (`tolerance`).
        model: the model file; its name stays.
        precision: of the model's arithmetic.
        calibration: temperature and threshold; None: nothing was fitted.

    Raises:
        BundleError: what it would hold could not be read again.
    """
    import shutil
    import tempfile

    content = {model.name: model.read_bytes(), SPEC: canonical(spec), GOLDEN: canonical(golden)}
    files = {name: FileEntry(hashlib.sha256(data).hexdigest(), len(data)) for name, data in sorted(content.items())}
    fitted = calibration or Calibration()
    schema = SCHEMA_VERSION if fitted.thresholds else SCHEMA_OF_ONE_LABEL
    manifest = Manifest(task, modality, target, tuple(labels), files, precision, fitted, schema_version=schema)
    manifests.check(manifest)
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for name, data in {**content, MANIFEST: manifest.to_bytes()}.items():
            (draft / name).write_bytes(data)
        draft.chmod(0o755)
        replace_folder(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return Bundle.open(folder)


def replace_folder(draft: Path, folder: Path) -> None:
    """Put a finished draft in the place of `folder`."""
    if folder.exists():
        import shutil

        old = folder.with_name(f".{folder.name}-old-{os.getpid()}")
        folder.rename(old)
        draft.rename(folder)
        shutil.rmtree(old)
    else:
        draft.rename(folder)


def sha256_of(path: Path) -> str:
    """The sha256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _opened(path: Path, sizes: Mapping[str, int], read: Callable[[str], bytes], key: Path | None) -> Bundle:
    """A bundle from the sizes of its files and a way to read each, which is used once and only where the size is right."""
    if MANIFEST not in sizes:
        raise InputFileError(f"{path} is not a bundle: it holds no {MANIFEST}.")
    if sizes[MANIFEST] > MOST_MANIFEST_BYTES:
        raise BundleError(f"{path}: {MANIFEST} has {sizes[MANIFEST]:,} bytes; at most {MOST_MANIFEST_BYTES:,} are read")
    content = {MANIFEST: read(MANIFEST)}
    if SIGNATURE in sizes:
        if sizes[SIGNATURE] != SIGNATURE_BYTES:
            raise BundleError(f"{path}: {SIGNATURE} has {sizes[SIGNATURE]:,} bytes; a signature has {SIGNATURE_BYTES}")
        content[SIGNATURE] = read(SIGNATURE)
    if key is not None:
        verify(content[MANIFEST], content.get(SIGNATURE), key, str(path))
    manifest = manifests.read(content[MANIFEST], str(path))
    if extra := sorted(set(sizes) - set(manifest.files) - {MANIFEST, SIGNATURE}):
        raise BundleError(f"{path}: the manifest does not list {listing(extra)}. Remove what does not belong there.")
    for name, entry in manifest.files.items():
        if name not in sizes:
            raise BundleError(f"{path}: '{name}' is missing. Copy the bundle again, whole.")
        if sizes[name] != entry.bytes:
            raise BundleError(
                f"{path}: '{name}' is not what the manifest says ({sizes[name]:,} bytes; {entry.bytes:,} are listed). "
                "Copy the bundle again."
            )
    for name, entry in manifest.files.items():
        content[name] = read(name)
        if len(content[name]) != entry.bytes or hashlib.sha256(content[name]).hexdigest() != entry.sha256:
            raise BundleError(f"{path}: '{name}' is not what the manifest says (sha256 differs). Copy the bundle again.")
    return Bundle(path, manifest, content)


def _sizes(folder: Path) -> dict[str, int]:
    """The names in a bundle's folder with their sizes; whatever is no plain file there is refused."""
    if not os.path.lexists(folder / MANIFEST):
        inner = folder / "bundle"
        hint = f" Did you mean {inner}?" if (inner / MANIFEST).is_file() else ""
        raise InputFileError(f"{folder} is not a bundle: it holds no {MANIFEST}.{hint}")
    sizes: dict[str, int] = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if len(sizes) == MOST_FILES:
                    raise BundleError(f"{folder} is not a bundle: it holds more than {MOST_FILES} files")
                try:
                    sizes[entry.name] = size_of(Path(entry.path))
                except ValueError as error:
                    raise BundleError(f"{folder}: '{entry.name}' does not belong in a bundle: {error}. Remove it.") from error
    except OSError as error:
        raise InputFileError(f"{folder} cannot be read: {error.strerror}") from error
    return sizes


def _read(folder: Path, name: str) -> bytes:
    try:
        return read_whole(folder / name, manifests.most_bytes(name))
    except OSError as error:
        raise InputFileError(f"{folder / name} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise BundleError(f"{folder}: '{name}' cannot be read: {error}") from error


def _write(path: Path, parts: Iterable[bytes]) -> None:
    try:
        write_whole(path, parts)
    except OSError as error:
        raise InputFileError(f"cannot write {path}: {error.strerror}") from error
