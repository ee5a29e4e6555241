"""Folders of clips become a bundle that answers for a clip, by the same command as texts."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import limbeck
from sounds import CLASSES, RATE, TINY_SOUNDS, folders, sung

soundfile = pytest.importorskip("soundfile")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("sounds")
    data, out = folders(root / "data"), root / "run"
    limbeck.distill(TINY_SOUNDS, data=data, out=out)
    return data, out


def test_a_bundle_answers_for_a_clip_however_it_is_handed_over(run, tmp_path: Path) -> None:
    _, out = run
    predictor = limbeck.load(out / "bundle")
    samples = sung("rising", 77)
    soundfile.write(tmp_path / "one.wav", samples, RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "stereo.wav", np.stack([samples, samples], axis=1), RATE, subtype="FLOAT")
    ways = [
        {"array": samples, "sampling_rate": RATE},
        (tmp_path / "one.wav").read_bytes(),
        str(tmp_path / "one.wav"),
        str(tmp_path / "stereo.wav"),
    ]
    found = [predictor.predict([way])[0] for way in ways]
    assert found == [found[0]] * 4
    said = [
        predictor.predict([{"array": sung(kind, 500 + n), "sampling_rate": RATE}])[0].label == kind
        for kind in CLASSES
        for n in range(10)
    ]
    assert np.mean(said) > 0.6  # three classes: chance is a third


def test_the_command_line_takes_a_file(run, tmp_path: Path) -> None:
    _, out = run
    soundfile.write(tmp_path / "one.flac", sung("steady", 78), RATE)
    command = [sys.executable, "-m", "limbeck", "predict", str(out / "bundle"), str(tmp_path / "one.flac"), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["label"] in CLASSES


def test_the_report_holds_teacher_and_student_against_each_other(run) -> None:
    _, out = run
    report = json.loads((out / "evidence" / "report.json").read_text())
    assert report["task"] == "audio-classification"
    assert report["teacher"]["footprint"]["form"] == "onnx float32"  # its file reads as a bundle does
    assert report["student"]["footprint"]["bytes"] < 20_000
    assert (out / "evidence" / "report.html").is_file()
