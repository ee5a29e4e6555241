"""The audit counts what is odd and shows it by row; customers' texts stay out of it."""

import json

import pytest

from limbeck.data.audit import LONG, THIN, audit, garbled
from limbeck.data.rejected import Rejected
from limbeck.text import key_of
from limbeck.types import Record


def records(*rows: tuple[str, str | None], name: str = "train") -> list[Record]:
    return [Record(key_of(text), text, label, where=f"{name}, line {n}") for n, (text, label) in enumerate(rows, 1)]


TRAIN = records(
    ("lost card", "lost"),  # 1
    ("Lost  card", "stolen"),  # 2: contradicts and is near 1
    ("pin", "pin"),  # 3
    ("pin", "pin"),  # 4: repeats 3
    ("PIN", "pin"),  # 5: near 3
    ("pin", None),  # 6: repeats 3 without a label
    ("top up", "Top-up"),  # 7
    ("fees", "top up"),  # 8: reads like 7's label
    ("caf\u00c3\u00a9", "pin"),  # 9: garbled
    ("x" * (LONG + 1), "pin"),  # 10: long
    ("only here", None),  # 11
)
TEST = records(
    ("Fees", "top up"),  # near training row 8
    ("fees", "pin"),  # contradicts it, and the row above
    ("top up", "Top-up"),  # copy of training row 7
    ("new", "pin"),
    ("new", "pin"),
    name="test",
)


def test_each_finding_is_counted_and_shown_by_row() -> None:
    rejected = [Rejected("train, line 12", "r", {}), Rejected("train, line 13", "r", {}, "empty")]
    found = audit(TRAIN, TEST, rejected=rejected)
    expected = {
        "unusable_rows": ["train, line 12"],
        "unchoosing_rows": [],
        **{f"{name}_in_valid": [] for name in ("contradictory_labels", "duplicates", "near_duplicates")},
        "empty_texts": ["train, line 13"],
        "unjudging_rows": [],
        "contradictory_labels": ["train, line 1", "train, line 2"],
        "duplicates": ["train, line 4", "train, line 6"],
        "near_duplicates": ["train, line 2", "train, line 5"],
        "contradictory_labels_in_test": ["test, line 1", "test, line 2"],
        "duplicates_in_test": ["test, line 5"],
        "near_duplicates_in_test": ["test, line 2"],
        "duplicates_across": ["train, line 7", "train, line 8"],
        "near_duplicates_across": [],
        "contradictory_labels_across": ["test, line 1", "test, line 2"],
        "unlabelled_copies": ["train, line 6"],
        "thin_classes": ["train, line 1", "train, line 2", "train, line 7", "train, line 8"],
        "similar_labels": ["train, line 7"],
        "long_texts": ["train, line 10"],
        "garbled_texts": ["train, line 9"],
    }
    assert {f.name: [e.where for e in f.examples] for f in found.findings} == expected
    assert {f.name: f.count for f in found.findings} == {name: len(rows) for name, rows in expected.items()}
    assert found.rows == {"labelled": 9, "unlabelled": 2, "valid": 0, "test": 5, "classes": 5, "rejected": 2}
    assert "'Top-up', 'top up'" in found["similar_labels"].sentence
    assert found["thin_classes"].sentence == "4 classes with fewer than 5 rows to train: 'Top-up', 'lost', 'stolen', 'top up'"


def test_lines_are_the_findings_that_were_made() -> None:
    lines = audit(TRAIN, TEST).lines()
    assert "2 rows to train with a text whose copies have other labels (first: train, line 1)" in lines
    assert "1 row of more than 2,000 characters (first: train, line 10)" in lines
    assert not any(line.startswith("0 ") for line in lines)
    clean = records(*((f"text {i}", "ab"[i % 2]) for i in range(2 * THIN)))
    assert audit(clean).lines() == []


def test_the_page_holds_no_text_unless_asked_and_no_more_than_five_rows() -> None:
    rows = [("secret question", "a")] * 50 + [("other", "{b}")] * THIN
    page = audit(records(*rows)).to_json()
    assert "secret" not in json.dumps(page)
    shown = page["findings"]["duplicates"]
    assert shown["count"] == 53
    assert [e["where"] for e in shown["examples"]] == [f"train, line {n}" for n in range(2, 7)]
    assert shown["examples"][0]["key"] == key_of("secret question")
    asked = audit(records(*rows), show_texts=True).to_json()
    assert asked["findings"]["duplicates"]["examples"][0]["text"] == "secret question"


def test_thin_classes_are_counted_among_the_rows_that_train() -> None:
    data = records(*((f"text {i}", "a") for i in range(9)), *((f"more {i}", "b") for i in range(9)))
    assert audit(data)["thin_classes"].count == 0
    assert audit(data, training=data[:13])["thin_classes"].sentence == "1 class with fewer than 5 rows to train: 'b'"


@pytest.mark.parametrize(
    "text",
    ["plain", "café", "Ünïcödé", "naïve “quotes” – fine", "шаг", "日本語", "👍🏽", "a\tb\nc\r\n", "São NÃO", "50 €", "Â"],
)
def test_whole_texts_are_not_called_garbled(text: str) -> None:
    assert not garbled(text)


@pytest.mark.parametrize("text", ["café “ok” – 50 € шаг 日本 👍", "don’t", "über", "naïve"])
def test_utf8_read_as_something_else_is_called_garbled(text: str) -> None:
    raw = text.encode("utf-8")
    assert garbled(raw.decode("latin-1"))
    assert garbled("".join(bytes([b]).decode("cp1252", "ignore") or chr(b) for b in raw))
    assert garbled(f"日本 {raw.decode('latin-1')}")
    assert garbled(raw[:-1].decode("utf-8", "replace") + "\ufffd")


@pytest.mark.parametrize("text", ["\ud800", "x\ufffd", "bell\x07", "\x00"])
def test_broken_characters_are_called_garbled(text: str) -> None:
    assert garbled(text)


def test_of_several_labels_copies_are_held_together_as_sets_and_classes_are_names() -> None:
    rows = [Record(f"k{i}", f"text {i}", ("a", "b") if i % 2 else ("a",), where=f"line {i}") for i in range(20)]
    rows += [Record("k1", "text 1", ("b",), where="line 20"), Record("k3", "text 3", ("a", "b"), where="line 21")]
    rows += [Record("k99", "text 99", ("rare",), where="line 22"), Record("k98", "text 98", (), where="line 23")]
    found = audit(rows)
    assert found.rows["classes"] == 3
    assert found["contradictory_labels"].count == 2  # the two of text 1; those of text 3 say the same
    assert found["thin_classes"].count == 1
    assert "rare" in found["thin_classes"].sentence
