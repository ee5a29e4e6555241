"""The pages that a run leaves, with slices and texts where they are asked for, and made again without torch."""

import json
import subprocess
import sys

import pytest

import limbeck
from limbeck.errors import DataError
from limbeck.page.material import gather
from limbeck.page.written import PAGES
from samples import ROWS, TINY

SCRIPT = "<script>alert(1)</script>"


def test_a_finished_run_gets_or_loses_its_texts_by_the_same_command(tiny_run) -> None:
    report, folder, data, teacher = tiny_run
    evidence = folder / "evidence"
    assert all((evidence / name).is_file() for name in PAGES)
    details = gather(folder).details
    assert details is not None
    assert not details.texts
    judged = {change.where.rpartition(" ")[2] for change in (*details.lost, *details.gained)}
    lines = data.read_text(encoding="utf-8").splitlines()
    changed = [json.loads(lines[int(number) - 1])["text"] for number in judged]
    assert changed, "a tiny student without any changed answer shows nothing here"
    before = (evidence / "report.html").read_bytes()
    for texts in (True, False):
        again = limbeck.distill(TINY, data=data, teacher=teacher, out=folder, overrides=[f"report.texts={str(texts).lower()}"])
        assert again.seconds == report.seconds
        page = (evidence / "report.html").read_text(encoding="utf-8")
        assert all((f">{text}<" in page) is texts for text in changed)
    assert (evidence / "report.html").read_bytes() == before
    (evidence / "report.md").unlink()
    limbeck.distill(TINY, data=data, teacher=teacher, out=folder)
    assert (evidence / "report.md").is_file()


def test_the_command_makes_the_page_again_without_torch(tiny_run, tmp_path) -> None:
    _, folder, _, _ = tiny_run
    code = "import sys; sys.modules['torch'] = None; from limbeck.cli import main; main()"

    def command(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, timeout=300)

    done = command("report", folder / "bundle", "--out", tmp_path / "page.html")
    assert done.returncode == 0, done.stderr
    assert "page.html" in done.stdout
    assert (tmp_path / "page.html").read_bytes() == (folder / "evidence" / "report.html").read_bytes()
    both = command("report", folder, folder, "--out", tmp_path / "both.html")
    assert both.returncode == 0, both.stderr
    assert "2 runs compared" in (tmp_path / "both.html").read_text(encoding="utf-8")
    absent = command("report", tmp_path)
    assert absent.returncode == 2
    assert "Give the folder of a run" in absent.stderr


def test_slices_and_texts_of_a_whole_run(tiny_teacher, tmp_path) -> None:
    rows = [
        {
            "text": text + (f" {SCRIPT} ann@example.org", "", " +44 20 7946 0958", "?")[n],
            "label": label,
            SCRIPT: ("de", "en")[n % 2],
        }
        for n in range(4)
        for text, label in ROWS
    ]
    data, test = tmp_path / "rows.jsonl", tmp_path / f"{SCRIPT.replace('/', '|')}.jsonl"
    data.write_text("".join(json.dumps({"text": f"{text}, please", "label": label}) + "\n" for text, label in ROWS))
    test.write_text("".join(json.dumps(r) + "\n" for r in rows))
    recipe = {**TINY, "report": {"texts": True}, "data": {**TINY["data"], "slices": [SCRIPT]}}
    with pytest.raises(DataError, match=r"the slices name the column.*'text', 'label'"):
        limbeck.distill(recipe, data=data, teacher=tiny_teacher[1], out=tmp_path / "run")
    report = limbeck.distill(recipe, data=data, test=test, teacher=tiny_teacher[1], out=tmp_path / "run")
    by_name = {s.name: s for s in report.slices}
    assert {v.label: v.rows for v in by_name[SCRIPT].values} == {"de": 30, "en": 30}
    assert "text length" in by_name
    page = (tmp_path / "run" / "evidence" / "report.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "ann@example" not in page
    assert "7946" not in page
    assert "[e-mail]" in page
    assert "[phone]" in page
    told = json.loads((tmp_path / "run" / "evidence" / "details.json").read_text())
    assert str(tmp_path) not in json.dumps({**told["lineage"], "command": ""})
