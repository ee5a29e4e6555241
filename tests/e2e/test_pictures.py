"""Folders of pictures become a bundle that answers for a picture, by the same command as texts."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

import limbeck
from limbeck.errors import RecipeError
from limbeck.pipeline import int8
from limbeck.teachers.wide_resnet import WideResnet
from limbeck.types import Signal
from pictures import CLASSES, TINY_PICTURES, drawn, folders


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("pictures")
    data, out = folders(root / "data"), root / "run"
    limbeck.distill(TINY_PICTURES, data=data, out=out)
    return data, out


def test_a_bundle_answers_for_a_picture_however_it_is_handed_over(run, tmp_path: Path) -> None:
    _, out = run
    predictor = limbeck.load(out / "bundle")
    pixels = drawn("bars", 77)
    Image.fromarray(pixels).save(tmp_path / "one.png")
    ways = [pixels, (tmp_path / "one.png").read_bytes(), str(tmp_path / "one.png")]
    found = [predictor.predict([way])[0] for way in ways]
    assert found[0] == found[1] == found[2]
    assert found[0].label in CLASSES
    said = [predictor.predict([drawn(kind, 500 + n)])[0].label == kind for kind in CLASSES for n in range(10)]
    assert np.mean(said) > 0.6  # three classes: chance is a third


def test_the_command_line_takes_a_file(run, tmp_path: Path) -> None:
    _, out = run
    Image.fromarray(drawn("dots", 78)).save(tmp_path / "one.jpg", quality=95)
    command = [sys.executable, "-m", "limbeck", "predict", str(out / "bundle"), str(tmp_path / "one.jpg"), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["label"] in CLASSES


def test_of_a_folder_each_picture_has_a_line_and_a_broken_one_says_why(run, tmp_path: Path) -> None:
    _, out = run
    folder = tmp_path / "new"
    folder.mkdir()
    for n in range(3):
        Image.fromarray(drawn("bars", n)).save(folder / f"{n}.png")
    whole = (folder / "1.png").read_bytes()
    (folder / "1.png").write_bytes(whole[: len(whole) // 2])
    command = [sys.executable, "-m", "limbeck", "predict", str(out / "bundle"), "--file", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [Path(line["image"]).name for line in lines] == ["0.png", "1.png", "2.png"]
    assert ["label" in line for line in lines] == [True, False, True]
    assert "1.png" in lines[1]["error"]
    assert done.returncode == 2
    assert "rows with an error in place of a label: 1" in done.stderr
    done = subprocess.run([*command, "--column", "photo"], capture_output=True, text=True, check=False)
    assert done.stdout == ""
    assert "there is no column 'photo'; the columns are image" in done.stderr


def test_the_report_holds_teacher_and_student_against_each_other(run) -> None:
    _, out = run
    report = json.loads((out / "evidence" / "report.json").read_text())
    assert report["task"] == "image-classification"
    assert report["teacher"]["footprint"]["form"] == "onnx float32"  # its file reads as a bundle does
    assert report["student"]["footprint"]["bytes"] < 20_000
    assert report["student"]["footprint"]["cold_start_seconds"] > 0
    assert report["slices"] == []
    assert "principal components of the pixels" in report["baseline"]["what"]
    assert report["baseline"]["quality"]["accuracy"]["estimate"] > 0.5  # three classes: chance is a third
    assert report["control"]["what"].startswith("the same conv_image on the labels alone")
    assert (out / "evidence" / "report.html").is_file()
    card = (out / "evidence" / "README.md").read_text()
    assert "A small picture classifier" in card
    assert 'model.predict(["photo.png"])' in card
    assert "pipeline_tag: image-classification" in card


def test_a_second_run_takes_what_lies_there(run) -> None:
    data, out = run
    before = (out / "bundle" / "manifest.json").read_bytes()
    limbeck.distill(TINY_PICTURES, data=data, out=out)
    assert (out / "bundle" / "manifest.json").read_bytes() == before


def test_views_may_be_drawn_anew_in_each_epoch(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, out = run
    asked: list[bytes] = []
    answer = WideResnet.answer

    def counted(self: WideResnet, payloads: list, needs: frozenset) -> Signal:
        asked.extend(p.identity for p in payloads)
        return answer(self, payloads, needs)

    monkeypatch.setattr(WideResnet, "answer", counted)
    live = {
        **TINY_PICTURES,
        "teacher": {"kind": "wide_resnet", "model": str(out / "teacher")},
        "views": {"per_record": 2, "live": True},
        "training": {**TINY_PICTURES["training"], "epochs": 3},
    }
    first = limbeck.distill(live, data=data, out=tmp_path / "a")
    seen = set(asked)
    again = limbeck.distill(live, data=data, out=tmp_path / "b")
    assert set(asked) == seen
    asked.clear()
    fixed = limbeck.distill({**live, "views": {"per_record": 2}}, data=data, out=tmp_path / "c")
    drawn_anew, once = ({view for view in found if b"place" in view} for found in (seen, asked))
    assert len(drawn_anew) == 3 * len(once)
    assert once < drawn_anew, "those of the first epoch are the same"
    written = [Path(r.bundle, "model.onnx").read_bytes() for r in (first, again, fixed)]
    assert written[0] == written[1] != written[2]
    filtered = {**live["teacher"], "filter": {"confidence": 0.5}}
    with pytest.raises(RecipeError, match=r"views\.live asks the teacher.*are corrected"):
        limbeck.distill({**live, "teacher": filtered}, data=data, out=tmp_path / "d")


@pytest.mark.parametrize("family", ["conv_image", "mobile_image"])
def test_a_student_in_whole_numbers_learns_on_with_rounding_where_no_file_is_near_enough(
    run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: str
) -> None:
    data, out = run
    real, calls = int8.int8_form, []

    def far_at_first(*given: Any) -> Any:
        calls.append(given)
        form = real(*given)
        return int8.replace(form, record={**form.record, "chosen": None}, missed=True) if len(calls) == 1 else form

    monkeypatch.setattr(int8, "int8_form", far_at_first)
    monkeypatch.setattr(int8, "LEAST_AGREEMENT", 0.7)  # few rows, and a student of a few seconds
    recipe = {
        **TINY_PICTURES,
        "teacher": {"kind": "wide_resnet", "model": str(out / "teacher")},
        "student": {**TINY_PICTURES["student"], "family": family, "arithmetic": "int8"},
        "verify": {**TINY_PICTURES["verify"], "control": False, "baseline": False},
    }
    report = limbeck.distill(recipe, data=data, out=tmp_path / "out")
    record = json.loads((tmp_path / "out" / "evidence" / "int8.json").read_text())
    assert len(calls) == 2
    assert record["chosen"]
    assert record["before it learned with rounding"]["chosen"] is None
    assert json.loads(Path(report.bundle, "manifest.json").read_text())["precision"] == "int8"
    operators = {node.op_type for node in onnx.load(Path(report.bundle, "model.onnx")).graph.node}
    assert {"QuantizeLinear", "DequantizeLinear", "Conv"} <= operators
    predictor = limbeck.load(report.bundle)
    said = [predictor.predict([drawn(kind, 500 + n)])[0].label == kind for kind in CLASSES for n in range(10)]
    assert np.mean(said) > 0.5  # three classes: chance is a third
