"""Killed at any moment and started again: the same bytes, and nothing that was committed is asked twice."""

import json
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from filelock import FileLock

import limbeck
from limbeck.curves import read_curves
from limbeck.engine import checkpoint
from limbeck.engine.loop import Training
from limbeck.errors import MissingExtraError, RunFolderError
from samples import ROWS, TINY

RECIPE = {
    **TINY,
    "data": {"train": "set by the test", "test_share": 0.3, "valid_share": 0.2},
    "teacher": {"fine_tune": {"epochs": 3, "batch_size": 2}},
    "views": {"per_record": 40},
    "training": {"epochs": 3, "batch_size": 16},
    "precision": "float32",
    "checkpoint_seconds": 1e-6,
}

KILLED = """
import json, os, sys
import limbeck
from limbeck.engine import checkpoint
from limbeck.signals import teach
from limbeck.teachers.huggingface import Huggingface

recipe, data, teacher, out, stage, at, door = sys.argv[1:]
teach.SHARD = 64
checkpoint._SHARE = 1e9  # saved as often as it may be
answered = Huggingface.answer

def answer(self, payloads, needs):
    found = answered(self, payloads, needs)
    if stage != "choice" and len(payloads) > 20:
        with open(door, "a", encoding="utf-8") as log:
            log.write(json.dumps(list(payloads)) + "\\n")
    return found

Huggingface.answer = answer

def progress(name, done, total, note):
    if name == stage and done >= int(at):
        os.kill(os.getpid(), 9)

limbeck.distill(json.loads(recipe), data=data, teacher=teacher, out=out, progress=progress)
"""


def start(backbone: Path, data: Path, out: Path, door: Path, stage: str = "", at: int = 0) -> int:
    arguments = [json.dumps(RECIPE), data, backbone, out, stage, at, door]
    return subprocess.run([sys.executable, "-c", KILLED, *map(str, arguments)], capture_output=True, timeout=300).returncode


def test_killed_in_every_stage_it_ends_with_the_same_bytes_and_asks_nothing_twice(backbone, rows_file, tmp_path) -> None:
    assert start(backbone, rows_file, tmp_path / "whole", tmp_path / "whole.log") == 0
    out, door = tmp_path / "killed", tmp_path / "killed.log"
    # 6 steps choose the teacher's epochs; two thirds of the way through, in the refit, between shards, in the student, in the proof.
    for stage, at in (("teacher", 3), ("teacher", 5), ("signals", 64), ("signals", 64), ("student", 20), ("verify", 0)):
        assert start(backbone, rows_file, out, door, stage, at) == -signal.SIGKILL, (stage, at)
    written = (out / "bundle" / "model.onnx").stat().st_mtime_ns
    assert start(backbone, rows_file, out, door) == 0
    assert (out / "bundle" / "model.onnx").stat().st_mtime_ns == written  # a kill in the proof costs no training
    for name in ("model.onnx", "modality.json", "golden.json"):
        assert (out / "bundle" / name).read_bytes() == (tmp_path / "whole" / "bundle" / name).read_bytes(), name
    asked = [
        Counter(t for line in log.read_text().splitlines() for t in json.loads(line)) for log in (door, tmp_path / "whole.log")
    ]
    assert set(asked[0]) == set(asked[1])
    assert sum(asked[0].values()) == sum(asked[1].values())
    curves = [(line["stage"], line["step"]) for line in read_curves(out / "curves.jsonl")]
    assert len(curves) == len(set(curves))
    assert not list(out.glob(".*checkpoint*"))


