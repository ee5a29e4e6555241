"""Labels that a teacher calls otherwise, and labels of two levels."""

import json

import numpy as np
import pytest

from limbeck import distill
from limbeck.data.names import as_words, proposals
from limbeck.errors import DataError, TeacherLabelsError
from limbeck.verify.compare import Answers
from limbeck.verify.levels import first_level, told
from samples import ROWS, TINY

CALLED = {"greeting": "Greetings!", "question": "asks a question", "thanks": "thanksgiving"}


def teacher(texts: list[str]) -> list[dict[str, float]]:
    """One that knows the rows, under names of its own."""
    known = dict(ROWS)
    return [{n: 0.8 if n == CALLED[known.get(t, "greeting")] else 0.1 for n in CALLED.values()} for t in texts]


def distilled(rows_file, out, **section):
    from limbeck import find

    return distill(
        {**TINY, "teacher": section},
        data=rows_file,
        teacher=find("teachers", "function")(teacher, tuple(CALLED.values())),
        out=out,
    )


def test_names_are_read_as_words() -> None:
    assert as_words("card/lostOrStolen_abroad") == "card lost or stolen abroad"


def test_a_class_leads_only_for_the_label_that_is_nearest() -> None:
    found = proposals(["a", "b"], ["x", "y"], np.array([[1.0, 0.0], [0.9, 0.1]]), np.array([[1.0, 0.0], [0.0, 1.0]]))
    assert [(p.label, p.named) for p in found] == [("a", "x"), ("b", "x")]
    assert found[0].lead > 0 > found[1].lead
    alone = proposals(["a"], ["x"], np.ones((1, 2)), np.ones((1, 2)))
    assert (alone[0].cosine, alone[0].lead) == pytest.approx((1.0, 1.0))


def test_a_proposal_has_to_be_confirmed(rows_file, tmp_path) -> None:
    with pytest.raises(TeacherLabelsError) as error:
        distilled(rows_file, tmp_path / "run")
    said = str(error.value)
    for label, name in CALLED.items():
        assert f"    {name}: {label}  # cosine" in said
    assert not (tmp_path / "run").exists()
    report = distilled(rows_file, tmp_path / "mapped", map={name: label for label, name in CALLED.items()})
    assert report.teacher.quality.accuracy.estimate == 1.0


def test_what_is_clear_by_the_margin_is_mapped(rows_file, tmp_path) -> None:
    report = distilled(rows_file, tmp_path / "run", map_margin=0.05)
    assert report.teacher.quality.accuracy.estimate == 1.0
    with pytest.raises(TeacherLabelsError, match=r"Not all lead by teacher.map_margin \(0.99\)"):
        distilled(rows_file, tmp_path / "other", map_margin=0.99)


def test_a_mistake_within_a_group_is_none_between_groups() -> None:
    labels = ["card/lost", "card/stolen", "loan"]
    true_N = np.array([0, 1, 2, 0] * 5)
    answers = {"teacher": Answers(predicted=true_N), "student": Answers(predicted=np.array([1, 0, 2, 2] * 5))}
    groups, found = first_level(answers, true_N, labels, "/", margin=0.02)
    assert groups == ("card", "loan")
    assert found.quality["teacher"].accuracy.estimate == 1.0
    assert found.quality["student"].accuracy.estimate == 0.75
    assert told(groups, 3, found).startswith("by the 2 groups of the 3 labels: teacher 100.0%, student 75.0%; verdict ")


@pytest.mark.parametrize(("labels", "said"), [(["a", "b"], "no label holds it"), (["a/x", "a/y"], "of the one group 'a'")])
def test_labels_without_levels_are_named(labels, said) -> None:
    with pytest.raises(DataError, match=said):
        first_level({"teacher": Answers(predicted=np.array([0, 1]))}, np.array([0, 1]), labels, "/", margin=0.02)


def test_a_run_judges_both_levels(tmp_path) -> None:
    named = {"greeting": "talk/greeting", "thanks": "talk/thanks", "question": "ask"}
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"text": t, "label": named[y]}) + "\n" for t, y in ROWS), encoding="utf-8")
    known = {t: named[y] for t, y in ROWS}

    def knowing(texts):
        return [known.get(t, "ask") for t in texts]

    report = distill({**TINY, "verify": {**TINY["verify"], "levels": "/"}}, data=path, teacher=knowing, out=tmp_path / "run")
    assert any(n.startswith("by the 2 groups of the 3 labels: teacher 100.0%") for n in report.notes)
    levels = json.loads((tmp_path / "run" / "evidence" / "levels.json").read_text(encoding="utf-8"))
    assert levels["groups"] == ["ask", "talk"]
    fine, coarse = report.student.quality.accuracy.estimate, levels["quality"]["student"]["accuracy"]["estimate"]
    assert coarse >= fine
