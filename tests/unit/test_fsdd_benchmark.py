"""What benchmarks/fsdd.py takes from the record: six speakers of one commit, and the bounds of their mean lead."""

import json
import sys
from importlib import import_module
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
fsdd = import_module("fsdd")


def lines(commit: str, leads: dict[str, float]) -> str:
    """As a final reading writes them."""
    found = []
    for speaker, lead in leads.items():
        figures = {
            "accuracy": 0.9 + lead,
            "accuracies": [0.9 + lead] * 3,
            "minus_control": lead,
            "control_accuracies": [0.9] * 3,
        }
        figures |= {"teacher_accuracy": 0.95, "baseline_accuracy": 0.5}
        line = {"commit": commit, "benchmark": "fsdd", "part": speaker}
        found.append(json.dumps({**line, "figures": {f"{speaker}_{key}": value for key, value in figures.items()}}))
    return "\n".join(found) + "\n"


def test_the_latest_commit_with_all_six_counts(tmp_path: Path) -> None:
    log = tmp_path / "final.log"
    leads = dict(zip(fsdd.SPEAKERS, (0.01, 0.02, 0.03, 0.01, 0.02, 0.03), strict=True))
    other = json.dumps({"commit": "c", "benchmark": "fashion_mnist", "part": "all", "figures": {}}) + "\n"
    log.write_text(
        lines("a", dict.fromkeys(fsdd.SPEAKERS, -0.5)) + lines("b", leads) + other + lines("c", {"theo": 0.9}) + "\n"
    )
    found = fsdd.recorded(log)
    assert found["of_commit"] == "b"
    assert found["speaker_held_out_mean"] == pytest.approx(0.92)
    assert found["speaker_held_out_minus_control"] == pytest.approx(0.02)
    # By hand: deviation 0.008944, over the root of six 0.003651, times 2.5706 of five degrees.
    assert found["speaker_held_out_minus_control_bounds"] == pytest.approx([0.010613, 0.029387], abs=1e-5)
    assert found["theo_accuracy"] == pytest.approx(0.92)


def test_five_speakers_and_two_commits_are_no_record(tmp_path: Path) -> None:
    log = tmp_path / "final.log"
    leads = dict.fromkeys(fsdd.SPEAKERS[:5], 0.01)
    log.write_text(lines("a", leads) + lines("b", {"yweweler": 0.01}))
    with pytest.raises(SystemExit, match=r"no six speakers of one commit.*'b': \['yweweler'\]"):
        fsdd.recorded(log)
