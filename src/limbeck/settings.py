"""Settings of an entry of an open folder: a plain dataclass, checked as strictly as a recipe. Knows fields; knows no entry by itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

from limbeck.types import Json

if TYPE_CHECKING:
    from pydantic import BaseModel


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a number in pydantic's own words, said without pydantic: what only serves a bundle is imported without it."""

    words: tuple[tuple[str, float | bool], ...]

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        """Called by pydantic where a model has a field of this type."""
        return {**handler(source), **dict(self.words)}


Share = Annotated[float, Limits((("ge", 0.0), ("lt", 1.0)))]
Probability = Annotated[float, Limits((("ge", 0.0), ("le", 1.0)))]
Positive = Annotated[float, Limits((("gt", 0.0), ("allow_inf_nan", False)))]
Count = Annotated[int, Limits((("ge", 1),))]
CountOrZero = Annotated[int, Limits((("ge", 0),))]


@cache
def checker(declared: type) -> type[BaseModel]:
    """A strict pydantic model with the fields of a dataclass: a wrong type, a value out of range and an unknown key are errors."""
    from pydantic import ConfigDict, Field, create_model

    hints = get_type_hints(declared, include_extras=True)
    columns: dict[str, Any] = {}
    for field in dataclasses.fields(declared):
        default: Any = ...
        if field.default is not dataclasses.MISSING:
            default = field.default
        elif field.default_factory is not dataclasses.MISSING:
            default = Field(default_factory=field.default_factory)
        columns[field.name] = (hints[field.name], default)
    strict = ConfigDict(extra="forbid", strict=True, frozen=True, protected_namespaces=())
    return create_model(declared.__name__, __config__=strict, **columns)


def made(declared: type, values: Mapping[str, Any]) -> Any:
    """An instance of the dataclass from checked values.

    Raises:
        pydantic.ValidationError: a value is of the wrong type or out of range, or a key is unknown.
    """
    checked = checker(declared).model_validate(dict(values))
    return declared(**{field.name: getattr(checked, field.name) for field in dataclasses.fields(declared)})


def complete(declared: type, values: Mapping[str, Any]) -> Json:
    """All settings as JSON, those that `values` leave to their defaults among them."""
    return checker(declared).model_validate(dict(values)).model_dump(mode="json")
