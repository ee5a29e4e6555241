"""Rows of text and column formats become records, or a message that names file, row and next step; nothing is dropped silently."""

import contextlib
import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck.data.read import fingerprint, read_records, rows
from limbeck.data.rejected import Rejected, write_rejected
from limbeck.errors import DataError, InputFileError, LimbeckError, MissingExtraError
from limbeck.text import fold, key_of

ROWS = [{"text": "a, b\tc", "label": "x"}, {"text": 'say "hi"\nthere', "label": "y"}, {"text": "שלום 👍", "label": None}]
LINES = [{"text": f"text {i}", "label": "ab"[i % 2]} for i in range(40)]


def written(path: Path, content: list[dict], bom: bytes = b"", newline: str = "\n") -> Path:
    """The rows in the format that the name asks for."""
    import csv
    import io

    name = path.name.lower().removesuffix(".gz")
    if name.endswith(".parquet"):
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(content), path, row_group_size=2)
        return path
    if name.endswith(".jsonl"):
        text = "".join(json.dumps(row) + newline * 2 for row in content)
    else:
        buffer = io.StringIO()
        writer = csv.DictWriter(
            buffer, list(content[0]), delimiter="\t" if name.endswith(".tsv") else ",", lineterminator=newline
        )
        writer.writeheader()
        writer.writerows(content)
        text = buffer.getvalue()
    data = bom + text.encode()
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix.lower() == ".gz" else data)
    return path


