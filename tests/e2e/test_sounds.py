"""Folders of clips become a bundle that answers for a clip, by the same command as texts, and listens through a long sound."""

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import limbeck
from sounds import CLASSES, RATE, TINY_SOUNDS, folders, save, sung


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("sounds")
    data, out = folders(root / "data"), root / "run"
    limbeck.distill(TINY_SOUNDS, data=data, out=out)
    return data, out


def test_a_bundle_answers_for_a_clip_however_it_is_handed_over(run, tmp_path: Path) -> None:
    _, out = run
    predictor = limbeck.load(out / "bundle")
    path = save(tmp_path / "one.wav", sung("rising", 77))
    whole = np.frombuffer(path.read_bytes()[44:], "<i2")
    ways = [{"array": whole, "sampling_rate": RATE}, {"array": np.stack([whole] * 2, axis=1), "sampling_rate": RATE}]
    found = [predictor.predict([way])[0] for way in (*ways, path.read_bytes(), str(path))]
    assert found == [found[0]] * 4
    said = [
        predictor.predict([{"array": sung(kind, 500 + n), "sampling_rate": RATE}])[0].label == kind
        for kind in CLASSES
        for n in range(10)
    ]
    assert np.mean(said) > 0.6  # three classes: chance is a third


def test_the_command_line_takes_a_file_and_listens_through_a_long_one(run, tmp_path: Path) -> None:
    _, out = run
    command = [sys.executable, "-m", "limbeck", "predict", str(out / "bundle")]
    path = save(tmp_path / "one.wav", sung("steady", 78))
    done = subprocess.run([*command, str(path), "--json"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["label"] in CLASSES
    quiet = np.zeros(RATE, np.float32)
    long = save(tmp_path / "long.wav", np.concatenate([quiet, sung("rising", 79), quiet]))
    with long.open("rb") as pipe:
        done = subprocess.run([*command, "-", "--stream", "--json"], stdin=pipe, capture_output=True, check=True)
    for line in io.BytesIO(done.stdout):
        event = json.loads(line)
        assert event["label"] in CLASSES
        assert 0.8 < event["start"] <= event["end"] < 1.6
    refused = subprocess.run([*command, str(path), str(path), "--stream"], capture_output=True, text=True, check=False)
    assert refused.returncode == 2


def test_a_second_run_takes_what_lies_there(run) -> None:
    data, out = run
    before = (out / "bundle" / "manifest.json").stat().st_mtime_ns
    limbeck.distill(TINY_SOUNDS, data=data, out=out)
    assert (out / "bundle" / "manifest.json").stat().st_mtime_ns == before


def test_the_report_holds_teacher_and_student_against_each_other(run) -> None:
    _, out = run
    report = json.loads((out / "evidence" / "report.json").read_text())
    assert report["task"] == "audio-classification"
    assert report["teacher"]["footprint"]["form"] == "onnx float32"  # its file reads as a bundle does
    assert report["student"]["footprint"]["bytes"] < 20_000
    assert (out / "evidence" / "report.html").is_file()


def test_a_teacher_that_is_trained_here_learns_views_too(run, tmp_path: Path) -> None:
    data, _ = run
    told: list[str] = []

    def watch(stage: str, done: int, total: int, note: str) -> None:
        if stage == "teacher" and done == total:
            told.append(note)

    def weights(name: str, speed: float, **views: float) -> list[bytes]:
        tuning = {**TINY_SOUNDS["teacher"]["fine_tune"], "views": {"per_record": 3, "speed": speed}, "epochs": 1, "seeds": 2}
        teacher = {**TINY_SOUNDS["teacher"], "fine_tune": tuning}
        recipe = {**TINY_SOUNDS, "teacher": teacher, "views": views, "training": {"epochs": 1}}
        limbeck.distill(recipe, data=data, out=tmp_path / name, progress=watch)
        return [(tmp_path / name / f"teacher-{n}" / "resnet_audio.safetensors").read_bytes() for n in range(2)]

    first = weights("a", 0.05, per_record=2)
    counts = [re.findall(r"fine-tuned on (\d+) labelled rows in (\d+) views", note)[0] for note in told]
    assert len(counts) == 2
    assert [int(views) for _, views in counts] == [4 * int(rows) for rows, _ in counts]
    assert first[0] != first[1]
    assert weights("b", 0.05, per_record=1, mixup_share=0.3) == first, "the student's own views are nothing to the teacher"
    assert weights("c", 0.2, per_record=2)[0] != first[0]


def test_members_that_hear_in_other_windows_teach_together_and_have_no_file(run, tmp_path: Path) -> None:
    data, out = run
    fine = {**TINY_SOUNDS, "teacher": {**TINY_SOUNDS["teacher"], "hop": 0.008, "window": 0.016}}
    limbeck.distill(fine, data=data, out=tmp_path / "fine")
    members = [{"kind": "resnet_audio", "model": str(folder / "teacher")} for folder in (out, tmp_path / "fine")]
    report = limbeck.distill(
        {**TINY_SOUNDS, "teacher": {"kind": "ensemble", "members": members}}, data=data, out=tmp_path / "both"
    )
    assert report.teacher.footprint.form == "Python"
    assert any("members read in different ways" in note for note in report.notes)
    rows = [
        json.loads(path.read_text())
        for path in (out / "teacher", tmp_path / "fine" / "teacher")
        for path in path.glob("resnet_audio.json")
    ]
    assert [row["settings"]["hop"] for row in rows] == [0.0, 0.008]
