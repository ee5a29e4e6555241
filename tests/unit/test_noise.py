"""Labels that are likely wrong, shares of classes, and what of a teacher's answers a student learns."""

import json

import numpy as np
import pytest

from limbeck import distill
from limbeck.errors import RecipeError, TeacherError
from limbeck.metrics.noise import as_shared, likely_classes, shares_here
from samples import TINY

KINDS = {"parcel": "where is my parcel", "refund": "money back please", "login": "password does not work"}
TEXTS = [f"{said} {n}" for said in KINDS.values() for n in range(40)]
TRUE = [name for name in KINDS for _ in range(40)]
WRONG = {TEXTS[i]: {"parcel": "refund", "refund": "login", "login": "parcel"}[TRUE[i]] for i in range(0, 120, 10)}


def erring(texts: list[str]) -> list[str]:
    """A teacher whose every tenth answer is wrong."""
    return [WRONG.get(t) or next((n for n, said in KINDS.items() if t.startswith(said)), "login") for t in texts]


def run_of(tmp_path, teacher=erring, labelled=TRUE, out="run", **section):
    path = tmp_path / "rows.jsonl"
    path.write_text(
        "".join(json.dumps({"text": t, "label": y}) + "\n" for t, y in zip(TEXTS, labelled, strict=True)), encoding="utf-8"
    )
    recipe = {
        **TINY,
        "views": {"per_record": 0},
        "data": {"train": str(path), "test_share": 0.1, "valid_share": 0.1},
        "teacher": section,
    }
    return distill(recipe, teacher=teacher, out=tmp_path / out)


def measured(tmp_path, out="run"):
    return json.loads((tmp_path / out / "resolved.json").read_text(encoding="utf-8"))["measured"].get("filter")


def test_the_golden_case_by_hand() -> None:
    # Usual confidence of class 0: (0.9 + 0.6 + 0.2) / 3 = 0.567; of class 1: (0.7 + 0.3) / 2 = 0.5.
    p = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7], [0.7, 0.3]])
    assert likely_classes(p, np.array([0, 0, 0, 1, 1])).tolist() == [0, 0, 1, 1, 0]
    between = np.array([[0.55, 0.45], [0.9, 0.1], [0.1, 0.9]])  # reaches nobody's usual confidence, and keeps its label
    assert likely_classes(between, np.array([1, 0, 1])).tolist() == [1, 0, 1]


def test_a_class_that_nobody_bears_is_never_likelier() -> None:
    p = np.array([[0.3, 0.1, 0.6], [0.2, 0.2, 0.6]])
    assert likely_classes(p, np.array([0, 1])).tolist() == [0, 1]


def test_shares_are_found_that_a_model_was_not_trained_with() -> None:
    dice = np.random.default_rng(0)
    true_N = dice.choice(2, 4000, p=[0.8, 0.2])
    x_N = dice.normal(np.where(true_N == 0, -1.0, 1.0), 1.0)
    logits_NC = np.stack([-x_N, x_N], axis=1)  # the exact posterior for equal shares
    p_NC = np.exp(logits_NC) / np.exp(logits_NC).sum(axis=1, keepdims=True)
    found = shares_here(p_NC, np.array([0.5, 0.5]))
    assert found == pytest.approx([0.8, 0.2], abs=0.02)
    before = (logits_NC.argmax(axis=1) == true_N).mean()
    after = (as_shared(logits_NC, np.array([0.5, 0.5]), found).argmax(axis=1) == true_N).mean()
    assert after > before + 0.02


def test_shares_that_were_trained_with_stay() -> None:
    p = np.array([[0.7, 0.3], [0.3, 0.7]])
    assert shares_here(p, np.array([0.5, 0.5])) == pytest.approx([0.5, 0.5])


