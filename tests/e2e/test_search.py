"""A budget is all that a user has to say: the search from a recipe to a proven student, on the tiny world."""

import json

import pytest

import limbeck
from limbeck.recipe import Recipe
from samples import TINY

SEARCH = {
    **TINY,
    "data": {"train": "set by the test", "test_share": 0.3, "valid_share": 0.3},
    "training": {"epochs": 4},
    "student": {"budget": "1MB"},
    "search": {"families": ["bag"], "min_counts": [1]},
    "verify": {**TINY["verify"], "baseline": True},
}


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LIMBECK_CACHE", str(tmp_path_factory.mktemp("cache")))


def test_main(tiny_teacher, rows_file, tmp_path) -> None:
    told = []
    report = limbeck.distill(SEARCH, data=rows_file, teacher=tiny_teacher[1], out=tmp_path / "run", progress=lambda *a: told.append(a))
    print("\n".join(map(str, told)))
    print((tmp_path / "run" / "search" / "front.json").read_text())
    print(report.budget_misses, report.notes)
    print(sorted(p.name for p in (tmp_path/"run").iterdir()))
    1/0
