"""Below which confidence a student hands over: what is promised holds, and what cannot be chosen says so."""

import json
from dataclasses import replace

import numpy as np
import pytest

from bundles import sealed
from limbeck import load
from limbeck.cascaded import EVERYTHING, Cascade
from limbeck.cli import app
from limbeck.errors import BundleError, DataError, InputFileError
from limbeck.evidence import Calibration
from limbeck.verify.cascade import GRID, Rows, chosen, rows_for
from limbeck.verify.hand_over import from_run, told
from limbeck.verify.statistics import paired_difference, proportion
from limbeck.verify.validation import Validation

RIGHT, WRONG = True, False


def rows(confidence, student, teacher, **more) -> Rows:
    return Rows(np.array(confidence), np.array(student), np.array(teacher), **more)


def test_a_point_counts_who_answers_and_who_is_right() -> None:
    given = rows([0.3, 0.3, 0.8, 0.8], [WRONG, RIGHT, WRONG, RIGHT], [RIGHT, WRONG, RIGHT, WRONG])
    low, high = given.at([0.5, 0.9])
    assert (low.share.estimate, low.accuracy.estimate, low.difference.estimate) == (0.5, 0.5, 0.0)
    assert (high.share.estimate, high.accuracy.estimate) == (1.0, 0.5)
    assert low.share == proportion(2, 4)
    assert low.difference == paired_difference(1, 1, 4)  # one row that only the student has right, one that it loses


def test_the_curve_begins_with_the_teacher_and_ends_with_the_student() -> None:
    curve = rows([0.2, 0.6, 0.9], [WRONG, RIGHT, RIGHT], [RIGHT, RIGHT, WRONG]).points
    assert [p.share.estimate for p in curve] == [1.0, pytest.approx(2 / 3), pytest.approx(1 / 3), 0.0]
    assert curve[0].difference.estimate == 0.0
    assert curve[-1].accuracy.estimate == pytest.approx(2 / 3)
    assert list(GRID) == sorted(GRID, reverse=True)


def test_the_search_ends_at_the_first_threshold_that_is_not_shown() -> None:
    # Below 0.5 the student is right again, which nobody may find out by looking on.
    sure = np.repeat([0.95, 0.6, 0.3], [800, 100, 100])
    student = np.repeat([RIGHT, WRONG, RIGHT], [800, 100, 100])
    teacher = np.ones(1000, bool)
    taken = rows(sure, student, teacher).for_margin(0.02)
    assert 0.6 < taken.threshold < 0.95
    assert taken.share.estimate == 0.2
    assert taken.difference.low > -0.02


def test_too_few_rows_leave_everything_with_the_teacher() -> None:
    least = rows_for(0.01)
    few = rows([0.9] * (least - 1), [RIGHT] * (least - 1), [RIGHT] * (least - 1)).for_margin(0.01)
    enough = rows([0.9] * least, [RIGHT] * least, [RIGHT] * least).for_margin(0.01)
    assert (few.threshold, enough.threshold) == (EVERYTHING, 0.0)


def test_copies_of_a_text_are_no_evidence_of_their_own() -> None:
    n = rows_for(0.01)
    copies = rows([0.9] * n, [RIGHT] * n, [RIGHT] * n, text_N=np.arange(n) // 2)
    assert copies.for_margin(0.01).threshold == EVERYTHING


def test_a_threshold_outside_the_margin_is_taken_in_five_of_a_hundred_samples_at_most() -> None:
    """Rows are drawn from a curve that is known: the student errs the more the less sure it is, so each threshold's true loss is known too."""
    dice, margin, wrong = np.random.default_rng(0), 0.03, 0
    samples = 400
    for _ in range(samples):
        sure = dice.uniform(0, 1, 500)
        student = dice.uniform(0, 1, 500) < 0.8 + 0.2 * sure
        teacher = dice.uniform(0, 1, 500) < 0.97
        t = rows(sure, student, teacher).for_margin(margin).threshold
        kept = 1 - min(t, 1.0)  # above it the student answers, right with 0.8 + 0.2 * the mean of what it is sure of
        loss = kept * (0.97 - (0.8 + 0.2 * (min(t, 1.0) + 1) / 2))
        wrong += loss > margin
    assert wrong / samples <= 0.05 + 2 * (0.05 * 0.95 / samples) ** 0.5


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0.0), (0.25, 0.25), (0.3, 0.25), (0.6, 0.5), (1.0, 1.0)])
def test_at_most_the_share_that_is_given_goes_to_the_teacher(share: float, expected: float) -> None:
    assert rows([0.1, 0.4, 0.6, 0.9], [RIGHT] * 4, [RIGHT] * 4).for_share(share).share.estimate == expected


def test_rows_of_one_confidence_go_together() -> None:
    assert rows([0.5, 0.5, 0.5, 0.9], [RIGHT] * 4, [RIGHT] * 4).for_share(0.5).share.estimate == 0.0


@pytest.mark.parametrize("given", [([], [], []), ([0.5], [RIGHT, WRONG], [RIGHT])])
def test_rows_that_do_not_belong_together_are_refused(given) -> None:
    with pytest.raises(DataError, match="same rows"):
        rows(*given)


