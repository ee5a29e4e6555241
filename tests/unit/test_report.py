"""The report as a page, as JSON and as a schema."""

import importlib.util
import io
import json
from dataclasses import replace
from pathlib import Path

import pydantic
import pytest
from rich.console import Console

from limbeck.budget import Budget
from limbeck.evidence import (
    Basis,
    Calibration,
    ClassResult,
    Comparison,
    Footprint,
    Gate,
    Interval,
    Latency,
    Measured,
    OutOfScope,
    Quality,
    Refusal,
    Report,
    Verdict,
)  # fmt: skip
from limbeck.verify import wording as w
from limbeck.verify.report import page

ROOT = Path(__file__).resolve().parents[2]


def quality(share: float, ece: float | None = None, scaled: float | None = None) -> Quality:
    """A quality around a share."""
    around = Interval(share, share - 0.008, share + 0.007)
    return Quality(around, around, ece, scaled)


def pair(first: str, second: str, gained: float, lost: float, rows: int = 3080) -> Comparison:
    """A comparison with made-up bounds."""
    d = (gained - lost) / rows
    return Comparison(
        first, second, rows, Interval(0.951, 0.944, 0.957), 151.0, Interval(0.083, 0.07, 0.1), Interval(d, d - 0.006, d + 0.006),
        Interval(0.991, 0.985, 0.997), Interval(d, d - 0.01, d + 0.01), gained, lost, 0.0157,
    )  # fmt: skip


TEACHER = Measured(
    "MiniLM, fine-tuned",
    quality(0.9331, 0.031, 0.014),
    Footprint("onnx float32", 90_900_000, 22_713_216, 84_100_000, Latency(4300, 6100), 412_000_000, 1.92),
)
STUDENT = Measured(
    "bag",
    quality(0.9247, 0.052, 0.018),
    Footprint("onnx int8", 1_261_000, 834_000, 1_020_000, Latency(48, 81), 88_000_000, 0.41),
)
CLASSES = tuple(
    ClassResult(f"{name} of the account", 40, 0.925, 0.925 - drop, Interval(-drop, -drop - 0.24, 0.2 - drop))
    for name, drop in (("top-up", 0.125), ("balance", 0.1), ("card", 0.075), ("pin", 0.05), ("fee", 0.025), ("rate", 0.0))
)
WHOLE = Report(
    task="text-classification",
    basis=Basis.LABELS,
    rows=3080,
    held_out="the test file",
    teacher=TEACHER,
    student=STUDENT,
    control=Measured("the same bag without the teacher", quality(0.9127, 0.061)),
    baseline=Measured("TF-IDF with a linear SVM", quality(0.9104)),
    comparisons=(
        pair("student", "teacher", 41, 67),
        pair("student", "control", 101, 64),
        pair("student", "baseline", 120, 76),
        pair("control", "teacher", 60, 123),
        pair("baseline", "teacher", 70, 140),
    ),
    classes=CLASSES,
    margin=0.02,
    least_agreement=0.9,
    verdict=Verdict.KEPT,
    rows_to_show=1734,
    rows_to_label=None,
    gates=(
        Gate("retention", 0.99, 0.985, False, "the lower bound; 0.9910 measured"),
        Gate("bytes", 3e6, 1_261_000, True),
        Gate("class_drop", 0.1, 0.36, None, "too few rows to say of every class; about 234 rows of each would do"),
    ),
    budget_misses=(),
    calibration=Calibration(1.31, 0.42, 0.962, 958),
    notes=("2 of 77 classes are not tested (no row has the label): 'a', 'b'",),
    seconds={"verify": 3.0},
    bundle="runs/a/bundle",
    lineage={"limbeck": "0", "recipe": "0"},
    provable_margin=0.0103,
)
BARE = replace(
    WHOLE, control=None, baseline=None, comparisons=WHOLE.comparisons[:1], classes=(), gates=(), notes=(), calibration=Calibration(),
    student=replace(STUDENT, footprint=None), teacher=replace(TEACHER, footprint=None), provable_margin=None,
)  # fmt: skip
BLIND = replace(
    WHOLE,
    basis=Basis.AGREEMENT,
    teacher=replace(TEACHER, quality=None),
    student=replace(STUDENT, quality=None),
    control=replace(WHOLE.control or TEACHER, quality=None),
    baseline=None,
    comparisons=tuple(
        replace(c, difference=None, retention=None, macro_f1_difference=None, gained=None, lost=None, mcnemar_p=None)
        for c in WHOLE.comparisons
        if "baseline" not in (c.first, c.second)
    ),
    rows_to_label=917,
    provable_margin=None,
    gates=(),
)


def text(report: Report, width: int = 80) -> str:
    """The page without colour."""
    console = Console(width=width, file=io.StringIO(), color_system=None, highlight=False)
    console.print(page(report))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def flowing(report: Report) -> str:
    """The page with its lines joined."""
    return " ".join(text(report).split())


