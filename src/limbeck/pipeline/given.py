"""A teacher that is handed over from Python instead of named in a recipe. Knows what kinds of objects can be one; trains nothing."""

from __future__ import annotations

from typing import Any

from limbeck import catalog
from limbeck.errors import TeacherError
from limbeck.types import Teacher


def as_teacher(given: Any) -> tuple[Any, str]:
    """The teacher that an object is or makes, and the kind that a recipe calls it.

    A teacher of any kind, an estimator of scikit-learn's kind that is fitted on texts, or a callable.

    Raises:
        TeacherError: it is none of these.
    """
    import torch

    if isinstance(given, Teacher):
        kind = "".join(f"_{c.lower()}" if c.isupper() else c for c in type(given).__name__).lstrip("_")
        return given, kind if kind in catalog.names("teachers") else "function"
    if hasattr(given, "predict_proba") or hasattr(given, "decision_function"):
        return catalog.find("teachers", "sklearn")(given), "sklearn"
    if isinstance(given, torch.nn.Module):
        raise TeacherError(
            "teacher: a torch module does not say how it reads texts. Hand over "
            "limbeck.find('teachers', 'torch_module')(module, encode, labels), encode: texts -> the module's inputs by name."
        )
    if callable(given):
        return catalog.find("teachers", "function")(given), "function"
    raise TeacherError(
        f"teacher: expected a path, a teacher, a fitted estimator over texts or a callable; got {type(given).__name__}."
    )
