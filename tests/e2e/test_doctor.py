"""`limbeck doctor`, and the same checks before a run: exit codes, what is refused, what is forced, and what is left behind."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import limbeck
from limbeck.cli import app
from limbeck.errors import CheckupError
from limbeck.run import open_run
from samples import ROWS, TINY

RECIPE = {**TINY, "doctor": {}}


@pytest.fixture(scope="module")
def many_rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough rows to see that a teacher of random weights is worth nothing."""
    path = tmp_path_factory.mktemp("many") / "rows.jsonl"
    lines = [
        {"text": f"{text} {'abcdefghij'[i % 10] * (i // 10 + 1)}", "label": label} for i in range(20) for text, label in ROWS
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def doctor(*arguments: object) -> tuple[int, dict[str, str]]:
    """Its exit code, and the severity of each finding by its code."""
    done = CliRunner().invoke(app, ["doctor", *map(str, arguments), "--json"], catch_exceptions=False)
    found = json.loads(done.stdout)
    return done.exit_code, {f["code"]: f["severity"] for f in found["findings"]}


def test_few_rows_are_no_reason_to_refuse(tiny_teacher, rows_file) -> None:
    code, found = doctor("--data", rows_file, "--teacher", tiny_teacher[1])
    assert code == 0
    assert "refusal" not in found.values()
    assert found["test_too_small"] == "warning"
    assert found["costs"] == "note"


def test_a_teacher_of_random_weights_is_refused_and_can_be_forced(tiny_teacher, many_rows) -> None:
    code, found = doctor("--data", many_rows, "--teacher", tiny_teacher[1])
    assert code == 2
    assert {"teacher_constant", "teacher_at_chance", "head_untrained"} & {c for c, s in found.items() if s == "refusal"}
    assert doctor("--data", many_rows, "--teacher", tiny_teacher[1], "--force")[0] == 0


def test_what_cannot_start_is_a_finding_too(tiny_teacher, tmp_path, rows_file) -> None:
    assert doctor("--data", tmp_path / "nowhere.jsonl", "--teacher", tiny_teacher[1]) == (2, {"cannot_start": "refusal"})
    assert doctor("--data", rows_file, "--test", rows_file, "--teacher", tiny_teacher[1]) == (2, {"leak": "refusal"})
    assert doctor("--data", rows_file, "--teacher", tmp_path) == (2, {"teacher_unusable": "refusal"})


def test_its_page_says_what_to_do(tiny_teacher, rows_file) -> None:
    done = CliRunner().invoke(app, ["doctor", "--data", str(rows_file), "--teacher", str(tiny_teacher[1])])
    assert done.exit_code == 0
    assert "warning test_too_small: " in done.stdout
    assert "→ Expect the verdict `not shown`." in done.stdout
    assert CliRunner().invoke(app, ["doctor"]).exit_code == 2


def test_a_refused_run_leaves_no_folder_and_a_forced_one_says_so(tiny_teacher, many_rows, tmp_path) -> None:
    out = tmp_path / "run"
    with pytest.raises(CheckupError, match=r"--force \(doctor.force\)"):
        limbeck.distill(RECIPE, data=many_rows, teacher=tiny_teacher[1], out=out)
    assert not out.exists()
    report = limbeck.distill(RECIPE, data=many_rows, teacher=tiny_teacher[1], out=out, overrides=["doctor.force=true"])
    assert report.checkup.forced
    assert report.checkup.refusals
    assert any(note.startswith("The doctor refused this run, and it was forced") for note in report.notes)
    written = json.loads((out / "evidence" / "doctor.json").read_text())
    assert written == report.checkup.to_json()
    assert limbeck.Report.from_json(report.to_json()) == report
    # To force is no part of what a run is: without it the finished run is found again.
    assert limbeck.distill(RECIPE, data=many_rows, teacher=tiny_teacher[1], out=out).checkup == report.checkup
    # Where it has to be finished first, it is refused, and what it has stays.
    (out / "complete.json").unlink()
    with pytest.raises(CheckupError):
        limbeck.distill(RECIPE, data=many_rows, teacher=tiny_teacher[1], out=out)
    assert (out / "bundle").is_dir()


def test_an_honest_run_writes_down_what_was_found(tiny_run) -> None:
    report, folder, _, _ = tiny_run
    assert not report.checkup.forced
    assert not report.checkup.refusals
    assert json.loads((folder / "evidence" / "doctor.json").read_text()) == report.checkup.to_json()
    assert report.seconds["doctor"] > 0


def test_a_search_is_checked_too(tiny_teacher, many_rows, tmp_path) -> None:
    from limbeck.pipeline import search

    recipe = limbeck.Recipe.asked(RECIPE, data=many_rows, teacher=tiny_teacher[1], out=tmp_path / "run", budget="5MB")
    with pytest.raises(CheckupError):
        search(recipe)
    assert open_run(recipe).folder == tmp_path / "run"


def test_several_seeds_give_mean_and_range(tiny_teacher, many_rows, tmp_path) -> None:
    recipe = {**TINY, "verify": {**TINY["verify"], "seeds": 3}}
    report = limbeck.distill(recipe, data=many_rows, teacher=tiny_teacher[1], out=tmp_path / "run")
    seeds, pair = report.seeds, report.against("teacher")
    assert seeds is not None
    assert pair is not None
    assert pair.difference is not None
    assert len(seeds.values) == 3
    assert seeds.values[0] == pytest.approx(pair.difference.estimate)
    assert seeds.interval.low <= seeds.interval.estimate <= seeds.interval.high
    assert any(note.startswith("over 3 seeds of the student: ") for note in report.notes)
    assert not seeds.control
    assert seeds.lead is None
    assert limbeck.Report.from_json(report.to_json()) == report
