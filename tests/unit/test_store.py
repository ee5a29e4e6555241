"""Signals are asked once: what a store keeps, and that nothing hides it."""

import hashlib
import os
import random
import re

import numpy as np
import pyarrow as pa
import pytest

from limbeck.errors import InputFileError, SignalError, TeacherError
from limbeck.signals import entries, segment, upkeep
from limbeck.signals.store import SignalStore
from limbeck.signals.teach import teach
from limbeck.types import Signal, View

FINGERPRINT = {"weights": "1", "tokenizer": "2"}
LOGITS = frozenset({"logits_BC"})
EMBEDDING = frozenset({"embedding_BD"})
WORDS = frozenset({"hidden_BWD", "mask_BW"})


def logits(payloads) -> np.ndarray:
    """Numbers that only this payload has."""
    return np.array([[len(p), hash_of(p)] for p in payloads], np.float32).reshape(-1, 2)


def hash_of(payload: str) -> float:
    return int(hashlib.sha256(payload.encode()).hexdigest()[:5], 16)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for the disk: only a loss of power could tell."""
    monkeypatch.setattr(os, "fsync", lambda file: None)


class Counting:
    """A teacher that counts what it is asked."""

    labels = ("a", "b")

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.fields: list[frozenset[str]] = []

    def gives(self) -> frozenset[str]:
        return LOGITS | EMBEDDING

    def fingerprint(self) -> dict[str, str]:
        return FINGERPRINT

    def answer(self, payloads, needs) -> Signal:
        self.asked += payloads
        self.fields.append(needs)
        return Signal(**{name: logits(payloads) for name in needs})


def views(n: int) -> list[View]:
    return [View((str(i),), (), 0, "x" * i) for i in range(n)]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """An index that is written, split and merged after a few shards."""
    monkeypatch.setattr(entries, "_UNWRITTEN", 3)
    monkeypatch.setattr(segment, "_BLOCK", 8)


def test_what_is_committed_is_never_asked_again(tmp_path) -> None:
    teacher = Counting()
    steps = teach(teacher, SignalStore(tmp_path, FINGERPRINT), views(3000), LOGITS)
    assert [next(steps), next(steps)] == [(0, 3000), (1024, 3000)]  # then the process dies
    store = SignalStore(tmp_path, FINGERPRINT)
    assert len(store) == 1024
    list(teach(teacher, store, views(3000), LOGITS))
    assert sorted(teacher.asked, key=len) == [v.payload for v in views(3000)]
    again = SignalStore(tmp_path, FINGERPRINT)
    assert list(teach(teacher, again, views(3000), LOGITS)) == [(0, 0)]
    np.testing.assert_array_equal(again.get(["xxx", ""], LOGITS).logits_BC, logits(["xxx", ""]))


def test_a_field_that_is_added_later_hides_nothing_and_is_asked_alone(tmp_path) -> None:
    store, teacher = SignalStore(tmp_path, FINGERPRINT), Counting()
    list(teach(teacher, store, views(5), LOGITS))
    list(teach(teacher, store, views(5)[::-1], LOGITS | EMBEDDING))
    assert teacher.fields == [LOGITS, EMBEDDING]
    for opened in (store, SignalStore(tmp_path, FINGERPRINT)):
        assert opened.missing(["", "x"], LOGITS | EMBEDDING) == []
        found = opened.get(["", "xx"], LOGITS | EMBEDDING)
        np.testing.assert_array_equal(found.logits_BC, logits(["", "xx"]))
        np.testing.assert_array_equal(found.embedding_BD, logits(["", "xx"]))
        assert len(opened) == 5


def test_copies_are_asked_once(tmp_path) -> None:
    teacher, store = Counting(), SignalStore(tmp_path, FINGERPRINT)
    list(teach(teacher, store, views(3) * 4, LOGITS))
    assert len(teacher.asked) == 3
    store.commit(["y", "z", "y"], Signal(logits_BC=np.array([[1], [2], [3]], np.float32)))
    np.testing.assert_array_equal(store.get(["y", "z", "y"], LOGITS).logits_BC, [[1], [2], [1]])


def test_the_first_commit_wins_whoever_looks(tmp_path) -> None:
    first, second = SignalStore(tmp_path, FINGERPRINT), SignalStore(tmp_path, FINGERPRINT)
    first.commit(["a", "b"], Signal(logits_BC=np.array([[1], [2]], np.float32)))
    second.commit(["b", "c"], Signal(logits_BC=np.array([[7], [8]], np.float32)))
    first.commit(["c"], Signal(logits_BC=np.array([[9]], np.float32)))
    for store in (first, second, SignalStore(tmp_path, FINGERPRINT)):
        np.testing.assert_array_equal(store.get(["c", "b", "a"], LOGITS).logits_BC, [[8], [2], [1]])
    assert len(list((tmp_path / "shards").iterdir())) == 2


def test_a_shard_is_an_arrow_file_named_by_its_sha256(tmp_path) -> None:
    store = SignalStore(tmp_path, FINGERPRINT)
    hidden = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    mask = np.array([[1, 0, 0], [1, 1, 0]], np.float32)
    store.commit(["a", "b"], Signal(logits_BC=logits(["a", "b"]), hidden_BWD=hidden, mask_BW=mask))
    (path,) = (tmp_path / "shards").iterdir()
    assert path.name == f"00000000-{hashlib.sha256(path.read_bytes()).hexdigest()[:32]}.arrow"
    table = pa.ipc.open_file(path).read_all()
    identity = hashlib.sha256(b'{"tokenizer":"2","weights":"1"}').hexdigest()
    assert table["key"].to_pylist() == [hashlib.sha256(f"{identity}\n{p}".encode()).digest() for p in "ab"]
    assert table["logits_BC"].to_pylist() == logits(["a", "b"]).tolist()
    assert table["hidden_BWD"].to_pylist() == [[[0, 1]], [[6, 7], [8, 9]]]
    assert table["mask_BW"].to_pylist() == [[1], [1, 1]]


def test_words_come_back_padded_to_the_longest_that_is_asked(tmp_path) -> None:
    store, generator = SignalStore(tmp_path, FINGERPRINT), np.random.default_rng(0)
    lengths = {f"text {i}": int(generator.integers(0, 6)) for i in range(20)}
    hidden = {p: generator.normal(size=(n, 3)).astype(np.float32) for p, n in lengths.items()}

    def padded(payloads: list[str], width: int) -> Signal:
        there = np.arange(width) < np.array([lengths[p] for p in payloads])[:, None]
        values = np.zeros((len(payloads), width, 3), np.float32)
        values[there] = np.concatenate([hidden[p] for p in payloads])
        return Signal(hidden_BWD=values, mask_BW=there.astype(np.float32))

    texts = list(lengths)
    store.commit(texts[:7], padded(texts[:7], 9))
    store.commit(texts[7:], padded(texts[7:], 6))
    for asked in (texts, texts[::-1], texts[5:9], [t for t in texts if lengths[t] == 0], texts[3:4] * 2):
        found, expected = store.get(asked, WORDS), padded(asked, max(lengths[p] for p in asked))
        np.testing.assert_array_equal(found.hidden_BWD, expected.hidden_BWD)
        np.testing.assert_array_equal(found.mask_BW, expected.mask_BW)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int64", "uint8", "bool"])
def test_numbers_keep_their_type(tmp_path, dtype: str) -> None:
    store, values = SignalStore(tmp_path, FINGERPRINT), np.arange(12).reshape(2, 3, 2).astype(dtype)
    store.commit(["a", "b"], Signal(logits_BC=values[:, 0], embedding_BD=values.astype(values.dtype.newbyteorder(">"))))
    found = SignalStore(tmp_path, FINGERPRINT).get(["b", "a"], LOGITS | EMBEDDING)
    assert found.logits_BC.dtype == found.embedding_BD.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(found.logits_BC, values[::-1, 0])
    np.testing.assert_array_equal(found.embedding_BD, values[::-1])


@pytest.mark.parametrize("collide", [False, True])
def test_a_store_is_a_dictionary(tmp_path, small, monkeypatch: pytest.MonkeyPatch, collide: bool) -> None:
    if collide:  # of a key's 64 bits only three are left, so that every look-up has to tell keys apart by the whole of them
        for module in (entries, segment):
            few = segment.prefixes
            monkeypatch.setattr(module, "prefixes", lambda keys, few=few: few(keys) & np.uint64(7 << 61))
    chance, known = random.Random(0), {}
    stores = [SignalStore(tmp_path, FINGERPRINT) for _ in range(2)]
    universe = [f"text {i}" for i in range(200)]
    for step in range(120):
        store, some = chance.choice(stores), chance.sample(universe, chance.randint(1, 12))
        match chance.randint(0, 5):
            case 0 | 1 | 2:
                values = np.array([[step, hash_of(p)] for p in some], np.float32)
                store.commit(some, Signal(logits_BC=values))
                known = dict(zip(some, values.tolist(), strict=True)) | known
            case 3:
                removed = upkeep.forget(store, store.key(some[0]))
                assert removed.entries == (known.pop(some[0], None) is not None)
            case 4:
                stores[chance.randint(0, 1)] = SignalStore(tmp_path, FINGERPRINT)
            case 5:
                assert upkeep.collect_garbage(store).entries == 0
        reader = chance.choice(stores)
        asked = chance.choices(universe, k=30)
        assert reader.missing(asked, LOGITS) == [p for p in dict.fromkeys(asked) if p not in known]
        there = [p for p in asked if p in known]
        if there:
            assert reader.get(there, LOGITS).logits_BC.tolist() == [known[p] for p in there]
    assert collide or len(SignalStore(tmp_path, FINGERPRINT)) == len(known) > 100
    assert len(list((tmp_path / "index").iterdir())) < 8


def test_opening_reads_no_shard_that_is_in_the_index(tmp_path, small, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SignalStore(tmp_path, FINGERPRINT)
    for i in range(12):
        store.commit([f"{i} {j}" for j in range(5)], Signal(logits_BC=logits([f"{i} {j}" for j in range(5)])))
    opened: list[str] = []
    whole = entries.Shard
    monkeypatch.setattr(entries, "Shard", lambda folder, name, proof: opened.append(name) or whole(folder, name, proof))
    again = SignalStore(tmp_path, FINGERPRINT)
    assert len(again) == 60
    assert opened == []
    assert again.missing(["3 3"], LOGITS) == []
    assert [name[:8] for name in opened] == ["00000003"]


def test_another_teacher_is_refused_by_the_field_that_differs(tmp_path) -> None:
    SignalStore(tmp_path, FINGERPRINT)
    with pytest.raises(SignalError, match="another teacher .weights: 1 there, 9 now"):
        SignalStore(tmp_path, {**FINGERPRINT, "weights": "9"})
    seen = "network, stride 2, of a picture"
    SignalStore(tmp_path / "pictures", {**FINGERPRINT, "weights": "0123456789abcdef0123", "layers": seen})
    told = f"layers: {seen} there, {seen} and its mirror image now; weights: 0123456789abcdef there, 9 now"
    with pytest.raises(SignalError, match=re.escape(told)):
        SignalStore(tmp_path / "pictures", {**FINGERPRINT, "weights": "9", "layers": f"{seen} and its mirror image"})


def test_a_damaged_description_is_said(tmp_path) -> None:
    SignalStore(tmp_path, FINGERPRINT)
    for content in ("", "[1]", "{", '{"format": 1, "teacher": 5}'):
        (tmp_path / "store.json").write_text(content)
        with pytest.raises(SignalError, match="damaged"):
            SignalStore(tmp_path, FINGERPRINT)
    (tmp_path / "store.json").write_text('{"format": 2, "teacher": {}}')
    with pytest.raises(SignalError, match="format 2, and this limbeck reads format 1"):
        SignalStore(tmp_path, FINGERPRINT)
    with pytest.raises(InputFileError, match="no signal store"):
        SignalStore.at(tmp_path / "absent")


def test_what_a_teacher_must_not_give(tmp_path) -> None:
    store = SignalStore(tmp_path, FINGERPRINT)
    for bad in (np.nan, np.inf, -np.inf):
        with pytest.raises(SignalError, match="not finite for the input 'bad'"):
            store.commit(["good", "bad"], Signal(logits_BC=np.array([[0, 1], [0, bad]], np.float32)))
    with pytest.raises(SignalError, match="1 rows of logits_BC for 2"):
        store.commit(["a", "b"], Signal(logits_BC=np.zeros((1, 2), np.float32)))
    with pytest.raises(SignalError, match="expected numbers"):
        store.commit(["a"], Signal(logits_BC=np.array([["x"]])))
    with pytest.raises(SignalError, match=r"1 of 1 inputs have no logits_BC in the store .* Run the same command again"):
        store.get(["a"], LOGITS)
    with pytest.raises(TeacherError, match="need hidden_BWD, but this teacher gives only embedding_BD, logits_BC"):
        list(teach(Counting(), store, views(1), WORDS - {"mask_BW"}))
    silent = Counting()
    silent.answer = lambda payloads, needs: Signal(logits_BC=logits(payloads))
    with pytest.raises(TeacherError, match="says that it gives embedding_BD, but its answer holds only logits_BC"):
        list(teach(silent, store, views(1), LOGITS | EMBEDDING))
    store.commit(["a"], Signal(logits_BC=np.zeros((1, 2), np.float32)))
    store.commit(["b"], Signal(logits_BC=np.zeros((1, 3), np.float32)))
    with pytest.raises(SignalError, match="cannot be used together"):
        store.get(["a", "b"], LOGITS)
    assert len(store) == 2
