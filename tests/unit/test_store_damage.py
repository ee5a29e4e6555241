"""Nothing that happens to a store goes unseen or takes what is whole: flipped bits, full disks, killed and parallel processes."""

import errno
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from limbeck.errors import SignalError
from limbeck.signals import entries, segment, upkeep
from limbeck.signals.store import SignalStore
from limbeck.signals.teach import teach
from limbeck.types import Signal, View

FINGERPRINT = {"weights": "1"}
NEEDS = frozenset({"logits_BC"})
TEXTS = [f"text {i}" for i in range(40)]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for the disk: only a loss of power could tell."""
    monkeypatch.setattr(os, "fsync", lambda file: None)


class Asked(list):
    """A teacher that is the list of what it was asked."""

    labels = ("a",)

    def gives(self) -> frozenset[str]:
        return NEEDS

    def fingerprint(self) -> dict[str, str]:
        return FINGERPRINT

    def answer(self, payloads, needs) -> Signal:
        self.extend(payloads)
        return Signal(logits_BC=np.array([[float(p.split()[1])] for p in payloads], np.float32))


def taught(folder: Path, texts=TEXTS, warn=None) -> tuple[SignalStore, list[str]]:
    """A store that holds all texts, by shards of 8, and what the teacher was asked for that."""
    teacher = Asked()
    store = SignalStore(folder, FINGERPRINT, *([] if warn is None else [warn]))
    list(teach(teacher, store, [View((t,), (), 0, t) for t in texts], NEEDS))
    assert store.get(texts, NEEDS).logits_BC.ravel().tolist() == [float(t.split()[1]) for t in texts]
    return store, teacher


@pytest.fixture(params=[1, 1000], ids=["indexed", "not indexed"])
def folder(tmp_path, request, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of five shards, whose index is written or not."""
    monkeypatch.setattr("limbeck.signals.teach.SHARD", 8)
    monkeypatch.setattr(entries, "_UNWRITTEN", request.param)
    monkeypatch.setattr(segment, "_BLOCK", 8)
    taught(tmp_path)
    assert len(shards(tmp_path)) == 5
    assert bool(list((tmp_path / "index").iterdir())) == (request.param == 1)
    return tmp_path


def shards(folder: Path) -> list[Path]:
    return sorted((folder / "shards").glob("*.arrow"))


def flipped(path: Path, byte: int, bit: int = 0) -> None:
    data = bytearray(path.read_bytes())
    data[byte] ^= 1 << bit
    path.write_bytes(data)


