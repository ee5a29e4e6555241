"""`limbeck store`: what it says of a store, and what it removes is gone."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from limbeck.cli import main
from limbeck.signals import entries
from limbeck.signals.store import SignalStore
from limbeck.types import Signal

FINGERPRINT = {"weights": "0123456789abcdef0123", "tokenizer": "2"}
NEEDS = frozenset({"logits_BC"})
TEXTS = [f"text {i}" for i in range(30)]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for the disk: only a loss of power could tell."""
    monkeypatch.setattr(os, "fsync", lambda file: None)


@pytest.fixture(params=[2, 1000], ids=["indexed", "not indexed"])
def folder(tmp_path, request, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run whose store holds 30 logits in three shards, and hidden states of four of the texts."""
    monkeypatch.setattr(entries, "_UNWRITTEN", request.param)
    store = SignalStore(tmp_path / "signals", FINGERPRINT)
    for start in range(0, 30, 10):
        commit(store, TEXTS[start : start + 10])
    hidden, mask = np.ones((4, 3, 2), np.float32), np.tri(4, 3, dtype=np.float32)
    store.commit(TEXTS[:4], Signal(hidden_BWD=hidden, mask_BW=mask))
    return tmp_path


def commit(store: SignalStore, texts: list[str]) -> None:
    store.commit(texts, Signal(logits_BC=np.array([[float(t.split()[1]), 1] for t in texts], np.float32)))


def limbeck(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command."""
    monkeypatch.setattr(sys, "argv", ["limbeck", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    return lambda *arguments: limbeck(capsys, monkeypatch, "store", *arguments)


def shards(folder: Path) -> list[Path]:
    return sorted((folder / "signals" / "shards").glob("*.arrow"))


def test_ls_says_whose_answers_there_are_and_how_many(folder, command) -> None:
    code, out, _ = command("ls", folder, "--json")
    found = json.loads(out)
    assert code == 0
    assert found["teacher"] == FINGERPRINT
    assert (found["entries"], found["shards"], found["set_aside"], found["problems"]) == (30, 4, 0, [])
    assert found["fields"] == {
        "hidden_BWD": {"rows": 4, "dtype": "float32", "shape": ["W", 2]},
        "logits_BC": {"rows": 30, "dtype": "float32", "shape": [2]},
        "mask_BW": {"rows": 4, "dtype": "float32", "shape": ["W"]},
    }
    files = [*shards(folder), *(folder / "signals" / "index").iterdir()]
    assert found["bytes"] == sum(p.stat().st_size for p in files) == pytest.approx(30 * found["bytes_per_entry"])
    code, out, _ = command("ls", folder / "signals")
    assert code == 0
    assert "weights 0123456789abcdef\n" in out
    assert "logits_BC  30 rows of float32 (2)" in out


def test_ls_and_verify_change_nothing(folder, command) -> None:
    shards(folder)[0].write_bytes(b"damaged")
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    code, out, _ = command("verify", folder)
    assert code == 2
    assert f"damaged  {shards(folder)[0]}\n" in out
    code, out, _ = command("verify", folder, "--json")
    assert (code, json.loads(out)["damaged"]) == (2, [str(shards(folder)[0])])
    assert command("ls", folder)[0] == 0
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before


def test_verify_ends_well_where_all_is_whole(folder, command) -> None:
    code, out, err = command("verify", folder)
    assert code == 0
    assert out.startswith("all ")
    assert "0 damaged" in err


@pytest.mark.parametrize("by", ["key", "text"])
def test_what_is_forgotten_leaves_no_copy(folder, command, by: str) -> None:
    store = SignalStore(folder / "signals", FINGERPRINT)
    key = store.key("text 3")
    aside = folder / "signals" / "shards" / "00000077-0.arrow.damaged"
    aside.write_bytes(key)
    draft = folder / "signals" / "shards" / "00000078-0.arrow.draft"
    draft.write_bytes(key)
    code, out, _ = command("forget", folder, *([key.hex()] if by == "key" else ["--text", "text 3"]), "--json")
    assert (code, json.loads(out)["entries"]) == (0, 2)
    assert not aside.exists()
    assert not draft.exists()
    for path in folder.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        assert key not in content, path
        assert key[:8] not in content, path
        assert key[:8][::-1] not in content, path
    for opened in (store, SignalStore(folder / "signals", FINGERPRINT)):
        assert opened.missing(TEXTS, NEEDS) == ["text 3"]
        rest = [t for t in TEXTS if t != "text 3"]
        assert opened.get(rest, NEEDS).logits_BC[:, 0].tolist() == [float(t.split()[1]) for t in rest]
        assert opened.get(["text 2"], frozenset({"mask_BW"})).mask_BW.tolist() == [[1, 1, 1]]
    assert command("verify", folder)[0] == 0
    code, out, _ = command("forget", folder, "--text", "text 3")
    assert (code, out.splitlines()[0]) == (0, "entries   0 removed")


def test_a_shard_of_which_all_is_forgotten_goes(folder, command) -> None:
    commit(SignalStore(folder / "signals", FINGERPRINT), ["text 99"])
    assert len(shards(folder)) == 5
    assert command("forget", folder, "--text", "text 99")[0] == 0
    assert len(shards(folder)) == 4


def test_gc_removes_what_nobody_reads(folder, command, tmp_path) -> None:
    other = SignalStore(tmp_path / "other", FINGERPRINT)  # of the same teacher; its shards are copied here
    commit(other, ["text 5", "text 50"])
    commit(other, ["text 6", "text 7"])
    for path in (tmp_path / "other" / "shards").iterdir():
        shutil.copy(path, folder / "signals" / "shards")
    (folder / "signals" / "shards" / "00000007-0.arrow.draft").write_bytes(b"x" * 100)
    code, out, _ = command("gc", folder, "--json")
    removed = json.loads(out)
    assert (code, removed["entries"], removed["drafts"], removed["damaged"]) == (0, 3, 1, 0)
    store = SignalStore(folder / "signals", FINGERPRINT)
    assert len(shards(folder)) == 5
    assert store.get(["text 50", "text 7", "text 29"], NEEDS).logits_BC[:, 0].tolist() == [50, 7, 29]
    assert "drafts    0 removed\n" in command("gc", folder)[1]
    assert command("verify", folder)[0] == 0


def test_what_cannot_be_done_says_the_next_step(folder, command, tmp_path) -> None:
    for arguments, message in (
        (("ls", tmp_path / "absent"), "there is no signal store in"),
        (("forget", folder, "abc"), "a key is 64 hexadecimal digits; got 'abc'. To erase by what was asked, give --text TEXT"),
        (("forget", folder), "give a key, or --text TEXT"),
    ):
        code, _, err = command(*arguments)
        assert code == 2
        assert message in " ".join(err.replace("│", " ").split())
    (folder / "signals" / "store.json").write_text("{")
    code, _, err = command("verify", folder)
    assert code == 2
    assert "nobody knows whose answers" in err


@pytest.mark.parametrize("folder", [2], indirect=True)
def test_a_store_is_looked_after_without_torch(folder) -> None:
    code = (
        "import sys; from limbeck.cli import app\n"
        "for name in ('ls', 'verify', 'gc'):\n"
        "    app(['store', name, sys.argv[1]], standalone_mode=False)\n"
        "print([m for m in ('torch', 'transformers', 'onnxruntime') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")
