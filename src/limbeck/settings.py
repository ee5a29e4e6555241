"""Settings of an entry of an open folder: a plain dataclass, checked as strictly as a recipe. Knows fields; knows no entry by itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, create_model

from limbeck.types import Json

Share = Annotated[float, Field(ge=0.0, lt=1.0)]
Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
CountOrZero = Annotated[int, Field(ge=0)]


@cache
def checker(declared: type) -> type[BaseModel]:
    """A strict pydantic model with the fields of a dataclass: a wrong type, a value out of range and an unknown key are errors."""
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
