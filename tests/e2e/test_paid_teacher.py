"""A student of a paid endpoint, by the commands: what it will cost, asking alone, and a run that asks nothing again."""

import json
from importlib import import_module

import pytest
from typer.testing import CliRunner

from limbeck import load
from limbeck.cli import app
from samples import TINY
from served import LABELS, Served


@pytest.fixture
def served(tmp_path, monkeypatch):
    monkeypatch.setattr(import_module("limbeck.teachers._endpoint"), "_FIRST_WAIT", 0.01)
    monkeypatch.setenv("OWN_KEY", "sk-very-secret-0123456789")
    found = Served(tmp_path)
    found.chat.key = "sk-very-secret-0123456789"
    yield found
    found.close()


@pytest.fixture
def recipe(served, rows_file, tmp_path):
    """A recipe with prices, terms and a key in the environment."""
    asked = {"kind": "openai", "model": "sorter", "endpoint": served.url, "key_env": "OWN_KEY", "timeout": 60}
    asked |= {"answers": str(tmp_path / "answers.sqlite"), "price_in": 1.5, "price_out": 6.0, "terms": "own use only"}
    path = tmp_path / "recipe.yaml"
    content = {**TINY, "data": {**TINY["data"], "train": str(rows_file)}, "teacher": asked, "out": str(tmp_path / "run")}
    path.write_text(json.dumps(content), encoding="utf-8")  # JSON is YAML
    return path


def called(*words) -> str:
    done = CliRunner().invoke(app, [str(w) for w in words])
    assert done.exit_code in (0, 3, 4), f"{done.output}\n{done.exception}"
    return done.stdout


def test_what_was_paid_is_said_before_and_asked_once(served, recipe, tmp_path) -> None:
    before = json.loads(called("teach", recipe, "--estimate", "--json"))
    assert served.chat.requests == []
    assert not (tmp_path / "run").exists()
    assert before["calls"] == before["texts"] > 0
    assert before["money"] > 0
    page = called("teach", recipe)
    assert f"calls    {before['calls']} made so far" in page
    asked = len(served.chat.requests)
    assert asked == before["calls"]
    report = json.loads(called("distill", recipe, "--set", "teacher.concurrency=2", "--json"))
    assert len(served.chat.requests) == asked  # all of it lay in the file of answers; how it is asked makes no other run
    assert " 0 calls are still to be made" in called("doctor", recipe)
    assert len(served.chat.requests) == asked
    notes = " ".join(report["notes"])
    assert f"the teacher's answers took {asked} calls" in notes
    assert "own use only" in notes
    assert report["teacher"]["footprint"] is None
    assert set(load(tmp_path / "run" / "bundle").labels) == set(LABELS)
    for path in (tmp_path / "run").rglob("*"):
        assert not path.is_file() or b"sk-very-secret" not in path.read_bytes(), path


def test_it_stops_at_the_money_that_was_allowed(served, recipe) -> None:
    done = CliRunner().invoke(app, ["teach", str(recipe), "--max-cost", "0.0000001"])
    assert done.exit_code == 1
    assert "stopped before teacher.max_cost" in str(done.exception)
    assert served.chat.requests == []
