"""A budget is all that a user has to say: the search from a recipe to a proven student, on the tiny world."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import limbeck
from limbeck.bundle import Bundle
from limbeck.curves import read_curves
from limbeck.errors import BudgetError, DataError, RecipeError, RunFolderError
from limbeck.evidence import Report
from limbeck.pipeline import chosen, field, ladder, search
from limbeck.recipe import Recipe
from limbeck.search import ladder as ladders
from limbeck.search import measure
from samples import TINY

SEARCH: dict[str, Any] = {
    **TINY,
    "data": {"train": "set by the test", "test_share": 0.3, "valid_share": 0.3},
    "training": {"epochs": 4},
    "student": {"budget": "1MB"},
    "search": {"families": ["bag"], "min_counts": [1]},
}


class Quiet:
    """A machine with nobody else on it."""

    def share(self) -> float:
        return 0.0


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "Company", Quiet)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIMBECK_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def run(cache, tiny_run, tmp_path_factory: pytest.TempPathFactory):
    """A run that searched: (report, its folder, all progress, data file, teacher)."""
    _, _, data, teacher = tiny_run
    told: list[tuple[str, int, int, str]] = []
    folder = tmp_path_factory.mktemp("search") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure, "Company", Quiet)
        report = limbeck.distill(SEARCH, data=data, teacher=teacher, out=folder, progress=lambda *said: told.append(said))
    return report, folder, told, data, teacher


def front_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "search" / "front.json").read_text(encoding="utf-8"))
    return found


def test_a_budget_is_enough(run) -> None:
    report, folder, _, _, _ = run
    front = front_of(folder)
    chosen = next(p for p in front["points"] if p["name"] == front["chosen"])
    assert report.budget_misses == ()
    assert report.student.footprint.bytes <= 1_000_000
    assert report.student.footprint.bytes == pytest.approx(chosen["bytes"], abs=100)  # golden digits
    assert chosen["trained"] == 1.0
    assert report.lineage["search"]["chosen"] == front["chosen"]
    assert report.lineage["student"]["width"] == chosen["student"]["width"]
    assert any("the search chose" in note for note in report.notes)
    assert {r["what"] for r in front["references"]} == {"teacher"}  # control and baseline are off in the tiny world
    assert not list(folder.glob(".*checkpoint*"))
    assert not list(folder.glob(".draft*"))


def test_what_does_not_fit_is_never_trained(run) -> None:
    _, folder, _, _, _ = run
    front = front_of(folder)
    outside = {p["name"] for p in front["points"] if p["misses"]}
    assert outside
    assert all(p["quality"] is None for p in front["points"] if p["name"] in outside)
    trained = {line["stage"].removeprefix("search-") for line in read_curves(folder / "curves.jsonl")}
    assert trained == {p["name"] for p in front["points"] if p["quality"] is not None}


def test_the_winner_is_not_trained_twice_and_is_what_naming_it_gives(run, tmp_path) -> None:
    _, folder, told, data, teacher = run
    assert not [said for said in told if said[0] == "student"], "its training lay ready"
    student = json.loads((folder / "resolved.json").read_text())["measured"]["search"]["student"]
    limbeck.distill({**SEARCH, "student": student}, data=data, teacher=teacher, out=tmp_path / "named")
    for file in (folder / "bundle").iterdir():
        assert file.read_bytes() == (tmp_path / "named" / "bundle" / file.name).read_bytes(), file.name


def test_the_same_command_again_takes_the_finished_run(run) -> None:
    report, folder, _, data, teacher = run
    assert limbeck.distill(SEARCH, data=data, teacher=teacher, out=folder) == Report.from_json(report.to_json())


def test_a_second_search_measures_nothing(run, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, folder, _, data, teacher = run
    monkeypatch.setattr(field, "cost", lambda *_: pytest.fail("it was measured on this machine before"))
    found = search(Recipe.asked(SEARCH, data=data, teacher=teacher, out=tmp_path / "again"))
    assert found.to_json()["points"] == front_of(folder)["points"]
    assert not (tmp_path / "again" / "bundle").exists(), "a search alone ships nothing"
    report = limbeck.distill(SEARCH, data=data, teacher=teacher, out=tmp_path / "again")
    assert Bundle.open(report.bundle).sha256 == Bundle.open(folder / "bundle").sha256


@pytest.fixture
def hard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing keeps enough, so that every candidate races; the tiny teacher itself is easy to follow."""
    easy = chosen.yardstick
    monkeypatch.setattr(chosen, "yardstick", lambda *given: replace(easy(*given), enough=2.0))


