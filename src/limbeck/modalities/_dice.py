"""The dice of views, of every modality. Knows keys, numbers and seeds; knows no kind of payload."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any


def dice_of(key: str, number: int, seed: int) -> int:
    """The seed of a record's view, which no other record changes."""
    return int.from_bytes(hashlib.sha256(f"{key}/{number}/{seed}".encode()).digest()[:6], "big")


def anew(payload: Any, epoch: int) -> Any:
    """The same view by other dice, the same ones for the same epoch; what nothing is done to stays as it is.

    Args:
        payload: a frozen dataclass with `operations` and the `seed` of their dice.
        epoch: a number from 1 on.
    """
    return replace(payload, seed=dice_of(f"{payload.seed}", epoch, 0)) if payload.operations else payload
