"""Who sealed a bundle: an ed25519 signature of its manifest, and so of all that the manifest lists. Knows keys and bytes; no bundles.

The signature is the 64 bytes of RFC 8032 over manifest.json as it lies there, so other tools can check it as well:
`openssl pkeyutl -verify -pubin -inkey public.pem -rawin -in manifest.json -sigfile manifest.sig`.
Keys are PEM files (PKCS#8, SubjectPublicKeyInfo), as openssl writes them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from limbeck.errors import InputFileError, SignatureError, missing_extra

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SIGNATURE_BYTES = 64
_MOST_KEY_BYTES = 10_000


def keygen(private: Path, public: Path) -> None:
    """Write a new pair of keys; the private one can be read by its owner alone.

    Raises:
        InputFileError: one of the files exists, or cannot be written.
        MissingExtraError: the package cryptography is not installed.
    """
    ed25519, serialization = _library()
    key = ed25519.Ed25519PrivateKey.generate()
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    shown = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    for path, content, mode in ((private, secret, 0o600), (public, shown, 0o644)):
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
                file.write(content)
        except OSError as error:
            raise InputFileError(f"cannot write the key {path}: {error.strerror}. A key is never written over.") from error


def sign(message: bytes, private: Path) -> bytes:
    """The signature of a message, 64 bytes.

    Raises:
        SignatureError: the file holds no private ed25519 key.
    """
    ed25519, serialization = _library()
    key = _loaded(private, lambda data: serialization.load_pem_private_key(data, None), ed25519.Ed25519PrivateKey, "private")
    made: Ed25519PrivateKey = key
    return made.sign(message)


def verify(message: bytes, signature: bytes | None, public: Path, where: str) -> None:
    """Nothing, if the signature of the message is by the owner of the key.

    Raises:
        SignatureError: there is none, or it is by somebody else or of something else.
    """
    from_library, serialization = _library()
    if signature is None:
        raise SignatureError(f"{where} is not signed, but a key was given ({public}). Ask its maker to run: limbeck sign")
    loaded = _loaded(public, serialization.load_pem_public_key, from_library.Ed25519PublicKey, "public")
    key: Ed25519PublicKey = loaded
    try:
        key.verify(signature, message)
    except Exception as error:  # InvalidSignature, and what other lengths raise
        raise SignatureError(
            f"{where}: manifest.sig is not a signature of manifest.json by the key {public}. "
            "The bundle is of another maker, or was changed after it was signed; do not use it."
        ) from error


def _loaded(path: Path, load: Any, kind: type, name: str) -> Any:
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_KEY_BYTES)
    except OSError as error:
        raise InputFileError(
            f"the {name} key {path} cannot be read: {error.strerror}. Make a pair with: limbeck keygen"
        ) from error
    try:
        key = load(data)
    except Exception as error:  # ValueError, TypeError (a password is needed), UnsupportedAlgorithm
        raise SignatureError(f"{path} does not hold a {name} key as PEM: {error}. Make a pair with: limbeck keygen") from error
    if not isinstance(key, kind):
        raise SignatureError(
            f"{path} holds a {type(key).__name__}; a {name} ed25519 key is expected. Make one with: limbeck keygen"
        )
    return key


def _library() -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise missing_extra("cryptography", "sign", "signing a bundle, and checking a signature,") from error
    return ed25519, serialization
