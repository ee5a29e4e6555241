"""What makes two texts the same. Knows characters; knows nothing of files, labels or what a text means."""

from __future__ import annotations

import hashlib
import unicodedata


def fold(text: str) -> str:
    """The text without regard to case, to the kind and number of its spaces, and to how its accents are encoded.

    Example:
        >>> fold("  Où est\\tMA carte ?") == fold("Ou\\u0300 est ma carte ?")
        True
    """
    if text.isascii():
        return " ".join(text.lower().split())
    decomposed = unicodedata.normalize("NFD", text).casefold()
    return " ".join(unicodedata.normalize("NFC", decomposed).split())


def key_of(payload: str) -> str:
    """The stable key of a text: half of the sha256 of the folded text, so copies and near copies share it and stay together."""
    return hashlib.sha256(fold(payload).encode("utf-8", "surrogatepass")).hexdigest()[:32]
