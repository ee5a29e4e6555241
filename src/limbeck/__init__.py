"""limbeck distils a large model into a small one that fits a budget, and proves what it kept.

>>> import limbeck
>>> report = limbeck.distill(data="train.jsonl.gz", out="runs/bank")  # doctest: +SKIP
>>> limbeck.load("runs/bank/bundle").predict(["I lost my card"])  # doctest: +SKIP

Importing limbeck imports nothing heavy: each public name is resolved on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from limbeck._version import __version__

if TYPE_CHECKING:
    from limbeck.budget import Budget as Budget
    from limbeck.bundle import Bundle as Bundle
    from limbeck.catalog import find as find
    from limbeck.catalog import names as names
    from limbeck.errors import LimbeckError as LimbeckError
    from limbeck.evidence import Report as Report
    from limbeck.evidence import Verdict as Verdict
    from limbeck.pipeline import distill as distill
    from limbeck.recipe import Recipe as Recipe
    from limbeck.runtime.predict import Predictor as Predictor
    from limbeck.runtime.predict import load as load
    from limbeck.types import Prediction as Prediction

_HOME = {
    "Budget": "budget",
    "Bundle": "bundle",
    "LimbeckError": "errors",
    "Prediction": "types",
    "Predictor": "runtime.predict",
    "Recipe": "recipe",
    "Report": "evidence",
    "Verdict": "evidence",
    "distill": "pipeline",
    "find": "catalog",
    "load": "runtime.predict",
    "names": "catalog",
}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'limbeck' has no attribute '{name}'")
    value = getattr(import_module(f"limbeck.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
