"""Hugging Face datasets: an hf:// path says which, class labels become names, and what cannot be loaded is explained."""

import json
import shutil
from pathlib import Path

import pytest

from limbeck.data.hub import HubSource
from limbeck.data.read import fingerprint, read_records, rows
from limbeck.errors import DataError

datasets = pytest.importorskip("datasets", reason="the extra limbeck[datasets] is not installed")


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """No progress bars, and a cache that goes away."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()
    yield
    datasets.enable_progress_bars()


def made(texts: list[str], labels: list[int]):
    features = datasets.Features(
        {"id": datasets.Value("int64"), "text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])}
    )
    return datasets.Dataset.from_dict({"id": list(range(len(texts))), "text": texts, "label": labels}, features=features)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("hf://o/n", HubSource("o/n")),
        ("hf:/o/n", HubSource("o/n")),  # as a path object spells it
        ("hf://n", HubSource("n")),
        ("hf://o/n@main", HubSource("o/n", revision="main")),
        ("hf://o/n:en", HubSource("o/n", config="en")),
        ("hf://o/n#test", HubSource("o/n", split="test")),
        ("hf://o/n.1@refs/pr/3:en-us#test", HubSource("o/n.1", revision="refs/pr/3", config="en-us", split="test")),
        ("o/n", None),
        ("hf.jsonl", None),
    ],
)
def test_a_path_says_which_dataset(source: str, expected: HubSource | None) -> None:
    assert HubSource.parse(source) == expected


@pytest.mark.parametrize(
    "source", ["hf://a/b/c", "hf://@main", "hf://o/n name", "hf://../no-such-folder", "hf:///nowhere/at/all"]
)
def test_what_names_no_dataset_is_explained(source: str) -> None:
    with pytest.raises(DataError, match="no such folder, and it is not hf://OWNER/NAME"):
        read_records(source)


def test_a_folder_may_have_any_name(tmp_path) -> None:
    for name in ("a#b:c", "plain"):
        folder = tmp_path / name
        folder.mkdir()
        assert HubSource.parse(f"hf://{folder}") == HubSource(str(folder), folder)
        assert HubSource.parse(f"hf://{folder}#test") == HubSource(str(folder), folder, split="test")
        assert HubSource.parse(str(Path(f"hf://{folder}"))) == HubSource(str(folder), folder)
    assert HubSource.parse(f"hf://{folder}:en") == HubSource(str(folder), folder, config="en")
    assert HubSource.parse(f"hf://{folder}:en#test") == HubSource(str(folder), folder, config="en", split="test")


def test_a_saved_dataset_is_read(tmp_path) -> None:
    made(["a", "b", "c"], [1, 0, -1]).save_to_disk(tmp_path / "one")
    source = f"hf://{tmp_path}/one"
    assert [(r.payload, r.label, r.where) for r in read_records(source)] == [
        ("a", "yes", f"{source}, row 1"),
        ("b", "no", f"{source}, row 2"),
        ("c", None, f"{source}, row 3"),
    ]
    assert [row for _, row in rows(source, frozenset({"text"}))] == [{"text": t} for t in "abc"]
    with pytest.raises(DataError, match="no column 'txt'; the columns are 'id', 'text', 'label'. Did you mean 'text'"):
        read_records(source, text="txt")
    with pytest.raises(DataError, match="one split without a name. Leave '#train' out"):
        read_records(f"{source}#train")


def test_splits_are_found_by_name(tmp_path) -> None:
    both = datasets.DatasetDict({"train": made(["a"], [0]), "test": made(["b"], [1])})
    both.save_to_disk(tmp_path / "both")
    source = f"hf://{tmp_path}/both"
    assert [r.payload for r in read_records(source)] == ["a"]
    assert [r.payload for r in read_records(f"{source}#test")] == ["b"]
    with pytest.raises(DataError, match="no split 'tset'; there are 'train', 'test'. Did you mean 'test'.*#train"):
        read_records(f"{source}#tset")
    datasets.DatasetDict({"a": made(["a"], [0]), "b": made(["b"], [1])}).save_to_disk(tmp_path / "neither")
    with pytest.raises(DataError, match="it has several splits; there are 'a', 'b'. Name one as in .*neither#a"):
        read_records(f"hf://{tmp_path}/neither")


def test_a_fingerprint_is_that_of_the_files_and_the_split(tmp_path) -> None:
    datasets.DatasetDict({"train": made(["a"], [0]), "test": made(["b"], [1])}).save_to_disk(tmp_path / "both")
    source = f"hf://{tmp_path}/both"
    copy = Path(shutil.copytree(tmp_path / "both", tmp_path / "copy"))
    assert fingerprint(source) == fingerprint(f"hf://{copy}") != fingerprint(f"{source}#test")
    (copy / "train" / "state.json").write_text("{}")
    assert fingerprint(source) != fingerprint(f"hf://{copy}")


def test_a_folder_of_data_files_is_read(tmp_path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "train.jsonl").write_text(json.dumps({"text": "a", "label": "x"}) + "\n")
    assert [(r.payload, r.label) for r in read_records(f"hf://{tmp_path}/files")] == [("a", "x")]


def test_a_broken_or_empty_folder_is_explained(tmp_path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "state.json").write_text("{")
    for name in ("empty", "broken"):
        with pytest.raises(DataError, match=f"{name}: cannot load this dataset"):
            read_records(f"hf://{tmp_path}/{name}")


def test_the_hub_is_asked_for_what_the_path_says(monkeypatch) -> None:
    asked = []

    def load(*arguments, **named):
        asked.append((arguments, named))
        return datasets.DatasetDict({"train": made(["a"], [0]), "test": made(["b"], [1])})

    monkeypatch.setattr(datasets, "load_dataset", load)
    assert [r.label for r in read_records(Path("hf://o/n@abc:en#test"))] == ["yes"]
    assert asked == [(("o/n", "en"), {"revision": "abc"})]
    assert fingerprint("hf://o/n") != fingerprint("hf://o/n#test")


def test_without_a_network_the_next_step_is_said() -> None:
    with pytest.raises(
        DataError, match="hf://no-such-owner/no-such-name: cannot load this dataset.*hf auth login.*hf://path/to/folder"
    ):
        read_records("hf://no-such-owner/no-such-name")
