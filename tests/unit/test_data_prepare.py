"""From sources to splits: what cannot be used is set aside with its reason, and nothing is dropped silently."""

import json

import pytest

from limbeck.data.files import text_lines
from limbeck.data.prepare import prepare
from limbeck.errors import DataError, InputFileError
from limbeck.sections import DataSection


def lines(path, rows) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


MANY = [{"text": f"text {i}", "label": "ab"[i % 2]} for i in range(60)]


def test_labels_that_disagree_are_set_aside_and_their_texts_train(tmp_path) -> None:
    disagreeing = [
        {"text": "Same text", "label": "a"},
        {"text": "same  text", "label": "b"},
        {"text": "same text", "label": "a"},
    ]
    found = prepare(DataSection(train=lines(tmp_path / "d.jsonl", [*MANY, *disagreeing])))
    unlabelled = [r for r in found.splits.train if r.label is None]
    assert [r.payload for r in unlabelled] == ["Same text", "same  text", "same text"]
    assert [(r.where[-8:], r.kind) for r in found.rejected] == [(f" line {n}"[-8:], "contradictory") for n in (61, 62, 63)]
    assert found.rejected[0].row == {"text": "Same text", "label": "a"}
    assert "have different labels: 'a', 'b'; it trains without a label" in found.rejected[0].reason
    assert found.audit["contradictory_labels"].count == 3


def test_in_a_test_file_labels_that_disagree_judge_nothing_and_their_texts_do_not_train(tmp_path) -> None:
    test = [{"text": "x", "label": "a"}, {"text": "X", "label": "b"}, {"text": "fine", "label": "b"}, {"text": "bare"}]
    train = [*MANY, {"text": "x", "label": "a"}, {"text": "BARE", "label": "a"}, {"text": "Fine", "label": "a"}]
    section = DataSection(train=lines(tmp_path / "d.jsonl", train), test=lines(tmp_path / "t.jsonl", test))
    found = prepare(section)
    assert [r.payload for r in found.splits.test] == ["fine"]
    assert {r.payload.lower() for r in found.splits.train} & {"x", "bare", "fine"} == set()
    assert found.splits.leaked == 3
    assert [(r.kind, r.where.rpartition(" ")[2]) for r in found.rejected] == [
        ("contradictory", "1"), ("contradictory", "2"), ("unjudging", "4"),
    ]  # fmt: skip
    assert found.audit["contradictory_labels_across"].count == 3
    assert found.audit["unjudging_rows"].count == 1


def test_a_labelled_row_wins_over_its_unlabelled_copies(tmp_path) -> None:
    more = [{"text": "TEXT 1"}, {"text": "new", "label": "ignored"}, {"text": "text 2", "label": "b"}]
    section = DataSection(
        train=lines(tmp_path / "d.jsonl", [*MANY, {"text": "text 3"}]), unlabelled=lines(tmp_path / "u.jsonl", more)
    )
    found = prepare(section)
    assert [r.payload for r in found.splits.train if r.label is None] == ["new"]
    assert found.audit["unlabelled_copies"].count == 3
    assert found.audit.rows["unlabelled"] == 4
    assert found.splits.leaked == 0
    assert found.rejected == ()
    assert "60 labelled" not in found.note()  # some are held out


