"""A bundle: the files needed to answer, under a manifest that names and checks them. Knows files; knows nothing of models.

    bundle/
      manifest.json    schema version, task, labels, and sha256 and size of every other file
      modality.json    tokenizer or preprocessing spec
      golden.json      synthetic examples with the logits that they must give
      model.onnx       one model file of one precision

No pickle anywhere. A bundle is opened by proof: every file's sha256 is compared before anything is parsed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from limbeck._version import __version__
from limbeck.errors import BundleError, InputFileError, listing
from limbeck.types import Json

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"


class FileEntry(BaseModel):
    """What the manifest says of one file."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    sha256: str
    bytes: int


class Manifest(BaseModel):
    """What a bundle is. `files` does not hold the manifest itself."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    schema_version: Literal[1] = 1
    limbeck_version: str = __version__
    task: str
    modality: str
    target: str
    labels: list[str]
    files: dict[str, FileEntry]


@dataclass(frozen=True, slots=True)
class Bundle:
    """An opened bundle whose files are what its manifest says."""

    path: Path
    manifest: Manifest

    @property
    def bytes(self) -> int:
        """Bytes of all files of the bundle, the manifest among them: what a budget counts."""
        return sum(f.bytes for f in self.manifest.files.values()) + (self.path / MANIFEST).stat().st_size

    @property
    def sha256(self) -> str:
        """The sha256 of the manifest, and so of all that it lists."""
        return sha256_of(self.path / MANIFEST)

    def json(self, name: str) -> Json:
        """The content of one of its JSON files."""
        content: Json = json.loads((self.path / name).read_text(encoding="utf-8"))
        return content

    @classmethod
    def open(cls, path: str | Path) -> Bundle:
        """Open a bundle folder, checking every file against the manifest before anything else is parsed.

        Raises:
            InputFileError: there is no such folder, or it holds no manifest.
            BundleError: a newer schema, a file changed, missing, or not listed.
        """
        folder = Path(path)
        if not folder.is_dir():
            raise InputFileError(f"there is no bundle at {folder}. A run writes one to OUT/bundle.")
        try:
            text = (folder / MANIFEST).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            inner = folder / "bundle"
            hint = f" Did you mean {inner}?" if (inner / MANIFEST).is_file() else ""
            raise InputFileError(f"{folder} is not a bundle: its {MANIFEST} cannot be read.{hint}") from error
        manifest = _manifest(text, folder)
        present = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()} - {MANIFEST}
        if extra := sorted(present - set(manifest.files)):
            raise BundleError(f"{folder}: the manifest does not list {listing(extra)}. Remove what does not belong there.")
        for name, entry in manifest.files.items():
            file = folder / name
            if name not in present or file.is_symlink():
                raise BundleError(f"{folder}: '{name}' is missing. Copy the bundle again, whole.")
            if file.stat().st_size != entry.bytes or sha256_of(file) != entry.sha256:
                raise BundleError(f"{folder}: '{name}' is not what the manifest says (sha256 differs). Copy the bundle again.")
        return cls(folder, manifest)


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
) -> Bundle:
    """Write a bundle to `folder` in one step: a reader sees the old one or the new one, never half of one."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        shutil.copyfile(model, draft / model.name)
        _write_json(draft / "modality.json", spec)
        _write_json(draft / "golden.json", golden)
        files = {p.name: FileEntry(sha256=sha256_of(p), bytes=p.stat().st_size) for p in sorted(draft.iterdir())}
        manifest = Manifest(task=task, modality=modality, target=target, labels=labels, files=files)
        _write_json(draft / MANIFEST, manifest.model_dump(mode="json"))
        draft.chmod(0o755)
        replace_folder(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return Bundle.open(folder)


def replace_folder(draft: Path, folder: Path) -> None:
    """Put a finished draft in the place of `folder`."""
    if folder.exists():
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


def _manifest(text: str, folder: Path) -> Manifest:
    try:
        content = json.loads(text)
        version = content.get("schema_version") if isinstance(content, Mapping) else None
        if isinstance(version, int) and version > SCHEMA_VERSION:
            raise BundleError(
                f"{folder} has bundle schema {version}; this limbeck ({__version__}) reads up to {SCHEMA_VERSION}. "
                "Run: pip install --upgrade limbeck"
            )
        manifest = Manifest.model_validate(content)
    except (ValueError, RecursionError) as error:  # ValueError: JSON, a number of 5,000 digits, or pydantic
        raise BundleError(f"{folder}: {MANIFEST} is not a manifest: {error}") from error
    for name in manifest.files:
        if not name or name.startswith(("/", ".")) or "\\" in name or "/" in name:
            raise BundleError(f"{folder}: the manifest names a file '{name}', which is not a plain file name")
    return manifest


def _write_json(path: Path, content: Json) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, separators=(",", ":"), sort_keys=True), encoding="utf-8")
