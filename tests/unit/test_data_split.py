"""Splits depend on keys alone: copies stay together, rows added later move nobody, and each class keeps a row to train."""

from collections import defaultdict
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limbeck.data.split import Splits, folds, spared, split
from limbeck.errors import DataError
from limbeck.evidence import Basis
from limbeck.text import key_of
from limbeck.types import Record


def record(number: int, label: str | None = None) -> Record:
    return Record(key_of(f"text {number}"), f"text {number}", label)


def records(n: int, copies: int = 1) -> list[Record]:
    return [record(i, "ab"[i % 2]) for i in range(n) for _ in range(copies)]


def where(found: Splits) -> dict[str, str]:
    """The part that each key lies in."""
    return {r.key: str(r.split) for part in (found.train, found.valid, found.test) for r in part}


def test_shares_are_shares_and_copies_stay_together() -> None:
    some, more = (split(records(n, 2), None, test_share=0.2, valid_share=0.1) for n in (1000, 2000))
    assert {r.key for r in some.test} <= {r.key for r in more.test}
    assert {r.key for r in some.valid} <= {r.key for r in more.valid}
    parts = [{r.key for r in part} for part in (more.train, more.valid, more.test)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 2000
    assert 350 < len(parts[2]) < 450
    assert 120 < len(parts[1]) < 200  # a tenth of the four fifths that are left
    assert {r.split for r in more.test} == {"test"}
    assert {r.split for r in more.valid} == {"valid"}
    assert len(more.train) == 2 * len(parts[0])


def test_validation_may_be_off_or_empty() -> None:
    assert split(records(500), None, test_share=0.2, valid_share=0.0).valid == ()
    assert split(records(6), [record(99, "a")], test_share=0.2, valid_share=0.001).valid == ()


def test_validation_does_not_move_the_test_rows() -> None:
    without, with_ = (split(records(300), None, test_share=0.2, valid_share=share) for share in (0.0, 0.5))
    assert without.test == with_.test
    assert len(with_.valid) > 50


def some_rows(seed: int) -> list[tuple[int, str | None]]:
    """Numbers of texts with labels, some of them rare."""
    random = Random(seed)
    return [
        (random.randrange(400), random.choice("aaaabbbbccde-").replace("-", "") or None) for _ in range(random.randint(60, 150))
    ]


rows = st.integers(0, 2**32).map(some_rows)


@settings(max_examples=50)
@given(rows, rows, st.sampled_from([0.1, 0.3, 0.7]), st.sampled_from([0.0, 0.2, 0.6]), st.booleans())
def test_rows_added_later_move_nobody(first, later, test_share: float, valid_share: float, test_file: bool) -> None:
    """Nobody but the one text that a class had to train, which may be held out once another of its class trains."""
    test = [record(n, "ab"[n % 2]) for n in range(1000, 1020)] if test_file else None
    base = [record(900, "a"), record(901, "b")]

    def of(content) -> Splits:
        return split([*base, *(record(n, y) for n, y in content)], test, test_share=test_share, valid_share=valid_share)

    small, large = of(first), of([*first, *later])
    labels = defaultdict(set)
    for r in small.train:
        if r.label is not None:
            labels[r.label].add(r.key)
    alone = {key for keys in labels.values() if len(keys) == 1 for key in keys}
    relabelled = {record(n).key for n, y in later if y is not None}  # another label makes it a member of another class
    before, after = where(small), where(large)
    for key, part in before.items():
        if key not in alone and key not in relabelled:
            assert after.get(key) == part
    assert not {k for k in before if before[k] != "train" and after.get(k) == "train"} - relabelled


@settings(max_examples=50)
@given(rows, st.sampled_from([0.1, 0.5, 0.95]), st.sampled_from([0.0, 0.5, 0.95]))
def test_every_class_keeps_a_row_and_nothing_is_in_two_parts(content, test_share: float, valid_share: float) -> None:
    one_label = dict(content)
    data = [record(900, "a"), record(901, "b"), record(902, "a"), *(record(n, y) for n, y in one_label.items())]
    found = split(data, None, test_share=test_share, valid_share=valid_share)
    assert {r.label for r in found.train if r.label is not None} == set(found.labels)
    parts = [{r.key for r in part} for part in (found.train, found.valid, found.test)]
    assert sum(map(len, parts)) == len(set.union(*parts))
    assert found.test
    assert all(r.label is not None for r in (*found.test, *found.valid))
    assert len(found.train) + len(found.valid) + len(found.test) + found.leaked == len(data)
    assert {r.key for r in data if r.label is None} <= parts[0]


def test_one_row_a_class_trains_and_a_second_may_judge() -> None:
    test = [record(99, "x")]
    lonely = [record(i, "xyzuvw"[i]) for i in range(6)]
    found = split(lonely, test, test_share=0.5, valid_share=0.9)
    assert len(found.train) == 6
    assert found.valid == ()


def test_a_test_file_never_trains() -> None:
    found = split(records(10), [record(3, "b")], test_share=0.2)
    assert found.leaked == 1
    assert len(found.train) == 9


def test_an_unlabelled_copy_of_a_held_out_text_neither_judges_nor_trains() -> None:
    labelled = records(80)
    found = split([*labelled, *(Record(r.key, r.payload) for r in labelled)], None, test_share=0.2, valid_share=0.2)
    assert all(r.label is not None for r in (*found.test, *found.valid))
    held_out = {r.key for r in (*found.test, *found.valid)}
    assert not held_out & {r.key for r in found.train}
    assert found.leaked == len(held_out)


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        ([Record("1", "x", "a")] * 5, None, "only one class, 'a'"),
        ([Record("1", "x", None)] * 5, None, "no row is left to judge with"),
        ([Record("1", "x", None)] * 5, [Record("1", "x", "a"), Record("2", "y", "b")], "no row is left to train on"),
        ([Record("1", "x", None)] * 5, [Record("2", "y", None)], "no labelled row is left"),
        (records(10), [Record("9", "x", "zebra")], "no training row has: 'zebra'"),
        (records(10), [Record("9", "x", None)], "no labelled row is left"),
        (records(2), None, "no labelled row is left"),
        (records(2), [record(0, "a")], "too few labelled rows"),
    ],
)
def test_too_little_to_learn_from(train, test, message: str) -> None:
    with pytest.raises(DataError, match=message):
        split(train, test, test_share=0.2)


