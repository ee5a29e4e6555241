"""Processes that are started, watched and ended: each test runs a supervisor in a process of its own."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import asking  # noqa: F401  skips where the extra serve is absent
from limbeck.errors import InputFileError
from limbeck.serve.board import Board
from limbeck.serve.cores import cores
from limbeck.serve.running import Running

WORKS = """
import os, signal, sys, time
from pathlib import Path
from limbeck.errors import InputFileError
from limbeck.serve.supervisor import Supervisor

folder = Path(sys.argv[1])

def told(name):
    with (folder / name).open("a") as file:
        file.write(f"{os.getpid()}\\n")

def waits():
    signal.signal(signal.SIGHUP, lambda *_: told("reloaded"))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
    told("started")
    signal.signal(signal.SIGTERM, lambda *_: (told("ended"), os._exit(0)))
    while True:
        time.sleep(0.05)

def deaf():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    told("started")
    time.sleep(60)

def broken():
    raise InputFileError("its bundle is broken")

def breaks_again():
    first = not (folder / "started").exists()
    told("started")
    if not first:
        raise InputFileError("its bundle is broken now")
    time.sleep(60)

works = [globals()[name] for name in sys.argv[2].split(",")]
supervisor = Supervisor(works, [0], 0.2, ended=lambda number: told(f"ended{number}"), tick=lambda: None)
sys.exit(supervisor.run())
"""


def lines(path: Path) -> list[int]:
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def wait_for(path: Path, count: int) -> list[int]:
    until = time.monotonic() + 20
    while len(lines(path)) < count and time.monotonic() < until:
        time.sleep(0.02)
    found = lines(path)
    assert len(found) >= count, path.name
    return found


def supervised(folder: Path, works: str) -> subprocess.Popen[bytes]:
    log = (folder / "log").open("w")
    with log:
        return subprocess.Popen([sys.executable, "-c", WORKS, str(folder), works], stderr=log)


def test_all_are_started_told_and_ended(tmp_path: Path) -> None:
    process = supervised(tmp_path, "waits,waits")
    started = wait_for(tmp_path / "started", 2)
    process.send_signal(signal.SIGHUP)
    assert len(wait_for(tmp_path / "reloaded", 1)) == 1  # the second is not among those that reload
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert sorted(lines(tmp_path / "ended")) == sorted(started)


def test_a_process_that_is_killed_is_started_again(tmp_path: Path) -> None:
    process = supervised(tmp_path, "waits,waits")
    first = wait_for(tmp_path / "started", 2)
    os.kill(first[0], signal.SIGKILL)
    again = wait_for(tmp_path / "started", 3)
    assert again[2] not in first
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    assert "killed by SIGKILL" in (tmp_path / "log").read_text()


def test_what_cannot_start_at_all_ends_everything(tmp_path: Path) -> None:
    process = supervised(tmp_path, "waits,broken")
    assert process.wait(20) == 2
    assert "its bundle is broken" in (tmp_path / "log").read_text()


def test_what_cannot_start_again_is_tried_again_while_the_others_work(tmp_path: Path) -> None:
    process = supervised(tmp_path, "breaks_again")
    os.kill(wait_for(tmp_path / "started", 1)[0], signal.SIGKILL)
    wait_for(tmp_path / "started", 3)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0


def test_what_does_not_end_is_killed(tmp_path: Path) -> None:
    process = supervised(tmp_path, "deaf")
    (pid,) = wait_for(tmp_path / "started", 1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_what_processes_say_is_read_whole(tmp_path: Path) -> None:
    board = Board(2)
    child = os.fork()
    if not child:
        for number in range(2_000):
            board.write(1, {"number": number, "again": [number] * (number % 50)})
        os._exit(0)
    seen = []
    while not os.waitpid(child, os.WNOHANG)[0]:
        if said := board.read()[1]:
            assert set(said["again"]) <= {said["number"]}
            seen.append(said["number"])
    assert seen == sorted(seen)
    assert board.read() == [None, {"number": 1_999, "again": [1_999] * 49}]
    board.clear(1)
    assert board.read() == [None, None]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "150000 100000"}, 2),
        ({"cpu.max": "50000 100000"}, 1),
        ({"cpu.max": "max 100000"}, None),
        ({"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ({"cpu.max": "max 100000", "a/cpu.max": "100000 100000", "a/b/cpu.max": "max 100000"}, 1),
        ({"c/cpu.max": "100000 100000"}, None),
        ({"cpu.max": "nonsense"}, None),
        ({}, None),
    ],
)
def test_cores_are_those_of_the_quota(tmp_path: Path, files: dict[str, str], expected: int | None) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    own = tmp_path / "own"
    own.write_text("1:cpu:/x\n0::/a/b\n")
    free = cores(tmp_path / "nowhere", own)
    assert cores(tmp_path, own) == (free if expected is None else min(free, expected))


def test_a_server_is_found_by_its_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    said = [{"ready": True, "reloads": 2, "failed": "", "versions": {"a": "1", "b": "2"}}] * 2
    found = Running.of(os.getpid(), 8000, [*said, None])
    assert (found.processes, found.reloads, found.versions) == (2, 2, {"a": "1", "b": "2"})
    found.write()
    assert Running.read(8000) == found
    mixed = [said[0], {**said[0], "reloads": 1, "versions": {"a": "1", "b": "3"}}]
    assert Running.of(1, 8000, mixed).versions == {"a": "1"}
    assert Running.of(1, 8000, mixed).reloads == 1
    found.remove()
    with pytest.raises(InputFileError, match="no server"):
        Running.read(8000)


def test_a_folder_that_others_can_write_to_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    Running(1, 8000).write()
    (tmp_path / f"limbeck-{os.getuid()}").chmod(0o777)
    with pytest.raises(InputFileError, match="alone"):
        Running.read(8000)