def test_what_was_set_aside_is_written_beside_the_audit(tmp_path) -> None:
    bad = [{"text": "", "label": "a"}, {"text": "\ud800", "label": 1.5}]
    section = DataSection(train=lines(tmp_path / "d.jsonl", [*MANY, *bad]))
    found = prepare(section)
    assert "2 classes; 2 rows set aside, see rejected.jsonl; " in found.note()
    found.write(tmp_path / "run")
    written = [json.loads(line) for line in (tmp_path / "run" / "rejected.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["row"] for line in written] == bad
    page = json.loads((tmp_path / "run" / "evidence" / "audit.json").read_text(encoding="utf-8"))
    assert page == found.audit.to_json()
    assert (
        page["rows"]["rejected"] == page["findings"]["empty_texts"]["count"] + page["findings"]["unusable_rows"]["count"] == 2
    )

    prepare(DataSection(train=lines(tmp_path / "good.jsonl", MANY))).write(tmp_path / "clean")
    assert [p.name for p in (tmp_path / "clean").iterdir()] == ["evidence"]
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputFileError, match="cannot write to .*file"):
        found.write(tmp_path / "file")


def test_too_many_bad_rows_stop_the_run(tmp_path) -> None:
    train = lines(tmp_path / "d.jsonl", [*MANY, *[{"text": ""}] * 4])
    with pytest.raises(
        DataError, match="4 of 64 rows cannot be used, more than 5%.*line 61: the text is empty.*data.max_rejected_share"
    ):
        prepare(DataSection(train=train))
    assert len(prepare(DataSection(train=train, max_rejected_share=0.1)).rejected) == 4


def test_real_questions_are_clean_enough(banking77) -> None:
    """What is found in BANKING77 is what lower case and split spaces find: a few near copies, and no label that disagrees."""
    found = prepare(DataSection(train=str(banking77 / "train.jsonl.gz"), test=str(banking77 / "test.jsonl.gz")))
    train, test = (
        [" ".join(json.loads(line)["text"].lower().split()) for line in text_lines(banking77 / f"{name}.jsonl.gz")]
        for name in ("train", "test")
    )
    across = [text for text in train if text in set(test)]
    assert found.rejected == ()
    assert found.audit["near_duplicates"].count == len(train) - len(set(train)) == 4
    assert found.audit["near_duplicates_across"].count == found.splits.leaked == len(across) == 7
    assert len(found.splits.test) == 3080
    assert len(found.splits.train) + len(found.splits.valid) + found.splits.leaked == 10_003


def test_a_run_leaves_its_audit(tiny_run) -> None:
    _, folder, *_ = tiny_run
    page = json.loads((folder / "evidence" / "audit.json").read_text(encoding="utf-8"))
    assert page["rows"] == {"labelled": 15, "unlabelled": 0, "valid": 0, "test": 0, "classes": 3, "rejected": 0}
    assert page["findings"]["thin_classes"]["count"] == 3
    assert not (folder / "rejected.jsonl").exists()


def test_what_is_out_of_scope_judges_and_does_nothing_else(tmp_path) -> None:
    section = DataSection(
        train=lines(tmp_path / "d.jsonl", MANY),
        unlabelled=lines(tmp_path / "u.jsonl", [{"text": "what is love"}, {"text": "new"}]),
        valid=lines(tmp_path / "v.jsonl", [{"text": "valid one", "label": "a"}, {"text": "text 4", "label": "a"}]),
        out_of_scope=lines(
            tmp_path / "o.jsonl", [{"text": "What is love", "label": "oos"}, {"text": "text 3"}, {"text": "odd"}]
        ),
    )
    found = prepare(section)
    assert [r.payload for r in found.splits.outside] == ["What is love", "odd"]
    assert {r.split for r in found.splits.outside} == {"out of scope"}
    assert [r.payload for r in found.splits.train if r.label is None] == ["new"]
    assert [r.payload for r in found.splits.valid] == ["valid one", "text 4"]
    assert found.splits.leaked == 2  # "text 4" chooses, "what is love" judges
    assert "this text, case and spaces aside, is out of scope here and elsewhere labelled 'b'" in found.rejected[0].reason
    assert "2 out of scope; 2 training rows left out" in found.note()
    assert found.splits.labels == ("a", "b")


def test_what_cannot_choose_is_set_aside_with_its_reason(tmp_path) -> None:
    valid = [
        {"text": "new", "label": "a"}, {"text": "bare"}, {"text": "x", "label": "a"}, {"text": "X", "label": "b"}, {"text": "Judge", "label": "b"},
    ]  # fmt: skip
    section = DataSection(
        train=lines(tmp_path / "d.jsonl", MANY),
        valid=lines(tmp_path / "v.jsonl", valid),
        test=lines(tmp_path / "t.jsonl", [{"text": "judge", "label": "b"}]),
    )
    found = prepare(section)
    assert [r.payload for r in found.splits.valid] == ["new"]
    assert [(r.where[-1], r.kind) for r in found.rejected] == [
        ("3", "contradictory"), ("4", "contradictory"), ("2", "unchoosing"), ("5", "unchoosing"),
    ]  # fmt: skip
    assert found.audit["unchoosing_rows"].count == 2
    assert found.audit["contradictory_labels_in_valid"].count == 2
    bad = {
        "holds the texts of all training rows": MANY,
        "no row of the validation file can choose": [{"text": "judge", "label": "b"}],
        "the validation file holds 1 labels that no training row has: 'c'": [{"text": "new", "label": "c"}],
    }
    for message, rows in bad.items():
        with pytest.raises(DataError, match=message):
            prepare(section.model_copy(update={"valid": lines(tmp_path / "bad.jsonl", rows)}))
    with pytest.raises(DataError, match="every text of data.out_of_scope stands with a label elsewhere"):
        prepare(section.model_copy(update={"out_of_scope": lines(tmp_path / "o.jsonl", MANY[:3])}))
    unlabelled = section.model_copy(
        update={"train": lines(tmp_path / "n.jsonl", [{"text": f"t {i}"} for i in range(9)]), "label": None}
    )
    assert prepare(unlabelled).splits.labels == ("a", "b")
