"""Answers of several labels become comparisons, results of labels, notes and a verdict on micro-F1."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from limbeck.errors import DataError
from limbeck.evidence import Verdict
from limbeck.verify.compare_sets import SetAnswers, compare_sets, quality_of_sets
from limbeck.verify.details_of_sets import details_of_sets

LABELS = ["a", "b", "c", "d"]
HALF = (0.5,) * 4


def world(rows: int, worse: float, seed: int = 0) -> tuple[np.ndarray, dict[str, SetAnswers]]:
    """A truth, a teacher that knows it well, and a student that knows its teacher but for noise of this size."""
    dice = np.random.default_rng(seed)
    applies_NC = dice.random((rows, 4)) < 0.3
    teacher_NC = np.where(applies_NC, 3.0, -3.0) + 1.5 * dice.normal(size=(rows, 4))
    student_NC = teacher_NC + worse * dice.normal(size=(rows, 4))
    baseline = SetAnswers(predicted=applies_NC ^ (dice.random((rows, 4)) < 0.1))
    return applies_NC, {
        "teacher": SetAnswers(teacher_NC, HALF),
        "student": SetAnswers(student_NC, HALF, temperature=1.2),
        "baseline": baseline,
    }


def test_figures_are_those_of_scikit_learn_and_bounds_lie_around_them() -> None:
    applies_NC, answers = world(500, 0.5)
    found = compare_sets(answers, applies_NC, LABELS, margin=0.02)
    for name, said in answers.items():
        quality = found.quality[name]
        assert quality.micro_f1.estimate == pytest.approx(f1_score(applies_NC, said.sets, average="micro"))
        assert quality.macro_f1.estimate == pytest.approx(f1_score(applies_NC, said.sets, average="macro"))
        assert quality.micro_f1.low < quality.micro_f1.estimate < quality.micro_f1.high
        assert quality.accuracy.estimate == (said.sets == applies_NC).all(axis=1).mean()
    pair = found.comparisons[0]
    assert (pair.first, pair.second) == ("student", "teacher")
    student, teacher = (found.quality[name].micro_f1.estimate for name in ("student", "teacher"))
    assert pair.micro_f1_difference.estimate == pytest.approx(student - teacher)
    assert found.quality["baseline"].ece is None
    assert found.quality["student"].ece_scaled != found.quality["student"].ece
    assert found == compare_sets(answers, applies_NC, LABELS, margin=0.02)  # resamples are seeded


def test_the_verdict_is_on_micro_f1() -> None:
    def verdict(rows: int, worse: float) -> Verdict:
        applies_NC, answers = world(rows, worse)
        return compare_sets(answers, applies_NC, LABELS, margin=0.02).verdict

    assert verdict(2000, 0.3) is Verdict.KEPT
    assert verdict(2000, 4.0) is Verdict.LOST
    assert verdict(60, 1.0) is Verdict.NOT_SHOWN


def test_more_rows_of_the_kind_show_it() -> None:
    applies_NC, answers = world(300, 0.8, seed=1)
    found = compare_sets(answers, applies_NC, LABELS, margin=0.05)
    assert found.rows_to_show is not None
    kept = 0
    for seed in range(10, 20):
        truth, others = world(found.rows_to_show, 0.8, seed)
        kept += compare_sets(others, truth, LABELS, margin=0.05).verdict is Verdict.KEPT
    assert kept >= 5
    assert 0 < found.provable_margin < 0.2


def test_a_student_that_is_its_teacher_is_not_proven_by_few_rows() -> None:
    applies_NC, answers = world(20, 0.0)
    found = compare_sets({"teacher": answers["teacher"], "student": answers["teacher"]}, applies_NC, LABELS, margin=0.02)
    assert found.comparisons[0].micro_f1_difference.estimate == 0.0
    assert found.verdict is Verdict.NOT_SHOWN
    few = compare_sets(world(5, 0.1)[1], world(5, 0.1)[0], LABELS, margin=0.02)
    assert few.verdict is Verdict.NOT_SHOWN
    assert any("5 rows cannot bound F1" in note for note in few.notes)


def test_labels_and_slices_are_judged_each_on_their_rows() -> None:
    applies_NC, answers = world(400, 1.0)
    parted = {"source": ["app"] * 100 + ["mail"] * 300}
    found = compare_sets(answers, applies_NC, LABELS, margin=0.02, parted=parted)
    assert sorted(c.label for c in found.classes) == LABELS
    of = next(c for c in found.classes if c.label == "b")
    assert of.rows == applies_NC[:, 1].sum()
    assert of.student == pytest.approx(answers["student"].sets[applies_NC[:, 1], 1].mean())  # how often it is found
    app = next(v for v in found.slices[0].values if v.label == "app")
    assert app.rows == 100
    assert app.teacher == pytest.approx((answers["teacher"].sets == applies_NC)[:100].all(axis=1).mean())


def test_without_labels_it_is_on_equal_answers() -> None:
    _, answers = world(400, 0.1)
    del answers["baseline"]
    found = compare_sets(answers, None, LABELS, margin=0.02, least_agreement=0.8)
    assert found.quality == {}
    assert found.comparisons[0].micro_f1_difference is None
    alike = (answers["student"].sets == answers["teacher"].sets).all(axis=1).mean()
    assert found.comparisons[0].agreement.estimate == pytest.approx(alike)
    assert found.verdict is Verdict.KEPT


def test_what_rows_cannot_tell_is_said() -> None:
    applies_NC, answers = world(100, 0.2)
    applies_NC[:, 3] = False
    answers["student"] = SetAnswers(predicted=np.zeros((100, 4), bool))
    told = " ".join(compare_sets(answers, applies_NC, LABELS, margin=0.02).notes)
    assert "1 of 4 labels is not tested (no row has the label): 'd'" in told
    assert "the student never gives 'a', 'b', 'c', though they occur" in told
    assert "the student gives no label to every row" in told
    assert "rows no label applies; micro-F1 counts what is given there as wrong" in told


def test_what_cannot_be_compared_is_refused() -> None:
    applies_NC, answers = world(20, 0.2)
    broken = SetAnswers(np.full((20, 4), np.nan), HALF)
    for given, truth, expected in (
        (
            {**answers, "student": SetAnswers(np.zeros((19, 4)), HALF)},
            applies_NC,
            r"the student has answers of shape \(19, 4\)",
        ),
        (answers, applies_NC[:, :3], "the truth has answers of shape"),
        ({**answers, "student": broken}, applies_NC, "logits that are not finite on 20 rows"),
    ):
        with pytest.raises(DataError, match=expected):
            compare_sets(given, truth, LABELS, margin=0.02)


def test_one_model_by_itself_has_the_same_quality() -> None:
    applies_NC, answers = world(200, 0.5)
    whole = compare_sets(answers, applies_NC, LABELS, margin=0.02).quality["student"]
    alone = quality_of_sets(answers["student"], applies_NC, np.arange(200))
    assert alone.accuracy == whole.accuracy
    assert (alone.micro_f1.estimate, alone.ece_scaled) == (whole.micro_f1.estimate, whole.ece_scaled)


def test_details_name_sets_and_count_who_is_right() -> None:
    applies_NC, answers = world(200, 1.5)
    teacher, student = answers["teacher"], answers["student"]
    where = [f"line {i}" for i in range(200)]
    found = details_of_sets(
        teacher, student, applies_NC, LABELS, where, np.arange(200), texts=None, bundle="x", lineage={"a": 1}
    )
    right_t, right_s = ((a.sets == applies_NC).all(axis=1) for a in (teacher, student))
    assert (found.flips.both_right, found.flips.lost) == ((right_t & right_s).sum(), (right_t & ~right_s).sum())
    wrong_alike = (~right_t & ~right_s & (teacher.sets == student.sets).all(axis=1)).sum()
    assert found.flips.both_wrong_alike == wrong_alike
    assert found.flips.both_wrong_otherwise == (~right_t & ~right_s).sum() - wrong_alike
    row = int(found.lost[0].where.removeprefix("line "))
    assert right_t[row]
    assert not right_s[row]
    assert found.lost[0].truth == (
        " + ".join(n for n, there in zip(LABELS, applies_NC[row], strict=True) if there) or "no label"
    )
    assert found.lost_rows == (right_t & ~right_s).sum()
    assert sum(b.rows for b in found.reliability[0].bins) == 200 * 4
    assert found.confusions == ()
