"""The manifest of a bundle: what it is, what it answers, and the sha256 of every file. Knows its form; opens no file.

Schema 3 is schema 2 with a threshold for each label in its calibration. A bundle of one label among all has none and stays one of schema 2, so
what read it before can read it still.

Schema 2 is canonical JSON with its own sha256 over all the rest, so a changed byte of the manifest itself is found as well.
Schema 1, written by limbeck 0.1.0, had neither, no precision and no calibration; it keeps loading.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from limbeck._version import __version__
from limbeck.errors import BundleError, listing
from limbeck.evidence import Calibration
from limbeck.plain_json import canonical, parse
from limbeck.types import Json

SCHEMA_VERSION = 3
SCHEMA_OF_ONE_LABEL = 2
MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
SPEC = "modality.json"
GOLDEN = "golden.json"

MOST_LABELS = 100_000
MOST_BYTES = 2**31 - 1
"""Of all files together; an ONNX file cannot be larger either."""
MOST_MANIFEST_BYTES = 16 * 2**20
_MOST_JSON_BYTES = {SPEC: 64 * 2**20, GOLDEN: 64 * 2**20}

Precision = Literal["float32", "int8"]
_PRECISIONS = ("float32", "int8")
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_KEYS = {
    1: {"schema_version", "limbeck_version", "task", "modality", "target", "labels", "files"},
    2: {"schema_version", "limbeck_version", "task", "modality", "target", "labels", "files", "precision", "calibration", "sha256"},
}  # fmt: skip
_KEYS[3] = _KEYS[2]


@dataclass(frozen=True, slots=True)
class FileEntry:
    """What the manifest says of one file."""

    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a bundle is. `files` does not hold the manifest itself, nor its signature."""

    task: str
    modality: str
    target: str
    labels: tuple[str, ...]
    files: Mapping[str, FileEntry]
    precision: str = "float32"
    calibration: Calibration = field(default_factory=Calibration)
    limbeck_version: str = __version__
    schema_version: int = SCHEMA_OF_ONE_LABEL

    @property
    def model(self) -> str:
        """The name of the model file: the one file that is not JSON."""
        return next(name for name in self.files if name not in (SPEC, GOLDEN))

    def to_bytes(self) -> bytes:
        """The manifest as it is written."""
        content = asdict(self)
        if self.schema_version < 3:
            del content["calibration"]["thresholds"]
        return canonical({**content, "sha256": hashlib.sha256(canonical(content)).hexdigest()})


def read(data: bytes, where: str) -> Manifest:
    """A manifest from its bytes.

    Args:
        data: the content of manifest.json.
        where: the bundle, for messages.

    Raises:
        BundleError: a newer schema, a changed byte, or something that no manifest holds; the message lists all problems.
    """
    try:
        content = parse(data)
    except ValueError as error:
        raise BundleError(f"{where}: {MANIFEST} is not a manifest: {error}") from error
    if not isinstance(content, dict):
        raise BundleError(f"{where}: {MANIFEST} is not a manifest: an object is expected, it holds a {type(content).__name__}")
    version = content.get("schema_version")
    if type(version) is int and version > SCHEMA_VERSION:
        raise BundleError(
            f"{where}: {MANIFEST} has bundle schema {version}; this limbeck ({__version__}) reads up to {SCHEMA_VERSION}. "
            "Run: pip install --upgrade limbeck"
        )
    if type(version) is not int or version not in _KEYS:
        raise BundleError(f"{where}: {MANIFEST} is not a manifest: its schema_version is {version!r:.40}")
    if version >= 2:
        _check_untouched(content, data, where)
    if problems := _problems(content, version):
        raise BundleError(f"{where}: {MANIFEST} is not a manifest of schema {version}: {'; '.join(problems[:8])}")
    return Manifest(
        task=content["task"],
        modality=content["modality"],
        target=content["target"],
        labels=tuple(content["labels"]),
        files={name: FileEntry(**entry) for name, entry in content["files"].items()},
        precision=content.get("precision", "float32"),
        calibration=_calibration(content["calibration"]) if version >= 2 else Calibration(),
        limbeck_version=content["limbeck_version"],
        schema_version=version,
    )


def check(manifest: Manifest) -> None:
    """Whether a manifest that is about to be written could be read again.

    Raises:
        BundleError: it could not.
    """
    read(manifest.to_bytes(), "the bundle to be written")


def is_plain(name: str) -> bool:
    """Whether a name is that of a file in the bundle itself: letters, digits, dot, dash and underscore, no folder, not hidden."""
    return _PLAIN.fullmatch(name) is not None


def most_bytes(name: str) -> int:
    """How large a file of this name may be."""
    return _MOST_JSON_BYTES.get(name, MOST_BYTES)


def _check_untouched(content: Json, data: bytes, where: str) -> None:
    said = content.get("sha256")
    rest = {key: value for key, value in content.items() if key != "sha256"}
    try:
        whole, found = canonical(content), hashlib.sha256(canonical(rest)).hexdigest()
    except (ValueError, UnicodeEncodeError) as error:  # 1e999, half of a surrogate pair
        raise BundleError(f"{where}: {MANIFEST} is not a manifest: {error}") from error
    if found != said:
        raise BundleError(
            f"{where}: {MANIFEST} was changed after it was written (its own sha256 differs). Copy the bundle again."
        )
    if whole != data:
        raise BundleError(f"{where}: {MANIFEST} is not in the form that limbeck writes. Copy the bundle again.")


