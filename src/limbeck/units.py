"""Sizes and times as people write them: 2MB, 1.5 MiB, 100us. Knows units; knows nothing of what is limited.

A plain number is bytes where a size is asked for and microseconds where a time is. kB, MB and GB are powers of 1,000; KiB, MiB and GiB of 1,024.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

_SIZES: Mapping[str, int] = {
    "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30,
}  # fmt: skip
_TIMES: Mapping[str, float] = {"us": 1.0, "µs": 1.0, "μs": 1.0, "ms": 1e3, "s": 1e6}  # the micro sign, and the Greek letter
_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([^\W\d_]*)\s*")
_A_SIZE, _A_TIME = "a size such as 2MB, 500kB or 1.5MiB", "a time such as 100us or 0.1ms"


def size(value: Any) -> int:
    """A number of bytes.

    Raises:
        ValueError: it is none, or not above 0; the message says what is expected.

    Example:
        >>> size("2MB"), size("1.5 MiB"), size(300)
        (2000000, 1572864, 300)
    """
    return max(1, round(_measured(value, _SIZES, _A_SIZE)))


def microseconds(value: Any) -> float:
    """A number of microseconds.

    Raises:
        ValueError: it is none, or not above 0; the message says what is expected.

    Example:
        >>> microseconds("0.1ms"), microseconds("100 µs"), microseconds(50)
        (100.0, 100.0, 50.0)
    """
    return _measured(value, _TIMES, _A_TIME)


def limits(text: str) -> dict[str, str]:
    """A budget in one line: each limit by its name, still as it was written.

    A size without a name is `bytes`, a time is `latency_p50`; `memory` has to be named.

    Raises:
        ValueError: a part is neither, or a limit stands there twice.

    Example:
        >>> limits("2MB,100us,memory=100MB")
        {'bytes': '2MB', 'latency_p50': '100us', 'memory': '100MB'}
    """
    found: dict[str, str] = {}
    for part in text.split(","):
        name, equals, value = (word.strip() for word in part.partition("="))
        if not equals:
            name, value = "bytes" if _unit(part) in ("", *_SIZES) else "latency_p50", part.strip()
            if _unit(part) not in ("", *_SIZES, *_TIMES):
                raise ValueError(f"'{part.strip():.40}' is no limit; expected {_A_SIZE}, or {_A_TIME}")
        if name in found:
            again = "two sizes; write memory=100MB for the memory of the process" if name == "bytes" else f"{name} twice"
            raise ValueError(f"'{text:.80}' holds {again}")
        found[name] = value
    return found


def _unit(text: str) -> str | None:
    """The unit behind a number, in small letters; None where there is no number with nothing but a word behind."""
    match = _NUMBER.fullmatch(text)
    return match[2].lower() if match else None


def _measured(value: Any, units: Mapping[str, float], expected: str) -> float:
    number: float
    if isinstance(value, str):
        unit = _unit(value)
        match = _NUMBER.fullmatch(value)
        if match is None or unit not in ("", *units):
            raise ValueError(f"expected {expected}")
        number = float(match[1]) * units.get(unit or "", 1.0)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        number = float(value)
    else:
        raise ValueError(f"expected {expected}")
    if not 0 < number < math.inf:
        raise ValueError(f"must be above 0 and finite; expected {expected}")
    return number
