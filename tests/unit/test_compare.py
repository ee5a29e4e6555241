"""Answers become comparisons, classes, notes and a verdict; or a refusal that says what does not fit."""

import math
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limbeck.errors import DataError
from limbeck.evidence import Basis, Measured, Verdict
from limbeck.sections import GatesSection
from limbeck.verify.classes import LEAST_ROWS, class_groups, group_results
from limbeck.verify.compare import Answers, compare
from limbeck.verify.gates import judge
from limbeck.verify.statistics import paired_difference, proportion


def made(rows: int, classes: int, wrong: float, seed: int, base: np.ndarray) -> np.ndarray:
    """Logits of a model that says `base` but for a share of rows."""
    dice = np.random.default_rng(seed)
    said = np.where(dice.random(rows) < wrong, dice.integers(0, classes, rows), base)
    return (dice.normal(size=(rows, classes)) + 6 * np.eye(classes)[said]).astype(np.float32)


def world(rows: int, classes: int = 5) -> tuple[np.ndarray, dict[str, Answers], list[str]]:
    """A truth and four models."""
    true = np.random.default_rng(0).integers(0, classes, rows)
    teacher = made(rows, classes, 0.06, 1, true)
    answers = {
        "teacher": Answers(teacher, temperature=0.8),
        "student": Answers(made(rows, classes, 0.02, 2, teacher.argmax(axis=1)), temperature=0.9),
        "control": Answers(made(rows, classes, 0.15, 3, true)),
        "baseline": Answers(predicted=made(rows, classes, 0.2, 4, true).argmax(axis=1)),
    }
    return true, answers, [f"class {c}" for c in range(classes)]


def finite(value: object) -> bool:
    """Whether no number in a nest of values is NaN or infinite."""
    if isinstance(value, dict):
        return all(finite(v) for v in value.values())
    if isinstance(value, list | tuple):
        return all(finite(v) for v in value)
    return math.isfinite(value) if isinstance(value, float) else True


def test_with_labels() -> None:
    true, answers, labels = world(3000)
    found = compare(answers, true, labels, margin=0.02)
    teacher, student = (answers[n].classes[0] for n in ("teacher", "student"))
    pair = found.comparisons[0]
    gained = int(((student == true) & (teacher != true)).sum())
    lost = int(((teacher == true) & (student != true)).sum())
    assert (pair.first, pair.second, pair.rows, pair.gained, pair.lost) == ("student", "teacher", 3000, gained, lost)
    assert pair.difference == paired_difference(gained, lost, 3000)
    assert pair.agreement == proportion(int((teacher == student).sum()), 3000)
    assert pair.flips == int((teacher != student).sum())
    assert pair.retention is not None
    assert pair.retention.estimate == pytest.approx((student == true).mean() / (teacher == true).mean())
    assert pair.kl is not None
    assert 0 < pair.kl.low < pair.kl.estimate < pair.kl.high
    assert {(c.first, c.second) for c in found.comparisons} == {
        ("student", "teacher"), ("student", "control"), ("student", "baseline"), ("control", "teacher"), ("baseline", "teacher"),
    }  # fmt: skip
    assert found.quality["baseline"].ece is None
    assert found.quality["teacher"].ece_scaled is not None
    assert found.quality["student"].accuracy == proportion(int((student == true).sum()), 3000)
    assert found.verdict is Verdict.KEPT
    assert found.rows_to_label is None
    assert found.provable_margin is not None
    assert found.notes == ()
    assert compare(answers, true, labels, margin=0.02) == found  # the resamples have a seed


def test_without_labels() -> None:
    _, answers, labels = world(3000)
    kept = compare({n: answers[n] for n in ("teacher", "student", "control")}, None, labels, margin=0.02, least_agreement=0.95)
    pair = kept.comparisons[0]
    assert kept.verdict is Verdict.KEPT
    assert pair.difference is pair.retention is pair.gained is pair.mcnemar_p is None
    assert pair.agreement.low > 0.95
    assert kept.quality == {}
    assert kept.provable_margin is None
    assert kept.rows_to_label is not None
    assert kept.rows_to_label > 200
    assert all(c.teacher == 1 for c in kept.classes)
    assert kept.classes[0].student == min(c.student for c in kept.classes)
    assert compare(answers, None, labels, margin=0.02, least_agreement=0.999).verdict is Verdict.LOST
    open_ = compare(answers, None, labels, margin=0.02, least_agreement=pair.agreement.estimate - 0.001)
    assert open_.verdict is Verdict.NOT_SHOWN
    assert open_.rows_to_show is not None
    assert open_.rows_to_show > 3000


