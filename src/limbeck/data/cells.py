"""What a cell says of labels: one name, a list of all that apply, or nothing. Knows values; knows no rows, no files and no formats.

No label is one thing and an empty list another: a row without a label is not known, and of a row with an empty list it is known that no label
applies.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from limbeck.label_sets import Label

Option = Callable[[str, str], str]
"""How the caller's user gives a setting of the data a value."""


def one_label(value: Any) -> tuple[Label | None, str | None]:
    """The name in a cell without the spaces around it, which nobody means (None where there is none), and why the cell holds no name, if it does not."""
    if _absent(value):
        return None, None
    if not isinstance(value, str | int) or isinstance(value, bool):
        hint = ""
        if isinstance(value, list | tuple):
            hint = ". Where several labels apply to a text, the task is multi-label-text-classification"
        return None, f"must hold a name or a whole number; got {value!r:.40}{hint}"
    if isinstance(value, str) and any("\ud800" <= c <= "\udfff" for c in value):
        return None, f"holds half a character (a lone surrogate): {value!r:.40}. Write it whole."
    return str(value).strip() or None, None


def list_of_labels(value: Any, separator: str | None, option: Option) -> tuple[Label | None, str | None]:
    """The names in a cell in alphabetical order (None where nothing is said of them), and why the cell holds no list, if it does not.

    Args:
        separator: what parts the names of a text; by itself it is an empty list. None: a text is no list.
        option: for messages.
    """
    value = value.tolist() if hasattr(value, "tolist") else value  # an array of a parquet file
    if isinstance(value, str) and separator is not None and value.strip():
        value = [part for part in map(str.strip, value.split(separator)) if part]
    if _absent(value):
        return None, None
    if not isinstance(value, list | tuple):
        return None, (
            f'must hold a list of labels, such as ["card_lost", "refund"]; got {value!r:.40}. Say what parts the labels of a text '
            f"({option('label_separator', 'SIGN')}); where each has one label, the task is text-classification"
        )
    names: list[str] = []
    for part in value:
        name, problem = one_label(part)
        if problem:
            return None, f"holds a list, and one of it {problem}"
        if not isinstance(name, str):
            return (
                None,
                f"holds a list with an empty name: {value!r:.60}. Leave the name out; an empty list says that no label applies.",
            )
        if name in names:
            return None, f"names '{name:.60}' twice in one row. Name each label once."
        names.append(name)
    return tuple(sorted(names)), None


def _absent(value: Any) -> bool:
    """Whether a cell says nothing; a number that is none is how pandas writes that."""
    return value is None or (isinstance(value, float) and math.isnan(value)) or (isinstance(value, str) and not value.strip())
