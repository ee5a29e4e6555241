"""Slices: from a column of a file to bounds that hold for all of them."""

import json
from dataclasses import replace

import numpy as np
import pytest

from limbeck.data.prepare import prepare
from limbeck.data.read import read_records
from limbeck.errors import DataError, RecipeError
from limbeck.recipe import Recipe
from limbeck.sections import DataSection
from limbeck.verify.classes import class_groups, group_results
from limbeck.verify.compare import Answers, compare
from limbeck.verify.slices import by_size, slice_groups, slices


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


ROWS = [{"text": f"text {n}", "label": "ab"[n % 2], "language": ("de", "en")[n // 2 % 2], "source": n % 3} for n in range(40)]


def test_records_keep_the_values_of_the_columns(tmp_path) -> None:
    odd = [{"text": "x", "label": "a", "language": None}, {"text": "y", "label": "b", "language": "\ud800<b>", "source": True}]
    records = read_records(write(tmp_path / "rows.jsonl", [*ROWS, *odd]), slices=("language", "source"))
    assert records[0].slices == {"language": "de", "source": "0"}
    assert records[-2].slices == {}
    assert records[-1].slices == {"language": "\\ud800<b>", "source": "True"}


def test_a_column_that_is_not_there_is_said_with_those_that_are(tmp_path) -> None:
    path = write(tmp_path / "rows.jsonl", ROWS)
    with pytest.raises(DataError, match=r"'langage'.*'text', 'label', 'language', 'source'.*Did you mean 'language'"):
        read_records(path, slices=("langage",))
    with pytest.raises(DataError, match=r"line 1: column 'tags' of the slices must hold names"):
        read_records(write(tmp_path / "tags.jsonl", [{**ROWS[0], "tags": ["x"]}]), slices=("tags",))
    with pytest.raises(RecipeError, match="the column of the texts"):
        Recipe.read({"data": {"train": "x", "slices": ["text"]}})


def test_only_the_rows_that_judge_need_the_column(tmp_path) -> None:
    train = write(tmp_path / "train.jsonl", [{"text": r["text"] + "!?", "label": r["label"]} for r in ROWS])
    test = write(tmp_path / "test.jsonl", ROWS)
    section = DataSection(train=str(train), test=str(test), slices=("language",))
    assert {r.slices["language"] for r in prepare(section).splits.test} == {"de", "en"}
    with pytest.raises(DataError, match="the slices name the column 'language'"):
        prepare(DataSection(train=str(train), slices=("language",)))
    held_out = prepare(DataSection(train=str(test), slices=("language",))).splits.test
    assert all(r.slices for r in held_out)


OF_FUNCTIONS = """
def sort(texts): return ["question" if t.endswith("?") else None for t in texts]
def number(texts):
    import numpy
    return numpy.arange(len(texts)) % 2
def too_few(texts): return ["a"]
def nothing(texts): return None
def broken(texts): return [t.upper().nothing for t in texts]
def tags(texts): return [["a"] for t in texts]
def itself(texts): return texts
value = 3
"""


def test_a_function_parts_the_rows_that_judge(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_slices.py").write_text(OF_FUNCTIONS, encoding="utf-8")
    train = write(tmp_path / "train.jsonl", [{"text": r["text"] + "!?", "label": r["label"]} for r in ROWS])
    test = write(tmp_path / "test.jsonl", [*ROWS, {"text": "who?", "label": "a", "language": "de"}])
    both = ("language", "own_slices:sort", "own_slices:number")
    splits = prepare(DataSection(train=str(train), test=str(test), slices=both)).splits
    assert splits.test[-1].slices == {"language": "de", "own_slices:sort": "question", "own_slices:number": "0"}
    assert splits.test[0].slices == {"language": "de", "own_slices:number": "0"}
    assert not any(r.slices for r in splits.train)
    few = prepare(DataSection(train=str(train), slices=("own_slices:sort",)), cross_fit_below=1000).splits
    assert {r.slices["own_slices:sort"] for r in (*few.train, *few.valid)} == {"question"}
    assert not few.test


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("own_slices:absent", "cannot load the function of a slice 'own_slices:absent'.*package.module:callable"),
        ("no_such_module:f", "No module named 'no_such_module'.*current folder"),
        ("own_slices:value", "value is int, and cannot be called"),
        ("own_slices:too_few", "gave 1 values to 40 texts; expected one for each"),
        ("own_slices:nothing", "failed on 40 texts: TypeError.*a name or a number for each"),
        ("own_slices:broken", "failed on 40 texts: AttributeError"),
        ("own_slices:tags", r"own_slices:tags must give names or numbers; got \['a'\]"),
        ("own_slices:itself", "gives the texts themselves"),
    ],
)
def test_a_function_that_is_none_is_said_before_the_run(name, said, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_slices.py").write_text(OF_FUNCTIONS, encoding="utf-8")
    train = write(tmp_path / "train.jsonl", [{"text": r["text"] + "!?", "label": r["label"]} for r in ROWS])
    section = DataSection(train=str(train), test=str(write(tmp_path / "test.jsonl", ROWS)), slices=(name,))
    with pytest.raises(DataError, match=said):
        prepare(section)


def test_lengths_are_parted_into_ranges_of_about_as_many_rows() -> None:
    ranges = by_size([1 + n % 30 for n in range(300)], "character", "characters")
    counts = {r: ranges.count(r) for r in ranges}
    assert counts == {"1 to 10 characters": 100, "11 to 20 characters": 100, "21 to 30 characters": 100}
    assert by_size([1] * 300, "character", "characters") is None
    assert by_size([1, 2, 3], "character", "characters") is None


def test_rare_values_are_named_and_not_judged() -> None:
    values = ["de"] * 30 + ["fr"] * 9 + ["is"] * 2 + [None] * 4
    groups = slice_groups(values)
    assert [g.name for g in groups] == ["de"]
    right = np.ones((1, 45), dtype=bool)
    (found,) = slices({"language": values}, group_results(groups, right, right))
    assert [v.label for v in found.values] == ["de"]
    assert (found.few, found.few_values, found.few_rows, found.without) == (("fr", "is"), 2, 11, 4)


def test_bounds_hold_for_classes_and_slices_together() -> None:
    dice = np.random.default_rng(2)
    true = np.arange(400) % 4
    said = [np.where(dice.random(400) < share, true, (true + 1) % 4) for share in (0.95, 0.9)]
    answers = {"teacher": Answers(predicted=said[0]), "student": Answers(predicted=said[1])}
    values = [("de", "en")[n % 2] for n in range(400)]
    alone = compare(answers, true, "abcd", margin=0.02)
    both = compare(answers, true, "abcd", margin=0.02, parted={"language": values})
    for a, b in zip(alone.classes, both.classes, strict=True):
        assert (a.label, a.rows, a.difference.estimate) == (b.label, b.rows, b.difference.estimate)
        assert b.difference.low <= a.difference.low
    of_all = group_results([*class_groups("abcd", true), *slice_groups(values)], said[0][None] == true, said[1][None] == true)
    assert {v.label: v.difference for v in both.slices[0].values} == {v.label: v.difference for v in of_all[4:]}
    assert replace(both, classes=alone.classes, slices=()) == alone
