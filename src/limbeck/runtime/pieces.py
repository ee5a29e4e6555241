"""The pieces that a bundle reads of a text. Knows tokenizers by a bundle's spec; knows nothing of models."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from limbeck import catalog
from limbeck.bundle import Bundle
from limbeck.manifest import SPEC

_AT_ONCE = 1000


class Pieces:
    """A bundle's reader. n-grams are no pieces, since they say nothing that their pieces do not.

    Args:
        modality: that has a vocabulary.

    Example:
        >>> from limbeck.modalities.text import Text
        >>> Pieces(Text.tiny()[0])("held!")
        [6, 5, 8, 4, 0]
    """

    def __init__(self, modality: Any) -> None:
        self._modality, self._size = modality, int(modality.vocabulary_size)

    @classmethod
    def of(cls, bundle: Bundle) -> Pieces | None:
        """The reader of a bundle; None where it reads no pieces, as of an image.

        Raises:
            LimbeckError: its spec cannot be read.
        """
        modality = catalog.find("modalities", bundle.manifest.modality)
        return cls(modality.from_spec(bundle.json(SPEC))) if hasattr(modality, "vocabulary_size") else None

    def __call__(self, text: str) -> list[int]:
        """The ids of a text's pieces."""
        return [i for i in self._modality.encode([text])[0].tolist() if i < self._size]

    def known(self, texts: Sequence[str]) -> frozenset[int]:
        """The ids that some of these texts have."""
        found: set[int] = set()
        for start in range(0, len(texts), _AT_ONCE):
            found.update(_flat(self._modality.encode(texts[start : start + _AT_ONCE])))
        return frozenset(i for i in found if i < self._size)


def _flat(encoded: Iterable[Any]) -> Iterable[int]:
    for ids in encoded:
        yield from ids.tolist()
