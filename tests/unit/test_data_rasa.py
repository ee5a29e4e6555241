"""Rasa NLU training data: examples without annotations, with the line where they stand; files, folders and zips, whole and hostile."""

import contextlib
import struct
import zipfile
import zlib
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from limbeck.data import rasa
from limbeck.data.read import fingerprint, read_records
from limbeck.data.rejected import Rejected
from limbeck.errors import DataError, InputFileError

NLU = """version: "3.1"
nlu:
- intent: greet
  examples: |
    - hey

    -  good [evening](time:late)
- intent: faq/ask_price
  metadata: {sentiment: neutral}
  examples: |
    - how much to [LA]{"entity": "city", "role": "to"}?
    - from [here][{"entity": "city"}, {"entity": "place"}] to [x] (not an entity)
    - "no" - it's - fine
- intent: no
  examples:
  - text: |
      nope
    metadata: {sentiment: bad}
  - text: not now
- synonym: Los Angeles
  examples: |
    - LA
- regex: zip
  examples: |
    - \\d{5}
- lookup: city
  examples: |
    - Berlin
responses:
  utter_x: [{text: "ignored"}]
"""
EXPECTED = [
    ("hey", "greet", 5),
    ("good evening", "greet", 7),
    ("how much to LA?", "faq/ask_price", 11),
    ("from here to [x] (not an entity)", "faq/ask_price", 12),
    ('"no" - it\'s - fine', "faq/ask_price", 13),
    ("nope", "no", 16),
    ("not now", "no", 19),
]
DOMAIN = 'version: "3.1"\nintents: [greet]\n'


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_a_file_is_read_with_the_line_of_each_example(tmp_path, newline: str, bom: bytes) -> None:
    path = tmp_path / "nlu.yml"
    path.write_bytes(bom + NLU.replace("\n", newline).encode())
    found = [(r.payload, r.label, r.where) for r in read_records(path)]
    assert found == [(text, label, f"{path}, line {line}") for text, label, line in EXPECTED]


def test_examples_in_other_scalars_are_read_where_they_begin(tmp_path) -> None:
    """As Rasa reads them: a folded block is one line, a quoted one has the lines that its escapes say."""
    path = tmp_path / "nlu.yml"
    path.write_text(
        'nlu:\n- intent: a\n  examples: >\n    - one\n    - line\n- intent: b\n  examples: "- x\\n- y"\n', encoding="utf-8"
    )
    found = [(r.payload, r.label, r.where.rpartition(" ")[2]) for r in read_records(path)]
    assert found == [("one - line", "a", "3"), ("x", "b", "7"), ("y", "b", "7")]


def test_a_folder_and_a_zip_say_the_same(tmp_path) -> None:
    folder = tmp_path / "bot"
    (folder / "data" / "more").mkdir(parents=True)
    (folder / "data" / "nlu.yml").write_text(NLU)
    (folder / "data" / "more" / "bye.yaml").write_text("nlu:\n- intent: bye\n  examples: |\n    - ciao\n")
    (folder / "domain.yml").write_text(DOMAIN)
    (folder / "empty.yml").write_text("")
    (folder / "README.md").write_text("- intent: none")
    (folder / ".hidden.yml").write_text("nlu: [")
    packed = tmp_path / "bot.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for file in sorted(folder.rglob("*"), reverse=True):
            archive.write(file, file.relative_to(tmp_path))
        archive.writestr("__MACOSX/bot/._nlu.yml", b"\x00\xff")
    read = {source: [(r.payload, r.label) for r in read_records(source)] for source in (folder, packed)}
    assert read[folder] == read[packed] == [("ciao", "bye"), *((text, label) for text, label, _ in EXPECTED)]
    assert read_records(packed)[0].where == f"{packed}/bot/data/more/bye.yaml, line 4"

    before = fingerprint(folder)
    assert fingerprint(folder.rename(tmp_path / "moved")) == before
    (tmp_path / "moved" / "README.md").write_text("changed")
    assert fingerprint(tmp_path / "moved") == before
    (tmp_path / "moved" / "data" / "nlu.yml").write_text(NLU + "\n")
    assert fingerprint(tmp_path / "moved") != before


