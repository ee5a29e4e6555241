"""A bundle on new rows: its figures by arithmetic that is not ours, and what rows it cannot be judged by."""

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score, f1_score
from typer.testing import CliRunner

from bundles import LABELS, sealed
from limbeck.bundle import Bundle
from limbeck.cli import app
from limbeck.errors import DataError
from limbeck.evidence import Basis, Calibration, Report, Verdict
from limbeck.runtime.predict import Predictor
from limbeck.types import Record
from limbeck.verify.again import against_teacher, remeasured
from limbeck.verify.again_page import remeasured_page
from samples import ROWS, SEVERAL


def records(rows: list[tuple[str, str | None]]) -> list[Record]:
    return [Record(text, text, label, where=f"new.jsonl, line {n}") for n, (text, label) in enumerate(rows, 1)]


def words(page: object) -> str:
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(page)
    return console.export_text()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Bundle:
    calibration = Calibration(temperature=0.004, threshold=0.531, answered=0.9, rows=60)
    return sealed(tmp_path_factory.mktemp("b") / "bundle", calibration=calibration)


def test_the_figures_of_other_libraries(bundle: Bundle) -> None:
    found = remeasured(bundle, records([*ROWS, ("a row without a label", None)]))
    predictor = Predictor(bundle)
    answers = predictor.predict([text for text, _ in ROWS])
    said, true = [a.label for a in answers], [label for _, label in ROWS]
    right = [a == b for a, b in zip(said, true, strict=True)]
    assert (found.rows, found.left_out) == (len(ROWS), 1)
    assert 0 < sum(right) < len(ROWS)  # else the rest would say little
    assert found.quality.accuracy.estimate == pytest.approx(accuracy_score(true, said))
    assert found.quality.macro_f1.estimate == pytest.approx(f1_score(true, said, average="macro"))
    sure = [not a.abstain for a in answers]
    assert 0 < sum(sure) < len(ROWS)
    assert found.answered.estimate == pytest.approx(np.mean(sure))
    assert found.answered_accuracy.estimate == pytest.approx(np.mean([r for r, s in zip(right, sure, strict=True) if s]))
    for share in found.classes:
        of = [r for r, label in zip(right, true, strict=True) if label == share.label]
        assert (share.rows, share.right.estimate) == (len(of), pytest.approx(np.mean(of)))
        bounds = binomtest(sum(of), len(of)).proportion_ci(0.9, "wilsoncc")  # ours are one-sided at 95%
        assert (share.right.low, share.right.high) == pytest.approx((bounds.low, bounds.high), abs=1e-6)
    assert [c.right.estimate for c in found.classes] == sorted(c.right.estimate for c in found.classes)
    page = words(remeasured_page(found))
    assert f"accuracy {100 * np.mean(right):.1f}%" in page
    assert "1 row without a label left out" in page
    assert found.classes[0].label in page


def test_labels_of_any_length_leave_room_for_their_figures(tmp_path: Path) -> None:
    long = sealed(tmp_path / "b", labels=["greeting" * 40, "question" * 40, "\x1b[31mthanks"])
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(remeasured_page(remeasured(long, records([(t, long.manifest.labels[LABELS.index(i)]) for t, i in ROWS]))))
    lines = console.export_text().splitlines()
    assert "\x1b[31mthanks" not in "".join(lines)
    row = next(line for line in lines if line.startswith("greetinggreeting"))
    assert re.search(r" 5 +\d+% +[\d.]+–[\d.]+$", row.rstrip())


def test_copies_of_a_text_do_not_narrow_the_bounds(bundle: Bundle) -> None:
    once, often = remeasured(bundle, records(ROWS)), remeasured(bundle, records(ROWS * 20))
    assert often.rows == 20 * once.rows
    assert once.notes == ()
    assert "285 of 300 rows repeat" in often.notes[0]
    assert often.quality.accuracy.low == pytest.approx(once.quality.accuracy.low, abs=1e-9)


