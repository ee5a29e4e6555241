"""The dice of views, of every modality. Knows keys and numbers; knows no payload."""

from __future__ import annotations

import hashlib


def dice_of(key: str, number: int, seed: int) -> int:
    """The seed of a record's view, which no other record changes."""
    return int.from_bytes(hashlib.sha256(f"{key}/{number}/{seed}".encode()).digest()[:6], "big")