def test_real_training_data_of_rasa(rasa_zip, tmp_path) -> None:
    """Counted apart from our reader: the lines of the files that begin with a dash, below an intent."""
    records = read_records(rasa_zip)
    expected: Counter[str] = Counter()
    with zipfile.ZipFile(rasa_zip) as archive:
        for name in archive.namelist():
            if name.endswith("nlu.yml"):
                section = ""
                for line in archive.read(name).decode().splitlines():
                    if line.startswith("- "):
                        section = line.partition("- intent:")[2].strip()
                    elif section and line.strip().startswith("-"):
                        expected[section] += 1
        archive.extractall(tmp_path)
    assert Counter(r.label for r in records) == expected
    assert len(records) == 1742
    assert not any("](" in r.payload or "]{" in r.payload for r in records)
    texts = {r.payload for r in records}
    assert "How much money is on my bank account?" in texts
    assert "what's my emblm credit card balance?" in texts
    assert [r.payload for r in read_records(tmp_path)] == [r.payload for r in records]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not Rasa NLU data.*it holds no mapping"),
        ("- a\n- b\n", "not Rasa NLU data.*it holds no mapping"),
        ("services:\n  web: {}\n", "expected a key 'nlu:' with a list of intents; its keys are 'services'"),
        (DOMAIN, "its keys are 'version', 'intents'"),
        ("nlu: greet\n", "line 1: 'nlu:' must hold a list"),
        ("nlu:\n  greet: [hi]\n", "line 2: 'nlu:' must hold a list"),
        ("nlu: []\n", "no rows"),
        ("nlu:\n", "no rows"),
        ("nlu:\n- intent: a\nnlu:\n- intent: b\n", "line 4: the key 'nlu' stands twice"),
        ("nlu: [\n", "not valid YAML"),
        ("nlu: " + "[" * 1000, "not valid YAML"),
        ("nlu: *unknown\n", "not valid YAML"),
        ("nlu:\n- intent: \x07\n", "not valid YAML"),
        ("## intent:greet\n- hey\n", "not Rasa NLU data|not valid YAML"),
        ("nlu:\n- intnt: a\n  examples: |\n    - x\n", "line 2: expected a section with one of intent, .*'intnt', 'examples'"),
        ("nlu:\n- just text\n", "line 2: expected a section .*got 'just text'"),
        ("nlu:\n- intent:\n  examples: |\n    - x\n", "line 2: an intent needs a name"),
        ("nlu:\n- intent: [a]\n  examples: |\n    - x\n", "line 2: an intent needs a name; got a list"),
        ("nlu:\n- intent: a\n", "line 2: the intent 'a' has no examples"),
        ("nlu:\n- intent: a\n  examples: |\n    hello\n", "line 4: an example of 'a' must begin with '- '; got hello"),
        ("nlu:\n- intent: a\n  examples: |\n    -\n", "line 4: the text is empty"),
        ("nlu:\n- intent: a\n  examples:\n  - text: [x]\n", "line 4: an example of 'a' must be a text"),
        ("nlu:\n- intent: a\n  examples:\n  - text:\n", "line 4: the text is empty"),
        ("nlu:\n- intent: a\n  examples: {x: y}\n", "line 3: an example of 'a' must be a text; got a mapping of 'x'"),
    ],
)
def test_what_is_not_rasa_is_explained(tmp_path, content: str, message: str) -> None:
    path = tmp_path / "nlu.yml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=f"(?s){message}") as caught:
        read_records(path)
    assert str(path) in str(caught.value)


def test_other_columns_are_named(tmp_path) -> None:
    (tmp_path / "nlu.yml").write_text(NLU)
    with pytest.raises(DataError, match="no column 'question'; the columns are 'text', 'label'"):
        read_records(tmp_path, text="question")


def test_a_bad_example_is_set_aside_among_good_ones(tmp_path) -> None:
    path = tmp_path / "nlu.yml"
    path.write_text("nlu:\n- intent: a\n  examples: |\n" + "    - hi\n" * 30 + "    # a comment\n", encoding="utf-8")
    rejected: list[Rejected] = []
    assert len(read_records(path, reject=rejected.append)) == 30
    assert [(r.where, r.row) for r in rejected] == [(f"{path}, line 34", {"text": "# a comment"})]


def test_aliases_that_multiply_cost_nothing(tmp_path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 30)]
    (tmp_path / "nlu.yml").write_text("\n".join([*lines, "nlu: [*a29, {intent: *a29, examples: *a29}]"]))
    with pytest.raises(DataError, match="none of the 2 rows can be used"):
        read_records(tmp_path, reject=lambda _: None)


