"""JSON from strangers, and JSON of which there is one form only. Knows text and its limits; knows nothing of what it says."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

MOST_LEVELS = 64
"""How deep objects and arrays may lie in each other; a tokenizer file has about seven levels."""

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACKET = re.compile(rb"[\[{\]}]")


def canonical(content: Any) -> bytes:
    """The one form of a value: sorted keys, no spaces, UTF-8, finite numbers.

    Example:
        >>> canonical({"b": 1.5, "a": ["é"]}).decode()
        '{"a":["é"],"b":1.5}'
    """
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False)
    return text.encode("utf-8")


def parse(data: bytes) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: it is not UTF-8 or not JSON, names a key twice, nests deeper than `MOST_LEVELS`, holds NaN, an infinity, or a
            number of thousands of digits.
    """
    if data.count(b"[") + data.count(b"{") > MOST_LEVELS:  # else it cannot be deep, which is the common case
        _check_levels(data)
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_object, parse_constant=_constant)
    except RecursionError as error:
        raise ValueError("it nests too deep") from error


def _check_levels(data: bytes) -> None:
    level = 0
    for bracket in _BRACKET.findall(_STRING.sub(b"", data)):
        level += 1 if bracket in b"[{" else -1
        if level > MOST_LEVELS:
            raise ValueError(f"it nests deeper than {MOST_LEVELS} levels")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise ValueError(f"the key '{twice:.60}' stands twice in one object")
    return found


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")
