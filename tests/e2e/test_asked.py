"""A number of calls is kept to at the door: which texts are asked about, in rounds, after a kill, and with more calls later."""

import json
from importlib import import_module

import pytest

from limbeck import distill
from limbeck.errors import LimbeckError, RecipeError, RunFolderError
from limbeck.pipeline import teaching
from limbeck.recipe import Recipe
from samples import ROWS, TINY
from served import Served

MORE = [(f"{text} {tail}", label) for tail in ("now", "again please", "my friend") for text, label in ROWS]


@pytest.fixture
def served(tmp_path, monkeypatch):
    monkeypatch.setattr(import_module("limbeck.teachers._endpoint"), "_FIRST_WAIT", 0.01)
    monkeypatch.setattr(import_module("limbeck.pipeline.asked"), "FIRST", 4)
    found = Served(tmp_path)
    yield found
    found.close()


@pytest.fixture
def recipe(served, tmp_path):
    """A recipe over sixty rows, of which a file judges 15 and another chooses 15."""
    paths = {}
    for name, rows in (("train", MORE), ("test", ROWS), ("valid", [(f"well {t}", y) for t, y in ROWS])):
        paths[name] = tmp_path / f"{name}.jsonl"
        paths[name].write_text("".join(json.dumps({"text": t, "label": y}) + "\n" for t, y in rows), encoding="utf-8")
    teacher = {"kind": "openai", "model": "sorter", "endpoint": served.url, "answers": str(tmp_path / "answers.sqlite")}
    data = {name: str(path) for name, path in paths.items()}

    def made(out: str, **more) -> Recipe:
        content = {**TINY, "data": data, "teacher": {**teacher, **more}, "out": str(tmp_path / out), "views": {"per_record": 0}}
        return Recipe.read(content)

    return made


def keys(folder) -> list[dict]:
    return [json.loads(line) for line in (folder / "asked.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("choose", ["active", "random"])
def test_no_more_is_asked_than_was_allowed(served, recipe, tmp_path, choose) -> None:
    wanted = recipe("run", calls=20, choose=choose)
    assert teaching.estimate(wanted).calls == 20 + 15 + 15
    report = distill(wanted)
    assert served.asked() == 20 + 15 + 15
    chosen = keys(tmp_path / "run")
    assert [sum(c["round"] == n for c in chosen) for n in range(4)] == [4, 4, 8, 4]
    assert len({c["key"] for c in chosen}) == 20
    assert {c["why"] for c in chosen} <= (
        {"random", "tried"} if choose == "random" else {"typical", "unsure", "random", "tried"}
    )
    resolved = json.loads((tmp_path / "run" / "resolved.json").read_text(encoding="utf-8"))
    assert sum(sum(v["why"].values()) for k, v in resolved["measured"].items() if k.startswith("asked.")) == 20
    assert "the teacher was asked about 20 of 45 training texts" in " ".join(report.notes)


def test_a_run_that_was_killed_asks_for_the_same_texts(served, recipe, tmp_path, monkeypatch) -> None:
    whole = recipe("whole", calls=20, answers=str(tmp_path / "whole.sqlite"))
    teaching.teach(whole)
    before = served.asked()
    killed, teacher = recipe("killed", calls=20), import_module("limbeck.teachers.openai").Openai
    answer, left = teacher.answer, [3]

    def dying(self, payloads, needs):
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        return answer(self, payloads, needs)

    monkeypatch.setattr(teacher, "answer", dying)
    with pytest.raises(KeyboardInterrupt):
        teaching.teach(killed)
    monkeypatch.setattr(teacher, "answer", answer)
    assert 0 < served.asked() - before < 50
    teaching.teach(killed)
    assert served.asked() - before == 50
    assert keys(tmp_path / "killed") == keys(tmp_path / "whole")


def test_more_calls_later_ask_for_new_texts_only(served, recipe, tmp_path) -> None:
    teaching.teach(recipe("few", calls=8))
    few = served.asked()
    teaching.teach(recipe("more", calls=16))
    assert served.asked() - few == 8
    assert {c["key"] for c in keys(tmp_path / "few")} < {c["key"] for c in keys(tmp_path / "more")}


def test_the_file_of_choices_is_proven(served, recipe, tmp_path) -> None:
    wanted = recipe("run", calls=12)
    teaching.teach(wanted)
    path = tmp_path / "run" / "asked.jsonl"
    before = path.read_text(encoding="utf-8")
    path.write_text("[]\n", encoding="utf-8")
    asked = served.asked()
    teaching.teach(wanted)
    assert path.read_text(encoding="utf-8") == before
    assert served.asked() == asked
    resolved = tmp_path / "run" / "resolved.json"
    content = json.loads(resolved.read_text(encoding="utf-8"))
    content["measured"]["asked.1"]["sha256"] = "0"
    resolved.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(RunFolderError, match="round 2 cannot be chosen again"):
        teaching.teach(wanted)


def test_views_and_samples_are_calls_too(served, recipe) -> None:
    wanted = recipe("run", calls=20, samples=2)
    assert teaching.estimate(wanted).calls == 20 + 2 * (15 + 15)
    with pytest.raises(RecipeError, match="teacher.calls is 3, and each text takes 2"):
        teaching.estimate(recipe("none", calls=3, samples=2))


@pytest.mark.parametrize(("key", "value", "said"), [("calls", 0, "greater than or equal to 1"), ("choose", "best", "active")])
def test_what_cannot_be_chosen_is_refused(recipe, key, value, said) -> None:
    with pytest.raises(RecipeError, match=rf"teacher\.{key}: .*{said}"):
        recipe("run", **{key: value})


def test_where_each_label_judges_all_labelled_rows_are_asked(served, tmp_path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [*({"text": t, "label": y} for t, y in ROWS), *({"text": t} for t, _ in MORE)]
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    teacher = {"kind": "openai", "model": "sorter", "endpoint": served.url, "answers": str(tmp_path / "answers.sqlite")}
    content = {
        **TINY,
        "verify": {**TINY["verify"], "cross_fit_below": 100, "folds": 2, "repeats": 1},
        "views": {"per_record": 0},
    }
    content |= {"data": {"train": str(path), "valid_share": 0.0}, "out": str(tmp_path / "run")}
    with pytest.raises(LimbeckError, match="16 texts have to be asked at least: 15 have a label, and each of these judges"):
        distill({**content, "teacher": {**teacher, "calls": 10}, "out": str(tmp_path / "none")})
    report = distill({**content, "teacher": {**teacher, "calls": 24}})
    assert report.rows == len(ROWS)
    chosen = keys(tmp_path / "run")
    assert sum(c["why"] == "labelled" for c in chosen) == len(ROWS)
    assert served.asked() == 24
