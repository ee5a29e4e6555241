"""Bundles that must not open, each with a name. Knows how an attacker makes them; judges nothing.

Where an attacker would mend a hash to be let in, the hash is mended: `resealed` writes a manifest that agrees with its files. A case
writes its bundle below an empty folder and returns its path with the keyword arguments of `limbeck.load`.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from limbeck.bundle import seal
from limbeck.graph import Graph, GraphBuilder, GraphInput
from limbeck.modalities.text import Text
from limbeck.plain_json import canonical
from limbeck.targets.numpy import Numpy
from limbeck.targets.onnx import Onnx

LABELS = ["greeting", "question", "thanks"]
PAYLOADS = ["hello", "what is it ?", "", "thanks a lot"]
Content = dict[str, bytes]
Made = tuple[Path, dict[str, Any]]


@dataclass(frozen=True)
class Case:
    """A hostile bundle: its name, what of it the refusal must name (a regular expression), and how it is made."""

    name: str
    names: str
    make: Callable[[Path], Made]


CASES: dict[str, Case] = {}


def case(names: str) -> Callable[[Callable[[Path], Made]], Callable[[Path], Made]]:
    """Register a function as a case under its own name."""

    def register(make: Callable[[Path], Made]) -> Callable[[Path], Made]:
        CASES[make.__name__] = Case(make.__name__, names, make)
        return make

    return register


def add(name: str, names: str, make: Callable[[Path], Made]) -> None:
    """Register one of many cases of a kind."""
    assert name not in CASES, name
    CASES[name] = Case(name, names, make)


# --- a small bundle that is good -----------------------------------------------------------------------------


def _modality() -> Text:
    words = ["[UNK]", *sorted({w for text in PAYLOADS for w in text.split()})]
    model = {"type": "WordLevel", "vocab": {w: i for i, w in enumerate(words)}, "unk_token": "[UNK]"}
    return Text({"version": "1.0", "model": model, "pre_tokenizer": {"type": "WhitespaceSplit"}}, max_tokens=16)


def _graph(classes: int = 3) -> Graph:
    dice = np.random.default_rng(0)
    g = GraphBuilder(GraphInput("ids", "int64", ("B", "T")), GraphInput("mask", "float32", ("B", "T")))
    rows = g("Gather", g.constant("table", dice.integers(-127, 128, (12, 4)).astype(np.int8)), "ids", axis=0)
    scaled = g("Mul", g("Cast", rows, to="float32"), g.number(0.02))
    total = g("ReduceSum", g("Mul", scaled, g("Unsqueeze", "mask", axes=[2])), axes=[1], keepdims=0)
    logits = g.linear(
        "output", total, dice.normal(size=(classes, 4)).astype(np.float32), dice.normal(size=classes).astype(np.float32)
    )
    return g.build(logits)


@cache
def good(target: str = "onnx") -> Content:
    """The files of a small bundle that opens, its manifest among them."""
    modality, writer = _modality(), {"onnx": Onnx, "numpy": Numpy}[target]()
    with tempfile.TemporaryDirectory() as place:
        model = Path(place) / writer.filename
        writer.write(_graph(), model)
        logits = writer.load(model)(modality.collate(modality.encode(PAYLOADS)))
        golden = {"payloads": PAYLOADS, "logits": logits.tolist(), "tolerance": 1e-3}
        about = {"task": "text-classification", "modality": "text", "target": target, "labels": LABELS}
        return dict(seal(Path(place) / "bundle", **about, spec=modality.spec(), golden=golden, model=model).content)


def manifest_of(content: Content) -> dict[str, Any]:
    """The manifest of these files, with hashes that are right."""
    manifest = json.loads(good()["manifest.json"])
    manifest["files"] = {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        for name, data in content.items()
        if name not in ("manifest.json", "manifest.sig")
    }
    return manifest


def sealed_manifest(manifest: dict[str, Any]) -> bytes:
    """The bytes of a manifest with its own sha256 made right."""
    rest = {key: value for key, value in manifest.items() if key != "sha256"}
    return canonical({**rest, "sha256": hashlib.sha256(canonical(rest)).hexdigest()})


def resealed(parts: Content, kind: str = "onnx", drop: tuple[str, ...] = (), **changes: Any) -> Content:
    """The good bundle of a kind of target with some files and some of the manifest changed, and all hashes made right."""
    content = {name: data for name, data in {**good(kind), **parts}.items() if name not in drop}
    manifest = {**manifest_of(content), "target": kind, **changes}
    return {**content, "manifest.json": sealed_manifest(manifest)}


def write(folder: Path, content: Content) -> Path:
    """The files as a folder."""
    (folder / "bundle").mkdir()
    for name, data in content.items():
        (folder / "bundle" / name).write_bytes(data)
    return folder / "bundle"


def plain(content: Callable[[], Content]) -> Callable[[Path], Made]:
    """A case that is a folder with these files."""
    return lambda folder: (write(folder, content()), {})


def _changed(name: str, change: Callable[[bytes], bytes]) -> Callable[[], Content]:
    return lambda: {**good(), name: change(good()[name])}


# --- files of the folder ------------------------------------------------------------------------------------

for _name in ("manifest.json", "model.onnx", "golden.json", "modality.json"):
    _flip = _changed(_name, lambda b: b[: len(b) // 2] + bytes([b[len(b) // 2] ^ 1]) + b[len(b) // 2 + 1 :])
    add(f"changed_byte_{_name}", _name, plain(_flip))
    add(f"truncated_{_name}", _name, plain(_changed(_name, lambda b: b[:-1])))
    add(f"empty_{_name}", _name, plain(_changed(_name, lambda b: b"")))
    add(f"missing_{_name}", _name, plain(lambda n=_name: {k: v for k, v in good().items() if k != n}))
add("extra_file", "extra.txt", plain(lambda: {**good(), "extra.txt": b"x"}))
add("extra_hidden_file", r"\.hidden", plain(lambda: {**good(), ".hidden": b"x"}))
add("extra_pickle", "model.pkl", plain(lambda: {**good(), "model.pkl": pickle.dumps({})}))
add("a_hundred_files", "more than 16 files", plain(lambda: {**good(), **{f"f{i}": b"" for i in range(100)}}))


def _replaced(name: str, make: Callable[[Path, Path], object]) -> Callable[[Path], Made]:
    def build(folder: Path) -> Made:
        bundle = write(folder, good())
        (folder / "elsewhere").mkdir()
        original = bundle / name
        if original.exists():
            original.rename(folder / "elsewhere" / name)
        make(original, folder / "elsewhere" / name)
        return bundle, {}

    return build


add("symlink_to_the_same_file", "'model.onnx'.*symbolic link", _replaced("model.onnx", lambda at, old: at.symlink_to(old)))
add("symlink_as_manifest", "'manifest.json'.*symbolic link", _replaced("manifest.json", lambda at, old: at.symlink_to(old)))
add("symlink_to_a_folder", "'more'.*symbolic link", _replaced("more", lambda at, old: at.symlink_to(old.parent)))
add(
    "symlink_to_nowhere",
    "'golden.json'.*symbolic link",
    _replaced("golden.json", lambda at, old: at.symlink_to("/nowhere/at/all")),
)
add("symlink_to_a_device", "'model.onnx'.*symbolic link", _replaced("model.onnx", lambda at, old: at.symlink_to("/dev/zero")))
add("pipe_as_model", "'model.onnx'.*pipe", _replaced("model.onnx", lambda at, old: os.mkfifo(at)))
add("pipe_as_manifest", "'manifest.json'.*pipe", _replaced("manifest.json", lambda at, old: os.mkfifo(at)))
add("folder_as_model", "'model.onnx'.*folder", _replaced("model.onnx", lambda at, old: at.mkdir()))
add("a_subfolder", "'evidence'.*folder", _replaced("evidence", lambda at, old: at.mkdir()))

# --- manifests, with hashes made right where there is one ------------------------------------------------------


def _raw(data: bytes | Callable[[], bytes]) -> Callable[[Path], Made]:
    return plain(lambda: {**good(), "manifest.json": data() if callable(data) else data})


def _said(**changes: Any) -> Callable[[Path], Made]:
    return plain(lambda: resealed({}, **changes))


def _files(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Path], Made]:
    return plain(lambda: resealed({}, files=change(manifest_of(good()))["files"]))


def _entry(name: str, **entry: Any) -> Callable[[Path], Made]:
    return _files(lambda m: {"files": {**m["files"], name: {"sha256": "0" * 64, "bytes": 1, **entry}}})


add("newer_schema", "bundle schema 4.*pip install --upgrade limbeck", _said(schema_version=4))
add("schema_of_several_labels", "calibration must hold", _said(schema_version=3))
add("far_newer_schema", "bundle schema 10+", _said(schema_version=10**9))
add("schema_zero", "schema_version is 0", _said(schema_version=0))
add("schema_true", "schema_version is True", _said(schema_version=True))
add("schema_text", "schema_version is '2'", _said(schema_version="2"))
add("schema_one_with_new_keys", "unknown key 'calibration'", _said(schema_version=1))
add("unknown_key", "unknown key 'surprise'", _said(surprise=1))
add(
    "own_hash_wrong",
    "its own sha256 differs",
    _raw(lambda: canonical({**json.loads(good()["manifest.json"]), "sha256": "0" * 64})),
)
add("own_hash_missing", "its own sha256 differs", _raw(lambda: canonical({**manifest_of(good()), "sha256": None})))
add("spaces_in_manifest", "not in the form", _raw(lambda: good()["manifest.json"].replace(b'","', b'", "', 1)))
add("key_twice", "'task' stands twice", _raw(lambda: b'{"task":"x",' + good()["manifest.json"][1:]))
add("manifest_not_utf8", "not a manifest.*utf-8", _raw(b'{"task":"\xff"}'))
add("manifest_with_bom", "not a manifest", _raw(lambda: b"\xef\xbb\xbf" + good()["manifest.json"]))
add("manifest_utf16", "not a manifest", _raw(lambda: good()["manifest.json"].decode().encode("utf-16")))
add("nesting_bomb_arrays", "not a manifest.*nests", _raw(b"[" * 1_000_000))
add("nesting_bomb_objects", "not a manifest.*nests", _raw(b'{"a":' * 300_000))
add("number_of_5000_digits", "not a manifest.*digits", _raw(b'{"schema_version":' + b"9" * 5_000 + b"}"))
add("manifest_nan", "NaN is no number", _raw(b'{"schema_version":NaN}'))
add("manifest_infinite", "not a manifest", _raw(b'{"schema_version":2,"labels":[1e999]}'))
add("manifest_a_list", "an object is expected", _raw(b"[1]"))
add("manifest_of_20_mb", "manifest.json has 20,", _raw(b" " * 20_000_000))
add("half_a_surrogate", "not a manifest", _raw(b'{"schema_version":2,"labels":["\\ud800"]}'))
add("listed_dot_dot", r"files names '\.\./evil'", _entry("../evil"))
add("listed_absolute", "files names '/etc/passwd'", _entry("/etc/passwd"))
add("listed_hidden", r"files names '\.bashrc'", _entry(".bashrc"))
add("listed_backslash", r"files names 'a\\\\?b'", _entry("a\\b"))
add("listed_drive", "files names 'c:model'", _entry("c:model"))
add("listed_empty", "files names ''", _entry(""))
add("listed_nul", "files names 'a", _entry("a\0b"))
add("listed_manifest", "files names 'manifest.json'", _entry("manifest.json"))
add("bytes_negative", r"files\['model.onnx'\].bytes is -1", _entry("model.onnx", bytes=-1))
add("bytes_huge", r"files\['model.onnx'\].bytes is 1e?\d*", _entry("model.onnx", bytes=10**18))
add("bytes_float", r"files\['model.onnx'\].bytes is 1.5", _entry("model.onnx", bytes=1.5))
add("hash_in_capitals", r"files\['model.onnx'\].sha256", _entry("model.onnx", sha256="A" * 64))
add("hash_short", r"files\['model.onnx'\].sha256", _entry("model.onnx", sha256="abc"))
add("two_models", "must name one model file.*'model.pkl'", plain(lambda: resealed({"model.pkl": pickle.dumps({})})))
add("no_golden", "does not name 'golden.json'", plain(lambda: resealed({}, drop=("golden.json",))))
add(
    "pickle_as_model",
    "'model.pkl', but the target onnx",
    plain(lambda: resealed({"model.pkl": pickle.dumps({})}, drop=("model.onnx",))),
)
add("labels_twice", "labels holds 'greeting' twice", _said(labels=["greeting", "greeting", "thanks"]))
add("label_empty", "labels holds ''", _said(labels=["greeting", "", "thanks"]))
add("label_a_number", "labels holds 7", _said(labels=["greeting", 7, "thanks"]))
add("labels_none", "labels must be a list", _said(labels=[]))
add("labels_200k", "labels must be a list.*200,000", _said(labels=[f"l{i}" for i in range(200_000)]))
add("labels_too_few", "logits for 2 labels", _said(labels=LABELS[:2]))
add("labels_too_many", "logits for 4 labels", _said(labels=[*LABELS, "more"]))
_FIT = {"temperature": 1.0, "threshold": 0.0, "answered": 1.0, "rows": 0, "against": "labels"}
add("temperature_zero", "temperature is 0", _said(calibration={**_FIT, "temperature": 0.0}))
add("temperature_negative", "temperature is -1", _said(calibration={**_FIT, "temperature": -1.0}))
add("temperature_text", "temperature is '1'", _said(calibration={**_FIT, "temperature": "1"}))
add("threshold_above_one", "threshold is 2", _said(calibration={**_FIT, "threshold": 2.0}))
add("calibration_key", "calibration must hold", _said(calibration={**_FIT, "more": 1}))
add("precision_unknown", "precision is 'int4'", _said(precision="int4"))
add("task_unknown", "'mind-reading' is not among the tasks", _said(task="mind-reading"))
add("target_unknown", "'gguf' is not among the targets", _said(target="gguf"))
add("modality_a_path", r"modality is '\.\./text'", _said(modality="../text"))
add("target_of_another_file", "the target numpy reads 'model.npz'", _said(target="numpy"))
