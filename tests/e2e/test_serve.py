"""`limbeck serve` as it is started: two processes, a signal, a kill, a new bundle, all while somebody asks."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

import asking  # noqa: F401  skips where the extra serve is absent
from bundles import sealed

LIMBECK = [sys.executable, "-m", "limbeck"]


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as found:
        return found.getsockname()[1]


def wait_for(true: Callable[[], Any], seconds: float = 60.0) -> Any:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := true():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come to pass")


def get(port: int, path: str = "/health/ready") -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""
    except OSError:
        return 0, ""


class Client:
    """Asks without a pause, over one connection; keeps the statuses and what failed."""

    def __init__(self, port: int) -> None:
        self.statuses: list[int] = []
        self.failed: list[str] = []
        self._port, self._stop = port, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=20)
        while not self._stop.is_set():
            try:
                connection.request("POST", "/v1/classify", b'{"input":"hello"}', {"content-type": "application/json"})
                response = connection.getresponse()
                response.read()
                self.statuses.append(response.status)
            except OSError as error:
                self.failed.append(repr(error))
                connection.close()
            except Exception as error:  # of http.client: the connection was closed
                self.failed.append(repr(error))
                connection.close()
        connection.close()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(30)


@contextmanager
def served(folder: Path, *options: str, **environment: str) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    port = free_port()
    log = (folder / "log.txt").open("w")
    process = subprocess.Popen(
        [*LIMBECK, "serve", "tiny=bundle", "--port", str(port), *options],
        cwd=folder,
        stdout=log,
        stderr=log,
        text=True,
        env={**os.environ, "XDG_RUNTIME_DIR": str(folder), **environment},
    )
    try:
        wait_for(lambda: get(port)[0] == 200 or process.poll() is not None)
        assert process.poll() is None, (folder / "log.txt").read_text()
        yield port, process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
        log.close()


def children(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_two_processes_under_load_reload_and_are_killed(tmp_path: Path) -> None:
    first = sealed(tmp_path / "bundle").sha256
    second = sealed(tmp_path / "next", labels=["hallo", "frage", "danke"]).sha256
    metrics = free_port()
    with served(tmp_path, "--processes", "2", "--metrics", f"127.0.0.1:{metrics}") as (port, process):
        clients = [Client(port) for _ in range(4)]

        # A new version of the bundle takes over without a failed request.
        shutil.move(tmp_path / "bundle", tmp_path / "old")
        shutil.move(tmp_path / "next", tmp_path / "bundle")
        environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
        done = subprocess.run(
            [*LIMBECK, "reload", "--port", str(port)], capture_output=True, text=True, env=environment, timeout=120
        )
        assert done.returncode == 0, done.stderr
        assert second[:12] in done.stdout
        assert first != second
        body = json.dumps({"input": "hello"}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/classify", body, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as response:
            assert json.load(response)["results"][0]["label"] in ("hallo", "frage", "danke")

        # A broken one does not, and the one of before goes on answering.
        (tmp_path / "bundle" / "model.onnx").write_bytes(b"broken")
        done = subprocess.run(
            [*LIMBECK, "reload", "--port", str(port)], capture_output=True, text=True, env=environment, timeout=120
        )
        assert done.returncode == 2
        assert "bundles of before" in done.stderr
        assert [f for c in clients for f in c.failed] == []
        assert {s for c in clients for s in c.statuses} == {200}
        shutil.rmtree(tmp_path / "bundle")
        shutil.move(tmp_path / "old", tmp_path / "bundle")

        # One process is killed: its requests in hand are lost, no other.
        before = set(children(process.pid))
        os.kill(min(before), signal.SIGKILL)
        wait_for(lambda: len(set(children(process.pid)) - before) == 1)
        wait_for(lambda: get(metrics, "/metrics")[1].count("limbeck_connections{") == 2)
        assert len([f for c in clients for f in c.failed]) <= len(clients)
        assert get(port)[0] == 200
        assert 'limbeck_replies_total{path="/v1/classify"' in get(metrics, "/metrics")[1]
        assert "hello" not in get(metrics, "/metrics")[1]

        # It ends in order: answers say that they are the last, and nobody is cut off.
        count = sum(len(c.failed) for c in clients)
        for client in clients:
            client.close()
        assert sum(len(c.failed) for c in clients) == count
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert "Traceback" not in (tmp_path / "log.txt").read_text()


def test_a_student_hands_over_while_it_reloads(tmp_path: Path) -> None:
    sealed(tmp_path / "bundle")
    sealed(tmp_path / "teacher")
    metrics = free_port()
    options = ("--teacher", "teacher", "--threshold", "1.01", "--keep", "kept.jsonl", "--metrics", f"127.0.0.1:{metrics}")
    with served(tmp_path, "--processes", "1", *options) as (port, _):
        clients = [Client(port) for _ in range(4)]
        wait_for(lambda: all(len(c.statuses) > 5 for c in clients))
        environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
        done = subprocess.run(
            [*LIMBECK, "reload", "--port", str(port)], capture_output=True, text=True, env=environment, timeout=120
        )
        assert done.returncode == 0, done.stderr
        after = [len(c.statuses) for c in clients]
        wait_for(lambda: all(len(c.statuses) > n + 5 for c, n in zip(clients, after, strict=True)))
        for client in clients:
            client.close()
        assert [f for c in clients for f in c.failed] == []
        assert {s for c in clients for s in c.statuses} == {200}
        told = wait_for(lambda: get(metrics, "/metrics")[1])
        assert 'limbeck_answers_total{answered_by="teacher",model="tiny"' in told
        assert "limbeck_cascade_asked_total" in told
    kept = [json.loads(line) for line in (tmp_path / "kept.jsonl").read_text().splitlines()]
    assert {(row["text"], row["label"]) for row in kept} == {("hello", kept[0]["student"])}
    assert (tmp_path / "kept.jsonl").stat().st_mode & 0o777 == 0o600
    assert "Traceback" not in (tmp_path / "log.txt").read_text()


def test_a_bundle_that_sees_is_served_while_its_teacher_looks_on(tmp_path: Path) -> None:
    pytest.importorskip("PIL", reason="needs the extra image")
    from seeing import picture, sees

    sees(tmp_path / "bundle")
    shutil.copytree(tmp_path / "bundle", tmp_path / "teacher")
    options = (
        "--processes",
        "1",
        "--teacher",
        "teacher",
        "--threshold",
        "1.01",
        "--shadow",
        "1",
        "--limit",
        "page_rate=0.1",
        "--limit",
        "page_burst=2",
    )
    with served(tmp_path, *options) as (port, _), closing(HTTPConnection("127.0.0.1", port, timeout=20)) as connection:

        def post(path: str, body: bytes, kind: str) -> tuple[int, dict[str, Any]]:
            connection.request("POST", path, body, {"content-type": kind})
            response = connection.getresponse()
            return response.status, json.loads(response.read())

        large = picture("blue", 700, "BMP")  # more than a server of texts takes, and many reads
        assert len(large) > 1_400_000
        for body in (large, picture("blue")):
            status, found = post("/v1/classify", body, "image/bmp")
            assert status == 200, found
            assert (found["results"][0]["label"], found["results"][0]["answered_by"]) == ("blue", "teacher")
        assert post("/v1/classify", b'{"input": "hello"}', "application/json")[0] == 422
        assert post("/chat/message", picture("red"), "image/png")[1]["reply"] == "I see: red."
        assert [post("/chat/message", picture("red"), "image/png")[0] for _ in range(2)] == [200, 429]
        assert post("/v1/classify", picture("red"), "image/png")[0] == 200
    assert "Traceback" not in (tmp_path / "log.txt").read_text()
    done = subprocess.run(
        [*LIMBECK, "serve", "tiny=bundle", "--port", "0", "--teacher", "teacher", "--threshold", "1", "--keep", "kept.jsonl"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert "--keep takes out of texts" in done.stderr + done.stdout


def test_the_last_request_of_a_server_that_ends_is_answered(tmp_path: Path) -> None:
    sealed(tmp_path / "bundle")
    with (
        served(tmp_path, "--processes", "1") as (port, process),
        closing(socket.create_connection(("127.0.0.1", port))) as half,
    ):
        body = b'{"input":"hello"}'
        half.sendall(b"POST /v1/classify HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: 17\r\n\r\n" + body[:5])
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        half.sendall(body[5:])
        half.settimeout(20)
        answer = b""
        while data := half.recv(65536):
            answer += data
        assert answer.startswith(b"HTTP/1.1 200")
        assert process.wait(30) == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--host", "0.0.0.0"], "--open"),
        (["--keys", "keys.json"], "limbeck key new"),
        (["--metrics", "9464"], "HOST:PORT"),
        (["tiny=bundle"], "two bundles"),
        (["nowhere"], "no bundle"),
    ],
)
def test_what_has_to_be_mended_is_said_before_anything_starts(tmp_path: Path, options: list[str], words: str) -> None:
    sealed(tmp_path / "bundle")
    done = subprocess.run(
        [*LIMBECK, "serve", "tiny=bundle", "--port", "0", *options], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert words in done.stderr


def test_a_server_that_does_not_run_cannot_reload(tmp_path: Path) -> None:
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    done = subprocess.run(
        [*LIMBECK, "reload", "--port", str(free_port())], capture_output=True, text=True, env=environment, timeout=60
    )
    assert done.returncode == 2
    assert "no server of this user" in done.stderr
