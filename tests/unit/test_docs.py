"""What the documentation shows is true: docstring examples run, recipes are valid, paths exist."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import limbeck

ROOT = Path(__file__).resolve().parents[2]
MODULES = [m.name for m in pkgutil.walk_packages(limbeck.__path__, "limbeck.") if not m.name.endswith("__main__")]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run(name: str) -> None:
    module = importlib.import_module(name)
    assert doctest.testmod(module, optionflags=doctest.ELLIPSIS).failed == 0


@pytest.mark.parametrize("path", sorted((ROOT / "recipes").glob("*.yaml")), ids=lambda p: p.name)
def test_recipes_are_valid(path: Path) -> None:
    limbeck.Recipe.read(path)


def test_the_written_out_recipe_is_the_default() -> None:
    written = limbeck.Recipe.read(ROOT / "recipes" / "banking77.yaml")
    default = limbeck.Recipe.read({"data": {"train": "train.jsonl.gz"}})
    assert written.identity() == default.identity()


def test_links_in_the_readme_lead_somewhere() -> None:
    for name in ("README.md", "CONTRIBUTING.md", "docs/guides/serving.md", "docs/guides/pictures-and-clips.md"):
        for link in re.findall(r"\]\(([^)#:]+)\)", (ROOT / name).read_text(encoding="utf-8")):
            assert ((ROOT / name).parent / link).exists(), link
