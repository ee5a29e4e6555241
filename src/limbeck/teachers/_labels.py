"""Names of classes from what a teacher brings: a setting, a list, a file. Knows names; knows no teacher."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from limbeck.errors import TeacherError

Labels = Annotated[tuple[str, ...], Field(strict=False)]
"""Class names in the order of a teacher's outputs; empty: it knows them itself, or they are the data's."""


def labels_of(settings: Sequence[str], own: Sequence[Any] | None, kind: str) -> tuple[str, ...]:
    """The names that the recipe gives, else the teacher's own.

    Raises:
        TeacherError: there are fewer than two, or some stand twice, or they are not as many as the teacher's own.
    """
    names = tuple(settings) or tuple(str(label) for label in own or ())
    if settings and own is not None and len(own) != len(settings):
        raise TeacherError(
            f"teacher.labels names {len(settings)} classes, but this teacher of kind {kind} has {len(own)}. Name them all in its order."
        )
    if len(names) < 2 or len(set(names)) < len(names):
        raise TeacherError(
            f"a teacher of kind {kind} needs two different labels at least; got {list(names)}. Set teacher.labels."
        )
    return names


def beside(folder: Path) -> list[str] | None:
    """The labels that lie beside a model: `labels.json` (a list), or transformers' `config.json` with id2label.

    Raises:
        TeacherError: the file holds none.
    """
    path, config = folder / "labels.json", folder / "config.json"
    try:
        if path.is_file():
            return [str(label) for label in json.loads(path.read_text(encoding="utf-8"))]
        if config.is_file() and "id2label" in (found := json.loads(config.read_text(encoding="utf-8"))):
            return [str(label) for _, label in sorted(found["id2label"].items(), key=lambda item: int(item[0]))]
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise TeacherError(f"the labels beside the model in {folder} cannot be read: {error}. Set teacher.labels.") from error
    return None
