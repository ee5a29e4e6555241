"""What benchmarks/serve.py counts: hostile requests against servers of known faults, a memory that grows, a bundle's next version."""

import json
import socket
import sys
import threading
from importlib import import_module
from pathlib import Path

import pytest

from limbeck.bench.http import Address
from limbeck.bundle import Bundle

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
serve_fuzz, serve_soak, serve_faults = (import_module(f"serve_{name}") for name in ("fuzz", "soak", "faults"))


@pytest.fixture
def answering():
    """A server that says of each read what `status` says, and hangs up where that is None."""
    opened = []

    def make(status) -> Address:
        listener = socket.create_server(("127.0.0.1", 0))
        opened.append(listener)

        def one(connection: socket.socket) -> None:
            with connection:
                while data := connection.recv(1_000_000):
                    code = status(data)
                    if code is None:
                        return
                    connection.sendall(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % code)

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=one, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        return Address("127.0.0.1", listener.getsockname()[1])

    yield make
    for listener in opened:
        listener.close()


def test_cases_follow_from_the_seed_and_are_of_all_kinds() -> None:
    address = Address("127.0.0.1", 80)
    made = list(serve_fuzz.cases(address, 600, seed=1))
    assert made == list(serve_fuzz.cases(address, 600, seed=1))
    assert made != list(serve_fuzz.cases(address, 600, seed=2))
    assert {case.kind for case in made} == {"json", "bytes", "http"}
    assert any(b"\\ud800" in case.wire for case in made)
    assert any(b"\\u0000" in case.wire for case in made)
    assert any(len(case.wire) > 90_000 for case in made)
    for case in made:
        if case.kind != "http":
            head, _, body = case.wire.partition(b"\r\n\r\n")
            assert f"Content-Length: {len(body)}".encode() in head


def small(address: Address, number: int):
    """Cases that come in one read."""
    return (case for case in serve_fuzz.cases(address, number, 0) if len(case.wire) < 5_000)


def test_each_answer_of_500_is_counted_and_kept(answering, tmp_path) -> None:
    address = answering(lambda data: 500 if b"top_k" in data else 400)
    expected = sum(b"top_k" in case.wire and case.whole for case in small(address, 100))
    found = serve_fuzz.fuzz(address, (case for case in small(address, 100) if case.whole))
    assert expected > 3
    assert (found.failed, found.statuses[500], found.hangs, found.unanswered) == (expected, expected, 0, 0)
    serve_fuzz.write(found, tmp_path / "kept.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "kept.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(lines) == min(expected, 50)
    assert lines[0]["what"] == "status 500"


def test_a_request_without_an_answer_is_counted(answering) -> None:
    address = answering(lambda data: None if b"messages" in data else 200)
    found = serve_fuzz.fuzz(address, (case for case in small(address, 60) if case.whole))
    silent = sum(b"messages" in case.wire and case.whole for case in small(address, 60))
    assert silent > 3
    assert (found.unanswered, found.failed) == (silent, 0)
    assert found.statuses[200] == found.cases - silent


def test_a_memory_that_grows_is_told_from_one_that_does_not() -> None:
    steady = [(100 * i, 50_000_000 + 40_000 * (i * 7919 % 13)) for i in range(400)]
    growing = [(sent, rss + 3 * sent) for sent, rss in steady]
    assert serve_soak.slope(steady, "soak_rss")["soak_rss_slope_within_noise"]
    found = serve_soak.slope(growing, "soak_rss")
    assert not found["soak_rss_slope_within_noise"]
    assert found["soak_rss_slope_bytes_per_request"] == pytest.approx(3.0, abs=0.5)
    assert serve_soak.slope(steady[:10], "soak_rss")["soak_rss_slope_within_noise"] is None


def test_the_next_version_is_a_whole_bundle_with_other_probabilities(tiny_run, tmp_path) -> None:
    import shutil

    import limbeck

    source = tiny_run[1] / "bundle"
    folder = tmp_path / "served" / "bundle"
    shutil.copytree(source, folder)
    serve_faults.version(source, folder, 3.0)
    assert Bundle.open(folder).manifest.calibration.temperature == 3.0
    before, after = (limbeck.load(place).predict(["hello there"])[0] for place in (source, folder))
    assert (before.label, before.probability != after.probability) == (after.label, True)
