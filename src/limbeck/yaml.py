"""YAML 1.2 for people, as plain data: 1e-3 is a number and `no` is a word. Knows text and its mistakes; knows nothing of recipes."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from limbeck.errors import InputFileError, RecipeError
from limbeck.types import Json


def file_text(path: Path) -> str:
    """The text of a recipe file.

    Raises:
        InputFileError: it cannot be read.
        RecipeError: it is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start}). Save it as UTF-8.") from error
    except OSError as error:
        raise InputFileError(f"cannot read the recipe {path}: {error.strerror}. Check the path.") from error


def mapping(text: str, where: str) -> Json:
    """The sections of a recipe; `where` names it in messages.

    Raises:
        RecipeError: it is not YAML, or not a mapping.
    """
    content = _parsed(text, where)
    if not isinstance(content, Mapping):
        raise RecipeError(
            f"{where}: a recipe is a mapping of sections such as 'data:'; this file holds {type(content).__name__}"
        )
    return dict(content)


def value(text: str) -> Any:
    """One value as a person types it behind an equals sign; what is not YAML is taken as text.

    Example:
        >>> value("1e-3"), value("no"), value("a: [")
        (0.001, 'no', 'a: [')
    """
    try:
        return _parsed(text, "--set")
    except RecipeError:
        return text


def reader() -> Any:
    """What reads YAML here: YAML 1.2, plain data alone, and no warning on standard error where an anchor is given twice, as it may be."""
    from ruamel.yaml import YAML

    found = YAML(typ="safe", pure=True)
    found.composer.warn_double_anchors = False
    return found


def _parsed(text: str, where: str) -> Any:
    from ruamel.yaml.error import YAMLError

    try:
        return plain(reader().load(io.StringIO(text)))
    except (YAMLError, RecursionError) as error:
        raise RecipeError(f"{where}: not valid YAML\n{error}") from error


def plain(value: Any) -> Any:
    """The same content as plain dicts, lists and scalars; a path becomes text."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return str(value) if isinstance(value, Path) else value