def test_what_a_teacher_has_wrong_is_named_and_left_out(tmp_path) -> None:
    report = run_of(tmp_path, filter={"suspects": "drop"})
    lines = [json.loads(x) for x in (tmp_path / "run" / "evidence" / "suspects.jsonl").read_text(encoding="utf-8").splitlines()]
    right = [x for x in lines if x["likelier"] == x["label"] != x["teacher"]]
    assert len(lines) >= 5
    assert len(right) / len(lines) >= 0.8
    assert "linear model of words" in lines[0]["why"]
    assert measured(tmp_path)["left_out"] == {"suspect": len(lines)}
    assert f"{len(lines)} suspect; {len(lines)} are named in evidence/suspects.jsonl" in " ".join(report.notes)


def test_listed_only_they_still_teach(tmp_path) -> None:
    run_of(tmp_path, filter={"suspects": "list"})
    assert measured(tmp_path)["left_out"] == {}
    assert measured(tmp_path)["suspects"] >= 5


def test_without_a_word_of_it_nothing_changes(tmp_path) -> None:
    run_of(tmp_path)
    assert measured(tmp_path) is None
    assert not (tmp_path / "run" / "evidence" / "suspects.jsonl").exists()


def test_answers_of_little_confidence_teach_nobody(tmp_path) -> None:
    def doubting(texts):
        return [{n: 0.4 if WRONG.get(t) and n == e else 0.9 if n == e else 0.05 if not WRONG.get(t) else 0.3 for n in KINDS} for t, e in zip(texts, erring(texts), strict=True)]  # fmt: skip

    run_of(tmp_path, doubting, filter={"confidence": 0.5})
    found = measured(tmp_path)
    assert 0 < found["left_out"]["unsure"] <= len(WRONG)
    with pytest.raises(TeacherError, match="leaves none"):
        run_of(tmp_path, doubting, filter={"confidence": 1.0}, out="none")


def test_a_label_takes_the_place_of_an_answer(tmp_path) -> None:
    report = run_of(tmp_path, gold="override")
    assert 5 <= measured(tmp_path)["overridden"] <= len(WRONG)
    assert "gave way to a label of the data" in " ".join(report.notes)


def test_the_prior_needs_each_class(tmp_path) -> None:
    run_of(tmp_path, prior={"parcel": 1.0, "refund": 2.0, "login": 1.0})
    assert sum(measured(tmp_path)["shares"].values()) == pytest.approx(1.0, abs=0.001)
    with pytest.raises(TeacherError, match="teacher.prior names no share of 'login', 'refund'"):
        run_of(tmp_path, prior={"parcel": 1.0}, out="lacking")
    with pytest.raises(TeacherError, match="names 'refunds', which is no class. Did you mean 'refund'"):
        run_of(tmp_path, prior={**dict.fromkeys(KINDS, 1.0), "refunds": 1.0}, out="unknown")


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"filter": {"confidence": 2.0}}, "less than or equal to 1"),
        ({"filter": {"suspect": "drop"}}, "unknown key. Did you mean 'suspects'"),
    ],
)
def test_mistakes_are_named(tmp_path, section, said) -> None:
    with pytest.raises(RecipeError, match=said):
        run_of(tmp_path, **section)


def test_one_teacher_has_no_members_that_disagree(tmp_path) -> None:
    with pytest.raises(TeacherError, match="teacher.filter.disagreement is of an ensemble's members"):
        run_of(tmp_path, filter={"disagreement": 0.1})


def test_what_the_members_disagree_on_teaches_nobody(tmp_path) -> None:
    from limbeck import find

    def other(texts):
        return [next((n for n, said in KINDS.items() if t.startswith(said)), "login") for t in texts]

    entry = find("teachers", "function")
    ensemble = find("teachers", "ensemble")([entry(erring, tuple(KINDS)), entry(other, tuple(KINDS))])
    run_of(tmp_path, ensemble, filter={"disagreement": 0.2})
    assert 5 <= measured(tmp_path)["left_out"]["disagreed"] <= len(WRONG)