@pytest.mark.parametrize("name", ["r.jsonl", "r.csv", "r.tsv", "r.jsonl.gz", "r.CSV.gz", "r.tsv.gz"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_text_formats_say_the_same(tmp_path, name: str, bom: bytes, newline: str) -> None:
    records = read_records(written(tmp_path / name, ROWS, bom, newline))
    assert [(r.payload, r.label) for r in records] == [(r["text"], r["label"]) for r in ROWS]


def test_parquet_says_the_same_and_reads_no_other_column(tmp_path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = written(tmp_path / "r.parquet", ROWS)
    assert [(r.payload, r.label, r.where) for r in read_records(path)] == [
        (row["text"], row["label"], f"{path}, row {n}") for n, row in enumerate(ROWS, 1)
    ]
    wide = pa.table({"id": [1, 2], "label": pa.array([1.0, None]), "text": pa.array(["a", "b"]).dictionary_encode()})
    pq.write_table(wide, path)
    assert [row for _, row in rows(path, frozenset({"text"}))] == [{"text": "a"}, {"text": "b"}]
    assert [r.payload for r in read_records(path, label=None)] == ["a", "b"]
    assert [r.label for r in read_records(path, label="id")] == ["1", "2"]
    pandas_style = pa.table({"text": ["a", "b"], "label": pa.array([float("nan"), float("nan")])})
    pq.write_table(pandas_style, path)
    assert [r.label for r in read_records(path)] == [None, None]


def test_odd_texts_are_read(tmp_path) -> None:
    texts = ["x" * 100_000, "👍", "שלום", "a\x00b", "\u2028x", "\ud800"]
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
        ("a.jsonl", b'{"text": "x", "label": true}\n', "must hold a name"),
        ("a.jsonl", b'{"text": "x", "label": 0.5}\n', "must hold a name"),
        ("a.jsonl", b'{"text": "x", "label": "a\\ud800"}\n', "half a character"),
        ("a.jsonl", b'{"text": "x", "lable": 1}\n', "no column 'label'.*Did you mean 'lable'"),
        ("a.jsonl", b'{"text": " \\t", "label": 1}\n', "line 1: the text is empty"),
        ("a.jsonl", b'{"text": null, "label": 1}\n', "line 1: the text is empty"),
        ("a.jsonl", b'{"text": "\xff"}\n', "not UTF-8.*0xff"),
        ("a.jsonl", '{"text": "é"}\n'.encode("utf-16"), "not UTF-8.*0xff"),
        ("a.jsonl", b"\n", "no rows"),
        ("a.jsonl", b"", "no rows"),
        ("a.jsonl", b"[" * 100_000, "nested too deeply|not valid JSON"),
        ("a.jsonl", b'{"text": ' + b"9" * 5000 + b"}", "not valid JSON"),
        ("a.csv", b"", "no rows"),
        ("a.csv", b"text,label\n", "no rows"),
        ("a.csv", b"text,text\nx,y\n", "twice"),
        ("a.tsv", b"text\ttext\nx\ty\n", "twice"),
        ("a.csv", b"text,label\nx,y,z\n", "3 fields, but the header has 2. Quote fields that hold commas"),
        ("a.tsv", b"text\tlabel\nx\n", "1 fields, but the header has 2. Quote fields that hold tabs"),
        ("a.csv", b'text,label\n"x,y\n', "line 2: not valid CSV"),
        ("a.tsv", b'text\tlabel\n"x" y\tz\n', "line 2: not valid TSV"),
        ("a.csv", b"txt;label\nx;y\n", "no column 'text'; the columns are 'txt;label'"),
        ("a.jsonl.gz", b"not gzip", "not a whole gzip file"),
        ("a.jsonl.gz", gzip.compress(b'{"text": "x", "label": 1}\n' * 999, mtime=0)[:40], "not a whole gzip file"),
        ("a.parquet", b"", "cannot be read as a parquet file"),
        ("a.parquet", b"PAR1 and then nothing PAR1", "cannot be read as a parquet file"),
        ("a.parquet.gz", b"x", "compressed in itself"),
        ("a.jsnl", b"x", "unknown format '.jsnl'. Did you mean '.jsonl'"),
        ("a", b"x", "unknown format"),
    ],
)
def test_a_bad_file_is_explained(tmp_path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"(?s){message}") as caught:
        read_records(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_damaged_parquet_file_is_explained(tmp_path, damage: str) -> None:
    path = written(tmp_path / "r.parquet", LINES)
    data = bytearray(path.read_bytes())
    if damage == "cut":
        data = data[: len(data) // 2]
    else:
        data[8:40] = bytes(b ^ 255 for b in data[8:40])
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"r.parquet: cannot be read as a parquet file \(.*Copy or write it again"):
        read_records(path)


def test_a_parquet_file_with_other_columns_is_explained(tmp_path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = written(tmp_path / "r.parquet", [{"utterance": "x", "intent": "a", "n": 1}] * 3)
    with pytest.raises(DataError, match="no column 'intnt'; the columns are 'utterance', 'intent', 'n'. Did you mean 'intent'"):
        read_records(path, text="utterance", label="intnt")
    pq.write_table(pa.Table.from_arrays([pa.array(["x"]), pa.array(["y"])], names=["text", "text"]), path)
    with pytest.raises(DataError, match="column name stands twice"):
        read_records(path)


def test_a_missing_file_and_a_folder_without_data(tmp_path) -> None:
    with pytest.raises(InputFileError, match="does not exist"):
        read_records(tmp_path / "absent.jsonl")
    with pytest.raises(DataError, match="holds no Rasa NLU data"):
        read_records(tmp_path)
    for long in (tmp_path / ("x" * 300), tmp_path / "\x00.jsonl"):
        with pytest.raises(InputFileError, match="cannot read"):
            read_records(long)


BAD = [
    ("not json", "not valid JSON"),
    ("7", "expected a JSON object"),
    ('{"label": "a"}', "no column 'text'"),
    ('{"text": 5, "label": "a"}', "must hold text"),
    ('{"text": "", "label": "a"}', "empty"),
    ('{"text": "fine", "label": ["a"]}', "must hold a name"),
]


def test_rows_that_cannot_be_used_are_set_aside_with_reasons(tmp_path) -> None:
    path = tmp_path / "mixed.jsonl"
    path.write_text("\n".join([*(json.dumps(r) for r in LINES), *(line for line, _ in BAD)]), encoding="utf-8")
    rejected: list[Rejected] = []
    records = read_records(path, reject=rejected.append, max_rejected_share=0.2)
    assert len(records) == len(LINES)
    assert [r.where for r in rejected] == [f"{path}, line {n}" for n in range(41, 47)]
    for one, (_, reason) in zip(rejected, BAD, strict=True):
        assert reason in one.reason
    assert [one.kind for one in rejected] == ["unusable"] * 4 + ["empty", "unusable"]
    write_rejected(tmp_path / "rejected.jsonl", rejected)
    lines = [json.loads(line) for line in (tmp_path / "rejected.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [set(line) for line in lines] == [{"where", "reason", "row"}] * 6
    assert [line["row"] for line in lines][:3] == ["not json", 7, {"label": "a"}]
    with pytest.raises(DataError, match="6 of 46 rows cannot be used, more than 5%. The first: .*line 41: not valid JSON"):
        read_records(path, reject=rejected.append)
    with pytest.raises(DataError, match="line 41: not valid JSON"):
        read_records(path)


def test_a_row_of_csv_with_another_number_of_fields_is_set_aside(tmp_path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("text,label\n" + "hello,a\n" * 30 + "one, two,b\n")
    rejected: list[Rejected] = []
    assert len(read_records(path, reject=rejected.append)) == 30
    assert [(r.where, r.row) for r in rejected] == [(f"{path}, line 32", ["one", " two", "b"])]


def test_a_source_whose_rows_are_all_bad_is_not_read_to_its_end(tmp_path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text("nothing\n" * 5000)
    rejected: list[Rejected] = []
    with pytest.raises(DataError, match="none of the first 1,000 rows can be used. The first: .*line 1: not valid JSON"):
        read_records(path, reject=rejected.append)
    assert len(rejected) == 1000


def test_halves_of_characters_are_written_as_escapes(tmp_path) -> None:
    write_rejected(tmp_path / "r.jsonl", [Rejected("here", "why", {"text": "\ud800", "when": b"bytes"})])
    assert json.loads((tmp_path / "r.jsonl").read_text(encoding="utf-8"))["row"] == {"text": "\ud800", "when": "b'bytes'"}


def test_labels_may_be_ignored_or_absent(tmp_path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text('{"text": "x", "label": {"not": "looked at"}}\n')
    assert read_records(path, label=None)[0].label is None
    path.write_text('{"text": "x"}\n')
    assert read_records(path, label_optional=True)[0].label is None


junk = st.recursive(st.none() | st.booleans() | st.floats() | st.text() | st.integers(), lambda s: st.lists(s, max_size=3))


@given(st.lists(st.dictionaries(st.sampled_from(["text", "label", "x"]), junk) | junk, max_size=20), st.booleans())
def test_each_row_of_junk_is_read_or_set_aside(tmp_path_factory, content, usable: bool) -> None:
    path = tmp_path_factory.mktemp("junk") / "junk.jsonl"
    content = [*content, *LINES] if usable else content
    path.write_text("".join(json.dumps(row) + "\n" for row in content), encoding="utf-8")
    rejected: list[Rejected] = []
    try:
        records = read_records(path, reject=rejected.append, max_rejected_share=1.0, label_optional=True)
    except DataError:
        assert not usable
    else:
        assert len(records) + len(rejected) == len(content)
    write_rejected(path, rejected)


@given(
    st.binary(max_size=200), st.sampled_from([".jsonl", ".csv", ".tsv", ".yml", ".zip", ".parquet", ".jsonl.gz", ".yaml.gz"])
)
def test_any_bytes_are_read_or_explained(tmp_path_factory, content: bytes, suffix: str) -> None:
    path = tmp_path_factory.mktemp("bytes") / f"junk{suffix}"
    path.write_bytes(content)
    with contextlib.suppress(LimbeckError):
        read_records(path, label_optional=True)


@given(st.text())
def test_texts_that_fold_alike_share_a_key(text: str) -> None:
    folded = fold(text)
    assert fold(folded) == folded
    assert key_of(f" {text}\n") == key_of(text) == key_of(folded)
    assert key_of(f"{text} and more") != key_of(text)


def test_keys_regard_neither_case_nor_spaces_nor_how_accents_are_encoded() -> None:
    assert len({key_of(t) for t in ("Straße frei", "STRASSE  FREI", "strasse\tfrei\n")}) == 1
    assert key_of("caf\u00e9") == key_of("CAFE\u0301")
    assert len({key_of(t) for t in ("résumé", "resume", "re sume", "résumé.")}) == 4


def test_a_fingerprint_is_that_of_the_content(tmp_path) -> None:
    import hashlib

    path = written(tmp_path / "r.csv", ROWS)
    copy = tmp_path / "copy.csv"
    copy.write_bytes(path.read_bytes())
    assert fingerprint(path) == fingerprint(str(copy)) == hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(InputFileError, match="does not exist"):
        fingerprint(tmp_path / "absent.csv")


def test_the_room_needs_no_training_package(tmp_path) -> None:
    """Text formats are read where torch, pyarrow, datasets and pandas cannot be imported; the others name their extra."""
    written(tmp_path / "r.jsonl", ROWS)
    written(tmp_path / "r.parquet", ROWS)
    code = (
        "import sys, pkgutil, importlib\n"
        "heavy = ('torch', 'pyarrow', 'datasets', 'pandas', 'transformers')\n"
        "class Blocked:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in heavy: raise ImportError(name, name=name.split('.')[0])\n"
        "sys.meta_path.insert(0, Blocked())\n"
        "import limbeck.data\n"
        "for m in pkgutil.iter_modules(limbeck.data.__path__): importlib.import_module(f'limbeck.data.{m.name}')\n"
        "from limbeck.data.read import read_records\n"
        "print(len(read_records('r.jsonl')))\n"
        "for source in ('r.parquet', 'hf://a/b'):\n"
        "    try: read_records(source)\n"
        "    except ImportError as error: print(type(error).__name__, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    read, parquet, hub = done.stdout.splitlines()
    assert read == "3"
    assert parquet.startswith(MissingExtraError.__name__)
    assert "reading r.parquet needs the package 'pyarrow'" in parquet
    assert 'pip install "limbeck[train]"' in parquet
    assert 'pip install "limbeck[datasets]"' in hub


# --- several labels ---------------------------------------------------------------------------------------

LISTS = [["y", "x"], [], None, ["x"], [7]]


@pytest.mark.parametrize("name", ["r.jsonl", "r.parquet"])
def test_lists_of_labels_are_read_in_alphabetical_order(tmp_path, name: str) -> None:
    lists = LISTS if name == "r.jsonl" else [*LISTS[:-1], ["7"]]
    file = written(tmp_path / name, [{"text": f"text {i}", "label": y} for i, y in enumerate(lists)])
    assert [r.label for r in read_records(file, several=True)] == [("x", "y"), (), None, ("x",), ("7",)]


@pytest.mark.parametrize("name", ["r.csv", "r.tsv"])
def test_a_separator_parts_the_labels_of_a_text(tmp_path, name: str) -> None:
    cells = ["y | x", "|", "", "x", "x||y"]
    file = written(tmp_path / name, [{"text": f"text {i}", "label": cell} for i, cell in enumerate(cells)])
    records = read_records(file, several=True, separator="|")
    assert [r.label for r in records] == [("x", "y"), (), None, ("x",), ("x", "y")]


@pytest.mark.parametrize(
    ("value", "several", "expected"),
    [
        (
            ["x"],
            False,
            r"must hold a name or a whole number; got \['x'\]. Where several labels apply.*multi-label-text-classification",
        ),
        ("x", True, r"must hold a list of labels, such as .*; got 'x'. Say what parts .*--set data.label_separator=SIGN"),
        (["x", "y", "x"], True, "names 'x' twice in one row. Name each label once"),
        (["x", ""], True, "holds a list with an empty name.*an empty list says that no label applies"),
        (["x", None], True, "holds a list with an empty name"),
        (["x", 1.5], True, "holds a list, and one of it must hold a name or a whole number; got 1.5"),
        ({"x": 1}, True, "must hold a list of labels"),
        (["\ud83d"], True, "holds a list, and one of it holds half a character"),
    ],
)
def test_what_is_no_label_or_no_list_of_them_is_told(tmp_path, value, several: bool, expected: str) -> None:
    file = tmp_path / "r.jsonl"
    file.write_text(json.dumps({"text": "a", "label": value}) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=f"line 1: column 'label' {expected}"):
        read_records(file, several=several)
