"""A budget is all that has to be said of a student of pictures or of clips, and its candidates may be measured on another machine."""

import json
from pathlib import Path

import pytest

import limbeck
import pictures
import sounds
from limbeck.pipeline import ladder
from limbeck.recipe import Recipe
from limbeck.search import ladder as ladders


@pytest.mark.parametrize(
    ("small", "folders", "family"),
    [(pictures.TINY_PICTURES, pictures.folders, "conv_image"), (sounds.TINY_SOUNDS, sounds.folders, "conv_audio")],
    ids=["pictures", "sounds"],
)
def test_a_budget_is_all_that_has_to_be_said(small, folders, family, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMBECK_CACHE", str(tmp_path / "cache"))
    data = {**small["data"], "train": str(folders(tmp_path / "data")), "valid_share": 0.3}
    asked = {**small, "data": data, "student": {"budget": "25kB", "keep": 0.5}, "search": {"families": [family]}}

    many = ladder(Recipe.asked(asked), tmp_path / "candidates.zip")
    travelling = ladders.read(tmp_path / "candidates.zip")
    assert len(travelling.candidates) == many >= 1
    modality = limbeck.find("modalities", family.removeprefix("conv_"))
    files = [modality.payload(str(path), tmp_path) for path in (tmp_path / "data").rglob("*.*")]
    sent = [modality.from_json(query) for query in travelling.queries]
    assert set(map(modality.key, files)).isdisjoint(map(modality.key, sent)), "no training payload travels"
    assert {payload.size for payload in sent} == {payload.size for payload in files}
    there = travelling.measured()
    there.write(tmp_path / "profile.json")
    assert all((cost.latency_p50 or 0) > 0 and (cost.memory or 0) > 10_000_000 for cost in there.costs.values())

    report = limbeck.distill(asked, out=tmp_path / "run", profile=tmp_path / "profile.json")
    front = json.loads((tmp_path / "run" / "search" / "front.json").read_text())
    assert report.student.footprint.bytes <= 25_000
    assert report.lineage["search"]["chosen"] == front["chosen"]
    assert {p["student"]["family"] for p in front["points"]} == {family}
    assert {p["name"] for p in front["points"]} <= set(there.costs)
    assert {r["what"] for r in front["references"]} >= {"teacher"}
    assert (tmp_path / "run" / "search" / "front.svg").is_file()