@pytest.mark.parametrize("piece", ["[", "[a](", "[a]{", "[a][{", "[a] "])
def test_an_annotation_that_never_ends_costs_little(piece: str) -> None:
    text = piece * (100_000 // len(piece))
    assert rasa.plain(text) == text


def zipped(path: Path, content: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize("name", ["../nlu.yml", "a/../../nlu.yml", "/etc/nlu.yml", "..\\nlu.yml"])
def test_a_zip_that_reaches_outside_is_refused(tmp_path, name: str) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    path = zipped(inner / "evil.zip", {"nlu.yml": NLU.encode(), name: NLU.encode()})
    with pytest.raises(DataError, match=r"evil.zip: it names a file outside of itself"):
        read_records(path)
    assert [p.name for p in tmp_path.rglob("*")] == ["inner", "evil.zip"]


def test_a_zip_bomb_is_refused_whatever_its_index_says(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(rasa, "_LARGEST_MEMBER", 10_000)
    monkeypatch.setattr(rasa, "_LARGEST_ZIP", 15_000)
    example = b"nlu:\n- intent: a\n  examples: |\n    - x\n"
    bomb = zipped(tmp_path / "bomb.zip", {"nlu.yml": example + b"#" * 10_000_000})
    with pytest.raises(DataError, match=r"bomb.zip/nlu.yml: unpacks to more than is read, 10,000 bytes a file"):
        read_records(bomb)
    many = zipped(tmp_path / "many.zip", {f"{i}.yml": example + b"#" * 9_000 for i in range(3)})
    with pytest.raises(DataError, match="15,000 in all"):
        read_records(many)
    # The index of a zip says how large a member is: let it lie.
    data = bytearray(bomb.read_bytes())
    real = struct.pack("<L", len(example) + 10_000_000)
    assert data.count(real) == 2
    (tmp_path / "lie.zip").write_bytes(bytes(data).replace(real, struct.pack("<L", 9_000)))
    with pytest.raises(DataError, match="unpacks to more than is read|cannot be unpacked"):
        read_records(tmp_path / "lie.zip")


def test_a_zip_that_is_not_whole_is_explained(tmp_path) -> None:
    whole = zipped(tmp_path / "whole.zip", {"nlu.yml": NLU.encode()}).read_bytes()
    start = whole.index(b"nlu.yml") + len("nlu.yml")
    damaged = {
        "cut.zip": (whole[:100], "not a whole zip file"),
        "none.zip": (b"", "not a whole zip file"),
        "flipped.zip": (whole[:start] + bytes(b ^ 255 for b in whole[start : start + 40]) + whole[start + 40 :], "unpacked"),
        "password.zip": (whole.replace(b"PK\x01\x02\x14\x03\x14\x00\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01\x00"), "password"),
        "method.zip": (whole.replace(b"PK\x01\x02\x14\x03\x14\x00\x00\x00\x08", b"PK\x01\x02\x14\x03\x14\x00\x00\x00\x63"), "unpacked"),
    }  # fmt: skip
    for name, (content, message) in damaged.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=f"(?s){name}.*{message}"):
            read_records(tmp_path / name)
    other = zipped(tmp_path / "other.zip", {"a.txt": b"x", "domain.yml": DOMAIN.encode()})
    with pytest.raises(DataError, match="this zip holds no Rasa NLU data"):
        read_records(other)
    latin = zipped(tmp_path / "latin.zip", {"nlu.yml": NLU.replace("hey", "olé").encode("latin-1")})
    with pytest.raises(DataError, match=r"latin.zip/nlu.yml: not UTF-8 .*0xe9"):
        read_records(latin)


def test_a_folder_that_cannot_be_read_is_said(tmp_path, monkeypatch) -> None:
    def walk(folder, onerror):
        onerror(PermissionError(13, "Permission denied", str(folder)))
        yield from ()

    monkeypatch.setattr("limbeck.data.rasa.os.walk", walk)
    with pytest.raises(InputFileError, match="cannot read the folder .*Permission denied"):
        read_records(tmp_path)


yaml_pieces = st.sampled_from(
    ["nlu:", "\n", "- ", "  ", "intent: a", "examples: |", "examples:", "text: x", "[a](b)", "{", "}", "[", "]", "&a ", "*a", ">", "#",
     "null", "'", '"', "!!int x", "? ", "---", "\t", "é", "- intent: b\n  examples: |\n    - hello\n"]
)  # fmt: skip


@given(st.lists(yaml_pieces, max_size=30).map("".join))
@example("&a {&a ")
def test_any_yaml_is_read_or_explained(tmp_path_factory, content: str) -> None:
    path = tmp_path_factory.mktemp("yaml") / "nlu.yml"
    path.write_text("nlu:\n" + content, encoding="utf-8")
    rejected: list[Rejected] = []
    with contextlib.suppress(DataError):
        for record in read_records(path, reject=rejected.append, max_rejected_share=1.0):
            assert record.label
            assert record.payload.strip()


def test_crc_is_checked(tmp_path) -> None:
    """A zip whose bytes were changed without changing the packing is caught by its checksum."""
    path = zipped(tmp_path / "z.zip", {"nlu.yml": NLU.encode()})
    crc = struct.pack("<L", zlib.crc32(NLU.encode()))
    path.write_bytes(path.read_bytes().replace(crc, b"\x00\x00\x00\x00"))
    with pytest.raises(DataError, match="cannot be unpacked"):
        read_records(path)