@pytest.mark.parametrize("how", ["flipped", "truncated", "emptied", "exchanged"])
def test_a_damaged_shard_is_named_set_aside_and_made_again(folder, how: str) -> None:
    first, second = shards(folder)[1:3]
    before = first.read_bytes()
    match how:
        case "flipped":
            flipped(first, len(before) // 2)
        case "truncated":
            first.write_bytes(before[:-1])
        case "emptied":
            first.write_bytes(b"")
        case "exchanged":
            first.write_bytes(second.read_bytes())
    assert upkeep.verify(folder).damaged == (str(first),)
    said: list[str] = []
    store, asked = taught(folder, warn=said.append)
    assert asked == TEXTS[8:16]
    assert len(said) == 1
    assert str(first) in said[0]
    assert f"{first.name}.damaged" in said[0]
    assert [p.name for p in (folder / "shards").glob("*.damaged")] == [f"{first.name}.damaged"]
    assert before in [p.read_bytes() for p in shards(folder)]  # made again, bit for bit
    assert upkeep.verify(folder).damaged == ()
    assert taught(folder)[1] == []
    assert upkeep.collect_garbage(store).damaged == 1
    assert list((folder / "shards").glob("*.damaged")) == []


def test_a_shard_that_is_damaged_under_an_open_store_is_found(folder) -> None:
    said: list[str] = []
    store, _ = taught(folder, warn=said.append)
    flipped(shards(folder)[0], -20)
    with pytest.raises(SignalError, match="8 of 40 inputs have no logits_BC in the store .* Run the same command again"):
        store.get(TEXTS, NEEDS)
    assert len(said) == 1
    assert taught(folder)[1] == TEXTS[:8]


def test_without_a_hook_damage_is_a_warning(folder) -> None:
    flipped(shards(folder)[0], 100)
    with pytest.warns(UserWarning, match="is damaged .its sha256 is not its name.; it was set aside"):
        assert taught(folder)[1] == TEXTS[:8]


def test_every_flipped_bit_is_found(tmp_path) -> None:
    SignalStore(tmp_path, FINGERPRINT).commit(["a"], Signal(logits_BC=np.ones((1, 2), np.float32)))
    (path,) = shards(tmp_path)
    chance = random.Random(0)
    for byte in range(0, path.stat().st_size, 3):
        bit = chance.randrange(8)
        flipped(path, byte, bit)
        assert upkeep.verify(tmp_path).damaged == (str(path),), byte
        flipped(path, byte, bit)
    assert upkeep.verify(tmp_path).damaged == ()


@pytest.mark.parametrize("folder", [1], indirect=True)
def test_a_damaged_index_is_named_and_made_again(folder) -> None:
    path = max((folder / "index").iterdir(), key=lambda p: p.stat().st_size)
    whole = path.read_bytes()
    for byte in range(0, len(whole), 17):
        path.write_bytes(whole)
        flipped(path, byte)
        damaged = upkeep.verify(folder).damaged
        assert damaged == (str(path),), byte
        _, asked = taught(folder)
        assert asked == []
        for other in (folder / "index").iterdir():
            other.unlink()
    assert taught(folder)[1] == []


def test_a_full_disk_takes_nothing(folder, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SignalStore(folder, FINGERPRINT)
    before = {p: p.read_bytes() for p in shards(folder)}

    def full(file: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(SignalError, match=r"No space left on device. Make room there and run the same command again"):
            store.commit(["text 99"], Signal(logits_BC=np.array([[99]], np.float32)))
    assert {p: p.read_bytes() for p in (folder / "shards").iterdir()} == before
    assert store.missing(["text 99", *TEXTS], NEEDS) == ["text 99"]
    assert taught(folder, [*TEXTS, "text 99"])[1] == ["text 99"]


def test_a_file_that_cannot_be_written_to_its_end_is_not_there(tmp_path) -> None:
    """The kernel itself refuses in the middle of the file."""
    code = (
        "import resource, sys, numpy as np\n"
        "from pathlib import Path\n"
        "from limbeck.errors import SignalError\n"
        "from limbeck.signals.store import SignalStore\n"
        "from limbeck.types import Signal\n"
        "store = SignalStore(Path(sys.argv[1]), {'weights': '1'})\n"
        "store.commit(['a'], Signal(logits_BC=np.zeros((1, 2), np.float32)))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))\n"
        "try: store.commit(['b'], Signal(logits_BC=np.zeros((1, 5000), np.float32)))\n"
        "except SignalError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert "File too large. Make room there" in done.stdout
    assert len(list((tmp_path / "shards").iterdir())) == 1
    assert SignalStore(tmp_path, FINGERPRINT).missing(["a", "b"], NEEDS) == ["b"]


CHILD = """
import os, sys, time
from pathlib import Path
import numpy as np
from limbeck.signals import entries, teach
from limbeck.signals.store import SignalStore
from limbeck.types import Signal, View

teach.SHARD, entries._UNWRITTEN = 16, 4
os.fsync = lambda file: None
folder, log, count = Path(sys.argv[1]), open(sys.argv[2], "a"), int(sys.argv[3])

class Teacher:
    def gives(self): return frozenset({"logits_BC"})
    def answer(self, payloads, needs):
        log.write("".join(p + "\\n" for p in payloads)); log.flush()
        time.sleep(0.003)
        return Signal(logits_BC=np.array([[float(p.split()[1])] for p in payloads], np.float32))

store = SignalStore(folder, {"weights": "1"})
print("open", flush=True)
views = [View((str(i),), (), 0, f"text {i}") for i in range(count)]
for done in teach.teach(Teacher(), store, views, frozenset({"logits_BC"})): pass
store.get([v.payload for v in views], frozenset({"logits_BC"}))
print("done", flush=True)
"""


def child(folder: Path, log: Path, count: int) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", CHILD, str(folder), str(log), str(count)], stdout=subprocess.PIPE, text=True)


def test_a_kill_costs_at_most_the_shard_in_flight(tmp_path) -> None:
    chance, log, folder, kills = random.Random(0), tmp_path / "log", tmp_path / "signals", 0
    texts = [f"text {i}" for i in range(1600)]
    log.touch()
    while True:
        there = set(texts) - set(SignalStore(folder, FINGERPRINT).missing(texts, NEEDS))
        before = len(log.read_text().splitlines())
        process = child(folder, log, len(texts))
        assert process.stdout.readline() == "open\n"
        if kills < 6:
            time.sleep(chance.uniform(0, 0.12))
            process.send_signal(signal.SIGKILL)
        finished = process.communicate()[0] == "done\n"
        asked = log.read_text().splitlines()
        assert not there & set(asked[before:])
        if finished:
            break
        kills += 1
    assert kills >= 4
    assert set(asked) == set(texts)
    assert len(asked) - len(texts) <= 16 * kills
    assert upkeep.verify(folder).damaged == ()
    upkeep.collect_garbage(SignalStore(folder, FINGERPRINT))
    assert upkeep.contents(folder).entries == len(texts)
    assert list(folder.rglob("*.draft")) == []


def test_two_processes_may_teach_one_store(tmp_path) -> None:
    folder, logs = tmp_path / "signals", [tmp_path / "1", tmp_path / "2"]
    for process in [child(folder, log, 800) for log in logs]:
        assert process.communicate()[0] == "open\ndone\n"
    texts = [f"text {i}" for i in range(800)]
    asked = [log.read_text().splitlines() for log in logs]
    assert all(len(each) == len(set(each)) for each in asked)
    assert set().union(*asked) == set(texts)
    assert upkeep.verify(folder).damaged == ()
    store, again = taught(folder, texts)
    assert again == []
    assert sum(c.rows for c in store.entries.index.covers()) == len(store) == len(texts)  # nothing stands twice
