"""The cells of rows that hold no text, before anybody decodes them. Knows paths and bytes; knows no format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from limbeck.errors import DataError
from limbeck.payloads import Stored

Payload = TypeVar("Payload")


def cell(value: Any, folder: Path, make: Callable[[Any], Payload], nouns: str) -> Payload:
    """A cell of a row as a payload: a path (from the folder of its file), bytes, a base64 text, an array, or what `datasets` makes of these.

    Args:
        value: of the cell.
        folder: of the row's file.
        make: a payload of a `Stored` file or of anything else.
        nouns: what payloads are called.

    Raises:
        ValueError: it is none; the message says what came, and is empty where the cell is.
    """
    if isinstance(value, dict) and set(value) <= {"bytes", "path"}:
        value = value.get("bytes") or value.get("path")
    if value is None or (isinstance(value, str | bytes) and not value.strip()):
        raise ValueError
    if isinstance(value, str) and not value.startswith("data:"):
        value = Stored(str(folder / value))
    try:
        return make(value)
    except TypeError as error:
        raise DataError(f"must hold {nouns}: {error}") from error