def test_classes_that_no_row_has_are_named_and_not_judged(bundle: Bundle) -> None:
    found = remeasured(bundle, records([r for r in ROWS if r[1] == "thanks"]))
    assert [c.label for c in found.classes] == ["thanks"]
    assert found.absent == ("greeting", "question")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("hi", None)], "no row has a label"),
        (
            [("hi", "greeting"), ("bye", "farewell"), ("ciao", "parting")],
            "new.jsonl, line 2: the bundle has no class 'farewell'",
        ),
    ],
)
def test_rows_that_cannot_judge_are_refused(bundle: Bundle, rows, message: str) -> None:
    with pytest.raises(DataError, match=message):
        remeasured(bundle, records(rows))


@pytest.mark.parametrize("labelled", [True, False])
def test_against_a_teacher_that_is_the_same_file(bundle: Bundle, labelled: bool) -> None:
    rows = records([(text, label if labelled else None) for text, label in ROWS])
    report = against_teacher(bundle, bundle, rows, held_out="new.jsonl", margin=0.02, least_agreement=0.5)
    assert report.basis is (Basis.LABELS if labelled else Basis.AGREEMENT)
    assert report.against("teacher").agreement.estimate == 1.0
    assert report.verdict is (Verdict.NOT_SHOWN if labelled else Verdict.KEPT)  # 15 rows cannot show two points
    assert Report.from_json(report.to_json()) == report


def test_a_teacher_with_its_labels_in_another_order_is_put_in_order(bundle: Bundle, tmp_path: Path) -> None:
    turned = sealed(tmp_path / "t", labels=LABELS[::-1])  # the same file, whose first logit now stands for another label
    report = against_teacher(bundle, turned, records(ROWS), held_out="x", margin=0.02, least_agreement=0.9)
    own = [Predictor(b).predict([t for t, _ in ROWS]) for b in (bundle, turned)]
    assert report.against("teacher").agreement.estimate == np.mean([a.label == b.label for a, b in zip(*own, strict=True)])
    with pytest.raises(DataError, match="only one of them has 'bye', 'thanks'"):
        against_teacher(bundle, sealed(tmp_path / "o", labels=["greeting", "question", "bye"]), records(ROWS), held_out="x", margin=0.02, least_agreement=0.9)  # fmt: skip


