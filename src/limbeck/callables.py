"""A Python callable by its name. Knows how `package.module:callable` is found; knows nothing of what it does."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from limbeck.errors import LimbeckError

_NAME = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*:[^\W\d]\w*(?:\.[^\W\d]\w*)*")


def names_callable(text: str) -> bool:
    """Whether a text has the form of `package.module:callable`.

    Example:
        >>> names_callable("acme.slices:channel"), names_callable("channel"), names_callable("opened at: hour")
        (True, False, False)
    """
    return _NAME.fullmatch(text) is not None


def imported(name: str, what: str, error: type[LimbeckError]) -> Callable[..., Any]:
    """The callable of this name; modules in the current folder are found too.

    Args:
        name: package.module:callable.
        what: what it is for, as in "the teacher".
        error: what to raise.

    Raises:
        LimbeckError: there is nothing of this name that can be called.
    """
    module, _, attribute = name.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        if not module or not attribute:
            raise ValueError("expected package.module:callable")
        found: Any = import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
        if not callable(found):
            raise TypeError(f"{attribute} is {type(found).__name__}, and cannot be called")
    except Exception as caught:  # importing runs anybody's code
        raise error(
            f"cannot load {what} '{name:.200}': {type(caught).__name__}: {caught}. Its name is package.module:callable, and the module has to be "
            "installed or lie in the current folder."
        ) from caught
    return found  # type: ignore[no-any-return]
