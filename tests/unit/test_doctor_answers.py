"""What a teacher's answers say of it: each sickness by its name, and nothing of a healthy one."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from limbeck.doctor.answers import Asked, answer_findings, named_otherwise
from limbeck.doctor.calibration import calibration_findings
from limbeck.doctor.label_order import reordered, shifted
from limbeck.doctor.naming import mended, moves
from limbeck.doctor.steadiness import steadiness_findings, written_otherwise
from limbeck.findings import Severity
from limbeck.pipeline.teacher_checkup import asked_rows
from limbeck.types import Record

CLASSES = 12
LABELS = tuple(f"label {c}" for c in range(CLASSES))


def healthy(rows: int = 360, accuracy: float = 0.95, seed: int = 0, sure: float = 4.0) -> Asked:
    """A teacher that is right as often as said, about as sure of it, and asked about rows in no order."""
    dice = np.random.default_rng(seed)
    true_N = dice.integers(0, CLASSES, rows)
    said_N = np.where(dice.random(rows) < accuracy, true_N, dice.integers(0, CLASSES, rows))
    logits_NC = dice.normal(size=(rows, CLASSES)) * 0.3
    logits_NC[np.arange(rows), said_N] += dice.normal(sure + 1, 1.0, rows).clip(1.5)
    before_N, after_N = np.roll(true_N, 1), np.roll(true_N, -1)
    return Asked(logits_NC, true_N, before_N, after_N, LABELS, 0.8, tuple(f"rows.jsonl, line {i + 1}" for i in range(rows)))


def found(asked: Asked) -> dict[str, Severity]:
    return {f.code: f.severity for f in answer_findings(asked)}


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(("rows", "accuracy"), [(360, 0.97), (360, 0.85), (60, 0.9), (12, 0.6)])
def test_a_healthy_teacher_is_left_in_peace(rows: int, accuracy: float, seed: int) -> None:
    assert not found(replace(healthy(rows, accuracy, seed), words=None))


def named(order: list[int]) -> Asked:
    """A healthy teacher whose class c bears the name of class order[c]."""
    asked = healthy()
    place = np.argsort(order)
    return replace(asked, true_N=place[asked.true_N], before_N=place[asked.before_N], after_N=place[asked.after_N])


@pytest.mark.parametrize(
    "order", [[*range(1, 12), 0], [*range(2), 5, 3, 4, 2, *range(6, 12)], np.random.default_rng(3).permutation(12)]
)
def test_a_permuted_label_map_is_named_with_what_mends_it(order: list[int]) -> None:
    asked = replace(named(list(order)), labels=LABELS)
    (finding,) = answer_findings(asked)
    assert (finding.code, finding.severity) == ("labels_permuted", Severity.REFUSAL)
    right = reordered(asked.true_N, asked.logits_NC.argmax(1), CLASSES)
    assert right is not None
    # Answers at place p mean the class that really bears it.
    assert mended(right.said_C, range(CLASSES)) == [int(np.argsort(order)[p]) for p in range(CLASSES)]
    assert right.after > 0.9


def test_a_small_sample_of_chance_is_no_permutation() -> None:
    for seed in range(30):
        dice = np.random.default_rng(seed)
        true_N, said_N = dice.integers(0, 77, 150), dice.integers(0, 77, 150)
        assert reordered(true_N, said_N, 77) is None


def test_two_classes_that_a_teacher_merges_are_not_a_permutation() -> None:
    asked = healthy()
    said_N = np.where(asked.true_N == 3, 4, asked.true_N)
    assert reordered(asked.true_N, said_N, CLASSES) is None


def test_labels_that_slipped_by_a_row() -> None:
    asked = healthy()
    assert found(replace(asked, true_N=asked.after_N, before_N=asked.true_N)) == {"labels_shifted": Severity.REFUSAL}
    where = shifted(asked.after_N, asked.true_N, np.roll(asked.after_N, -1), asked.logits_NC.argmax(1))
    assert where is not None
    assert where[0] == "before"


def test_a_teacher_at_chance_is_refused_and_one_that_words_beat_is_warned_of() -> None:
    asked = healthy(accuracy=0.05)
    assert found(asked)["teacher_at_chance"] is Severity.REFUSAL
    assert found(replace(asked, new_head="Its biases are 0."))["head_untrained"] is Severity.REFUSAL
    weak = found(healthy(accuracy=0.5))
    assert weak["teacher_below_words"] is Severity.WARNING
    assert "teacher_at_chance" not in weak


def test_classes_take_turns_among_the_rows_that_are_asked() -> None:
    rows = [
        Record(f"{label}{n}", f"{label}{n}", label) for label, many in (("a", 90), ("b", 60), ("c", 3)) for n in range(many)
    ]
    asked = asked_rows(rows)
    assert Counter(r.label for r in asked[:9]) == {"a": 3, "b": 3, "c": 3}
    assert Counter(r.label for r in asked) == {"a": 90, "b": 60, "c": 3}


def test_a_teacher_that_is_as_sure_as_it_is_right_is_not_too_sure() -> None:
    true_N = np.random.default_rng(0).integers(0, 3, 300)
    weak_NC = 0.1 * np.random.default_rng(1).standard_normal((300, 3))  # at chance, and knows it
    assert list(calibration_findings(true_N, weak_NC)) == []
    assert [f.code for f in calibration_findings(true_N, 50 * weak_NC)] == ["teacher_overconfident"]


def test_few_rows_do_not_show_that_a_teacher_is_at_chance() -> None:
    assert "teacher_at_chance" not in found(healthy(rows=12, accuracy=0.0))


def test_a_constant_teacher() -> None:
    asked = healthy()
    asked.logits_NC[:, 4] += 1000
    assert found(asked) == {"teacher_constant": Severity.REFUSAL}
    one_class = replace(asked, true_N=np.full(len(asked.true_N), 4))
    assert "teacher_constant" not in found(one_class)


def test_answers_that_are_no_numbers() -> None:
    asked = healthy()
    asked.logits_NC[7, 3] = np.inf
    assert found(asked) == {"teacher_not_finite": Severity.REFUSAL}


def test_softmax_where_logits_are_expected() -> None:
    asked = healthy()
    exp = np.exp(asked.logits_NC)
    assert found(replace(asked, logits_NC=exp / exp.sum(1, keepdims=True))) == {"probabilities_as_logits": Severity.REFUSAL}
    logs = np.log(exp / exp.sum(1, keepdims=True))
    assert not found(replace(asked, logits_NC=logs))


def test_a_temperature_applied_twice_and_logits_multiplied() -> None:
    asked = healthy(accuracy=0.9)
    assert found(replace(asked, logits_NC=asked.logits_NC / 4)) == {"teacher_underconfident": Severity.WARNING}
    assert "teacher_overconfident" in found(replace(asked, logits_NC=asked.logits_NC * 10))
    all_right = healthy(accuracy=1.1)
    assert found(replace(all_right, logits_NC=all_right.logits_NC / 4)) == {"teacher_underconfident": Severity.WARNING}


def test_a_good_teacher_whose_logits_were_multiplied_says_no_more_than_labels() -> None:
    asked = healthy(accuracy=1.1)
    assert found(replace(asked, logits_NC=asked.logits_NC * 10)) == {"teacher_overconfident": Severity.WARNING}


def test_a_class_that_the_teacher_hardly_ever_answers() -> None:
    asked = healthy(accuracy=0.97)
    asked.logits_NC[:, 4] = asked.logits_NC[:, 4].clip(max=0) - 10
    (finding,) = answer_findings(replace(asked, words=None))
    assert finding.code == "class_missed"
    assert "'label 4' (0 of " in finding.evidence


def test_noisy_labels_are_shown_by_row() -> None:
    asked = healthy(accuracy=0.98, sure=7.0)
    true_N = asked.true_N.copy()
    true_N[::4] = (true_N[::4] + 5) % CLASSES
    finding = next(f for f in answer_findings(replace(asked, true_N=true_N)) if f.code == "labels_doubtful")
    assert "the first: rows.jsonl, line 1" in finding.evidence


def test_a_class_without_rows_and_two_of_one_name() -> None:
    asked = healthy()
    kept = asked.true_N != 5
    few = Asked(asked.logits_NC[kept], asked.true_N[kept], asked.before_N[kept], asked.after_N[kept], LABELS)
    assert found(few) == {"class_absent": Severity.WARNING}
    assert "teacher_labels_repeated" in found(replace(asked, labels=("label 1", *LABELS[1:])))


def test_without_labels_a_teacher_that_is_sure_of_nothing() -> None:
    asked = replace(healthy(), true_N=np.full(360, -1))
    assert not found(asked)
    assert found(replace(asked, logits_NC=asked.logits_NC / 100)) == {"teacher_unsure": Severity.WARNING}
    assert found(replace(asked, new_head="Its biases are 0.")) == {"head_untrained": Severity.WARNING}
    assert not found(replace(asked, logits_NC=np.zeros((0, CLASSES)), true_N=np.zeros(0, int)))


def test_orders_in_words() -> None:
    assert moves((1, 2, 0), ["a", "b", "c"]) == "'b' is read as 'a', 'c' as 'b', 'a' as 'c'"
    assert moves((*range(1, 20), 0), [f"{i}" for i in range(20)]).endswith("and 8 more")


def test_a_teacher_that_answers_otherwise_when_it_is_asked_again() -> None:
    dice = np.random.default_rng(0)
    first = dice.normal(size=(8, 3))

    def codes(again: np.ndarray, alone: np.ndarray) -> list[str]:
        return [f.code for f in steadiness_findings(first, again, alone, 1e-3)]

    assert not codes(first + 1e-5, first - 1e-5)
    assert codes(first + dice.normal(size=first.shape), first) == ["teacher_not_repeatable"]
    assert codes(first, first + 0.1) == ["teacher_depends_on_batch"]
    assert not codes(first * np.nan, first)  # which is said elsewhere


def test_texts_that_a_teacher_reads_better_in_small_letters() -> None:
    true_N = np.arange(100) % 4
    as_they_are_N = np.where(np.arange(100) < 40, (true_N + 1) % 4, true_N)
    (finding,) = written_otherwise("small letters", true_N, as_they_are_N, true_N)
    assert finding.code == "normalisation"
    assert not list(written_otherwise("small letters", true_N, true_N, as_they_are_N))
    few = np.where(np.arange(100) < 2, (true_N + 1) % 4, true_N)
    assert not list(written_otherwise("small letters", true_N, few, true_N))


def test_classes_without_names_are_named_by_what_fits() -> None:
    asked = healthy(accuracy=0.9)
    order = np.random.default_rng(1).permutation(CLASSES)  # at place p the teacher answers to class order[p]
    logits_NC = asked.logits_NC[:, order]
    (finding,) = named_otherwise(asked.true_N, logits_NC, LABELS, [f"LABEL_{i}" for i in range(CLASSES)])
    assert finding.code == "labels_unnamed"
    assert str({p: LABELS[order[p]] for p in range(CLASSES)}) in finding.advice
    dice = np.random.default_rng(0)
    assert not list(named_otherwise(asked.true_N, dice.normal(size=logits_NC.shape), LABELS, LABELS))
