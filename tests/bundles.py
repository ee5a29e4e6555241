"""Small bundles for the tests: made from the files of the oldest one that is kept, so no training is needed."""

import hashlib
import json
from pathlib import Path
from typing import Any

from limbeck.bundle import Bundle, seal
from limbeck.plain_json import canonical

KEPT = Path(__file__).parent / "golden" / "bundles"
LABELS = ["greeting", "question", "thanks"]


def sealed(folder: Path, **more: Any) -> Bundle:
    """A bundle of the present schema."""
    old = KEPT / "v1"
    spec, golden = (json.loads((old / name).read_text(encoding="utf-8")) for name in ("modality.json", "golden.json"))
    about = {"task": "text-classification", "modality": "text", "target": "onnx", "labels": LABELS}
    return seal(folder, **{**about, "spec": spec, "golden": golden, "model": old / "model.onnx", **more})


def forge(folder: Path, name: str, content: bytes, **changes: Any) -> None:
    """Change a file, and the manifest with it, as somebody would who wants to be believed."""
    (folder / name).write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    if name != "manifest.json":
        manifest["files"][name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    manifest = {k: v for k, v in {**manifest, **changes}.items() if k != "sha256"}
    own = hashlib.sha256(canonical(manifest)).hexdigest()
    (folder / "manifest.json").write_bytes(canonical({**manifest, "sha256": own}))