def _calibration(found: Json) -> Calibration:
    temperature, threshold, answered = (float(found[name]) for name in ("temperature", "threshold", "answered"))
    thresholds = tuple(map(float, found.get("thresholds", ())))
    was_found = found.get("threshold_found", True)
    return Calibration(temperature, threshold, answered, found["rows"], found["against"], was_found, thresholds)


def _problems(content: Json, version: int) -> list[str]:
    """Everything that a manifest of this schema does not hold, in words."""
    found = [f"'{key:.60}' is missing" for key in sorted(_KEYS[version] - set(content))]
    found += [f"unknown key '{key:.60}'" for key in sorted(set(content) - _KEYS[version])]
    if found:
        return found
    for key in ("task", "modality", "target"):
        if not isinstance(content[key], str) or not _NAME.fullmatch(content[key]):
            found.append(f"{key} is {content[key]!r:.60}, which is not a name")
    if not isinstance(content["limbeck_version"], str) or len(content["limbeck_version"]) > 100:
        found.append("limbeck_version is not a version")
    found += _label_problems(content["labels"]) + _file_problems(content["files"])
    if version >= 2:
        if content["precision"] not in _PRECISIONS:
            found.append(f"precision is {content['precision']!r:.60}; known: {', '.join(_PRECISIONS)}")
        found += _calibration_problems(content["calibration"], content["labels"] if version >= 3 else None)
    return found


def _label_problems(labels: Any) -> list[str]:
    if not isinstance(labels, list) or not 1 <= len(labels) <= MOST_LABELS:
        came = f"{len(labels):,}" if isinstance(labels, list) else type(labels).__name__
        return [f"labels must be a list of 1 to {MOST_LABELS:,} texts; got {came}"]
    if odd := [label for label in labels if not isinstance(label, str) or not label or len(label) > 10_000]:
        return [f"labels holds {odd[0]!r:.60}; each label is a text of 1 to 10,000 characters"]
    if len(set(labels)) != len(labels):
        twice = next(label for label, count in Counter(labels).items() if count > 1)
        return [f"labels holds {twice!r:.60} twice"]
    return []


def _file_problems(files: Any) -> list[str]:
    if not isinstance(files, dict):
        return ["files must be an object"]
    found = []
    for name, entry in files.items():
        if not is_plain(name) or name in (MANIFEST, SIGNATURE):
            found.append(f"files names '{name:.100}', which is not a plain file name")
        elif not isinstance(entry, dict) or set(entry) != {"sha256", "bytes"}:
            found.append(f"files['{name}'] must hold sha256 and bytes alone")
        elif not isinstance(entry["sha256"], str) or not _SHA256.fullmatch(entry["sha256"]):
            found.append(f"files['{name}'].sha256 is {entry['sha256']!r:.80}")
        elif type(entry["bytes"]) is not int or not 0 <= entry["bytes"] <= most_bytes(name):
            found.append(f"files['{name}'].bytes is {entry['bytes']!r:.40}; at most {most_bytes(name):,} are read")
    if found:
        return found
    if missing := [name for name in (SPEC, GOLDEN) if name not in files]:
        return [f"files does not name {listing(missing)}"]
    models = [name for name in files if name not in (SPEC, GOLDEN)]
    if len(models) != 1:
        return [f"files must name one model file beside {SPEC} and {GOLDEN}; it names {listing(models) or 'none'}"]
    if (total := sum(entry["bytes"] for entry in files.values())) > MOST_BYTES:
        return [f"its files have {total:,} bytes; at most {MOST_BYTES:,} are read"]
    return []


def _calibration_problems(calibration: Any, labels: Any) -> list[str]:
    """What is wrong with a calibration; `labels`: each of these has a threshold, None: none has."""
    names = {f.name for f in fields(Calibration)} - ({"thresholds"} if labels is None else set())
    if not isinstance(calibration, dict) or set(calibration) | {"threshold_found"} != names:
        return [f"calibration must hold {', '.join(sorted(names))} and nothing else"]

    def number(name: str) -> float:
        value = calibration[name]
        return float(value) if type(value) in (int, float) and math.isfinite(value) else math.nan

    found = []
    if not 1e-6 <= number("temperature") <= 1e6:
        found.append(f"calibration.temperature is {calibration['temperature']!r:.40}; a number above 0 is expected")
    found += [
        f"calibration.{name} is {calibration[name]!r:.40}; a number from 0 to 1 is expected"
        for name in ("threshold", "answered")
        if not 0 <= number(name) <= 1
    ]
    if type(calibration["rows"]) is not int or not 0 <= calibration["rows"] < 2**53:
        found.append(f"calibration.rows is {calibration['rows']!r:.40}")
    if calibration["against"] not in ("labels", "teacher"):
        found.append(f"calibration.against is {calibration['against']!r:.40}; known: labels, teacher")
    if labels is not None and not _are_thresholds(calibration["thresholds"], labels):
        found.append("calibration.thresholds must be a list with a number from 0 to 1 for each label")
    if type(calibration.get("threshold_found", True)) is not bool:
        found.append(f"calibration.threshold_found is {calibration['threshold_found']!r:.40}; true or false is expected")
    return found


def _are_thresholds(values: Any, labels: Any) -> bool:
    if not isinstance(values, list) or not isinstance(labels, list) or len(values) != len(labels):
        return False
    return all(type(value) in (int, float) and 0 <= value <= 1 for value in values)
