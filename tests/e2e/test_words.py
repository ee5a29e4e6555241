"""A linear model of words beside the fine-tuned network: it is weighed on rows that neither knows, and the student learns from both."""

import json
from pathlib import Path

import numpy as np
import pytest

import limbeck
from limbeck.bundle import Bundle
from samples import TINY

WORDS = {"greeting": ("g", "h"), "question": ("q", "w"), "thanks": ("t", "x")}
COMMON = ("a", "b", "c", "d", "e", "f", "i", "j", "k", "l", "m")
"""Words that the tiny teacher's tokenizer has pieces for."""


@pytest.fixture(scope="module")
def rows(tmp_path_factory) -> Path:
    """800 texts of which two words in three say nothing."""
    dice, path = np.random.default_rng(0), tmp_path_factory.mktemp("rows") / "rows.jsonl"
    lines = []
    for _ in range(800):
        label = str(dice.choice(list(WORDS)))
        words = [*dice.choice(COMMON, 6), str(dice.choice(WORDS[label]))]
        lines.append(json.dumps({"text": " ".join(dice.permutation(words)), "label": label}))
    path.write_text("\n".join(dict.fromkeys(lines)) + "\n")
    return path


def recipe(**more) -> dict:
    return {
        **TINY,
        "data": {"train": "set by the test", "test_share": 0.2, "valid_share": 0.4},
        "teacher": {"fine_tune": {"epochs": 1, "batch_size": 64, "words": True}},
        "views": {"per_record": 1},
        "training": {"epochs": 8, "batch_size": 16, "learning_rate": 0.02},
        **more,
    }


def test_the_student_learns_from_both_and_the_report_says_so(rows, backbone, tmp_path) -> None:
    report = limbeck.distill(recipe(), data=rows, teacher=str(backbone), out=tmp_path / "out")
    found = json.loads((tmp_path / "out" / "resolved.json").read_text())["measured"]["teacher.words"]
    assert found["linear"] > 0
    assert found["after"] < found["before"]
    assert found["rows"] >= 100
    assert report.teacher.quality.accuracy.estimate > 0.95, "the network alone has seen each text once and knows nothing"
    assert report.student.quality.accuracy.estimate > 0.85
    assert "and a linear model of words and letters: the network's log-probabilities count" in " ".join(report.notes)
    assert "a linear model of words and letters" in report.teacher.what

    def stop(stage: str, *_: object) -> None:
        if stage == "student":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        limbeck.distill(recipe(), data=rows, teacher=str(backbone), out=tmp_path / "stopped", progress=stop)
    taken_up = limbeck.distill(recipe(), data=rows, teacher=str(backbone), out=tmp_path / "stopped")
    assert Bundle.open(taken_up.bundle).sha256 == Bundle.open(report.bundle).sha256


def test_too_few_validation_rows_weigh_nothing(rows, backbone, tmp_path) -> None:
    told = []
    few = recipe(data={"train": "set by the test", "test_share": 0.2, "valid_share": 0.15})
    limbeck.distill(few, data=rows, teacher=str(backbone), out=tmp_path / "out", progress=lambda *said: told.append(said[-1]))
    assert any("validation rows are too few to weigh it by" in line for line in told)
    assert "teacher.words" not in json.loads((tmp_path / "out" / "resolved.json").read_text())["measured"]