def test_what_is_cut_off_behind_the_student_goes_on_where_it_was(backbone, rows_file, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(checkpoint, "_SHARE", 1e9)
    restore, taken_up = Training.restore, []

    def restored(self, numbers, tensors) -> None:
        taken_up.append(numbers["number"])
        restore(self, numbers, tensors)

    monkeypatch.setattr(Training, "restore", restored)
    recipe = {**RECIPE, "verify": {**RECIPE["verify"], "control": True, "seeds": 2}}

    def distilled(out, cut_off: str = ""):
        def progress(stage: str, done: int, total: int, note: str) -> None:
            if stage == cut_off and total > 1 and done >= 5:
                raise KeyboardInterrupt

        return limbeck.distill(recipe, data=rows_file, teacher=backbone, out=out, progress=progress)

    whole = distilled(tmp_path / "whole")
    assert not taken_up
    # In the first folder the student is there by then, so the second cuts off another seed of it, and the third one of the control.
    for stage in ("control", "student", "control"):
        with pytest.raises(KeyboardInterrupt):
            distilled(tmp_path / "out", stage)
    ended = distilled(tmp_path / "out")
    choice, control, seed, still, control_seed = taken_up
    assert choice >= 4
    trained = [line["step"] for line in read_curves(tmp_path / "out" / "curves.jsonl") if line["stage"] == "control"]
    assert control == still == max(trained)  # it was trained to its end, and is only read
    assert min(seed, control_seed) >= 4
    assert not list((tmp_path / "out").glob(".*checkpoint*"))
    assert ended.control.quality == whole.control.quality
    assert ended.seeds == whole.seeds
    assert len(ended.seeds.control) == 2


def test_two_runs_in_one_folder_at_once_are_refused(tiny_run, tmp_path) -> None:
    _, folder, data, teacher = tiny_run
    with FileLock(folder / ".lock"), pytest.raises(RunFolderError, match="another process works in"):
        limbeck.distill(TINY, data=data, teacher=teacher, out=folder)
    limbeck.distill(TINY, data=data, teacher=teacher, out=folder)


def test_a_failed_run_lets_others_into_its_folder(tiny_run, tmp_path) -> None:
    _, _, data, teacher = tiny_run
    for _ in range(2):
        with pytest.raises(limbeck.LimbeckError, match="diverged"):
            limbeck.distill(TINY, data=data, teacher=teacher, out=tmp_path / "o", overrides=["training.learning_rate=1e30"])


def test_several_seeds_are_averaged_and_each_is_taken_again(backbone, rows_file, tmp_path) -> None:
    recipe = {**RECIPE, "teacher": {"fine_tune": {"epochs": 2, "seeds": 2}}}
    report = limbeck.distill(recipe, data=rows_file, teacher=backbone, out=tmp_path / "out")
    folders = sorted(p.name for p in (tmp_path / "out").glob("teacher*"))
    assert folders == ["teacher-0", "teacher-1", "teacher-onnx"]
    one = limbeck.distill(RECIPE, data=rows_file, teacher=backbone, out=tmp_path / "one")
    assert report.teacher.footprint.parameters == 2 * one.teacher.footprint.parameters
    (tmp_path / "out" / "evidence" / "report.json").unlink()
    notes = []
    limbeck.distill(recipe, data=rows_file, teacher=backbone, out=tmp_path / "out", progress=lambda *a: notes.append(a))
    assert sum(stage == "teacher" and n == "taken from this run's folder" for stage, *_, n in notes) == 2


def test_the_mean_of_probabilities_is_what_several_teachers_say(tiny_teacher) -> None:
    import numpy as np

    from limbeck.teachers._averaged import Averaged
    from limbeck.types import Signal

    class Fixed:
        labels, max_tokens, tolerance, width, parameters, precision = ("a", "b"), 8, 0.0, 4, 1, "float32"

        def __init__(self, row):
            self.row = row

        def fingerprint(self):
            return {"weights": str(self.row), "kind": "fixed"}

        def answer(self, payloads, needs):
            return Signal(logits_BC=np.array([self.row] * len(payloads), np.float32))

    both = Averaged([Fixed([0.0, np.log(3.0)]), Fixed([1000.0, 0.0])])  # 1/4 and 3/4; 1 and 0
    found = np.exp(both.answer(["x", "y"], frozenset({"logits_BC"})).logits_BC)
    np.testing.assert_allclose(found, [[0.625, 0.375]] * 2, rtol=1e-6)
    assert both.fingerprint()["kind"] == "fixed"
    assert both.fingerprint()["weights"] != Averaged([Fixed([1.0, 0.0])]).fingerprint()["weights"]


def test_curves_are_in_the_folder_and_a_tracker_gets_them_by_one_key(tiny_run, tmp_path) -> None:
    _, folder, data, teacher = tiny_run
    lines = read_curves(folder / "curves.jsonl")
    assert {line["stage"] for line in lines} == {"student"}
    assert all({"step", "loss", "rate"} <= set(line) for line in lines)
    out = tmp_path / "tracked"
    limbeck.distill({**TINY, "track": "tensorboard"}, data=data, teacher=teacher, out=out)
    assert list((out / "tracking").rglob("events.out.tfevents*"))
    # Who is told is no part of what the run is.
    assert limbeck.distill(TINY, data=data, teacher=teacher, out=out).student
    with pytest.raises(MissingExtraError, match="pip install wandb"):
        limbeck.distill({**TINY, "track": "wandb"}, data=data, teacher=teacher, out=tmp_path / "other")
    with pytest.raises(limbeck.LimbeckError, match="track"):
        limbeck.distill({**TINY, "track": "nobody"}, data=data, teacher=teacher, out=tmp_path / "other")


def test_parallel_runs_may_share_the_teachers_answers(tiny_run, tmp_path) -> None:
    _, _, data, teacher = tiny_run
    notes = []
    for name in ("a", "b"):
        recipe = {**TINY, "signals": str(tmp_path / "shared"), "student": {"width": 8 if name == "a" else 16}}
        limbeck.distill(recipe, data=data, teacher=teacher, out=tmp_path / name, progress=lambda *a: notes.append(a))
    totals = [total for stage, _, total, _ in notes if stage == "signals"]
    assert totals[0] > 0
    assert totals[-1] == 0
    assert len(ROWS) > 5


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), RuntimeError("I/O error: No space left on device (os error 28)")]
)
def test_a_full_disk_is_said_and_nothing_is_lost(tiny_run, tmp_path, monkeypatch, error) -> None:
    _, folder, data, teacher = tiny_run
    from limbeck.targets.onnx import Onnx

    def full(*_) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(Onnx, "write", full)
        with pytest.raises(RunFolderError, match=r"the disk of .* is full.*make room"):
            limbeck.distill(TINY, data=data, teacher=teacher, out=tmp_path / "out")
    totals = []
    limbeck.distill(TINY, data=data, teacher=teacher, out=tmp_path / "out", progress=lambda *a: totals.append(a))
    assert [total for stage, _, total, _ in totals if stage == "signals"] == [0]
    assert (tmp_path / "out" / "bundle" / "model.onnx").read_bytes() == (folder / "bundle" / "model.onnx").read_bytes()


def test_what_is_decided_while_something_is_decided_stays(tmp_path) -> None:
    from limbeck.run import Run

    (tmp_path / "resolved.json").write_text('{"measured": {}}', encoding="utf-8")
    run = Run(None, tmp_path, 1, "cpu", {}, {}, lambda *_: None)
    outer = run.decided("outer", lambda: {"inner": run.decided("inner", lambda: {"a": 1})["a"]})
    assert outer == {"inner": 1}
    assert run.measured("inner") == {"a": 1}
    assert run.decided("outer", lambda: pytest.fail("it was decided")) == outer
