"""Zip files, .npz files and signatures that must not open. Adds to the cases of `hostile_cases`."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from hostile_cases import Content, Made, add, case, good, plain, resealed, write
from limbeck.archive import packed
from limbeck.bundle import Bundle

# --- the numpy target --------------------------------------------------------------------------------------------


def _npz(change: Callable[[dict[str, bytes]], dict[str, bytes]], method: int = zipfile.ZIP_STORED) -> Callable[[Path], Made]:
    def build() -> Content:
        with zipfile.ZipFile(io.BytesIO(good("numpy")["model.npz"])) as archive:
            entries = {name: archive.read(name) for name in archive.namelist()}
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", method) as archive:
            for name, data in change(entries).items():
                archive.writestr(name, data)
        return resealed({"model.npz": file.getvalue()}, "numpy")

    return plain(build)


def _npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, allow_pickle=True)
    return file.getvalue()


def _layout(change: Callable[[dict[str, Any]], object]) -> Callable[[dict[str, bytes]], dict[str, bytes]]:
    def changed(entries: dict[str, bytes]) -> dict[str, bytes]:
        layout = json.loads(entries["graph.json"])
        change(layout)
        return {**entries, "graph.json": json.dumps(layout).encode()}

    return changed


_HEADER = b"{'descr': '<f4', 'fortran_order': False, 'shape': (%d,), }\n"
add("npz_object_array", "model.npz.*dtype object", _npz(lambda e: {**e, "0.npy": _npy(np.array([{}], object))}))
add("npz_structured", "model.npz.*dtype", _npz(lambda e: {**e, "0.npy": _npy(np.zeros(2, [("a", "f4")]))}))
add(
    "npz_huge",
    "model.npz.*has",
    _npz(lambda e: {**e, "0.npy": b"\x93NUMPY\1\0" + struct.pack("<H", len(_HEADER % 10**12)) + _HEADER % 10**12}),
)
add("npz_compressed", "model.npz.*(compressed|more bytes)", _npz(lambda e: e, zipfile.ZIP_DEFLATED))
add("npz_bomb", "model.npz.*more bytes than the file", _npz(lambda e: {**e, "0.npy": bytes(10**7)}, zipfile.ZIP_DEFLATED))
add("npz_extra_entry", "model.npz.*model.pkl", _npz(lambda e: {**e, "model.pkl": pickle.dumps({})}))
add("npz_pickle", "model.npz", _npz(lambda e: {**e, "0.npy": pickle.dumps({})}))
add("npz_nan", "model.npz.*NaN", _npz(lambda e: {**e, "1.npy": _npy(np.full(1, np.nan, np.float32))}))
add("npz_unknown_operator", "model.npz.*unknown operator 'Exec'", _npz(_layout(lambda g: g["nodes"][0].update(op="Exec"))))
add(
    "npz_cast_to_object",
    "model.npz.*dtype 'object'",
    _npz(_layout(lambda g: [n["attributes"].update(to="object") for n in g["nodes"] if n["op"] == "Cast"])),
)
add(
    "npz_shift_elsewhere",
    "model.npz.*'direction' is 'UP'; LEFT or RIGHT",
    _npz(_layout(lambda g: g["nodes"][0].update(op="BitShift", attributes={"direction": "UP"}))),
)
add("npz_no_layout", "model.npz", _npz(lambda e: {"0.npy": e["0.npy"]}))

# --- zip files -----------------------------------------------------------------------------------------------------


def _zip(data: Callable[[], bytes]) -> Callable[[Path], Made]:
    def build(folder: Path) -> Made:
        (folder / "bundle.zip").write_bytes(data())
        return folder / "bundle.zip", {}

    return build


def zipped(content: Content) -> bytes:
    """The zip form of these files."""
    return b"".join(packed(content))


def _renamed(old: str, new: str) -> Callable[[], bytes]:
    assert len(old) == len(new)
    return lambda: zipped(good()).replace(old.encode(), new.encode())


def _by_zipfile(
    write_entries: Callable[[zipfile.ZipFile], object], comment: bytes = b"", method: int = 0
) -> Callable[[], bytes]:
    def build() -> bytes:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", method) as archive:
            archive.comment = comment
            write_entries(archive)
        return file.getvalue()

    return build


def _entries(archive: zipfile.ZipFile, prefix: str = "") -> None:
    for name, data in good().items():
        archive.writestr(zipfile.ZipInfo(prefix + name), data, archive.compression)


def _patched(at: int, data: bytes) -> Callable[[], bytes]:
    def build() -> bytes:
        whole = bytearray(zipped(good()))
        position = at if at >= 0 else len(whole) + at
        whole[position : position + len(data)] = data
        return bytes(whole)

    return build


def _overlapping() -> bytes:
    whole = bytearray(zipped(good()))
    first = whole.index(b"PK\1\2")
    second = whole.index(b"PK\1\2", first + 4)
    whole[second + 42 : second + 46] = whole[first + 42 : first + 46]  # both entries begin at the same place
    return bytes(whole)


def _linked(archive: zipfile.ZipFile) -> None:
    _entries(archive)
    link = zipfile.ZipInfo("link.onnx")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    archive.writestr(link, "/etc/passwd")


add("zip_dot_dot", r"'\.\./el.onnx'", _zip(_renamed("model.onnx", "../el.onnx")))
add("zip_absolute", "'/odel.onnx'", _zip(_renamed("model.onnx", "/odel.onnx")))
add("zip_backslash", r"'mo\\el.onnx'", _zip(_renamed("model.onnx", "mo\\el.onnx")))
add("zip_nul_in_name", "plain file name", _zip(_renamed("model.onnx", "model\0onnx")))
add("zip_in_a_folder", "'bundle/", _zip(_by_zipfile(lambda z: _entries(z, "bundle/"))))
add("zip_entry_twice", "'golden.json' twice", _zip(lambda: zipped(good()).split(b"PK\1\2")[0] + zipped({"golden.json": b""})))
add("zip_symlink", "zip.*not a bundle that limbeck packed", _zip(_by_zipfile(_linked)))
add("zip_deflated", "compressed", _zip(_by_zipfile(_entries, method=zipfile.ZIP_DEFLATED)))
add("zip_lzma", "compressed|flags", _zip(_by_zipfile(_entries, method=zipfile.ZIP_LZMA)))
add(
    "zip_bomb",
    "compressed",
    _zip(_by_zipfile(lambda z: z.writestr("manifest.json", bytes(10**8)), method=zipfile.ZIP_DEFLATED)),
)
add("zip_nested", "does not list 'inner.zip'", _zip(lambda: zipped({**good(), "inner.zip": zipped(good())})))
add("zip_overlapping", "its directory differs", _zip(_overlapping))
add("zip_comment", "differs", _zip(_by_zipfile(_entries, comment=b"hello")))
add("zip_by_others", "differs", _zip(_by_zipfile(_entries)))
add("zip_encrypted", "'manifest.json' is encrypted", _zip(_patched(6, b"\1")))
add("zip_data_descriptor", "'manifest.json' is .*flags", _zip(_patched(6, b"\x08")))
add("zip_extra_data", "'manifest.json' is followed by extra", _zip(_patched(28, b"\4")))
add("zip_64", "bytes by its header", _zip(_patched(18, b"\xff" * 8)))
add("zip_checksum", "checksum", _zip(_patched(14, b"\0\0\0\0")))
add("zip_date", "date", _zip(_patched(10, b"\1\0\1\0")))
add("zip_trailing_bytes", "behind its end", _zip(lambda: zipped(good()) + b"\0"))
add("zip_leading_bytes", "does not begin", _zip(lambda: b"#!" + zipped(good())))
add("zip_truncated", "differs", _zip(lambda: zipped(good())[:-1]))
add("zip_without_directory", "differs", _zip(lambda: zipped(good()).split(b"PK\1\2")[0]))
add("zip_two_directories", "behind its end", _zip(lambda: zipped(good()) + zipped(good())))
add("zip_empty", "does not begin", _zip(lambda: b""))
add("zip_of_nothing", "does not begin", _zip(_by_zipfile(lambda z: None)))
add("zip_of_17_files", "more than 16 files", _zip(lambda: zipped({**good(), **{f"f{i}": b"" for i in range(20)}})))
add(
    "zip_changed_model", "'model.onnx' is not what", _zip(lambda: zipped({**good(), "model.onnx": good()["model.onnx"] + b"x"}))
)
add("a_tar", "does not begin", _zip(lambda: b"manifest.json".ljust(512, b"\0") + bytes(10_240)))

# --- signatures ------------------------------------------------------------------------------------------------------


def keys(folder: Path, name: str = "maker") -> tuple[Path, Path]:
    """A pair of keys, private and public."""
    from limbeck.signature import keygen

    pair = folder / f"{name}.pem", folder / f"{name}.public.pem"
    keygen(*pair)
    return pair


def signed(folder: Path) -> tuple[Path, Path]:
    """The good bundle, signed, and the public key."""
    from limbeck.signature import sign

    private, public = keys(folder)
    bundle = Bundle.open(write(folder, good()))
    return bundle.signed(sign(bundle.content["manifest.json"], private)).path, public


def _after_signing(change: Callable[[Path], object]) -> Callable[[Path], Made]:
    def build(folder: Path) -> Made:
        path, public = signed(folder)
        change(path)
        return path, {"key": public}

    return build


def _flip_signature(path: Path) -> None:
    data = (path / "manifest.sig").read_bytes()
    (path / "manifest.sig").write_bytes(bytes([data[0] ^ 1]) + data[1:])


def _reseal(path: Path) -> None:
    for name, data in resealed({}, labels=["thanks", "question", "greeting"]).items():
        (path / name).write_bytes(data)


add("unsigned", "is not signed", lambda folder: (write(folder, good()), {"key": keys(folder)[1]}))
add("signed_by_another", "another maker", lambda folder: (signed(folder)[0], {"key": keys(folder, "other")[1]}))
add("signature_changed", "manifest.sig", _after_signing(_flip_signature))
add("signature_short", "manifest.sig has 63 bytes", _after_signing(lambda p: (p / "manifest.sig").write_bytes(bytes(63))))
add("signature_of_zeros", "manifest.sig", _after_signing(lambda p: (p / "manifest.sig").write_bytes(bytes(64))))
add("signature_of_gigabytes", "manifest.sig has", _after_signing(lambda p: (p / "manifest.sig").write_bytes(bytes(10**7))))
add("resealed_after_signing", "manifest.sig", _after_signing(_reseal))
add("signed_but_model_changed", "'model.onnx' is not what", _after_signing(lambda p: (p / "model.onnx").write_bytes(bytes(9))))
add("key_is_none", "does not hold a public key", lambda folder: (signed(folder)[0], {"key": folder / "bundle" / "golden.json"}))
add("key_is_private", "does not hold a public key", lambda folder: (signed(folder)[0], {"key": folder / "maker.pem"}))
add("key_missing", "cannot be read", lambda folder: (signed(folder)[0], {"key": folder / "nowhere.pem"}))


@case("ed25519 key is expected")
def key_of_another_kind(folder: Path) -> Made:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import x25519

    public = x25519.X25519PrivateKey.generate().public_key()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    (folder / "x.pem").write_bytes(public.public_bytes(serialization.Encoding.PEM, form))
    return signed(folder)[0], {"key": folder / "x.pem"}
