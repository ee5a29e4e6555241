"""Files become records, or a message that names file, line and next step; splits depend on keys alone."""

import gzip
import json
import stat

import pytest

from limbeck.data.read import read_records, text_lines, write_whole
from limbeck.data.split import split
from limbeck.errors import DataError, InputFileError
from limbeck.types import Record

ROWS = [{"text": "a, b", "label": "x"}, {"text": 'say "hi"\nthere', "label": "y"}, {"text": "", "label": None}]


@pytest.mark.parametrize("name", ["r.jsonl", "r.csv", "r.jsonl.gz", "r.CSV.gz"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_formats_say_the_same(tmp_path, name: str, bom: bytes) -> None:
    if "jsonl" in name:
        content = "".join(json.dumps(r) + "\n\n" for r in ROWS)
    else:
        content = 'text,label\n"a, b",x\n"say ""hi""\nthere",y\n,\n'
    data = bom + content.encode()
    path = tmp_path / name
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    records = read_records(path)
    assert [(r.payload, r.label) for r in records] == [("a, b", "x"), ('say "hi"\nthere', "y"), ("", None)]


def test_odd_texts_are_read(tmp_path) -> None:
    texts = ["", "x" * 100_000, "👍", "שלום", "a\x00b", "\u2028", "\ud800"]
    path = tmp_path / "odd.jsonl"
    path.write_text("".join(json.dumps({"text": t, "label": 1}) + "\n" for t in texts), encoding="utf-8")
    assert [r.payload for r in read_records(path)] == texts
    assert {r.label for r in read_records(path)} == {"1"}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"text": "x"}\n{"text": \n', "line 2: not valid JSON"),
        ("a.jsonl", b"[1]\n", "line 1: expected a JSON object"),
        ("a.jsonl", b'{"txt": "x", "label": 1}\n', "no column 'text'.*Did you mean 'txt'.*data.text=NAME"),
        ("a.jsonl", b'{"text": 3, "label": 1}\n', "must hold text; got int"),
        ("a.jsonl", b'{"text": "x", "label": {"a": 1}}\n', "must hold a name"),
        ("a.jsonl", b'{"text": "x", "label": "a\\ud800"}\n', "half a character"),
        ("a.jsonl", b'{"text": "x", "lable": 1}\n', "no column 'label'.*Did you mean 'lable'"),
        ("a.jsonl", b'{"text": "\xff"}\n', "not UTF-8.*0xff"),
        ("a.jsonl", b"\n", "no rows"),
        ("a.jsonl", b"[" * 100_000, "nested too deeply|not valid JSON"),
        ("a.csv", b"", "no rows"),
        ("a.csv", b"text,text\nx,y\n", "twice"),
        ("a.csv", b"text,label\nx,y,z\n", "3 fields, but the header has 2"),
        ("a.csv", b'text,label\n"x,y\n', "not valid CSV"),
        ("a.jsonl.gz", b"not gzip", "not a whole gzip file"),
        ("a.jsonl.gz", gzip.compress(b'{"text": "x", "label": 1}\n' * 999)[:40], "not a whole gzip file"),
        ("a.parquet", b"PAR1", "unknown format '.parquet'"),
        ("a", b"x", "unknown format"),
    ],
)
def test_a_bad_file_is_explained(tmp_path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"(?s){message}") as caught:
        read_records(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_and_a_folder(tmp_path) -> None:
    with pytest.raises(InputFileError, match="does not exist"):
        read_records(tmp_path / "absent.jsonl")
    with pytest.raises(InputFileError, match="is a folder"):
        read_records(tmp_path)


def test_text_lines_and_whole_writing(tmp_path) -> None:
    path = tmp_path / "lines.txt.gz"
    with write_whole(path) as handle:
        handle.write("a\n\nb\x00\u2028c\n")
    assert list(text_lines(path)) == ["a", "", "b\x00\u2028c"]

    def failing():
        with write_whole(path) as handle:
            handle.write("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        failing()
    assert next(iter(text_lines(path))) == "a"
    assert [p.name for p in tmp_path.iterdir()] == ["lines.txt.gz"]
    for bad in (tmp_path / "no" / "x", path / "below-a-file", tmp_path):
        with pytest.raises(InputFileError, match="cannot write"), write_whole(bad) as handle:
            pass
    with pytest.raises(InputFileError, match="ours"), write_whole(path) as handle:
        raise InputFileError("ours")
    long = tmp_path / ("x" * 300)
    with pytest.raises(InputFileError, match="cannot write"), write_whole(long) as handle:
        pass
    with pytest.raises(InputFileError, match="cannot read|does not exist"):
        read_records(long)
    (tmp_path / "link").symlink_to(tmp_path / "linked.txt")
    with write_whole(tmp_path / "link") as handle:
        handle.write("new\n")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "linked.txt").read_text() == "new\n"
    assert stat.S_IMODE(path.stat().st_mode) & 0o400


def test_a_pipe_is_written_to_and_not_replaced(tmp_path) -> None:
    import os
    import threading

    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[str] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_text()))
    reader.start()
    with write_whole(pipe) as handle:
        handle.write("x\n")
    reader.join(timeout=10)
    assert got == ["x\n"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def records(n: int, copies: int = 1) -> list[Record]:
    return [Record(f"{i:032x}", f"text {i}", "ab"[i % 2]) for i in range(n) for _ in range(copies)]


def test_splits_depend_on_keys_alone_and_keep_copies_together() -> None:
    some, more = (split(records(n, 2), None, test_share=0.2) for n in (500, 1000))
    assert {r.key for r in some.test} <= {r.key for r in more.test}
    parts = [{r.key for r in part} for part in (more.train, more.test)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 1000
    assert 150 < len(parts[1]) < 250
    assert {r.split for r in more.test} == {"test"}


def test_a_test_file_never_trains() -> None:
    found = split(records(10), [Record(f"{3:032x}", "text 3", "b")], test_share=0.2)
    assert found.leaked == 1
    assert len(found.train) == 9


def test_an_unlabelled_copy_of_a_held_out_text_neither_judges_nor_trains() -> None:
    labelled = records(50)
    found = split([*labelled, *(Record(r.key, r.payload) for r in labelled)], None, test_share=0.2)
    assert all(r.label is not None for r in found.test)
    assert not {r.key for r in found.test} & {r.key for r in found.train}


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        ([Record("1", "x", "a")] * 5, None, "only one class, 'a'"),
        ([Record("1", "x", None)] * 5, None, "no labels"),
        (records(10), [Record("9", "x", "zebra")], "no training row has: 'zebra'"),
        (records(10), [Record("9", "x", None)], "no labelled row is left"),
        (records(2), None, "too few labelled rows"),
    ],
)
def test_too_little_to_learn_from(train, test, message: str) -> None:
    with pytest.raises(DataError, match=message):
        split(train, test, test_share=0.2)
