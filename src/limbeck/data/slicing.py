"""Values of slices: what a column or a function says of a row. Knows rows and callables; knows no files and no models."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from limbeck.callables import imported
from limbeck.errors import DataError
from limbeck.payloads import plain
from limbeck.types import Record


def by_functions(records: Sequence[Record], names: Sequence[str]) -> list[Record]:
    """Records with what functions say of their texts beside what they have already.

    Args:
        records: of which the functions are asked in one call.
        names: package.module:callable, each from a list of texts to as many names or numbers; None: this text has no value.

    Raises:
        DataError: a function is not there, fails, or answers with something else.
    """
    found = list(records)
    for name in names:
        values = _asked(name, [plain(r.payload) for r in found]) if found else []
        found = [
            r if value is None else dataclasses.replace(r, slices={**r.slices, name: value})
            for r, value in zip(found, values, strict=True)
        ]
    return found


def shown(value: Any, must: str) -> str | None:
    """A value as a text that any file can hold; None where there is none.

    Args:
        must: who must hold names or numbers, for the message.

    Raises:
        DataError: it is neither a name nor a number.
    """
    if isinstance(value, list | tuple | dict | set | bytes) or getattr(value, "ndim", 0) != 0:
        raise DataError(f"{must} names or numbers; got {value!r:.40}")
    if value is None or value != value or not (text := str(value).strip()):  # not equal to itself: pandas' missing number
        return None
    return text.encode("utf-8", "backslashreplace").decode()


def _asked(name: str, texts: list[Any]) -> list[str | None]:
    call = imported(name, "the function of a slice", DataError)
    try:
        said = list(call(texts))
    except Exception as error:  # it is anybody's code
        raise DataError(
            f"slices: {name} failed on {len(texts):,} texts: {type(error).__name__}: {error!s:.300}. "
            "It takes a list of texts and gives a list with a name or a number for each."
        ) from error
    if len(said) != len(texts):
        raise DataError(f"slices: {name} gave {len(said):,} values to {len(texts):,} texts; expected one for each, in order")
    values = [shown(value, f"slices: {name} must give") for value in said]
    if sum(isinstance(text, str) and value == text.strip() for value, text in zip(values, texts, strict=True)) > len(texts) / 2:
        raise DataError(
            f"slices: {name} gives the texts themselves; texts do not belong into a report. Give what they have in common."
        )
    return values
