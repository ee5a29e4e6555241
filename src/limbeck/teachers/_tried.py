"""What a teacher of unknown making is tried with before it is trusted. Knows the examples of a modality; knows no teacher."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from limbeck import catalog
from limbeck.errors import TeacherError


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


def taken(ask: Callable[[list[Any]], Any], payloads: Sequence[Any]) -> list[Any]:
    """Those that can be asked: all at once, or those of which each alone can; perhaps none, as of a network that reads pictures of one size.

    Args:
        ask: anybody's code.
        payloads: of another modality than texts, which nobody may refuse.

    Raises:
        TeacherError: what is answered to them is no answer.
    """
    for some in (list(payloads), *([p] for p in payloads)):
        try:
            ask(some)
        except TeacherError as error:
            if error.__cause__ is None:  # it answered, and not as a teacher does
                raise
        else:
            return some
    return []