def with_difference(report: Report, estimate: float, low: float, high: float, verdict: Verdict) -> Report:
    """The report with another difference and verdict."""
    first = replace(report.comparisons[0], difference=Interval(estimate, low, high))
    return replace(report, comparisons=(first, *report.comparisons[1:]), verdict=verdict)


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("report", [WHOLE, BARE, BLIND, replace(WHOLE, basis=Basis.CROSS_FITTING)], ids=lambda r: str(r.basis))
def test_the_page_fits_and_begins_with_the_verdict(report: Report, width: int) -> None:
    found = text(report, width)
    assert found.startswith("kept: the student ")
    assert max(len(line.rstrip()) for line in found.splitlines()) <= min(width, 100)
    assert not any(word in found for word in ("None", "nan", "inf "))
    assert "…" not in found
    assert "\n\n\n" not in found


def test_verdicts_in_words() -> None:
    assert flowing(WHOLE).startswith(
        "kept: the student loses 0.8 points of accuracy against its teacher and, with 95% certainty, has lost at most 1.4 (2 are allowed)."
    )
    lost = with_difference(WHOLE, -0.05, -0.056, -0.041, Verdict.LOST)
    assert "loses 5.0 points of accuracy against its teacher and, with 95% certainty, has lost at least 4.1" in flowing(lost)
    gain = with_difference(WHOLE, 0.0102, 0.003, 0.02, Verdict.KEPT)
    assert "gains 1.0 points of accuracy against its teacher and, with 95% certainty, has lost nothing" in flowing(gain)
    same = with_difference(WHOLE, 0.0, -0.004, 0.004, Verdict.KEPT)
    assert "has the same accuracy as its teacher and, with 95% certainty, has lost at most 0.4" in flowing(same)
    unclear = replace(with_difference(WHOLE, -0.011, -0.03, 0.008, Verdict.NOT_SHOWN), rows=400, rows_to_show=2313)
    assert "2,313 rows show it four times out of five: 1,913 more than there are." in flowing(unclear)
    assert "More rows would not show it" in flowing(replace(unclear, rows_to_show=None))
    assert "four times out of five; these do not." in flowing(replace(unclear, rows_to_show=300))
    assert "answers as its teacher does on 95.1% of the rows and, with 95% certainty, on at least 94.4% of all" in flowing(
        BLIND
    )
    assert "on at most 95.7% of all" in flowing(replace(BLIND, verdict=Verdict.LOST))
    assert "Accuracy is not measurable: label about 917 rows to measure it to within 2 points." in flowing(BLIND)
    assert "each answered by students that were trained without it." in flowing(replace(WHOLE, basis=Basis.CROSS_FITTING))


def test_a_note_ends_in_one_full_stop() -> None:
    assert "one.." not in flowing(replace(WHOLE, notes=("one.", "two")))
    assert flowing(replace(WHOLE, notes=("one.", "two"))).endswith("One. · Two.")


def test_a_budget_is_not_met_by_what_was_not_measured() -> None:
    nothing = {"bytes": 3.0, "latency_p50": None, "memory": None}
    assert Budget(bytes=4).misses(nothing) == []
    assert Budget(bytes=2, memory=7).misses(nothing) == [
        "bytes is 3, the budget allows 2",
        "memory was not measured, the budget allows 7 bytes",
    ]


def test_all_figures_are_there() -> None:
    lines = {" ".join(line.split()) for line in text(WHOLE).splitlines()}
    for line in (
        "accuracy 93.3% 92.5% 91.3% 91.0%",
        "retained of the teacher's – 99.1% 99.1% 99.1%",
        "calibration error 0.031 0.052 0.061 –",
        "after temperature 0.014 0.018 – –",
        "student − teacher −0.8 −1.4 to −0.2 41 / 67 0.016",
        "bytes 90.9 MB 1.26 MB 1/72",
        "compressed 84.1 MB 1.02 MB 1/82",
        "latency, p50 4.30 ms 48 µs 1/90",
        "cold start 1.92 s 0.41 s 1/4.7",
        "top-up of the account 40 92% 80% −12.5 −36.5 to +7.5",
        "retention 0.99 0.985 MISSED the lower bound; 0.9910 measured",
    ):
        assert line in lines, (line, sorted(lines))
    assert "rate of the account" not in text(WHOLE)  # it lost nothing
    assert "2 of 77 classes are not tested" in text(WHOLE)
    assert "budget" in text(replace(WHOLE, budget_misses=("bytes is 3, the budget allows 2",)))


def test_missing_parts_leave_no_holes() -> None:
    found = text(BARE)
    for word in ("control", "baseline", "bytes", "classes", "asked besides", "temperature of", "smallest margin"):
        assert word not in found
    assert "accuracy" not in text(BLIND).split("answers as the teacher", 1)[1].split("on this machine")[0]
    only = text(replace(BARE, student=STUDENT))
    assert "student  ratio" not in only
    assert "1.26 MB" in only