def test_without_labels_rows_without_labels_judge_and_choose() -> None:
    found = split([record(n) for n in range(1000)], None, test_share=0.2, valid_share=0.1)
    assert found.basis is Basis.AGREEMENT
    assert found.labels == ()
    assert 150 < len(found.test) < 250
    assert 50 < len(found.valid) < 110
    assert len(found.train) + len(found.valid) + len(found.test) == 1000


def test_unlabelled_logs_and_a_labelled_test_file() -> None:
    test = [record(n, "ab"[n % 2]) for n in range(90, 120)]
    found = split([record(n) for n in range(100)], test, test_share=0.2, valid_share=0.2)
    assert found.basis is Basis.LABELS
    assert found.labels == ("a", "b")
    assert len(found.test) == 30
    assert found.leaked == 10
    assert len(found.train) + len(found.valid) == 90
    assert found.valid


def test_few_labels_are_all_judged_out_of_fold() -> None:
    rows = [*records(60), *(record(n) for n in range(60, 400))]
    found = split(rows, None, test_share=0.2, valid_share=0.1, cross_fit_below=61)
    assert found.basis is Basis.CROSS_FITTING
    assert not found.test
    assert {r.label for r in found.valid} == {None, "a", "b"}
    assert split(rows, None, test_share=0.2, cross_fit_below=60).basis is Basis.LABELS
    divisions = [list(folds(found, 5, repeat)) for repeat in range(2)]
    for parts in divisions:
        judged = [r.key for part in parts for r in part.test]
        assert sorted(judged) == sorted(r.key for r in rows if r.label)
        for part in parts:
            held = {r.key for r in part.test}
            assert not held & {r.key for r in (*part.train, *part.valid)}
            assert len(part.train) + len(part.valid) + len(part.test) == 400
    first, second = ([{r.key for r in part.test} for part in parts] for parts in divisions)
    assert first != second


def test_a_validation_file_takes_the_place_of_the_share() -> None:
    valid = [record(n, "ab"[n % 2]) for n in (3, 5, 7, 500)]
    found = split(records(100), [record(5, "b")], valid=valid, test_share=0.2, valid_share=0.5)
    assert [r.key for r in found.valid] == [record(n).key for n in (3, 7, 500)]  # the test file's text chooses nothing
    assert {r.split for r in found.valid} == {"valid"}
    assert not {r.key for r in found.train} & {r.key for r in (*valid, *found.test)}
    assert (len(found.train), found.leaked) == (97, 3)
    without = split(records(100), None, test_share=0.2)
    with_ = split(records(100), None, valid=[record(200, "a")], test_share=0.2)
    assert with_.test == without.test
    with pytest.raises(DataError, match="the validation file holds 1 labels that no training row has: 'c'"):
        split(records(10), None, valid=[record(20, "c")], test_share=0.2)


def test_some_validation_rows_stay_new_to_the_teacher() -> None:
    def parts(labelled: int, others: int = 0) -> tuple[set[str | None], int]:
        rows = [record(n, "ab"[n % 2]) for n in range(labelled)] + [record(1000 + n) for n in range(others)]
        found = spared(Splits((), tuple(rows), (), ("a", "b"), 0, ""))
        return {r.label for r in found}, len(found)

    for number in range(1, 30):  # however the hashes fall
        assert 1 <= parts(number)[1] <= number
    assert parts(400)[0] == {"a", "b"}
    assert 150 < parts(400)[1] < 250
    assert parts(50, 100) == ({None}, 100)  # too few labels to choose, and others that can
    assert parts(50, 99)[0] == {None, "a", "b"}
    assert parts(0) == (set(), 0)


def test_of_several_labels_each_name_keeps_a_row_that_trains() -> None:
    random = Random(0)
    names = ["a", "b", "c", "rare"]
    rows = [record(i, tuple(sorted(random.sample(names[:3], random.randrange(3))))) for i in range(400)]
    rows += [record(1000, ("a", "rare")), record(1001, ("rare",))]
    found = split(rows, None, test_share=0.4, valid_share=0.2)
    assert found.labels == ("a", "b", "c", "rare")
    assert any("rare" in r.label for r in found.train)
    assert 130 < len(found.test) < 190
    assert any(r.label == () for r in found.test)  # no label applies, which is known
    assert found.basis is Basis.LABELS
    with pytest.raises(DataError, match="the test file holds 1 labels that no training row has: 'z'"):
        split(rows, [record(2000, ("a", "z"))], test_share=0.2)
    with pytest.raises(DataError, match="all lists of labels are empty"):
        split([record(i, ()) for i in range(50)], None, test_share=0.2)