def test_cross_fitting_counts_a_row_once() -> None:
    true, answers, labels = world(400)
    once = compare(answers, true, labels, margin=0.02)
    twice = {
        n: Answers(
            None if a.logits is None else np.stack([a.logits] * 2), None if a.predicted is None else np.stack([a.predicted] * 2)
        )
        for n, a in answers.items()
    }
    twice["teacher"] = answers["teacher"]  # one that saw none of the labels needs no repeats
    same = compare(twice, true, labels, margin=0.02)
    assert same.comparisons[0].difference == once.comparisons[0].difference
    assert same.quality["student"].accuracy == once.quality["student"].accuracy
    assert same.quality["student"].macro_f1.estimate == once.quality["student"].macro_f1.estimate
    assert same.comparisons[0].kl == once.comparisons[0].kl
    assert answers["student"].logits is not None
    other = np.stack([answers["student"].logits, made(400, 5, 0.3, 9, true)])
    mixed = compare({**twice, "student": Answers(other)}, true, labels, margin=0.02)
    right = (other.argmax(axis=2) == true).mean(axis=0).sum()
    assert mixed.quality["student"].accuracy.estimate == pytest.approx(right / 400)
    pair = mixed.comparisons[0]
    assert pair.gained is not None
    assert pair.lost is not None
    assert pair.difference == paired_difference(pair.gained, pair.lost, 400)


@settings(max_examples=8, deadline=None)
@given(st.integers(1, 14), st.integers(1, 4), st.data())
def test_any_few_rows_get_finite_figures(rows: int, classes: int, data: st.DataObject) -> None:
    def draw() -> np.ndarray:
        return np.array(data.draw(st.lists(st.integers(0, classes - 1), min_size=rows, max_size=rows)))

    labels = [str(c) for c in range(classes)]
    answers = {name: Answers(np.eye(classes)[draw()] * 3) for name in ("teacher", "student")} | {
        "baseline": Answers(predicted=draw())
    }
    true = draw()
    for truth in (true, None):
        found = compare(answers, truth, labels, margin=0.02)
        assert finite(asdict(found)), found
        gain = found.comparisons[0].difference
        if found.verdict is Verdict.KEPT:  # so few rows show at most that the student is better
            assert gain is not None
            assert gain.estimate > 0.1
        for pair in found.comparisons:
            for interval in (pair.agreement, pair.difference, pair.retention, pair.macro_f1_difference, pair.kl):
                assert interval is None or interval.low <= interval.estimate <= interval.high


def test_three_rows_and_one() -> None:
    for rows in (3, 1):
        true = np.arange(rows)
        perfect = Answers(np.eye(3)[true] * 9)
        found = compare({"teacher": perfect, "student": perfect}, true, ["a", "b", "c"], margin=0.02)
        assert found.verdict is Verdict.NOT_SHOWN
        assert found.rows_to_show is not None
        assert found.rows_to_show > 1000
        assert found.quality["student"].macro_f1.low == 0.0
        assert found.comparisons[0].kl is None
        assert "cannot bound macro-F1 or KL" in found.notes[0]


def test_perfect_and_random_teachers() -> None:
    true = np.random.default_rng(1).integers(0, 4, 600)
    perfect = Answers(np.eye(4)[true] * 9)
    found = compare({"teacher": perfect, "student": perfect}, true, list("abcd"), margin=0.02)
    assert found.verdict is Verdict.KEPT
    assert found.quality["student"].macro_f1.low == found.quality["student"].accuracy.low < 1  # no resample varies
    dice = np.random.default_rng(2).normal(size=(600, 4))
    chance = compare({"teacher": Answers(dice), "student": Answers(dice)}, true, list("abcd"), margin=0.02)
    assert chance.verdict is Verdict.KEPT  # it lost nothing of the little there was
    assert any("not shown to be better than always answering" in note for note in chance.notes)
    never = compare({"teacher": Answers(np.eye(4)[(true + 1) % 4]), "student": perfect}, true, list("abcd"), margin=0.02)
    assert never.comparisons[0].retention is None
    assert never.verdict is Verdict.KEPT


