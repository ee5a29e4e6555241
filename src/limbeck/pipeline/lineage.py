"""Where a student comes from, for whoever has to make it again or answer for it. Knows what a run settled; trains nothing."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import Any

from limbeck.data.split import Splits
from limbeck.evidence import Report
from limbeck.recipe import FILES, Recipe
from limbeck.run import Run
from limbeck.search.machine import card, words
from limbeck.types import Json

_UNKNOWN = "not stated where limbeck can read it"
_LICENCE = re.compile(r"^license:[ \t]*[\"']?([\w.+-]{1,60})", re.MULTILINE)


def lineage(run: Run, report: Report, splits: Splits) -> Json:
    """Data, teacher, student, licences, versions, machine, seeds, command and recipe, as lines for a page.

    Args:
        run: a finished run.
        report: its report.
        splits: its rows by use.
    """
    recipe, known = run.recipe, report.lineage
    files = {key: getattr(recipe.data, key) for key in FILES}
    rows = {"to train": splits.train, "to choose": splits.valid, "to judge": splits.test, "out of scope": splits.outside}
    return {
        "command": command(),
        "data": {key: f"{_name(name)}, sha256 {run.data[key]}" for key, name in files.items() if name is not None},
        "rows": {use: f"{len(of):,}" for use, of in rows.items() if of},
        "teacher": {"model": _name(report.teacher.what), **known["teacher"]},
        "student": known["student"],
        "bundle": f"sha256 {known['bundle']}",
        "licences": {"teacher": _terms(recipe), "data": _UNKNOWN, "limbeck": "Apache-2.0"},
        "seeds": {"student and views": recipe.seed, "teachers trained": recipe.teacher.fine_tune.seeds},
        "machine": {"this": words(card()), "device": run.device, "threads": run.threads},
        "versions": {
            "limbeck": known["limbeck"],
            "python": run.environment.get("python"),
            "platform": run.environment.get("platform"),
            **run.environment.get("packages", {}),
        },
        "recipe": _without_folders(recipe.complete()),
    }


def command() -> str:
    """What was typed, where limbeck was started from a command line."""
    program = Path(sys.argv[0])
    if program.stem == "limbeck" or program.parts[-2:] == ("limbeck", "__main__.py"):
        return shlex.join(["limbeck", *sys.argv[1:]])
    return "limbeck.distill(…), from Python"


def _terms(recipe: Recipe) -> str:
    """Under what terms the teacher may be used: as the recipe says, else as a model card does."""
    settings = recipe.settings("teachers")
    if stated := getattr(settings, "terms", None):
        return f"{stated}, by the recipe"
    return licence(settings.model) if recipe.teacher.kind == "huggingface" else _UNKNOWN


def licence(model: str) -> str:
    """The licence that a teacher's own card states, if the card lies on this machine."""
    card = Path(model) / "README.md"
    try:
        if not card.is_file():
            from huggingface_hub import try_to_load_from_cache

            found = try_to_load_from_cache(model, "README.md")
            card = Path(found) if isinstance(found, str) else card
        text = card.read_text(encoding="utf-8", errors="replace")
    except (OSError, ValueError, ImportError):
        return _UNKNOWN
    front = text.split("---", 2)[1] if text.startswith("---") and text.count("---") > 1 else ""
    stated = _LICENCE.search(front)
    return f"{stated[1]}, by its model card" if stated else _UNKNOWN


def _name(source: str) -> str:
    """A file by its name: the folders of a machine say nothing to others. An id of a hub stays whole."""
    return source if source.startswith("hf:/") or not Path(source).exists() else Path(source).resolve().name


def _without_folders(recipe: Json) -> Json:
    """A recipe whose files are named as `_name` does."""

    def shown(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: shown(v) for key, v in value.items()}
        if isinstance(value, list | tuple):
            return [shown(v) for v in value]
        return _name(value) if isinstance(value, str) and "/" in value else value

    found: Json = shown(recipe)
    return found
