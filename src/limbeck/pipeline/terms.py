"""What a student is trained towards: what the recipe says, else the strongest that the teacher's answers allow. Knows objectives by name."""

from __future__ import annotations

from typing import Any

from limbeck import catalog
from limbeck.run import Run
from limbeck.settings import made
from limbeck.types import Json

PROBABILITIES = "probabilities"
_SAID = {
    PROBABILITIES: "probabilities of all classes",
    "top_k": "probabilities of the best classes, the rest as one",
    "votes": "a label several times, whose shares are taken as probabilities",
    "labels": "labels alone",
}
_IN_PLACE_OF_SOFT_TARGETS: dict[str, tuple[str, Json]] = {
    "top_k": ("top_k", {}),
    # One label, or the shares of a few votes, say nothing of the other classes that a temperature could bring out.
    "votes": ("soft_targets", {"temperature": 1.0}),
    "labels": ("soft_targets", {"temperature": 1.0}),
}


def terms(run: Run, teacher: Any) -> list[tuple[Any, float]]:
    """Each objective of the run with its weight."""
    return list(named_terms(run, teacher).values())


def named_terms(run: Run, teacher: Any) -> dict[str, tuple[Any, float]]:
    """The same by name."""
    if run.recipe.objectives or says(teacher) == PROBABILITIES:
        return dict(zip(run.recipe.complete()["objectives"], run.recipe.terms(), strict=True))
    found = {}
    for name, weight in run.recipe.entry("tasks").objectives.items():
        other, values = _IN_PLACE_OF_SOFT_TARGETS[says(teacher)] if name == "soft_targets" else (name, {})
        found[other] = (made(catalog.find("objectives", other), values), weight)
    return found


def says(teacher: Any) -> str:
    """In which way a teacher answers: `probabilities`, `top_k`, `votes` or `labels`."""
    return str(getattr(teacher, "says", PROBABILITIES))


def told(run: Run, teacher: Any) -> str:
    """What the teacher gives and what is made of it, in words."""
    names = ", ".join(f"{name} {weight:g}" for name, (_, weight) in named_terms(run, teacher).items())
    return f"it gives {_SAID[says(teacher)]}; the objectives are {names}"