def test_stopped_in_the_race_it_goes_on_and_chooses_the_same(run, hard, tmp_path) -> None:
    _, _, _, data, teacher = run
    told: list[str] = []
    whole = limbeck.distill(SEARCH, data=data, teacher=teacher, out=tmp_path / "whole", progress=lambda s, *_: told.append(s))
    scores = whole.lineage["search"]["scores"]
    assert len(scores) > 2
    assert sorted(map(len, scores.values()))[-1] == 3
    assert "the budget allows no student that keeps enough: 2.0000 is asked for" in " ".join(whole.notes)
    for at in (1, told.count("search") // 2, told.count("search") - 1):
        steps: list[str] = []

        def stop(stage: str, *_: object, at: int = at, steps: list[str] = steps) -> None:
            steps.append(stage)
            if steps.count("search") == at:
                raise KeyboardInterrupt

        out = tmp_path / f"stopped-{at}"
        with pytest.raises(KeyboardInterrupt):
            limbeck.distill(SEARCH, data=data, teacher=teacher, out=out, progress=stop)
        report = limbeck.distill(SEARCH, data=data, teacher=teacher, out=out)
        assert Bundle.open(report.bundle).sha256 == Bundle.open(whole.bundle).sha256
        assert report.lineage["search"] == whole.lineage["search"]


def test_all_is_asked_for_and_the_nearest_is_taken(run, tmp_path) -> None:
    _, _, _, data, teacher = run
    asked = {**SEARCH, "student": {**SEARCH["student"], "keep": "all"}}
    found = search(Recipe.asked(asked, data=data, teacher=teacher, out=tmp_path / "out"))
    assert found.nearest
    assert found.says.startswith("The nearest to the teacher within the budget: ")
    scores = json.loads((tmp_path / "out" / "search" / "scores.json").read_text())["scores"]
    finished = {name: rungs[-1][1] for name, rungs in scores.items() if len(rungs) == 3}
    assert len(finished) >= 2
    assert finished[found.chosen] == max(finished.values())
    fit = {p.name for p in found.points if not p.misses}
    assert set(scores) == {name for name in fit if f"{name.rpartition('-')[0]}-int8" not in fit - {name}}
    assert set(scores) < fit  # an int4 one whose int8 one fits does not run
    with pytest.raises(RecipeError, match=r"student\.keep"):
        Recipe.read({**asked, "student": {**asked["student"], "keep": "most"}}, values={"data.train": str(data)})


def test_a_damaged_record_of_the_race_is_none(run, hard, tmp_path) -> None:
    _, _, _, data, teacher = run
    out = tmp_path / "out"

    def stop(stage: str, done: int, *_: object) -> None:
        if stage == "front":
            raise KeyboardInterrupt

    found = []
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            limbeck.distill(SEARCH, data=data, teacher=teacher, out=out, progress=stop)
        settled = json.loads((out / "resolved.json").read_text())
        found.append(settled["measured"].pop("search"))
        record = out / "search" / "scores.json"
        record.write_text(record.read_text().replace("0.", "1."))
        (out / "resolved.json").write_text(json.dumps(settled))
    assert found[0] == found[1]


def test_a_budget_nobody_can_meet_names_the_nearest_and_trains_nothing(run, tmp_path) -> None:
    _, _, _, data, teacher = run
    told: list[str] = []
    with pytest.raises(BudgetError, match=r"The nearest, bag-1-count1-int8 \(width 16.*bytes is [0-9,]+, the budget allows 99"):
        limbeck.distill(SEARCH, data=data, teacher=teacher, out=tmp_path / "out", budget="100",
                        progress=lambda stage, *_: told.append(stage))  # fmt: skip
    assert set(told) <= {"data", "doctor", "candidates"}
    assert not (tmp_path / "out" / "signals").exists()


def test_a_search_without_rows_to_choose_by_says_so(run, tmp_path) -> None:
    _, _, _, data, teacher = run
    with pytest.raises(RecipeError, match=r"data\.valid_share: is 0"):
        limbeck.distill({**SEARCH, "data": {"train": str(data), "valid_share": 0.0}}, teacher=teacher, out=tmp_path / "a")
    with pytest.raises(DataError, match="judges its candidates on validation rows"):
        limbeck.distill({**SEARCH, "data": {"train": str(data), "valid_share": 1e-9}}, teacher=teacher, out=tmp_path / "b")
    with pytest.raises(RecipeError, match="there is nothing to search: the recipe's student is the family bag"):
        search(Recipe.asked(TINY, data=data, teacher=teacher, out=tmp_path / "c"))


def test_without_labels_agreement_takes_the_place_of_accuracy(run, tmp_path) -> None:
    _, _, _, data, teacher = run
    bare = tmp_path / "bare.jsonl"
    rows = [json.loads(line) for line in data.read_text().splitlines()]
    bare.write_text("".join(json.dumps({"text": f"{row['text']} {i}"}) + "\n" for row in rows for i in range(4)))
    recipe = {**SEARCH, "data": {"train": str(bare), "label": None, "valid_share": 0.3, "test_share": 0.2}}
    recipe["verify"] = {**TINY["verify"], "baseline": True, "least_agreement": 0.5}
    found = search(Recipe.asked(recipe, teacher=teacher, out=tmp_path / "out"))
    assert (found.by, found.enough) == ("agreement", 0.5)
    assert next(r.quality for r in found.references if r.what == "teacher") == 1.0


def test_measured_elsewhere_without_torch_and_chosen_here(run, tmp_path) -> None:
    _, folder, _, data, teacher = run
    recipe = Recipe.asked(SEARCH, data=data, teacher=teacher)
    many = ladder(recipe, tmp_path / "candidates.zip")
    sizes = {p["name"]: p["bytes"] for p in front_of(folder)["points"]}
    travelling = ladders.read(tmp_path / "candidates.zip").candidates
    assert len(travelling) == many
    assert {name for name, size in sizes.items() if size > 1_000_000}.isdisjoint(travelling), (
        "what is too large does not travel"
    )
    assert {name for name, size in sizes.items() if size <= 1_000_000} <= set(travelling)
    travels = (tmp_path / "candidates.zip").read_bytes()
    texts = [json.loads(row)["text"] for row in data.read_text().splitlines()]
    assert not [text for text in texts if text.count(" ") > 1 and text.encode() in travels], "no training text travels"
    code = (
        "import sys\n"
        "class Blocked:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('torch', 'transformers', 'onnx', 'sklearn', 'pyarrow', 'filelock', 'matplotlib'):\n"
        "            raise ImportError(name, name=name)\n"
        "sys.meta_path.insert(0, Blocked())\n"
        "from limbeck.cli import main\n"
        "main()\n"
    )
    there = subprocess.run(
        [sys.executable, "-c", code, "measure", "candidates.zip"], cwd=tmp_path, capture_output=True, text=True
    )
    assert there.returncode == 0, there.stderr
    assert f"profile.json  {many} candidates on " in there.stdout

    profile = tmp_path / "profile.json"
    content = json.loads(profile.read_text())
    for name, cost in content["costs"].items():  # a slow device, on which one candidate alone is quick enough
        cost |= {"latency_p50": 10.0 if name == "bag-2-count1-int8" else 9_000.0, "company": 0.0}
    profile.write_text(json.dumps(content))
    budget = {"budget": "1MB,15us"}
    with pytest.raises(BudgetError, match="candidates of up to 1,000,000 bytes, and this budget allows 2,000,000"):
        limbeck.distill(
            {**SEARCH, "student": {"budget": "2MB"}}, data=data, teacher=teacher, out=tmp_path / "out", profile=profile
        )
    assert not (tmp_path / "out").exists(), "a mended budget is not another run's"
    made = limbeck.distill({**SEARCH, "student": budget}, data=data, teacher=teacher, out=tmp_path / "out", profile=profile)
    assert made.lineage["search"]["chosen"] == "bag-2-count1-int8"
    assert made.budget_misses == (), "of the device, however slow this machine is"
    assert any("untrained draft took 10 µs (p50)" in note for note in made.notes)
    moved = profile.rename(tmp_path / "moved.json")
    again = {"data": data, "teacher": teacher, "out": tmp_path / "out", "profile": moved}
    assert limbeck.distill({**SEARCH, "student": budget}, **again) == Report.from_json(made.to_json())
    with pytest.raises(RunFolderError, match=r"data\.profile"):
        limbeck.distill({**SEARCH, "student": budget}, **{**again, "profile": None})

    content["made_from"]["vocabulary"] = "0" * 64
    profile.write_text(json.dumps(content))
    with pytest.raises(
        BudgetError, match="another ladder than this recipe's; it differs in vocabulary: 0000000000000000 there"
    ):
        limbeck.distill({**SEARCH, "student": budget}, data=data, teacher=teacher, out=tmp_path / "other", profile=profile)


def test_the_command_line_shows_the_front(run, tmp_path) -> None:
    _, folder, _, data, teacher = run
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(json.dumps({**SEARCH, "student": {}, "teacher": {"model": str(teacher)}}))

    def cli(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "limbeck", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=tmp_path)

    asked = ["search", recipe, "--data", data, "--out", tmp_path / "out"]
    page = cli(*asked, "--budget", "1MB")
    assert page.returncode in (0, 3), page.stderr
    assert front_of(folder)["chosen"] in page.stdout
    assert "\x1b[" not in page.stdout
    found = json.loads(cli(*asked, "--budget", "1MB", "--json").stdout)
    assert found["chosen"] == front_of(folder)["chosen"]
    for budget, message in (("2 elephants", "is no limit"), ("-1MB", "must be above 0"), ("10B", "The nearest, bag-1")):
        bad = cli("search", recipe, "--data", data, "--out", tmp_path / "bad", "--budget", budget)
        assert bad.returncode == 2
        assert message in " ".join(bad.stderr.split())
        assert "Traceback" not in bad.stderr