def answers(n: int = 400, labelled: bool = True) -> Validation:
    dice = np.random.default_rng(1)
    true_N = dice.integers(0, 3, n)
    teacher_NC = 6.0 * np.eye(3)[true_N]
    student_NC = teacher_NC.copy()
    unsure = dice.permutation(n)[: n // 8]
    student_NC[unsure] = 0.5 * np.eye(3)[(true_N[unsure] + 1) % 3]
    return Validation([str(i) for i in range(n)], student_NC, teacher_NC, true_N if labelled else None, "b" * 64)


@pytest.mark.parametrize("labelled", [True, False])
def test_the_student_hands_over_what_it_does_not_know(labelled: bool) -> None:
    found = chosen(answers(labelled=labelled), 1.0)
    assert found.against == ("labels" if labelled else "teacher")
    assert found.shown
    assert found.chosen.share.estimate == 0.125
    assert found.chosen.accuracy.estimate == 1.0
    assert found.student.estimate == found.agreement.estimate == 0.875
    assert "less than 1.00% below" in told(found)[-1]


def test_what_is_promised_is_said() -> None:
    few = chosen(answers(100), 1.0)
    assert not few.shown
    assert f"it takes {rows_for(0.01)} rows" in told(few)[-1]
    given = chosen(answers(100), 1.0, share=0.05)
    assert given.shown is None
    assert "nothing is promised" in told(given)[-1]


def test_the_file_says_what_was_chosen(tmp_path) -> None:
    path, found = tmp_path / "cascade.json", chosen(answers(), 1.0, teacher="t" * 64)
    found.write(path)
    assert Cascade.read(path, "b" * 64) == found
    with pytest.raises(BundleError, match=r"was chosen for the bundle bbbbbbbbbbbb.*Make it again: limbeck cascade RUN"):
        Cascade.read(path, "c" * 64)
    with pytest.raises(InputFileError, match="cannot write"):
        found.write(tmp_path / "absent" / "cascade.json")


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[1]", b'{"bundle": 1}', b"\xff", json.dumps({"schema_version": 2}).encode(), b"[" * 10_000]
)
def test_what_is_no_choice_is_refused(content: bytes, tmp_path) -> None:
    (tmp_path / "cascade.json").write_bytes(content)
    with pytest.raises(BundleError, match="is no choice of a cascade"):
        Cascade.read(tmp_path / "cascade.json")
    with pytest.raises(InputFileError, match="`limbeck cascade RUN` writes it"):
        Cascade.read(tmp_path / "absent.json")


# --- the command ---------------------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path, tiny_bundle):
    """The folder of a run: a bundle, and itself as its teacher."""
    for name in ("bundle", "teacher-onnx"):
        (tmp_path / name).symlink_to(tiny_bundle.path)
    (tmp_path / "evidence").mkdir()
    return tmp_path


def asked(*words) -> str:
    from typer.testing import CliRunner

    done = CliRunner().invoke(app, ["cascade", *map(str, words)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.output


def test_a_run_is_asked_again_with_another_margin(run, tiny_bundle) -> None:
    replace(answers(), bundle=tiny_bundle.sha256).write(run / "evidence" / "validation.npz")
    assert "Below" in asked(run)
    wide = json.loads(asked(run, "--margin", 0.3, "--json"))
    assert wide["chosen"]["threshold"] == 0.0
    assert Cascade.read(run / "evidence" / "cascade.json", tiny_bundle.sha256).margin == 0.3


def test_other_rows_may_choose(run, tiny_bundle, tmp_path) -> None:
    texts = [f"{'hello there' if i % 2 else 'talk'} {'i' * (i % 7)}" for i in range(80)]
    labels = [p.label for p in load(tiny_bundle.path).predict(texts)]
    data, out = tmp_path / "new.jsonl", tmp_path / "own.json"
    data.write_text("".join(json.dumps({"text": t, "label": y}) + "\n" for t, y in zip(texts, labels, strict=True)))
    asked(run, "--data", data, "--margin", 0.2, "--out", out)
    found = Cascade.read(out, tiny_bundle.sha256)
    assert (found.rows, found.against, found.student.estimate) == (80, "labels", 1.0)
    assert found.reference is not None
    assert found.reference.rows == 40
    data.write_text("".join(json.dumps({"text": t}) + "\n" for t in texts))
    asked(run, "--data", data, "--out", out)
    assert Cascade.read(out).against == "teacher"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("hello", "greeting")], "1 rows choose no threshold; give 50 at least, and 361 for a margin of 0.01"),
        ([(f"hello {'i' * n}", "nothing") for n in range(60)], "no class for 1 labels of these rows: 'nothing'"),
    ],
)
def test_rows_that_cannot_choose_are_refused(rows, message, run, tmp_path) -> None:
    data = tmp_path / "new.jsonl"
    data.write_text("".join(json.dumps({"text": t, "label": y}) + "\n" for t, y in rows))
    with pytest.raises(DataError, match=message):
        asked(run, "--data", data)


def test_a_run_without_validation_rows_or_teacher_says_so(run, tmp_path) -> None:
    with pytest.raises(InputFileError, match="no answers to validation rows.*--data FILE"):
        asked(run)
    (run / "evidence" / "validation.npz").write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(InputFileError, match="no answers to validation rows"):
        asked(run)
    replace(answers(), bundle="0" * 64).write(run / "evidence" / "validation.npz")
    with pytest.raises(InputFileError, match="another student"):
        asked(run)
    (run / "teacher-onnx").unlink()
    (tmp_path / "new.jsonl").write_text('{"text": "hello"}\n')
    with pytest.raises(InputFileError, match="--teacher FOLDER"):
        asked(run, "--data", tmp_path / "new.jsonl")


def test_of_several_labels_nothing_is_handed_over(tmp_path) -> None:
    sealed(tmp_path / "bundle", task="multi-label-text-classification", calibration=Calibration(thresholds=(0.5, 0.5, 0.5)))
    with pytest.raises(DataError, match="gives several labels to a text, and a cascade hands over by the confidence of one"):
        from_run(tmp_path, 0.01)
