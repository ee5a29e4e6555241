"""What a teacher of unknown making is tried with before it is trusted. Knows the examples of a modality; knows no teacher."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from limbeck import catalog


def tried(reads: str, texts: Sequence[str]) -> list[Any]:
    """A few payloads that are nobody's data: these texts, or of another modality its golden examples.

    Args:
        reads: the modality's name.
        texts: for teachers of texts.
    """
    if reads == "text":
        return list(texts)
    modality = catalog.find("modalities", reads)
    return [modality.from_json(value) for value in modality.golden]