def test_labels_are_shown_as_they_are_and_move_no_cursor() -> None:
    odd = ["[bold]refund[/bold]", "[/]", "a\nb\x1b[2J", "退款" * 30]
    classes = tuple(replace(CLASSES[0], label=label) for label in odd)
    found = text(replace(WHOLE, classes=classes, notes=("the student never answers '[red]'",)))
    assert "[bold]refund[/bold] " in found
    assert "\n[/] " in found
    assert "\x1b" not in found
    assert "never answers '[red]'" in found
    assert max(len(line.rstrip()) + line.count("退") + line.count("款") for line in found.splitlines()) <= 80


def test_abstention_in_words() -> None:
    assert (
        "Below a probability of 0.42 it abstains: of those rows it answers 96%, as accurately as the teacher all."
        in flowing(WHOLE)
    )
    never = replace(WHOLE, calibration=Calibration(1.31, 0.0, 1.0, 958, threshold_found=False))
    assert "No confidence makes the answers as good as the teacher's, so the student never abstains." in flowing(never)


def test_figures_as_people_read_them() -> None:
    assert [w.size(n) for n in (None, 812, 1_261_000, 90_900_000, 412_000_000)] == [
        "–",
        "812 B",
        "1.26 MB",
        "90.9 MB",
        "412 MB",
    ]
    assert [w.duration(s) for s in (None, 48e-6, 0.0042, 1.92)] == ["–", "48 µs", "4.20 ms", "1.92 s"]
    assert [w.points(d) for d in (0.012, -0.008, -0.0001)] == ["+1.2", "−0.8", "0.0"]
    assert (w.ratio(2, 1), w.ratio(1, 72), w.ratio(1, 4.7), w.ratio(None, 1)) == ("× 2.0", "1/72", "1/4.7", "–")
    assert (w.count(4.5), w.count(8.0), w.p_value(1e-9), w.rows(1)) == ("4.5", "8", "< 0.001", "1 row")


def test_exit_codes() -> None:
    passing = replace(WHOLE, gates=())
    assert passing.exit_code == 0
    assert WHOLE.exit_code == 3  # a gate
    assert replace(passing, budget_misses=("bytes",)).exit_code == 3
    assert replace(passing, verdict=Verdict.LOST).exit_code == 3
    assert replace(passing, verdict=Verdict.NOT_SHOWN).exit_code == 4
    assert replace(passing, gates=(Gate("bytes", 1, None, None),)).exit_code == 0


def test_json_and_back() -> None:
    for report in (WHOLE, BARE, BLIND):
        assert Report.from_json(json.loads(json.dumps(report.to_json()))) == report
    with pytest.raises(ValueError, match="schema_version"):
        Report.from_json({**WHOLE.to_json(), "schema_version": 1})


def test_the_reference_is_current() -> None:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "reference" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    remedy = "run: python docs/reference/generate.py"
    assert generate.page() == (ROOT / "docs" / "reference" / "report.md").read_text(encoding="utf-8"), remedy
    assert generate.cascade_page() == (ROOT / "docs" / "reference" / "cascade.md").read_text(encoding="utf-8"), remedy
    assert generate.front_page() == (ROOT / "docs" / "reference" / "front.md").read_text(encoding="utf-8"), remedy
    if tuple(map(int, pydantic.VERSION.split(".")[:2])) < (2, 11):
        pytest.skip("older versions of pydantic say the same schema in other words")
    assert generate.schema() == (ROOT / "docs" / "reference" / "report.schema.json").read_text(encoding="utf-8"), remedy


def test_what_is_refused_stands_beside_its_cost() -> None:
    around = Interval(0.62, 0.59, 0.65)
    scope = OutOfScope(
        1000, 0.01, Refusal(0.55, around, Interval(0.009, 0.006, 0.013)), Refusal(0.41, around, Interval(0.011, 0.008, 0.015)),
        Interval(-0.021, -0.034, -0.008),
    )  # fmt: skip
    shown = text(replace(WHOLE, out_of_scope=scope))
    assert "refused of 1,000 out of scope" in shown
    assert "right answers held back" in shown
    assert "−2.1" in shown
    assert "−3.4 to −0.8" in shown
    by_labels = replace(WHOLE.calibration, rows=300, against="labels")
    for chosen, of, expected in (
        (by_labels, scope, "chosen on 300 rows of validation so that at 95% at most 1% of other rows lose a right answer."),
        (replace(by_labels, against="teacher"), scope, "at most 1% of other rows lose an answer of the teacher's."),
        (
            by_labels,
            replace(scope, shown=False),
            "holds back no right answer on 300 rows of validation; they are too few to show that",
        ),
        (by_labels, replace(scope, allowed=0.0), "Each threshold holds back no right answer on 300 rows of validation."),
        (replace(by_labels, threshold=0.0, threshold_found=False), scope, "it has no threshold and refuses nothing."),
    ):
        said = flowing(replace(WHOLE, out_of_scope=of, calibration=chosen))
        assert expected in said
        assert "as good as the teacher's" not in said
    assert Report.from_json(replace(WHOLE, out_of_scope=scope).to_json()).out_of_scope == scope