def test_notes_name_what_rows_cannot_tell() -> None:
    true = np.array([0, 1] * 30)
    same = Answers(np.eye(4)[np.zeros(60, dtype=int)])
    found = compare({"teacher": Answers(np.eye(4)[true]), "student": same}, true, ["a", "b", "c", "d"], margin=0.02)
    assert found.notes == (
        "2 of 4 classes are not tested (no row has the label): 'c', 'd'",
        "the student never answers 'b', though it occurs",
        "the student answers 'a' to every row",
    )
    assert found.verdict is Verdict.LOST


@pytest.mark.parametrize(
    ("answers", "true", "message"),
    [
        ({"teacher": Answers(np.zeros((0, 2))), "student": Answers(np.zeros((0, 2)))}, np.zeros(0, int), "no held-out rows"),
        ({"teacher": Answers(np.eye(2)), "student": Answers(np.eye(2)[:1])}, np.array([0, 1]), "the same rows"),
        ({"teacher": Answers(np.eye(3)), "student": Answers(np.eye(3))}, np.array([0, 1, 1]), "shape"),
        ({"teacher": Answers(np.eye(2)), "student": Answers(np.eye(2) * np.nan)}, np.array([0, 1]), "not finite on 2 rows"),
        ({"teacher": Answers(np.eye(2)), "student": Answers(np.eye(2))}, np.array([0, 2]), "class 2 is the label"),
        ({"teacher": Answers(np.eye(2)), "student": Answers(np.eye(2))}, np.array([0, -1]), "class -1 is the label"),
        ({"teacher": Answers(np.eye(2)), "student": Answers(np.eye(2))}, np.array([0]), "1 labels for 2 rows"),
        ({"teacher": Answers(np.eye(2))}, np.array([0, 1]), "'teacher' and 'student'"),
        ({"teacher": Answers(np.eye(2)), "student": Answers()}, np.array([0, 1]), "either logits or predicted"),
        (
            {"teacher": Answers(np.eye(2)), "student": Answers(predicted=np.array([0, 5]))},
            np.array([0, 1]),
            "answer of the student",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused(answers: dict[str, Answers], true: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        compare(answers, true, ["a", "b"], margin=0.02)


def test_a_basis_that_does_not_fit_is_refused() -> None:
    two = {"teacher": Answers(np.eye(2)), "student": Answers(np.eye(2))}
    with pytest.raises(DataError, match="needs labelled rows"):
        compare(two, None, ["a", "b"], margin=0.02, basis=Basis.LABELS)
    with pytest.raises(DataError, match="needs rows without labels"):
        compare(two, np.array([0, 1]), ["a", "b"], margin=0.02, basis=Basis.AGREEMENT)


def test_bounds_of_classes_hold_all_at_once() -> None:
    dice = np.random.default_rng(8)
    rows, classes, lost = 80, 12, 0.1
    class_n = np.repeat(np.arange(classes), rows)
    held = []
    for _ in range(200):
        teacher = dice.random(len(class_n)) < 0.95
        student = teacher & (dice.random(len(class_n)) < 1 - lost / 0.95)
        found = group_results(class_groups([str(c) for c in range(classes)], class_n), teacher[None], student[None], 0.1)
        assert all(c.difference is not None for c in found)
        held.append(all(c.difference.low <= -lost for c in found))
    assert np.mean(held) >= 0.95 - 3 * (0.05 * 0.95 / 200) ** 0.5


def test_small_classes_get_no_bounds_and_cost_nothing() -> None:
    class_n = np.array([0] * 200 + [1] * (LEAST_ROWS - 1))
    right = np.ones((1, len(class_n)), dtype=bool)
    big, small = sorted(group_results(class_groups(["big", "small"], class_n), right, right), key=lambda c: c.label)
    assert small.difference is None
    assert big.difference is not None
    assert big.difference.low == pytest.approx(max(-0.1, paired_difference(0, 0, 200).low))


def test_copies_of_a_text_prove_no_more_than_one_of_them() -> None:
    true, answers, labels = world(600)
    once = compare(answers, true, labels, margin=0.02)
    copied = {
        name: Answers(
            None if a.logits is None else np.tile(a.logits, (3, 1)), None if a.predicted is None else np.tile(a.predicted, 3)
        )
        for name, a in answers.items()
    }
    thrice = compare(copied, np.tile(true, 3), labels, margin=0.02, text_N=np.tile(np.arange(600), 3))
    for a, b in zip(once.comparisons, thrice.comparisons, strict=True):
        assert asdict(b.difference) == pytest.approx(asdict(a.difference))
        assert asdict(b.retention) == pytest.approx(asdict(a.retention))
        assert asdict(b.agreement) == pytest.approx(asdict(a.agreement))
        assert (b.rows, b.flips, b.mcnemar_p) == (3 * a.rows, 3 * a.flips, pytest.approx(a.mcnemar_p))
        for x, y in ((a.macro_f1_difference, b.macro_f1_difference), (a.kl, b.kl)):
            if x is not None and y is not None:  # bootstraps
                assert y.high - y.low == pytest.approx(x.high - x.low, rel=0.15)
    for a, b in zip(once.classes, thrice.classes, strict=True):
        assert asdict(b.difference) == pytest.approx(asdict(a.difference))
    assert thrice.verdict is once.verdict
    assert thrice.provable_margin == once.provable_margin
    assert thrice.rows_to_show == 3 * (once.rows_to_show or 0)
    naive = compare(copied, np.tile(true, 3), labels, margin=0.02).comparisons[0].difference
    assert naive.low > thrice.comparisons[0].difference.low


def test_a_temperature_for_each_row() -> None:
    true, answers, labels = world(300)
    student = answers["student"]
    alike = {**answers, "student": Answers(student.logits, temperature=np.full((1, 300), 0.9))}
    scaled = [compare(a, true, labels, margin=0.02).quality["student"].ece_scaled for a in (answers, alike)]
    assert scaled[0] == pytest.approx(scaled[1])


def gate(found: object, **limits: float) -> object:
    """The one gate of some limits."""
    (only,) = judge(GatesSection(**limits), Measured("s", found.quality.get("student")), found.comparisons[0], found.classes)
    return only


def test_gates() -> None:
    true, answers, labels = world(3000)
    found = compare(answers, true, labels, margin=0.02)
    pair = found.comparisons[0]
    assert pair.retention is not None
    between = (pair.retention.low + pair.retention.estimate) / 2
    assert gate(found, retention=between).passed is False  # measured above, not shown
    assert gate(found, retention=pair.retention.low - 1e-6).passed is True
    assert gate(found, flips=0.5).passed is True
    assert gate(found, flips=0.001).passed is False
    scaled = found.quality["student"].ece_scaled
    assert scaled is not None
    assert gate(found, ece=min(1.0, scaled + 0.01)).measured == scaled
    assert gate(found, bytes=10).passed is None
    assert gate(found, class_drop=0.2).passed is True
    order = judge(GatesSection(class_drop=0.2, retention=0.5), Measured("s"), pair, found.classes)
    assert [g.name for g in order] == ["retention", "class_drop"]
    blind = compare(answers, None, labels, margin=0.02)
    assert gate(blind, retention=0.9).passed is None
    assert gate(blind, ece=0.1).passed is None
    assert gate(blind, class_drop=0.2).passed is True


def test_the_gate_on_classes_names_them() -> None:
    class_n = np.repeat(np.arange(3), [300, 300, 12])
    right = np.ones(len(class_n), dtype=bool)
    worse = right.copy()
    worse[300:420] = False  # 120 of the 300 of the second class
    labels = ["same", "worse", "rare"]

    def found(student: np.ndarray) -> object:
        logits = {True: np.eye(3)[class_n], False: np.eye(3)[(class_n + 1) % 3]}
        said = np.where(student[:, None], logits[True], logits[False])
        return compare(
            {"teacher": Answers(np.eye(3)[class_n]), "student": Answers(said)}, class_n, labels, margin=0.02, class_drop=0.1
        )

    kept = gate(found(right), class_drop=0.1)
    assert kept.passed is None
    assert kept.note.startswith("too few rows to say of 'rare'; about ")
    dropped = gate(found(worse), class_drop=0.1)
    assert dropped.passed is False
    assert "shown to have dropped: 'worse'" in dropped.note
    slightly = right.copy()
    slightly[300:330] = False  # exactly the limit
    unclear = gate(found(slightly), class_drop=0.1)
    assert unclear.passed is False
    assert "not shown to have kept: 'worse'" in unclear.note