def test_the_command_line(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "new.jsonl"
    data.write_text("".join(json.dumps({"q": t, "intent": i}) + "\n" for t, i in ROWS), encoding="utf-8")
    arguments = ["verify", str(bundle.path), "--data", str(data), "--text", "q", "--label", "intent"]
    run = CliRunner().invoke(app, [*arguments, "--json"])
    assert run.exit_code == 0
    assert (
        json.loads(run.stdout)["quality"]["accuracy"]["estimate"] == remeasured(bundle, records(ROWS)).quality.accuracy.estimate
    )
    assert "accuracy" in CliRunner().invoke(app, arguments).stdout
    (tmp_path / "own_kinds.py").write_text(
        "def kind(texts): return ['long' if len(t) > 5 else 'short' for t in texts]\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    sliced = CliRunner().invoke(app, [*arguments, "--slices", "own_kinds:kind", "--json"])
    values = {v["label"]: v["rows"] for v in json.loads(sliced.stdout)["slices"]["own_kinds:kind"]}
    assert values == {"long": 13}  # fewer than ten rows say nothing
    assert "own_kinds:kind" in CliRunner().invoke(app, [*arguments, "--slices", "own_kinds:kind"]).stdout
    lost = CliRunner().invoke(app, [*arguments, "--slices", "langage"])
    assert lost.exit_code != 0
    data.write_text(data.read_text(encoding="utf-8") + '{"q": "Hello there", "intent": "thanks"}\n', encoding="utf-8")
    other = CliRunner().invoke(app, [*arguments, "--json"])
    assert json.loads(other.stdout)["rows"] == len(ROWS) - 1  # "hello there" has two labels now, and judges nothing
    assert "2 rows set aside; the first: " in other.stderr
    wrong = subprocess.run(
        [sys.executable, "-m", "limbeck", *arguments[:4], "--text", "text"], capture_output=True, text=True, check=False
    )
    assert wrong.returncode == 2
    assert "Name the column with --text NAME" in " ".join(wrong.stderr.split())
    with_teacher = CliRunner().invoke(app, [*arguments, "--teacher", str(bundle.path)])
    assert with_teacher.exit_code == 4
    assert "whether it was trained on some of them, nobody here knows" in " ".join(with_teacher.stdout.split())


def test_torch_is_not_needed(bundle: Bundle, tmp_path: Path) -> None:
    data = tmp_path / "new.csv"
    data.write_text("text,label\nhello there,greeting\nthank you,thanks\n", encoding="utf-8")
    code = (
        "import sys\nfor n in ('torch','transformers','onnx','sklearn','scipy','pyarrow'): sys.modules[n] = None\n"
        f"sys.argv = ['limbeck', 'verify', {str(bundle.path)!r}, '--data', {str(data)!r}]\nfrom limbeck.cli import main\nmain()"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "on 2 rows" in run.stdout


# --- several labels ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def of_several(tmp_path_factory) -> Bundle:
    calibration = Calibration(temperature=0.004, rows=60, thresholds=(0.5, 0.2, 0.9))
    folder = tmp_path_factory.mktemp("several") / "bundle"
    return sealed(folder, task="multi-label-text-classification", calibration=calibration)


def test_a_bundle_of_several_labels_is_measured_by_micro_f1(of_several: Bundle) -> None:
    rows = [Record(t, t, tuple(sorted(y)), where=f"line {n}") for n, (t, y) in enumerate(SEVERAL, 1)]
    found = remeasured(of_several, [*rows, Record("bare", "bare")])
    answers = Predictor(of_several).predict([text for text, _ in SEVERAL])
    said, true = (
        np.array([[label in of for label in LABELS] for of in sets])
        for sets in ([a.labels for a in answers], [y for _, y in SEVERAL])
    )
    assert 0 < said.mean() < 1
    assert (found.rows, found.left_out, found.answered) == (len(SEVERAL), 1, None)
    assert found.quality.micro_f1.estimate == pytest.approx(f1_score(true, said, average="micro"))
    assert found.quality.accuracy.estimate == pytest.approx(accuracy_score(true, said))
    for share in found.classes:
        column = LABELS.index(share.label)
        assert share.rows == true[:, column].sum()
        assert share.right.estimate == pytest.approx(said[true[:, column], column].mean())
    shown = words(remeasured_page(found))
    assert f"micro-F1 {100 * found.quality.micro_f1.estimate:.1f}%" in shown
    assert "all labels right on" in shown
    strange = [*rows, Record("x", "x", ("parting",), where="line 99")]
    with pytest.raises(DataError, match="line 99: the bundle has no class 'parting'"):
        remeasured(of_several, strange)


def test_several_labels_of_a_file_and_a_verdict_against_a_teacher(of_several: Bundle, tmp_path) -> None:
    file = tmp_path / "new.csv"
    file.write_text("text,label\n" + "".join(f'"{t}",{"+".join(y) or "+"}\n' for t, y in SEVERAL), encoding="utf-8")
    command = ["verify", str(of_several.path), "--data", str(file)]
    bare = CliRunner().invoke(app, command)
    assert isinstance(bare.exception, DataError)
    assert "Say what parts the labels of a text (--label-separator SIGN)" in str(bare.exception)
    found = CliRunner().invoke(app, [*command, "--label-separator", "+", "--json"])
    assert json.loads(found.output)["rows"] == len(SEVERAL)
    both = CliRunner().invoke(app, [*command, "--label-separator", "+", "--teacher", str(of_several.path), "--json"])
    report = Report.from_json(json.loads(both.output))
    assert report.against("teacher").micro_f1_difference.estimate == 0.0
    assert (report.verdict, both.exit_code) == (Verdict.NOT_SHOWN, 4)
